/** Where Bochs 2.7 and this engine differ on purpose: what, who is right, why, and the source. */

export interface Difference {
  readonly what: string;
  readonly right: 'ours' | 'both';
  readonly why: string;
  readonly source: string;
  /** The field or range of memory at a point of a case, with both values. */
  readonly covers: (at: Place) => boolean;
}

export interface Place {
  readonly name: string;
  readonly point: string;
  readonly field: string;
  readonly bochs: string;
  readonly engine: string;
}

export const DIFFERENCES: readonly Difference[] = [
  {
    what: 'RDX after RESET holds no signature',
    right: 'ours',
    why: 'Bochs clears RDX; a processor leaves family, model and stepping there.',
    source: 'SDM vol. 3A, 9.1.1, table 9-1, and 9.1.2',
    covers: ({ point, field }) => point === 'reset vector' && field === 'RDX',
  },
  {
    what: 'CS after PE was cleared is a writable data segment',
    right: 'both',
    why: 'Bochs rewrites the type of CS when PE is cleared; here it stays what protected mode loaded, and real-address mode '
      + 'writes through CS whatever it says. No instruction can tell; the manual does not say which it is.',
    source: 'SDM vol. 3A, 9.9.2',
    covers: ({ field, bochs, engine }) => field === 'CS.attributes' && bochs.endsWith('3') && /[9ab]$/.test(engine),
  },
  {
    what: 'a code segment in ES cannot be written in real-address mode',
    right: 'both',
    why: 'The manual asks for writable data segments before PE is cleared and does not say what happens with others. '
      + 'Bochs faults; here code is writable in every segment register, as it must be in CS.',
    source: 'SDM vol. 3A, 9.9.2',
    covers: ({ name, field, bochs }) => name === 'real-execute-only' && /mov \w+( ptr)?,? ?.*es:/.test(field) && (bochs.startsWith('0d') || /mov [ab]l, es/.test(field)),
  },
  {
    what: 'an access that wraps from FFFFFFFFh to 0 in a segment of 4 GiB does not fault',
    right: 'both',
    why: 'Implementation-specific by the manual; an AMD Zen 4 was seen to raise #GP, as here.',
    source: 'SDM vol. 3A, 5.3',
    covers: ({ name, field }) => name === 'limits' && field.includes('wrap'),
  },
];
