/**
 * What comes of a world switch: the guest is run on to its end, and its end is compared with the one on bare metal.
 *
 * `explore` says at which boundary a register is not what it was, also where no program looks at it. Here a program has
 * to look: identical, faulting, or silently wrong.
 */

import { type Program, symbol } from '../asm/assemble.ts';
import type { CpuProfile } from '../cpus/profile.ts';
import type { Instruction } from '../isa/instruction.ts';
import { print } from '../isa/print.ts';
import type { Neighbour } from '../hypervisors/neighbours.ts';
import { type Policy, copyRecord } from '../hypervisors/policy.ts';
import { World, outsideGuest } from '../hypervisors/world.ts';
import { Machine } from '../machine/machine.ts';
import type { MemoryDifference } from '../machine/memory/difference.ts';
import { requireKnown } from '../machine/options.ts';
import { u } from '../numbers/bits.ts';
import { CS, OFFSET, fieldNamed } from '../state/fields.ts';
import { Fault } from '../state/outcomes.ts';
import { State } from '../state/state.ts';
import { guestDifferences } from './compare.ts';
import { recordTimeline } from './timeline.ts';
import type { Difference, Ending, Outcome, Timeline } from './verdict.ts';

/** What one world switch, at one boundary, leads to. */
export interface Consequence {
  /** Guest instructions executed before the switch. */
  boundary: number;
  /** The last of them, as printed (empty at boundary 0). */
  after: string;
  outcome: Outcome;
  ending: Ending;
  /** What the guest's end differs in: architectural registers and bytes of memory. */
  differences: Difference[];
  /** Guest instructions that the hypervisor executed in place of the processor. */
  emulated: number;
  /** What it is with another neighbour in between; the worse case is what is given here. */
  otherwise: Outcome;
}

export interface Consequences {
  cpu: string;
  policy: string;
  /** The worst of all boundaries: wrong, then faulting, then identical. */
  worst: Outcome;
  /** How the guest ends on bare metal. */
  bareMetal: Ending;
  boundaries: Consequence[];
}

export interface ConsequenceOptions {
  cpu: CpuProfile;
  policy: Policy;
  /** Changes the machine before the guest's first instruction. */
  prepare?: (machine: Machine) => void;
  /** Tries only the boundaries before the instruction at this label. Default: all boundaries. */
  at?: string;
  /** Tries no boundary before the first one that is before the instruction at this label. Default: all. */
  from?: string;
  /** Boundaries to pass at most. Default: 1,000. */
  limit?: number;
  /** Guest instructions that a run may take. Default: 10,000. */
  budget?: number;
}

const DEFAULT_LIMIT = 1000, DEFAULT_BUDGET = 10_000;
const SEVERITY: readonly Outcome[] = ['identical', 'faulting', 'wrong'];

/** Wrong, if any is; else faulting, if any is. */
export const worstOf = (outcomes: readonly Outcome[]): Outcome =>
  SEVERITY.findLast((outcome) => outcomes.includes(outcome)) ?? 'identical';

/**
 * Runs `guest` on bare metal, and then under the policy once for each boundary with a world switch there. Where the
 * policy decides how the guest's instructions are executed, it does so in the whole run. Throws a `TypeError` for
 * unusable options, `Unmodelled` as the machine does.
 */
export function consequences(guest: Program, options: ConsequenceOptions): Consequences {
  checkOptions(guest, options);
  const { cpu, policy } = options;
  const run = new Run(guest, options);
  const reference = run.onBareMetal();
  const boundaries: Consequence[] = [];
  const addressOf = (label: string | undefined): bigint | undefined =>
    (label === undefined ? undefined : symbol(guest, label));
  const at = addressOf(options.at), from = addressOf(options.from);
  let begun = from === undefined;
  run.machine.memory.transaction((written) => {
    for (let boundary = 0; boundary < (options.limit ?? DEFAULT_LIMIT); boundary++) {
      begun ||= run.next === from;
      if (begun && (at === undefined || at === run.next)) {
        boundaries.push({ boundary, after: run.last, ...run.switched(reference) });
      }
      if (!run.advance()) break;
      run.note(written(ofGuest));
    }
  });
  const worst = worstOf(boundaries.map(({ outcome }) => outcome));
  return { cpu: cpu.name, policy: policy.name, worst, bareMetal: reference.ending, boundaries };
}

