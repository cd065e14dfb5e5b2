/** What instructions note for the init and modified optimisations, where processors differ. SDM vol. 1, 13.6. */

import type { Execution } from '../execution.ts';

/**
 * LDMXCSR: where XINUSE is tracked, it brings SSE state into use and modifies it, whatever it loads; where XINUSE goes
 * by value, MXCSR is no part of it.
 */
export function writeMxcsr(x: Execution, value: number): void {
  x.state.mxcsr = value;
  const marked = x.cpu.xinuse === 'tracked' ? 2n : 0n;
  x.state.xinuse |= marked;
  x.state.xmodified |= marked;
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
