/** Shifts of significands. Intermediate ones have 128 bits: bit 127 is the integer bit, bit 0 collects what is lost. */

import { int, u } from '../bits.ts';

export interface Normal {
  readonly exponent: number;
  readonly significand: bigint;
}

const STEPS = [64, 32, 16, 8, 4, 2, 1] as const;

/** The same value with the top bit of its `width` bits set. `significand` is not zero; `width` is 64 or 128. */
export function normalise(width: number, exponent: number, significand: bigint): Normal {
  let shifted = significand, scale = exponent;
  for (const step of STEPS) {
    if (step < width && shifted >> BigInt(width - step) === 0n) {
      shifted = u(width, shifted << BigInt(step));
      scale = int(scale - step);
    }
  }
  return { exponent: scale, significand: shifted };
}

/** Shifts a 128-bit significand right; bit 0 of the result is also 1 where any bit shifted out was 1. */
export function shiftRightSticky(significand: bigint, count: number): bigint {
  if (count >= 128) return significand === 0n ? 0n : 1n;
  return (significand >> BigInt(count)) | (u(count, significand) === 0n ? 0n : 1n);
}
