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
import type { State } from '../state/state.ts';
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
  const reference = new Run(guest, options);
  const bareMetal = reference.finish(() => reference.machine.step());
  const run = new Run(guest, options);
  const boundaries: Consequence[] = [];
  const addressOf = (label: string | undefined): bigint | undefined =>
    (label === undefined ? undefined : symbol(guest, label));
  const at = addressOf(options.at), from = addressOf(options.from);
  let begun = from === undefined;
  for (let boundary = 0; boundary < (options.limit ?? DEFAULT_LIMIT); boundary++) {
    begun ||= run.next === from;
    if (begun && (at === undefined || at === run.next)) {
      boundaries.push({ boundary, after: run.last, ...run.switched(reference, bareMetal) });
    }
    if (!run.advance()) break;
  }
  return {
    cpu: cpu.name, policy: policy.name, worst: worstOf(boundaries.map(({ outcome }) => outcome)), bareMetal, boundaries,
  };
}

type End = Pick<Consequence, 'outcome' | 'ending' | 'differences' | 'emulated'>;

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

/** A guest under a policy, or beside it. */
class Run {
  readonly machine: Machine;
  readonly world: World;
  last = '';
  readonly #budget: number;

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

  /** To the end, by `step`. */
  finish(step: () => Instruction): Ending {
    for (let executed = 0; !this.machine.state.halted; executed++) {
      if (executed === this.#budget) return { how: 'running', where: 'guest' };
      const fault = faultOf(step);
      if (fault) return { how: fault, where: 'guest' };
    }
    return { how: 'halted', where: 'guest' };
  }

  /** One instruction under the policy, without a switch. False at the end. */
  advance(): boolean {
    const { machine, world } = this;
    if (machine.state.halted) return false;
    const { rip } = machine.state;
    const fault = faultOf(() => { this.last = print(world.step(), rip); });
    return fault === undefined && !machine.state.halted;
  }

  /** The worse of two switches here, with the one neighbour in between and with the other. */
  switched(reference: Run, bareMetal: Ending): End & Pick<Consequence, 'otherwise'> {
    const [one, other] = this.world.neighbours.map((neighbour) => this.#switched(reference, bareMetal, neighbour));
    return worstOf([one!.outcome, other!.outcome]) === one!.outcome
      ? { ...one!, otherwise: other!.outcome } : { ...other!, otherwise: one!.outcome };
  }

  /** Switches here, runs on to the end, compares, and leaves everything as it was. */
  #switched(reference: Run, bareMetal: Ending, neighbour: Neighbour): End {
    const { machine, world } = this;
    const before = machine.state.snapshot(), record = copyRecord(world.vcpu);
    const { time } = machine.execution;
    return machine.memory.transaction(() => {
      const inSwitch = faultOf(() => world.reschedule(neighbour));
      const ending: Ending = inSwitch
        ? { how: inSwitch, where: 'hypervisor' } : this.finish(() => world.step());
      const { emulated } = world.vcpu;
      const view = world.view();
      const differences = inSwitch ? [] : differencesAtEnd(reference.machine.state, view, reference.machine, machine);
      machine.state.restore(before);
      machine.execution.time = time;
      machine.paging.invalidate({ kind: 'all' });
      world.vcpu = record;
      const same = ending.how === bareMetal.how && ending.where === bareMetal.where;
      const ended = ending.how === 'halted' || ending.how === 'running';
      const outcome = same && differences.length === 0 ? 'identical' : same || ended ? 'wrong' : 'faulting';
      return { outcome, ending, differences, emulated };
    });
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
function differencesAtEnd(bareMetal: State, underPolicy: State, reference: Machine, machine: Machine): Difference[] {
  return guestDifferences(bareMetal.bytes, underPolicy.bytes, memoryAtEnd(reference, machine))
    .filter(({ field }) => field === 'memory' || fieldNamed(field).visibility === 'architectural');
}

/** Bytes of the guest's memory that differ. */
function memoryAtEnd(reference: Machine, machine: Machine): MemoryDifference[] {
  const found: MemoryDifference[] = [];
  for (const [number, page] of machine.memory.pages) {
    const address = BigInt(number) << 12n;
    const other = reference.memory.pages.get(number)?.bytes;
    if (!other || outsideGuest(address)) continue;
    const words = new Int32Array(page.bytes.buffer, page.bytes.byteOffset, page.bytes.length / 4);
    const others = new Int32Array(other.buffer, other.byteOffset, other.length / 4);
    for (let n = 0; n < words.length; n++) {
      if (words[n] === others[n]) continue;
      for (let at = 4 * n; at < 4 * n + 4; at++) {
        if (page.bytes[at] === other[at]) continue;
        found.push({
          linear: address + BigInt(at), before: Uint8Array.of(other[at]!), after: Uint8Array.of(page.bytes[at]!),
        });
      }
    }
  }
  return found.sort((a, b) => (a.linear < b.linear ? -1 : 1));
}

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