/**
 * One run with a world switch before the instruction at the label `at`, as a timeline: the guest, the hypervisor and
 * the other vCPU, until after the switch the guest ends or eight instructions are over.
 */
export function consequenceTimeline(guest: Program, options: ConsequenceOptions & { at: string }): Timeline {
  checkOptions(guest, options);
  const { cpu, policy, prepare, at } = options;
  const run = new Run(guest, options);
  let boundary = 0;
  for (; run.next !== symbol(guest, at); boundary++) {
    if (!run.advance()) throw new RangeError(`consequenceTimeline: the guest ends before it comes to ${at}`);
  }
  return recordTimeline(
    guest, { cpu, policy, ...(prepare && { prepare }) }, { boundary, switches: 1, executed: boundary, differences: [] },
  );
}

type End = Pick<Consequence, 'outcome' | 'ending' | 'differences' | 'emulated'>;

/** The end on bare metal: how, the registers, and what is in the cells of memory that were written. */
interface Reference {
  ending: Ending;
  state: State;
  memory: ReadonlyMap<bigint, number>;
}

/** Pages that count. */
const ofGuest = (page: bigint): boolean => !outsideGuest(page);

/** A guest under a policy, or beside it. */
class Run {
  readonly machine: Machine;
  readonly world: World;
  last = '';
  readonly #budget: number;
  /** What was in the cells of memory that the run so far has written, before it did. */
  readonly #initial = new Map<bigint, number>();

  constructor(guest: Program, { cpu, policy, prepare, budget = DEFAULT_BUDGET }: ConsequenceOptions) {
    this.machine = new Machine(guest, { cpu });
    this.world = new World(this.machine, policy);
    this.machine.state.setByte(OFFSET.guestMode, 1);
    this.#budget = budget;
    prepare?.(this.machine);
    this.world.start();
  }

  /** Linear address of the next instruction. */
  get next(): bigint {
    const { state, mode } = this.machine;
    return mode === 64 ? state.rip : u(32, state.rip + state.base(CS));
  }

