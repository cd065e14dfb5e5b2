/**
 * Transparent at every boundary, or the first counterexample.
 *
 * One trunk run on bare metal. At each instruction boundary: switch the world away and back (and, if the guest cannot
 * tell, once more), compare, roll back by undo log. The cost is linear in the guest's length.
 */

import type { CpuProfile } from '../cpus/profile.ts';
import type { Program } from '../asm/assemble.ts';
import type { Instruction } from '../isa/instruction.ts';
import { print } from '../isa/print.ts';
import { Machine } from '../machine/machine.ts';
import { OFFSET } from '../state/fields.ts';
import { Fault } from '../state/outcomes.ts';
import { NEIGHBOURS, type Neighbour, World, outsideGuest } from '../hypervisors/world.ts';
import type { Policy } from '../hypervisors/policy.ts';
import { guestDifferences, markLeaks } from './compare.ts';
import { shrink } from './shrink.ts';
import { recordTimeline } from './timeline.ts';
import type { Counterexample, Difference, Verdict } from './verdict.ts';

export interface ExploreOptions {
  cpu: CpuProfile;
  policy: Policy;
  /** Boundaries to try at most. Default 100,000. */
  limit?: number;
  /** Cut the guest down to what the counterexample needs. Default true. */
  shrink?: boolean;
  /** Changes the machine before the guest's first instruction: selectors, registers. */
  prepare?: (machine: Machine) => void;
}

const DEFAULT_LIMIT = 100_000;

/** What one boundary answers. */
interface Boundary {
  differences: Difference[];
  switches: 1 | 2;
}

/** Explores `guest` under a policy on a processor. Throws a `TypeError` for unusable options, `Unmodelled` as the machine does. */
export function explore(guest: Program, options: ExploreOptions): Verdict {
  checkOptions(guest, options);
  const run = new Exploration(guest, options);
  const verdict: Verdict = {
    transparent: true, cpu: options.cpu.name, policy: options.policy.name, boundaries: 0, fields: [], ended: '', timeline: { lanes: [], fields: [], steps: [] },
  };
  const fields = new Set<string>();
  let first: Counterexample | undefined;
  const limit = options.limit ?? DEFAULT_LIMIT;
  while (verdict.boundaries < limit) {
    const { differences, switches } = run.tryBoundary();
    verdict.boundaries++;
    for (const { label } of differences) fields.add(label);
    if (differences.length && !first) first = run.counterexample(differences, switches);
    const ended = run.advance();
    if (ended !== undefined) {
      verdict.ended = ended;
      break;
    }
  }
  verdict.fields = [...fields];
  verdict.transparent = first === undefined;
  if (first) verdict.counterexample = { ...first, smallest: options.shrink === false ? [] : shrink(guest, (smaller) => failsAlike(smaller, options, first)) };
  const boundary = first?.boundary ?? Math.floor(run.executed / 2);
  verdict.timeline = recordTimeline(guest, options, { boundary, switches: first?.switches ?? 1, executed: run.executed, differences: first?.differences ?? [] });
  return verdict;
}

/** A guest on its trunk run, standing at a boundary. */
export class Exploration {
  readonly machine: Machine;
  readonly world: World;
  executed = 0;
  #last: { instruction: Instruction; rip: bigint } | undefined;

  constructor(guest: Program, { cpu, policy, prepare }: ExploreOptions) {
    this.machine = new Machine(guest, { cpu });
    this.world = new World(this.machine, policy);
    this.machine.state.setByte(OFFSET.guestMode, 1);
    prepare?.(this.machine);
    this.world.start();
  }

  /** Switches here, compares, and leaves everything as it was. */
  tryBoundary(): Boundary {
    for (const switches of [1, 2] as const) {
      const differences = this.#switched(switches, NEIGHBOURS[0]);
      if (differences.length === 0) continue;
      return { differences: markLeaks(differences, this.#switched(switches, NEIGHBOURS[1])), switches };
    }
    return { differences: [], switches: 1 };
  }

  #switched(switches: number, neighbour: Neighbour): Difference[] {
    const { machine, world } = this;
    const before = machine.state.snapshot();
    return machine.memory.transaction((written) => {
      for (let n = 0; n < switches; n++) world.reschedule(neighbour);
      const differences = guestDifferences(before, machine.state.bytes, written((page) => !outsideGuest(page)));
      machine.state.restore(before);
      return differences;
    });
  }

  /** One guest instruction. Returns why the guest ended, '' when it halted, undefined while it goes on. */
  advance(): string | undefined {
    const { machine } = this;
    if (machine.state.halted) return '';
    try {
      const rip = machine.state.rip;
      this.#last = { instruction: machine.step(), rip };
      this.executed++;
      return undefined;
    } catch (error) {
      if (error instanceof Fault) return error.message;
      throw error;
    }
  }

  counterexample(differences: Difference[], switches: 1 | 2): Counterexample {
    return { ...differences[0]!, boundary: this.executed, switches, rip: this.machine.state.rip, after: this.#last ? print(this.#last.instruction, this.#last.rip) : '', differences, smallest: [] };
  }
}

/** Whether a smaller guest still loses the same field in the same way, at some boundary within `limit`. */
function failsAlike(guest: Program, options: ExploreOptions, wanted: Counterexample): boolean {
  const run = new Exploration(guest, options);
  for (let boundary = 0; boundary <= wanted.boundary; boundary++) {
    const { differences, switches } = run.tryBoundary();
    if (switches === wanted.switches && differences.some((d) => d.label === wanted.label && d.kind === wanted.kind)) return true;
    if (run.advance() !== undefined) return false;
  }
  return false;
}

function checkOptions(guest: Program, options: ExploreOptions): void {
  if (!guest?.bytes || !guest.listing) throw new TypeError('explore: the first argument is a program, as asm64, asm32 or assemble give it');
  for (const key of Object.keys(options)) {
    if (!['cpu', 'policy', 'limit', 'shrink', 'prepare'].includes(key)) throw new TypeError(`explore: unknown option ${JSON.stringify(key)}; there are cpu, policy, limit, shrink and prepare`);
  }
  if (!options.cpu?.features) throw new TypeError('explore: cpu must be a CPU profile, for example cpus.ivyBridge');
  if (!options.policy?.save) throw new TypeError('explore: policy must be a policy, for example xen.fipWidthAuto');
  if (options.limit !== undefined && !(options.limit > 0)) throw new RangeError(`explore: limit is ${options.limit}; it is a number of boundaries above 0`);
}
