/**
 * What executions are explored of: processors over one memory, and what may happen to them at a boundary between two
 * instructions.
 */

import { deliverEvent, deliverFault } from '../machine/events.ts';
import { wakes } from '../machine/boundary.ts';
import type { Machine } from '../machine/machine.ts';
import type { Memory } from '../machine/memory/physical.ts';
import { IF } from '../isa/flags.ts';
import { OFFSET, RSP } from '../state/fields.ts';
import { Fault } from '../state/outcomes.ts';
import { SHUTDOWN } from '../state/state.ts';

/**
 * Processors and all that they share. Everything that decides what happens next is in their states and their memory
 * (and in `devices`): nothing in variables of the program that explores.
 */
export interface System {
  /** They share one memory and deliver faults (`faults: 'deliver'`). With paging they are made with `tlb: false`. */
  readonly machines: readonly Machine[];
  /**
   * Executes one instruction of a processor where that is more than the processor's own affair: a VM entry, say. It
   * depends on nothing but states and memory. Default: the instruction at RIP.
   */
  readonly advance?: (machine: Machine, processor: number) => void;
  /**
   * Stacks, by linear address. What lies below the stack pointer, and all of a stack that an IRET has left, is dead: it
   * is filled with zeros, lest leftovers keep apart states that are the same to any program that obeys its stack.
   */
  readonly stacks?: readonly { readonly address: bigint; readonly bytes: number }[];
  /** Whatever else has state, such as a PC's board. */
  readonly devices?: { snapshot(): unknown; restore(snapshot: never): void };
}

/** Something that may happen at a boundary, because the world outside wills it. */
export interface Occurrence {
  /** Unique among the occurrences of an exploration: `NMI`, `IRQ 40h`. */
  readonly name: string;
  /** The processor that it happens to. */
  readonly processor: number;
  /** Asked at each boundary of that processor. */
  readonly possible: (machine: Machine) => boolean;
  /** Makes it happen; no instruction is executed. */
  readonly happen: (machine: Machine) => void;
}

const shadowed = ({ state }: Machine): boolean =>
  state.byte(OFFSET.movSsShadow) !== 0 || state.byte(OFFSET.stiShadow) !== 0;
const isUp = ({ state }: Machine): boolean => state.activity < SHUTDOWN;

/** Delivers an event that comes from outside, as the processor does at a boundary; ends HLT. */
function arrive(machine: Machine, vector: number): void {
  const { execution, state } = machine;
  try {
    deliverEvent(execution, { kind: 'external', vector, errorCode: undefined, returnTo: state.rip });
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    if (!deliverFault(execution, error)) {
      state.activity = SHUTDOWN;
      return;
    }
  }
  execution.finish();
}

/**
 * An external interrupt, by its vector (20h to FFh): possible while RFLAGS.IF is 1 and no shadow holds it back.
 * SDM vol. 3A, 6.8.1.
 */
export function externalInterrupt(vector: number, processor = 0): Occurrence {
  if (!Number.isInteger(vector) || vector < 0x10 || vector > 0xff) {
    throw new RangeError(`an external interrupt's vector is 10h to FFh, not ${vector}`);
  }
  return {
    name: `interrupt ${vector.toString(16)}h`, processor,
    possible: (machine) => isUp(machine) && (machine.state.rflags & IF) !== 0 && !shadowed(machine),
    happen: (machine) => { arrive(machine, vector); },
  };
}

/** An NMI: possible until one is being handled, and not in a shadow. SDM vol. 3A, 6.7. */
export function nonMaskableInterrupt(processor = 0): Occurrence {
  return {
    name: 'NMI', processor,
    possible: (machine) =>
      machine.state.activity <= SHUTDOWN && machine.state.byte(OFFSET.nmiBlocking) === 0 && !shadowed(machine),
    happen(machine) {
      arrive(machine, 2);
      machine.state.setByte(OFFSET.nmiBlocking, 1);
    },
  };
}

const MCIP = 4n;

/**
 * A machine check whose cause lets the program go on: possible while CR4.MCE is 1 and none is in progress
 * (IA32_MCG_STATUS.MCIP); neither IF nor a shadow holds it back. SDM vol. 3A, 6.15, interrupt 18; vol. 3B, 15.3.1.2.
 */
export function machineCheck(processor = 0): Occurrence {
  const status = ({ state }: Machine): bigint => state.quad(OFFSET.mcgStatus);
  return {
    name: '#MC', processor,
    possible: (machine) =>
      isUp(machine) && (machine.state.cr4 & 0x40n) !== 0n && (status(machine) & MCIP) === 0n,
    happen(machine) {
      // RIPV: the handler may return to where it came from.
      machine.state.setQuad(OFFSET.mcgStatus, status(machine) | MCIP | 1n);
      arrive(machine, 18);
    },
  };
}

/** Whether a processor has an instruction to execute. */
export const canRun = (machine: Machine): boolean =>
  !machine.state.halted || wakes(machine.state, machine.interrupts);

/** Clears what a step has left below the stack pointer. `returned`: the instruction was an IRET. */
export function clearDead(system: System, machine: Machine, before: bigint, returned: boolean): void {
  const after = machine.state.gpr[RSP]!;
  if (after === before) return;
  for (const { address, bytes } of system.stacks ?? []) {
    const top = address + BigInt(bytes);
    if (before < address || before >= top) continue;
    const left = after < address || after > top;
    if (left ? !returned : after < before) return;
    const end = left ? top : after;
    machine.paging.supervisor.writeBytes(before, new Uint8Array(Number(end - before)));
    return;
  }
}

/** Refuses what cannot be explored, and says why. Answers the memory that the processors share. */
export function requireSystem({ machines }: System, occurrences: readonly Occurrence[]): Memory {
  const first = machines[0];
  if (!first) throw new RangeError('exploreExecutions: the system has no machine');
  for (const [n, { memory, paging, state }] of machines.entries()) {
    if (memory !== first.memory) {
      throw new RangeError(
        `exploreExecutions: machine ${n} has a memory of its own; give all of them that of machine 0`,
      );
    }
    if (paging.keepsTranslations && state.byte(OFFSET.flatMapping) === 0) {
      throw new RangeError(
        `exploreExecutions: machine ${n} keeps translations, which are no part of a state here; make it with tlb: `
          + 'false',
      );
    }
  }
  const names = new Set<string>();
  for (const { name, processor } of occurrences) {
    if (!machines[processor]) {
      throw new RangeError(`exploreExecutions: ${name} is for processor ${processor}; there are ${machines.length}`);
    }
    if (names.has(name)) throw new RangeError(`exploreExecutions: two occurrences are called ${JSON.stringify(name)}`);
    names.add(name);
  }
  return first.memory;
}
