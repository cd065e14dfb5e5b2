/**
 * What instructions note for the init and modified optimisations. SDM vol. 1, 13.6, which leaves to the processor how
 * it tracks; outside 64-bit mode SSE and AVX state are initial if registers 0 to 7 are.
 *
 * Of SSE, AVX and ZMM_Hi256 state, XINUSE and XMODIFIED are kept twice, for vector registers 0 to 7 and for 8 to 15.
 * 64-bit code has a component in use, or modified, where either is; other code, which does not reach registers 8 to 15,
 * sees, sets and clears the first alone. So does a Sapphire Rapids class Xeon: after PADDD XMM12, XMM3 in 64-bit code
 * XINUSE[1] is 0 in 32-bit code, which can make SSE state initial as it likes, and 1 again in 64-bit code.
 */

import { bitOf } from '../../cpus/xsave-layout.ts';
import { OFFSET, VECTOR_STRIDE } from '../../state/fields.ts';
import type { State } from '../../state/state.ts';
import type { Execution } from '../execution.ts';
import { holdsAnything, partOfVectors } from './register-file.ts';

/** Bits of XCR0, XSTATE_BV and their like. */
export const SSE = bitOf(1), AVX = bitOf(2), ZMM_HI256 = bitOf(6);
/** With bits 255:128 and 511:256 of vector registers 0 to 15. */
export const UPPER = AVX | ZMM_HI256;
/** Kept twice. */
const VECTORS = SSE | UPPER;

/** The same bits as numbers, of doublewords: every x87 and vector instruction marks some. */
export const IN_USE = { x87: 1, sse: Number(SSE), avx: Number(AVX) } as const;
const UPPER_BITS = Number(UPPER);

const mark = (state: State, field: number, components: number): void =>
  state.setDoubleword(field, state.doubleword(field) | components);

/** A write of x87 state, or of vector register `index`, brings `components` into use and modifies them. */
export function use(state: State, index: number, components: number): void {
  mark(state, index < 8 ? OFFSET.xinuse : OFFSET.xinuse8To15, components);
  mark(state, index < 8 ? OFFSET.xmodified : OFFSET.xmodified8To15, components);
}

/** A write that clears a vector register from bit 128 or 256 on modifies what of it is in use. */
export function modifyUpper(state: State, index: number): void {
  if (index < 8) mark(state, OFFSET.xmodified, state.doubleword(OFFSET.xinuse) & UPPER_BITS);
  else mark(state, OFFSET.xmodified8To15, state.doubleword(OFFSET.xinuse8To15) & UPPER_BITS);
}

/** A load of all of SSE state but through XRSTOR brings it into use and modifies it, whatever it loads. */
export function useSse(x: Execution): void {
  use(x.state, 0, IN_USE.sse);
  if (x.mode === 64) use(x.state, 8, IN_USE.sse);
}

/** Takes vector state out of use, as VZEROUPPER and VZEROALL do, which modifies what was in use. */
export function putOutOfUse(x: Execution, components: bigint): void {
  const { state } = x;
  state.xmodified |= state.xinuse & components;
  state.xinuse &= BigInt.asUintN(64, ~components);
  if (x.mode !== 64) return;
  state.xmodified8To15 |= state.xinuse8To15 & components;
  state.xinuse8To15 &= BigInt.asUintN(64, ~components);
}

/** XINUSE as the present mode has it, where the processor tracks it. */
export const trackedInUse = ({ state, mode }: Execution): bigint =>
  (mode === 64 ? state.xinuse | state.xinuse8To15 : state.xinuse);

/** XMODIFIED, likewise. */
export const modified = ({ state, mode }: Execution): bigint =>
  (mode === 64 ? state.xmodified | state.xmodified8To15 : state.xmodified);

/** Vector registers 8 to 15, in all of their 512 bits. */
const ABOVE_7 = partOfVectors(0, VECTOR_STRIDE, 8);

/**
 * What XRSTOR and XRSTORS leave: components of `restored` are unmodified, in use where they were loaded. Outside of
 * 64-bit mode registers 8 to 15 are left alone and count as modified.
 *
 * A load of AVX or ZMM_Hi256 state takes all of registers 8 to 15 out of use if they hold nothing, SSE state with it,
 * although that was not loaded; a load of SSE state alone does not look. Each a Sapphire Rapids class Xeon.
 */
export function noteRestore(x: Execution, restored: bigint, loaded: bigint): void {
  const { state } = x;
  const not = BigInt.asUintN(64, ~restored);
  state.xinuse = (state.xinuse & not) | loaded;
  state.xmodified = not;
  state.xmodified8To15 = x.mode === 64 ? not : VECTORS;
  if (x.mode !== 64) return;
  state.xinuse8To15 = (state.xinuse8To15 & not) | (loaded & VECTORS);
  if (loaded & UPPER && !holdsAnything(state, ABOVE_7, 8)) state.xinuse8To15 = 0n;
}

/**
 * LDMXCSR: where XINUSE is tracked, it brings SSE state into use and modifies it, whatever it loads; where XINUSE goes
 * by value, MXCSR is no part of it.
 */
export function writeMxcsr(x: Execution, value: number): void {
  x.state.mxcsr = value;
  if (x.cpu.xinuse === 'tracked') useSse(x);
}

/** FWAIT modifies x87 state, and where XINUSE is tracked it brings it into use. */
export function markWait(x: Execution): void {
  x.state.xinuse |= x.cpu.xinuse === 'tracked' ? 1n : 0n;
  x.state.xmodified |= 1n;
}

/** FNSTCW, FNSTSW, FNENI, FNDISI and FNSETPM: where XINUSE is tracked, neither a use nor a modification. */
export function markUntouched(x: Execution): void {
  const marked = x.cpu.xinuse === 'tracked' ? 0n : 1n;
  x.state.xinuse |= marked;
  x.state.xmodified |= marked;
}
