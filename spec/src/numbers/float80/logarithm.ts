/** FYL2X, FYL2XP1. SDM vol. 2A, 3.2, FYL2X and FYL2XP1. */

import { int, u } from '../bits.ts';
import { type X87Operation, infinityOf, perform, zeroOf } from './arithmetic.ts';
import { type Control, type Outcome, PE, UE, exactly } from './control.ts';
import { REGISTER } from './destinations.ts';
import { LN_2 } from './constants.ts';
import { BIAS } from './format.ts';
import {
  type Interval, WIDE, bitLength, exactInterval, minus, over, plus, roundDecided, squared, times, trim, unrounded,
} from './interval.ts';
import { type Operand, type Source, toFloat80 } from './operand.ts';
import { round } from './round.ts';
import { GUARD_BITS, inverseTangent } from './series.ts';

const ONE = 1n << 63n;

/** 2^`scale` times a fraction from 3/4 to 3/2, which is `significand` over `point`. */
interface Scaled {
  readonly scale: number;
  readonly significand: bigint;
  readonly point: bigint;
}

/** `significand` times 2^`exponent`. */
function scaled(significand: bigint, exponent: number): Scaled {
  const width = bitLength(significand), point = u(WIDE, 1n << BigInt(width - 1)), scale = int(exponent + width - 1);
  const halved = u(WIDE, significand << 1n) >= u(WIDE, 3n * point);
  return halved ? { scale: int(scale + 1), significand, point: u(WIDE, point << 1n) } : { scale, significand, point };
}

/** log2((1 + q) / (1 − q)), with q a quotient. */
function logarithmByQuotient(numerator: Interval, denominator: Interval, bits: number): Interval {
  const q = over(numerator, denominator, bits);
  const twice = { ...q, exponent: int(q.exponent + 1) };
  const series = inverseTangent(squared(q.low, q.exponent, bits), bits);
  return over(trim(times(twice, series), bits), LN_2(bits), bits);
}

interface Signed {
  readonly negative: boolean;
  readonly magnitude: Interval;
}

/** The logarithm of what is no power of two. */
function logarithm({ scale, significand, point }: Scaled, bits: number): Signed {
  const above = significand > point;
  const difference = u(WIDE, above ? significand - point : point - significand);
  const sum = u(WIDE, significand + point);
  const fraction = logarithmByQuotient(exactInterval(difference, 0), exactInterval(sum, 0), bits);
  if (scale === 0) return { negative: !above, magnitude: fraction };
  const whole = exactInterval(BigInt(Math.abs(scale)), 0), negative = scale < 0;
  return { negative, magnitude: above === negative ? minus(whole, fraction) : plus(whole, fraction) };
}

const asInterval = ({ significand, exponent }: Operand): Interval =>
  exactInterval(significand, int(exponent - BIAS - 63));

/** `y` times what `enclose` encloses. */
const productOf = (
  y: Operand, negative: boolean, enclose: (bits: number) => Interval, control: Control, flags: number,
): Outcome => roundDecided(
  y.sign ^ (negative ? 1 : 0), (bits) => times(asInterval(y), enclose(int(bits + GUARD_BITS))), control, flags,
);

const below1 = (x: Operand): boolean => x.exponent < BIAS;
const isOne = (x: Operand): boolean => x.kind === 'finite' && x.exponent === BIAS && x.significand === ONE;

const logarithmOf: X87Operation = {
  invalid: (x, y) => (x.sign === 1 && x.kind !== 'zero')
    || (y.kind === 'zero' && (x.kind === 'zero' || x.kind === 'infinity')) || (y.kind === 'infinity' && isOne(x)),
  zeroDivide: (x, y) => (x.kind === 'zero' && y.kind === 'finite' ? infinityOf(1 - y.sign) : undefined),
  special(x, y) {
    const sign = y.sign ^ (below1(x) ? 1 : 0);
    if (y.kind === 'infinity' || x.kind === 'infinity') return infinityOf(sign);
    return y.kind === 'zero' || isOne(x) ? zeroOf(sign) : undefined;
  },
  compute: (x, y, control, flags) =>
    timesLogarithmOf(scaled(x.significand, int(x.exponent - BIAS - 63)), y, control, flags),
};

/** Of a power of two it is exact, which processors do not say: every result that they compute is inexact. */
function timesLogarithmOf(parts: Scaled, y: Operand, control: Control, flags: number): Outcome {
  if (parts.significand === parts.point) {
    const product = u(80, y.significand * BigInt(Math.abs(parts.scale)));
    const exact = unrounded(y.sign ^ (parts.scale < 0 ? 1 : 0), product, int(y.exponent - BIAS - 63), 0n);
    return round(exact, REGISTER[64], control, flags | PE | (exact.exponent < 1 ? UE : 0));
  }
  const { negative } = logarithm(parts, 64);
  return productOf(y, negative, (bits) => logarithm(parts, bits).magnitude, control, flags);
}

/** log2(1 + x): relative to x, however small that is. */
function logarithmOf1Plus(x: Operand, bits: number): Interval {
  const two = exactInterval(1n, 1);
  const sum = x.sign === 1 ? minus(two, asInterval(x)) : plus(two, asInterval(x));
  return logarithmByQuotient(asInterval(x), trim(sum, bits), bits);
}

/** From here on 1 + x is as good as x and a little more. */
const LARGE = int(BIAS + 130);

/** 1 + x, for x above −1. */
function onePlus({ sign, exponent, significand }: Operand): Scaled {
  if (exponent > LARGE) return scaled(u(256, significand << 128n) | 1n, int(exponent - BIAS - 63 - 128));
  const shift = int(Math.max(0, BIAS + 63 - exponent)), unit = u(WIDE, 1n << BigInt(shift));
  const own = u(WIDE, significand << BigInt(Math.max(0, exponent - BIAS - 63)));
  return scaled(u(WIDE, sign === 1 ? unit - own : unit + own), -shift);
}

/** Near 0 the series is of x itself; at −1/2 and 1/2 the sum is as good. */
const isSmall = (x: Operand): boolean => x.exponent < BIAS - 1;
/** 1 + x is not positive. */
const isBelow = (x: Operand): boolean => x.sign === 1 && x.exponent >= BIAS;

const logarithmOf1PlusOf: X87Operation = {
  invalid: (x, y) => (x.kind === 'infinity' && (x.sign === 1 || y.kind === 'zero'))
    || (y.kind === 'infinity' && x.kind === 'zero'),
  special(x, y) {
    const sign = x.sign ^ y.sign;
    if (y.kind === 'infinity' || x.kind === 'infinity') return infinityOf(sign);
    return x.kind === 'zero' || y.kind === 'zero' ? zeroOf(sign) : undefined;
  },
  compute(x, y, control, flags) {
    if (isBelow(x)) return exactly(toFloat80(x), flags | PE);
    if (!isSmall(x)) return timesLogarithmOf(onePlus(x), y, control, flags);
    return productOf(y, x.sign === 1, (bits) => logarithmOf1Plus(x, bits), control, flags);
  },
};

/** y · log2(x). */
export const timesLogarithm = (x: Source, y: Source, control: Control): Outcome => perform(logarithmOf, x, y, control);

/** y · log2(x + 1), for x from −(1 − √½) to √2 − 1. */
export const timesLogarithmOf1Plus = (x: Source, y: Source, control: Control): Outcome =>
  perform(logarithmOf1PlusOf, x, y, control);
