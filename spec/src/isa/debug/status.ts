/**
 * DR6 and DR7: their bits, what may be written, and what a debug exception does to them. SDM vol. 3B, 17.2.3 to 17.2.6.
 */

import { OFFSET } from '../../state/fields.ts';
import type { ExceptionKind } from '../../state/outcomes.ts';
import type { State } from '../../state/state.ts';
import type { Execution } from '../execution.ts';
import { DEBUGCTL } from '../system/control-bits.ts';

/** Why there is a debug exception: B0 to B3, debug register accessed, single step, task switch. */
export const DR6 = { B: 0xfn, BD: 1n << 13n, BS: 1n << 14n, BT: 1n << 15n } as const;
/** General detect: the next access to a debug register is a debug exception. */
export const DR7 = { GD: 1n << 13n } as const;

/** Bits that are always 1: in DR6 also RTM (16), which no processor here can clear. SDM vol. 3B, figure 17-1. */
const DR6_ONES = 0xffff_0ff0n, DR7_ONES = 0x400n;
const DR6_WRITABLE = DR6.B | DR6.BD | DR6.BS | DR6.BT;
/** L0 to G3, LE, GE, GD, and the four conditions with their lengths. */
const DR7_WRITABLE = 0xffff_23ffn;

/** A value as DR6 keeps it. */
export const asDr6 = (value: bigint): bigint => (value & DR6_WRITABLE) | DR6_ONES;
/** A value as DR7 keeps it. */
export const asDr7 = (value: bigint): bigint => (value & DR7_WRITABLE) | DR7_ONES;

/** L0 to G3: some breakpoint is enabled, locally or globally. */
export const ARMED = 0xff;
export const armed = (state: State): boolean => (state.doubleword(OFFSET.dr7) & ARMED) !== 0;

/**
 * Notes the conditions of `status` in DR6. B0 to B3 and BT are what this exception found; BS and BD stay until software
 * clears them. SDM vol. 3B, 17.2.3 lets certain exceptions clear bits 3:0; which, Bochs 2.7 decided.
 */
function note(state: State, status: bigint): void {
  const kept = state.quad(OFFSET.dr6) & (DR6.BD | DR6.BS);
  state.setQuad(OFFSET.dr6, asDr6(kept | status));
}

/** Raises #DB for the conditions of `status`, and clears IA32_DEBUGCTL.BTF. SDM vol. 3B, 17.4.3. */
export function raiseDebug(x: Execution, status: bigint, kind: ExceptionKind, reason: string): never {
  note(x.state, status);
  x.state.setQuad(OFFSET.debugctl, x.state.quad(OFFSET.debugctl) & ~DEBUGCTL.BTF);
  return x.fault('#DB', reason, undefined, kind);
}

/**
 * Entering a debug exception's handler clears GD, so that the handler may use the debug registers. SDM vol. 3B, 17.2.4.
 */
export function clearGeneralDetect(state: State): void {
  state.setQuad(OFFSET.dr7, state.quad(OFFSET.dr7) & ~DR7.GD);
}
