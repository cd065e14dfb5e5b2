/** Families of hazards, in the index's order. The letter begins each hazard's code. */
export const families = [
  { id: 'fpu', letter: 'F', name: 'FPU and extended state' },
  { id: 'segments', letter: 'S', name: 'Segments' },
  { id: 'system-calls', letter: 'C', name: 'System calls' },
  { id: 'events', letter: 'E', name: 'Events and shadows' },
  { id: 'paging', letter: 'P', name: 'Paging' },
  { id: 'registers', letter: 'R', name: 'Control, debug and model-specific registers' },
] as const;

export type Family = (typeof families)[number];
