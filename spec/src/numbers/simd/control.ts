/** MXCSR. SDM vol. 1, 10.2.3 and figure 10-3. */

import { MODES, type RoundingControl } from '../float80/control.ts';

/** What MXCSR says about arithmetic. */
export interface SimdControl extends RoundingControl {
  readonly flushToZero: boolean;
  /** MXCSR.DAZ: a denormal operand is taken for a zero of its sign. */
  readonly denormalsAreZeros: boolean;
}

/** Rounding control is MXCSR[14:13], the masks MXCSR[12:7], FTZ bit 15 and DAZ bit 6. */
export const simdControlOf = (mxcsr: number): SimdControl => ({
  mode: MODES[(mxcsr >> 13) & 3]!,
  masks: (mxcsr >> 7) & 0x3f,
  flushToZero: (mxcsr & 0x8000) !== 0,
  denormalsAreZeros: (mxcsr & 0x40) !== 0,
});
