/**
 * SYSCALL under FRED, as state and not as executed FRED: the engine lacks FRED, so this writes the frame that event
 * delivery from ring 3 leaves, and loads the registers that it loads. RCX and R11 are not among them.
 */

import type { Instruction } from '../../../isa/instruction.ts';
import type { Machine } from '../../../machine/machine.ts';
import { CS, RSP, SS } from '../../../state/fields.ts';
import { Fault } from '../../../state/outcomes.ts';
import { FLAT, flatSegment } from '../../../state/state.ts';
import { SELECTOR, STACK_BOTTOM, UREGS } from './layout.ts';

/** IA32_FRED_RSP0, aligned on 64 bytes; the frame is eight words: error code, RIP, CS, RFLAGS, RSP, SS, two more. */
const FRED_RSP0 = STACK_BOTTOM & ~63n;
const FRAME_BYTES = 64n;
const ALWAYS_1 = 2;

/** The next instruction, if it is a SYSCALL. */
export function systemCallAt(machine: Machine): Instruction | undefined {
  try {
    const instruction = machine.decodeAt(machine.state.rip);
    return instruction.definition.mnemonic === 'SYSCALL' ? instruction : undefined;
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

export const fredSystemCall = {
  /** Where the registers lie that the entry code pushes below the frame. */
  registers: FRED_RSP0 - FRAME_BYTES - BigInt(UREGS.errorCode),

  /** Delivers the event to `entry`. Intel FRED specification, event delivery: from memory. */
  deliver(machine: Machine, entry: bigint): void {
    const { state, paging } = machine;
    const frame = FRED_RSP0 - FRAME_BYTES;
    const words = [
      0n, state.rip + 2n, BigInt(state.selector(CS)), BigInt(state.rflags), state.gpr[RSP]!, BigInt(state.selector(SS)),
      0n, 0n,
    ];
    for (const [n, word] of words.entries()) paging.supervisor.write(frame + BigInt(8 * n), 8, word);
    state.gpr[RSP] = frame;
    state.rip = entry;
    state.rflags = ALWAYS_1;
    state.setSegment(CS, flatSegment(SELECTOR.xenCode, FLAT.code64));
    state.setSegment(SS, flatSegment(SELECTOR.xenStack, FLAT.data));
  },
} as const;
