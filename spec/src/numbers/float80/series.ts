/**
 * The power series behind the transcendental functions, in fixed point. Each divides the function by its argument, so
 * that what is enclosed is near 1 and its relative error is that of the result, however small the argument is.
 *
 * An argument has `bits` bits after the point and an error of at most 4 units of the last; each step of a series errs
 * by less than one unit, and there are fewer than 2^14 steps: the sums are off by less than 2^16 units, which is what
 * `around` allows for. The derivative by the argument is below 1 in all of them.
 */

import { int, s, u } from '../bits.ts';
import { type Interval, WIDE } from './interval.ts';

/** Bits that a series has beyond those asked for: 2^16 units of error leave as many good ones as that. */
export const GUARD_BITS = 32;
const ERROR = 1n << 16n;

const one = (bits: number): bigint => u(WIDE, 1n << BigInt(bits));
const product = (x: bigint, y: bigint, bits: number): bigint => s(WIDE, x * y) >> BigInt(bits);

function around(sum: bigint, bits: number): Interval {
  return { low: s(WIDE, sum - ERROR), high: s(WIDE, sum + ERROR), exponent: int(-bits) };
}

/** The value is less than 1, or more than 1: known even where it is nearer to 1 than the error. */
const below1 = (x: Interval, bits: number): Interval => ({ ...x, high: x.high > one(bits) ? one(bits) : x.high });
const above1 = (x: Interval, bits: number): Interval => ({ ...x, low: x.low < one(bits) ? one(bits) : x.low });

/** Σ (−1)^k z^k / (n + 1)(n + 2)…(n + 2k), whose term k follows from term k − 1. */
function alternating(z: bigint, n: number, bits: number): bigint {
  let term = one(bits), sum = term;
  for (let k = n; term !== 0n; k = int(k + 2)) {
    term = product(term, z, bits) / BigInt(int((k + 1) * (k + 2)));
    sum = (k - n) % 4 === 0 ? s(WIDE, sum - term) : s(WIDE, sum + term);
  }
  return sum;
}

/** sin(x) / x, by z = x², for |x| up to 1. */
export const sine = (z: bigint, bits: number): Interval => below1(around(alternating(z, 1, bits), bits), bits);

/** cos(x), by z = x², for |x| up to 1. */
export const cosine = (z: bigint, bits: number): Interval => below1(around(alternating(z, 0, bits), bits), bits);

/** tan(x) / x, by z = x², for |x| up to 1. */
export function tangent(z: bigint, bits: number): Interval {
  const top = sine(z, bits), bottom = cosine(z, bits), shift = BigInt(bits);
  return above1({
    low: u(WIDE, top.low << shift) / bottom.high,
    high: u(WIDE, u(WIDE, top.high << shift) / bottom.low + 1n),
    exponent: int(-bits),
  }, bits);
}

/** Σ z^k / (2k + 1), or with alternating signs. */
function odd(z: bigint, bits: number, alternate: boolean): bigint {
  let power = one(bits), sum = power;
  for (let k = 1; power !== 0n; k = int(k + 1)) {
    power = product(power, z, bits);
    const term = power / BigInt(int(2 * k + 1));
    sum = alternate && k % 2 === 1 ? s(WIDE, sum - term) : s(WIDE, sum + term);
  }
  return sum;
}

/** atan(x) / x, by z = x², for |x| up to 1/5. */
export const arctangent = (z: bigint, bits: number): Interval => below1(around(odd(z, bits, true), bits), bits);

/** artanh(x) / x, by z = x², for |x| up to 1/5. */
export const inverseTangent = (z: bigint, bits: number): Interval => above1(around(odd(z, bits, false), bits), bits);

/** (e^x − 1) / x for |x| up to 1; `x` is signed. */
export function exponential(x: bigint, bits: number): Interval {
  let term = one(bits), sum = term;
  for (let k = 2; term !== 0n && term !== -1n; k = int(k + 1)) {
    term = product(term, x, bits) / BigInt(k);
    sum = s(WIDE, sum + term);
  }
  const enclosed = around(sum, bits);
  return x < 0n ? below1(enclosed, bits) : above1(enclosed, bits);
}
