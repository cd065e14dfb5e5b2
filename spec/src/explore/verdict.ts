/**
 * What an exploration answers, as plain data: it prints, it is compared in tests, and figures are drawn from it.
 *
 * A value of a field that is at most 32 bits wide is a `number`; a wider one is a `bigint`.
 */

export type FieldValue = number | bigint;

/** One field of the guest's state that is not what it would have been on bare metal. */
export interface Difference {
  /** The manual's name of the register or field: `FCS`, `FIP`, `ST0`, `RAX`, `CS.limit`, `memory`. */
  field: string;
  /** As `field`, narrowed to the bits that differ where the rest agrees: `FIP[63:32]`. */
  label: string;
  /** Width in bits. */
  width: number;
  bareMetal: FieldValue;
  underPolicy: FieldValue;
  /**
   * `lost`: replaced by a value that depends on no other guest. `leaked`: the value varies with what another vCPU did.
   */
  kind: 'lost' | 'leaked';
}

/** The first instruction boundary at which the guest could tell. */
export interface Counterexample extends Difference {
  /** Number of guest instructions executed before the world switch. */
  boundary: number;
  /** World switches at that boundary until the difference showed: 1, or 2 in a row with nothing executed between. */
  switches: 1 | 2;
  /** RIP of the guest at that boundary. */
  rip: bigint;
  /** The last instruction before the boundary, as printed by the disassembler (empty at boundary 0). */
  after: string;
  /** Everything that differs at that boundary, the counterexample's own field first. */
  differences: Difference[];
  /** The guest cut down to the instructions that are needed for this field to differ, printed one a line. */
  smallest: string[];
}

/** The end of a run: `halted`, `running` when the budget ran out, or a fault as the manuals write it. */
export interface Ending {
  how: string;
  /** Who raised the fault: the guest, or the hypervisor's own code in the middle of the switch. */
  where: 'guest' | 'hypervisor';
}

/**
 * `identical`: same end, same registers and memory. `faulting`: an exception that bare metal does not raise, in the
 * guest or in the hypervisor. `wrong`: the guest ends as it would, with other values, or does not end.
 */
export type Outcome = 'identical' | 'faulting' | 'wrong';

export interface Verdict {
  transparent: boolean;
  cpu: string;
  policy: string;
  /** How many instruction boundaries were tried. */
  boundaries: number;
  /** Fields that differ at any boundary, in order of first appearance, as labels. */
  fields: string[];
  /**
   * Set when the guest cannot run on this CPU at all (say `#UD` at its first XSAVE); no boundary beyond it was tried.
   */
  ended: string;
  counterexample?: Counterexample;
  /** Where the guest was run on to its end: what came of the worst switch. */
  consequence?: {
    outcome: Outcome;
    ending: Ending;
    /** The outcome with another neighbour in between. */
    otherwise: Outcome;
    /** In a few words. */
    text: string;
  };
  /** Of something that happens at a boundary of the host, in place of a counterexample: what it ends in, and where. */
  windows?: Window[];
  /** The run with the world switch at the counterexample's boundary (or at the middle boundary when transparent). */
  timeline: Timeline;
}

/** Boundaries at which something that happens ends in the same way, and not well. */
export interface Window {
  outcome: string;
  /** Nobody has lost anything: the outcome is one that could have been worse. */
  harmless: boolean;
  /** How many boundaries of the trunk. */
  boundaries: number;
  /** Where they are: names of the functions, with the number of boundaries in each. */
  where: { name: string; boundaries: number }[];
}

/** Guest and hypervisor, or several processors, as lanes, one step an instruction: what figures are drawn from. */
export interface Timeline {
  lanes: { id: string; name: string; kind: 'guest' | 'host' }[];
  /** The fields that are tracked, in display order. */
  fields: { name: string; width: number }[];
  steps: TimelineStep[];
}

export interface TimelineStep {
  /** One of the timeline's lanes, by its id. */
  lane: string;
  /** The instruction as printed, or the name of an event. */
  text: string;
  rip: bigint;
  /** Values of the tracked fields after this step, by field name. */
  values: Record<string, FieldValue>;
  /** Fields that this step changed. */
  changed: string[];
  /** Fields whose value at this step is not the guest's own (only meaningful back in the guest, or once reloaded). */
  wrong: string[];
  /** What wrong fields should be; the value that the guest left in them where nothing is said. */
  expected?: Record<string, FieldValue>;
  /** What the step did, where a sentence helps. */
  note?: string;
}

/** What a table calls things that are not a guest's boundaries. */
export interface VerdictWords {
  /** “After … (`where` 4) `reads`:” */
  where: string;
  reads: string;
  /** Headings of `bareMetal` and `underPolicy`. */
  expected: string;
  found: string;
  /** Above `smallest`. */
  smallest: string;
  /** What `boundaries` counts, one and several. */
  tried: [one: string, several: string];
}

/** Policies × CPUs. */
export interface VerdictTable {
  /** Default: those of a guest that is switched at its boundaries. */
  words?: VerdictWords;
  cpus: { id: string; name: string }[];
  /** What the columns are, where they are not processors. */
  across?: string;
  rows: { policy: PolicySummary; cells: Verdict[] }[];
}

export interface PolicySummary {
  id: string;
  name: string;
  year: number;
  /** The upstream commit, abbreviated, or empty. */
  commit: string;
  summary: string;
}
