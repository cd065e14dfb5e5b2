/** Shifts of significands. Intermediate ones have 128 bits: bit 127 is the integer bit, bit 0 collects what is lost. */

import { int, u } from '../bits.ts';

export interface Normal {
  readonly exponent: number;
  readonly significand: bigint;
}

/** 0 to 256 as shift counts, and their powers of two: to make a bigint costs more than to shift by one. */
export const COUNT: readonly bigint[] = Array.from({ length: 257 }, (_, n) => BigInt(n));
export const POWER: readonly bigint[] = COUNT.map((n) => u(257, 1n << n));

/** Zeros above the highest 1 of `width` bits, found by pieces of 32. */
function leadingZeros(width: number, significand: bigint): number {
  let at = int(width - 32);
  let piece = Number(significand >> BigInt(at));
  for (; piece === 0 && at > 0; piece = Number(significand >> BigInt(at))) at -= 32;
  return int(width - 32 - at + Math.clz32(piece));
}

/** The same value with the top bit of its `width` bits set. `significand` is not zero; `width` is 64 or 128. */
export function normalise(width: number, exponent: number, significand: bigint): Normal {
  if (significand >= POWER[width - 1]!) return { exponent, significand };
  const count = leadingZeros(width, significand);
  return { exponent: int(exponent - count), significand: u(width, significand << COUNT[count]!) };
}

/** Shifts a 128-bit significand right; bit 0 of the result is also 1 where any bit shifted out was 1. */
export function shiftRightSticky(significand: bigint, count: number): bigint {
  if (count === 0) return significand;
  if (count >= 128) return significand === 0n ? 0n : 1n;
  const shifted = significand >> COUNT[count]!;
  return u(count, significand) === 0n ? shifted : shifted | 1n;
}
