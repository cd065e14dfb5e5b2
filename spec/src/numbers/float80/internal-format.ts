/**
 * How processors compute transcendental functions. The manual allows an error below one unit of the last bit when
 * rounding to nearest, and below one and a half otherwise (SDM vol. 1, 8.3.10). Correct rounding keeps within that.
 *
 * Intel's go through values of 67 bits, of which they cut off what is more. Where that was found out, and it decides
 * the last bit, it is computed the same way: the comments of each function say what is known, test/x87/README.md how
 * often that is what the processor does.
 */

import { int, u } from '../bits.ts';
import { type Control, type Outcome, PE, UE } from './control.ts';
import { REGISTER } from './destinations.ts';
import { FIRST_BITS, type Interval, LAST_BITS, WIDE, bitLength, exactInterval, unrounded } from './interval.ts';
import { round } from './round.ts';

/** Correctly rounded, or by way of values that are cut to 67 bits. */
export type Manner = 'correctly rounded' | 'through 67 bits';

const INTERNAL_BITS = 67;

/** `significand` times 2^`exponent`. */
export interface Exact {
  readonly significand: bigint;
  readonly exponent: number;
}

export const interval = ({ significand, exponent }: Exact): Interval => exactInterval(significand, exponent);

/** All of 67 bits, and no more. */
export function cut({ significand, exponent }: Exact): Exact {
  const excess = int(bitLength(significand) - INTERNAL_BITS);
  return excess < 0
    ? { significand: u(INTERNAL_BITS, significand << BigInt(-excess)), exponent: int(exponent + excess) }
    : { significand: significand >> BigInt(excess), exponent: int(exponent + excess) };
}

/** What `compute` encloses, in as many bits as it takes until both ends agree. */
export function cutDecided(compute: (bits: number) => Interval): Exact {
  for (let bits = FIRST_BITS; bits <= LAST_BITS; bits = int(2 * bits)) {
    const { low, high, exponent } = compute(bits);
    const first = cut({ significand: u(WIDE, (low << 1n) + 1n), exponent: int(exponent - 1) });
    const last = cut({ significand: u(WIDE, (high << 1n) - 1n), exponent: int(exponent - 1) });
    if (first.significand === last.significand && first.exponent === last.exponent) return first;
  }
  throw new RangeError(`${LAST_BITS} bits do not decide what 67 bits of a value are`);
}

/** x ÷ y, cut to `bits` bits or a few more, with a last one that is 1 where anything was cut off. */
export function quotient(x: Exact, y: Exact, bits: number): Exact {
  const shift = Math.max(0, int(bits + bitLength(y.significand) - bitLength(x.significand)));
  const dividend = u(WIDE, x.significand << BigInt(shift));
  const sticky = dividend % y.significand === 0n ? 0n : 1n;
  return {
    significand: u(WIDE, dividend / y.significand << 1n) | sticky, exponent: int(x.exponent - y.exponent - shift - 1),
  };
}

/** Rounded once, and called inexact even where it is not: of the values that they compute, processors say no other. */
export function roundInexact(sign: number, { significand, exponent }: Exact, control: Control, flags: number): Outcome {
  const value = unrounded(sign, significand, exponent, 0n);
  const outcome = round(value, REGISTER[64], control, flags);
  const underflows = (outcome.flags & PE) === 0 && value.exponent < 1;
  return { ...outcome, flags: outcome.flags | PE | (underflows ? UE : 0) };
}
