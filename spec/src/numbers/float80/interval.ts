/**
 * Positive reals between two others, and their rounding once it is decided. A function of the x87 that has no exact
 * value is computed as an interval, and again in more bits for as long as its two ends round differently: the result
 * is correctly rounded, whatever the rounding control.
 */

import { int, u } from '../bits.ts';
import type { Control, Outcome } from './control.ts';
import { REGISTER } from './destinations.ts';
import { type Unrounded, normalised, round } from './round.ts';
import { BIAS } from './format.ts';

/** A value strictly between `low` and `high`, both times 2^`exponent`. */
export interface Interval {
  readonly low: bigint;
  readonly high: bigint;
  readonly exponent: number;
}

/** Wider than any intermediate result. */
export const WIDE = 65_536;

/** Position of the highest bit that is 1, counted from 1. `x` is not negative. */
export function bitLength(x: bigint): number {
  const digits = x.toString(16);
  return x === 0n ? 0 : int(4 * digits.length - Math.clz32(Number.parseInt(digits[0]!, 16)) + 28);
}

/** What is known exactly is given as the interval from it to itself. */
export const exactInterval = (significand: bigint, exponent: number): Interval =>
  ({ low: significand, high: significand, exponent });

/** At most `bits` bits long, rounded outward. */
export function trim({ low, high, exponent }: Interval, bits: number): Interval {
  const excess = int(bitLength(high) - bits);
  if (excess <= 0) return { low, high, exponent };
  const mask = u(WIDE, (1n << BigInt(excess)) - 1n);
  return {
    low: low >> BigInt(excess), high: u(WIDE, high + mask) >> BigInt(excess), exponent: int(exponent + excess),
  };
}

export const times = (x: Interval, y: Interval): Interval =>
  ({ low: u(WIDE, x.low * y.low), high: u(WIDE, x.high * y.high), exponent: int(x.exponent + y.exponent) });

/** The quotient, in about `bits` bits. */
export function over(x: Interval, y: Interval, bits: number): Interval {
  const shift = Math.max(0, int(bits + bitLength(y.high) - bitLength(x.low)));
  const low = u(WIDE, x.low << BigInt(shift)) / y.high;
  const high = u(WIDE, u(WIDE, u(WIDE, x.high << BigInt(shift)) + y.low) - 1n) / y.low;
  return { low, high, exponent: int(x.exponent - y.exponent - shift) };
}

/** `x` with the exponent `exponent`, which is not greater than its own. */
const aligned = (x: Interval, exponent: number): Interval => {
  const shift = BigInt(int(x.exponent - exponent));
  return { low: u(WIDE, x.low << shift), high: u(WIDE, x.high << shift), exponent };
};

export function plus(x: Interval, y: Interval): Interval {
  const exponent = Math.min(x.exponent, y.exponent);
  const a = aligned(x, exponent), b = aligned(y, exponent);
  return { low: u(WIDE, a.low + b.low), high: u(WIDE, a.high + b.high), exponent };
}

/** `x − y`, which is positive. */
export function minus(x: Interval, y: Interval): Interval {
  const exponent = Math.min(x.exponent, y.exponent);
  const a = aligned(x, exponent), b = aligned(y, exponent);
  return { low: u(WIDE, a.low - b.high), high: u(WIDE, a.high - b.low), exponent };
}

/** The square, in fixed point with `bits` bits. */
export function squared(magnitude: bigint, exponent: number, bits: number): bigint {
  const shift = int(bits + 2 * exponent), square = u(WIDE, magnitude * magnitude);
  return shift >= 0 ? u(WIDE, square << BigInt(shift)) : square >> BigInt(-shift);
}

/** `significand` times 2^`exponent`, and a little more or less where `sticky` is 1: as rounding takes it. */
export function unrounded(sign: number, significand: bigint, exponent: number, sticky: bigint): Unrounded {
  const excess = int(bitLength(significand) - 127);
  const kept = excess > 0 ? shiftRight(significand, excess) : u(128, significand << BigInt(-excess));
  return normalised(sign, int(exponent + excess + BIAS + 127), kept | sticky);
}

/** Any number of bits, the lowest of which then collects what is lost. */
const shiftRight = (significand: bigint, count: number): bigint => {
  const kept = significand >> BigInt(count);
  return kept | (u(WIDE, kept << BigInt(count)) === significand ? 0n : 1n);
};

const same = (x: Outcome, y: Outcome): boolean => x.value === y.value && x.flags === y.flags && x.c1 === y.c1;

/**
 * Rounds what `compute` encloses in some number of bits, in as many as it takes. That comes to an end because no value
 * of these functions is halfway between two others, or one of them, but for a few that each function treats apart: an
 * algebraic operand other than those has a transcendental result. Precision control has no say. SDM vol. 1, 8.1.5.2.
 */
export function roundDecided(
  sign: number, compute: (bits: number) => Interval, control: Control, flags: number,
): Outcome {
  for (let bits = FIRST_BITS; bits <= LAST_BITS; bits *= 2) {
    const { low, high, exponent } = compute(bits);
    // Strictly inside: half a unit from either end is as good as anything between it and the end.
    const ends = [u(WIDE, (low << 1n) + 1n), u(WIDE, (high << 1n) - 1n)] as const;
    const [first, last] = ends.map((end) =>
      round(unrounded(sign, end, int(exponent - 1), 1n), REGISTER[64], control, flags));
    if (same(first!, last!)) return first!;
  }
  throw new RangeError(`${LAST_BITS} bits do not decide how a result is rounded`);
}

export const FIRST_BITS = 96, LAST_BITS = 16_384;
