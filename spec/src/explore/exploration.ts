/** A guest on bare metal with a hypervisor beside it, boundary by boundary. */

import type { CpuProfile } from '../cpus/profile.ts';
import type { Program } from '../asm/assemble.ts';
import type { Instruction } from '../isa/instruction.ts';
import { print } from '../isa/print.ts';
import { Machine } from '../machine/machine.ts';
import { OFFSET } from '../state/fields.ts';
import { Fault } from '../state/outcomes.ts';
import type { Neighbour } from '../hypervisors/neighbours.ts';
import { World, outsideGuest } from '../hypervisors/world.ts';
import { type Policy, copyRecord } from '../hypervisors/policy.ts';
import { guestDifferences, markLeaks } from './compare.ts';
import type { Counterexample, Difference } from './verdict.ts';

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

/** What one boundary answers. */
interface Boundary {
  differences: Difference[];
  switches: 1 | 2;
}

/** A guest on its trunk run, standing at a boundary. */
export class Exploration {
  readonly machine: Machine;
  readonly world: World;
  executed = 0;
  /** What the boundary before answered, and the state there. */
  #answered: { readonly state: Uint8Array; readonly boundary: Boundary } | undefined;
  #last: { instruction: Instruction; rip: bigint } | undefined;

  constructor(guest: Program, { cpu, policy, prepare }: ExploreOptions) {
    this.machine = new Machine(guest, { cpu });
    this.world = new World(this.machine, policy);
    this.machine.state.setByte(OFFSET.guestMode, 1);
    prepare?.(this.machine);
    this.world.start();
  }

  /**
   * Switches here, compares, and leaves everything as it was. Where the guest has not touched what the policy is
   * responsible for since the boundary before, the answer is the same: the hypervisor's memory always is.
   */
  tryBoundary(): Boundary {
    const { bytes } = this.machine.state;
    if (this.#answered && this.world.treatsAlike(this.#answered.state, bytes)) return this.#answered.boundary;
    const boundary = this.#switchHere();
    this.#answered = { state: bytes.slice(), boundary };
    return boundary;
  }

  #switchHere(): Boundary {
    for (const switches of [1, 2] as const) {
      const differences = this.#switched(switches, this.world.neighbours[0]);
      if (differences.length === 0) continue;
      return { differences: markLeaks(differences, this.#switched(switches, this.world.neighbours[1])), switches };
    }
    return { differences: [], switches: 1 };
  }

  #switched(switches: number, neighbour: Neighbour): Difference[] {
    const { machine, world } = this;
    const before = machine.state.snapshot(), record = copyRecord(world.vcpu);
    const { time } = machine.execution;
    return machine.memory.transaction((written) => {
      const fault = world.faultIn(() => { for (let n = 0; n < switches; n++) world.reschedule(neighbour); });
      const differences = fault
        ? [hypervisorFault(fault)]
        : guestDifferences(before, machine.state.bytes, written((page) => !outsideGuest(page)));
      machine.state.restore(before);
      machine.execution.time = time;
      machine.paging.invalidate({ kind: 'all' });
      world.vcpu = record;
      return differences;
    });
  }

  /** One guest instruction. Returns why the guest ended, '' when it halted, undefined while it goes on. */
  advance(): string | undefined {
    const { machine } = this;
    if (machine.state.halted) return '';
    try {
      const rip = machine.state.rip;
      this.#last = { instruction: this.world.step(), rip };
      this.executed++;
      return undefined;
    } catch (error) {
      if (error instanceof Fault) return error.message;
      throw error;
    }
  }

  counterexample(differences: Difference[], switches: 1 | 2): Counterexample {
    return {
      ...differences[0]!, boundary: this.executed, switches, rip: this.machine.state.rip,
      after: this.#last ? print(this.#last.instruction, this.#last.rip) : '', differences, smallest: [],
    };
  }
}

/** The hypervisor's own code faults: there is no guest to compare any more. */
const hypervisorFault = ({ notation, vector }: Fault): Difference => ({
  field: 'fault', label: `${notation} in the hypervisor`, width: 8, bareMetal: 0, underPolicy: vector, kind: 'lost',
});
