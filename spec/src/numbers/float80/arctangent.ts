/** FPATAN. SDM vol. 2A, 3.2, FPATAN. */

import { int, u } from '../bits.ts';
import { type X87Operation, perform, zeroOf } from './arithmetic.ts';
import { PI, cached } from './constants.ts';
import type { Control, Outcome } from './control.ts';
import { BIAS } from './format.ts';
import { type Exact, type Manner, cut, interval, quotient, roundInexact } from './internal-format.ts';
import {
  type Interval, bitLength, exactInterval, minus, over, plus, roundDecided, squared, times, trim,
} from './interval.ts';
import type { Operand, Source } from './operand.ts';
import { GUARD_BITS, arctangent } from './series.ts';

/** atan of a quotient up to 1/16. */
function ofQuotient(numerator: Interval, denominator: Interval, bits: number): Interval {
  const q = over(numerator, denominator, bits);
  return trim(times(q, arctangent(squared(q.low, q.exponent, bits), bits)), bits);
}

/** atan(n/16), by which arguments from 1/16 to 1 are brought below 1/16: each from the one before. */
const TABLE: readonly ((bits: number) => Interval)[] = Array.from({ length: 16 }, (_, n) => cached((bits) => {
  if (n === 0) return exactInterval(0n, 0);
  const step = ofQuotient(exactInterval(16n, 0), exactInterval(BigInt(int(256 + n * (n - 1))), 0), bits);
  return plus(TABLE[n - 1]!(bits), step);
}));

/** atan(n/d), for 0 < n ≤ d, whose significands are of the same length. */
function ofRatio(n: Exact, d: Exact, bits: number): Interval {
  const difference = int(d.exponent - n.exponent);
  if (difference > 4) return ofQuotient(interval(n), interval(d), bits);
  if (difference === 0 && n.significand === d.significand) return { ...PI(bits), exponent: int(PI(bits).exponent - 2) };
  // atan(n/d) = atan(c/16) + atan((16n − cd) / (16d + cn))
  const [small, large] = [n.significand, u(80, d.significand << BigInt(difference))];
  const step = u(80, small << 4n) / large;
  const top = u(80, u(80, small << 4n) - u(80, step * large)), bottom = u(80, u(80, large << 4n) + u(80, step * small));
  const table = TABLE[Number(step)]!;
  const rest = top === 0n ? exactInterval(0n, 0) : ofQuotient(exactInterval(top, 0), exactInterval(bottom, 0), bits);
  return step === 0n ? rest : plus(table(bits), rest);
}

const halved = (x: Interval): Interval => ({ ...x, exponent: int(x.exponent - 1) });

/** The quadrants above the axis, from 0 to π: the angle to the nearer axis, and where it is counted from. */
function inQuadrant(x: Operand, steep: boolean, acute: Interval, pi: Interval): Interval {
  if (!steep) return x.sign === 1 ? minus(pi, acute) : acute;
  return x.sign === 1 ? plus(halved(pi), acute) : minus(halved(pi), acute);
}

const exact = ({ significand, exponent }: Operand): Exact => ({ significand, exponent: int(exponent - BIAS - 63) });

const isSteep = (x: Operand, y: Operand): boolean =>
  y.exponent > x.exponent || (y.exponent === x.exponent && y.significand > x.significand);

/** The angle of the point (x, y) above the axis. */
function angle(x: Operand, y: Operand, bits: number): Interval {
  const steep = isSteep(x, y);
  return inQuadrant(x, steep, steep ? ofRatio(exact(x), exact(y), bits) : ofRatio(exact(y), exact(x), bits), PI(bits));
}

/** π as the instruction has it: 66 bits of it. */
const SHORT_PI = exactInterval(0xc90f_daa2_2168_c234_cn, -66);
/** A quotient below 2^-40, cut, is its own arctangent. */
const LINEAR_QUOTIENT = -40;
const ONE: Exact = { significand: u(67, 1n << 66n), exponent: -66 };

/**
 * Through 67 bits: the arctangent of a quotient that is cut, from a π of 66 bits. That is what the processor does where
 * the quotient is below 1/32.
 */
function throughInternal(x: Operand, y: Operand, control: Control, flags: number): Outcome {
  const steep = isSteep(x, y), ratio = steep ? quotient(exact(x), exact(y), 130) : quotient(exact(y), exact(x), 130);
  const short = cut(ratio);
  const isLinear = bitLength(ratio.significand) + ratio.exponent <= LINEAR_QUOTIENT;
  if (isLinear && !steep && x.sign === 0) {
    return roundInexact(y.sign, short, control, flags);
  }
  return roundDecided(y.sign, (bits) => {
    const precision = int(bits + GUARD_BITS);
    return inQuadrant(x, steep, ofRatio(short, ONE, precision), SHORT_PI);
  }, control, flags);
}

/** Multiples of π/4 where an operand is zero or infinite, or none. */
function quarters(x: Operand, y: Operand): number | undefined {
  const flat = y.kind === 'zero' || (x.kind === 'infinity' && y.kind !== 'infinity');
  const upright = x.kind === 'zero' || (y.kind === 'infinity' && x.kind !== 'infinity');
  if (flat) return x.sign === 1 ? 4 : 0;
  if (upright) return 2;
  return x.kind === 'infinity' ? (x.sign === 1 ? 3 : 1) : undefined;
}

const arctangentOf = (manner: Manner): X87Operation => ({
  invalid: () => false,
  special: (x, y) => (quarters(x, y) === 0 ? zeroOf(y.sign) : undefined),
  compute(x, y, control, flags) {
    const multiple = quarters(x, y);
    if (manner === 'through 67 bits' && multiple === undefined) return throughInternal(x, y, control, flags);
    const enclose = multiple === undefined
      ? (bits: number): Interval => angle(x, y, bits)
      : (bits: number): Interval => times(PI(bits), exactInterval(BigInt(multiple), -2));
    return roundDecided(y.sign, (bits) => enclose(int(bits + GUARD_BITS)), control, flags);
  },
});

/** The angle of the point (x, y): atan(y/x), in the quadrant that the signs say. */
export const arctangentOfQuotient = (
  x: Source, y: Source, control: Control, manner: Manner = 'correctly rounded',
): Outcome => perform(arctangentOf(manner), x, y, control);