  /** To the end without the policy; everything is left as it was. */
  onBareMetal(): Reference {
    const { machine } = this;
    return this.#andBack((written) => {
      const ending = this.#finish(() => machine.step());
      const memory = new Map(written(ofGuest).map(({ linear, after }) => [linear, after[0]!]));
      return { ending, state: new State(machine.state.bytes), memory };
    });
  }

  /** One instruction under the policy, without a switch. False at the end. */
  advance(): boolean {
    const { machine, world } = this;
    if (machine.state.halted) return false;
    const { rip } = machine.state;
    const fault = faultOf(() => { this.last = print(world.step(), rip); });
    return fault === undefined && !machine.state.halted;
  }

  /** Keeps what was in cells that are written for the first time. */
  note(written: readonly MemoryDifference[]): void {
    for (const { linear, before } of written) if (!this.#initial.has(linear)) this.#initial.set(linear, before[0]!);
  }

  /** The worse of two switches here, with the one neighbour in between and with the other. */
  switched(reference: Reference): End & Pick<Consequence, 'otherwise'> {
    const { neighbours, policy } = this.world;
    const one = this.#switched(reference, neighbours[0]);
    // Where everything is kept exactly, nothing of a neighbour comes through.
    const other = policy.covers === 'nothing' ? one : this.#switched(reference, neighbours[1]);
    return worstOf([one.outcome, other.outcome]) === one.outcome
      ? { ...one, otherwise: other.outcome } : { ...other, otherwise: one.outcome };
  }

  /** Switches here, runs on to the end, compares, and leaves everything as it was. */
  #switched(reference: Reference, neighbour: Neighbour): End {
    const { world } = this;
    return this.#andBack((written) => {
      const inSwitch = world.faultIn(() => world.reschedule(neighbour));
      const ending: Ending = inSwitch
        ? { how: inSwitch.notation, where: 'hypervisor' } : this.#finish(() => world.step());
      const { emulated } = world.vcpu;
      const differences = inSwitch ? [] : architectural(
        guestDifferences(reference.state.bytes, world.view().bytes, this.#memoryAtEnd(reference, written(ofGuest))),
      );
      const same = ending.how === reference.ending.how && ending.where === reference.ending.where;
      const ended = ending.how === 'halted' || ending.how === 'running';
      const outcome = same && differences.length === 0 ? 'identical' : same || ended ? 'wrong' : 'faulting';
      return { outcome, ending, differences, emulated };
    });
  }

  /** Bytes of the guest's memory that are not what they are at the end on bare metal. */
  #memoryAtEnd(reference: Reference, written: readonly MemoryDifference[]): MemoryDifference[] {
    const initial = new Map(written.map(({ linear, before }) => [linear, before[0]!]));
    for (const [linear, byte] of this.#initial) initial.set(linear, byte);
    const cells = [...new Set([...reference.memory.keys(), ...initial.keys()])].sort((a, b) => (a < b ? -1 : 1));
    return cells.flatMap((linear): MemoryDifference[] => {
      const now = Number(this.machine.memory.read(linear, 1));
      const wanted = reference.memory.get(linear) ?? initial.get(linear)!;
      return now === wanted ? [] : [{ linear, before: Uint8Array.of(wanted), after: Uint8Array.of(now) }];
    });
  }

  /** To the end, by `step`. */
  #finish(step: () => Instruction): Ending {
    for (let executed = 0; !this.machine.state.halted; executed++) {
      if (executed === this.#budget) return { how: 'running', where: 'guest' };
      const fault = faultOf(step);
      if (fault) return { how: fault, where: 'guest' };
    }
    return { how: 'halted', where: 'guest' };
  }

  /** Does something, and puts registers, memory, time and the hypervisor's notes back. */
  #andBack<T>(body: (written: (among: (page: bigint) => boolean) => MemoryDifference[]) => T): T {
    const { machine, world } = this;
    const before = machine.state.snapshot(), record = copyRecord(world.vcpu);
    const { time } = machine.execution;
    try {
      return machine.memory.transaction(body);
    } finally {
      machine.state.restore(before);
      machine.execution.time = time;
      machine.paging.invalidate({ kind: 'all' });
      world.vcpu = record;
    }
  }
}

/** The fault that `action` raises, as the manuals write it. */
function faultOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof Fault) return error.notation;
    throw error;
  }
}

/** Architectural registers and memory: a hidden part counts by what it did. */
const architectural = (differences: readonly Difference[]): Difference[] =>
  differences.filter(({ field }) => field === 'memory' || fieldNamed(field).visibility === 'architectural');

function checkOptions(guest: Program, options: ConsequenceOptions): void {
  if (!guest?.bytes || !guest.listing) {
    throw new TypeError('consequences: the first argument is a program, as asm64, asm32 or assemble give it');
  }
  requireKnown('consequences', options, ['cpu', 'policy', 'prepare', 'at', 'from', 'limit', 'budget']);
  if (!options.cpu?.features) {
    throw new TypeError('consequences: cpu must be a CPU profile, for example cpus.ivyBridge');
  }
  if (!options.policy?.save) {
    throw new TypeError('consequences: policy must be a policy, for example segments.reloadProtected');
  }
  for (const name of ['limit', 'budget'] as const) {
    const value = options[name];
    if (value !== undefined && !(value > 0)) {
      throw new RangeError(`consequences: ${name} is ${value}; it is a number above 0`);
    }
  }
}
