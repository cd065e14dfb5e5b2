/** FYL2X, FYL2XP1. SDM vol. 2A, 3.2, FYL2X and FYL2XP1. */

import { int, u } from '../bits.ts';
import { type X87Operation, infinityOf, perform, zeroOf } from './arithmetic.ts';
import { type Control, type Outcome, PE, exactly } from './control.ts';
import { LN_2 } from './constants.ts';
import { BIAS } from './format.ts';
import { type Exact, type Manner, cut, cutDecided, roundInexact } from './internal-format.ts';
import {
  type Interval, WIDE, bitLength, exactInterval, minus, over, plus, roundDecided, squared, times, trim,
} from './interval.ts';
import { type Operand, type Source, operand, toFloat80 } from './operand.ts';
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

/** ln((1 + q) / (1 − q)), with q a quotient. */
function naturalByQuotient(numerator: Interval, denominator: Interval, bits: number): Interval {
  const q = over(numerator, denominator, bits);
  const twice = { ...q, exponent: int(q.exponent + 1) };
  return trim(times(twice, inverseTangent(squared(q.low, q.exponent, bits), bits)), bits);
}

const toBase2 = (natural: Interval, bits: number): Interval => over(natural, LN_2(bits), bits);

const isNegative = ({ scale, significand, point }: Scaled): boolean =>
  scale < 0 || (scale === 0 && significand < point);

/** The magnitude of the logarithm to base 2 of what is no power of two. */
function logarithm(parts: Scaled, bits: number): Interval {
  const { scale, significand, point } = parts, above = significand > point;
  const difference = u(WIDE, above ? significand - point : point - significand);
  const sum = u(WIDE, significand + point);
  const fraction = toBase2(naturalByQuotient(exactInterval(difference, 0), exactInterval(sum, 0), bits), bits);
  if (scale === 0) return fraction;
  const whole = exactInterval(BigInt(Math.abs(scale)), 0);
  return above === isNegative(parts) ? minus(whole, fraction) : plus(whole, fraction);
}

const asInterval = ({ significand, exponent }: Operand): Interval =>
  exactInterval(significand, int(exponent - BIAS - 63));

/** `y` times a logarithm that is enclosed, or through 67 bits of it. */
function productOf(
  y: Operand, negative: boolean, enclose: (bits: number) => Interval, control: Control, flags: number, manner: Manner,
): Outcome {
  const inBits = (bits: number): Interval => enclose(int(bits + GUARD_BITS));
  const sign = y.sign ^ (negative ? 1 : 0);
  return manner === 'through 67 bits' ? productExact(sign, y, cutDecided(inBits), control, flags)
    : roundDecided(sign, (bits) => times(asInterval(y), inBits(bits)), control, flags);
}

const productExact = (
  sign: number, y: Operand, { significand, exponent }: Exact, control: Control, flags: number,
): Outcome => {
  const product = u(256, y.significand * significand);
  return roundInexact(sign, { significand: product, exponent: int(y.exponent - BIAS - 63 + exponent) }, control, flags);
};

const below1 = (x: Operand): boolean => x.exponent < BIAS;
const isOne = (x: Operand): boolean => x.kind === 'finite' && x.exponent === BIAS && x.significand === ONE;

const logarithmOf = (manner: Manner): X87Operation => ({
  invalid: (x, y) => (x.sign === 1 && x.kind !== 'zero')
    || (y.kind === 'zero' && (x.kind === 'zero' || x.kind === 'infinity')) || (y.kind === 'infinity' && isOne(x)),
  zeroDivide: (x, y) => (x.kind === 'zero' && y.kind === 'finite' ? infinityOf(1 - y.sign) : undefined),
  special(x, y) {
    const sign = y.sign ^ (below1(x) ? 1 : 0);
    if (y.kind === 'infinity' || x.kind === 'infinity') return infinityOf(sign);
    return y.kind === 'zero' || isOne(x) ? zeroOf(sign) : undefined;
  },
  compute: (x, y, control, flags) =>
    timesLogarithmOf(scaled(x.significand, int(x.exponent - BIAS - 63)), y, control, flags, manner),
});

/**
 * Of a power of two it is exact, which processors do not say: every result that they compute is inexact. Through 67
 * bits, that of one below 1 is a unit of the last of them less.
 */
function timesLogarithmOf(parts: Scaled, y: Operand, control: Control, flags: number, manner: Manner): Outcome {
  if (parts.significand !== parts.point) {
    return productOf(y, isNegative(parts), (bits) => logarithm(parts, bits), control, flags, manner);
  }
  const whole = cut({ significand: BigInt(Math.abs(parts.scale)), exponent: 0 }), negative = parts.scale < 0;
  const less = negative && manner === 'through 67 bits' ? 1n : 0n;
  const magnitude = { significand: u(67, whole.significand - less), exponent: whole.exponent };
  return productExact(y.sign ^ (negative ? 1 : 0), y, magnitude, control, flags);
}

/** ln(1 + x): relative to x, however small that is. */
function naturalOf1Plus(x: Operand, bits: number): Interval {
  const two = exactInterval(1n, 1);
  const sum = x.sign === 1 ? minus(two, asInterval(x)) : plus(two, asInterval(x));
  return naturalByQuotient(asInterval(x), trim(sum, bits), bits);
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

/** log2 e in 67 bits, times 2^66. Below 2^-66 log2(1 + x) is x times this. */
const SHORT_LOG2_E = 0x5c55_1d94_ae0b_f85d_en;
const LINEAR = int(BIAS - 66);

/**
 * Through 67 bits: the natural logarithm of 1 + x, cut, times log2 e, cut, times y. That is what the processor does
 * where x is below 2^-66; elsewhere nine results of ten are the same.
 */
function throughInternal(x: Operand, y: Operand, control: Control, flags: number): Outcome {
  const own = { significand: x.significand, exponent: int(x.exponent - BIAS - 63) };
  const natural = x.exponent < LINEAR ? own : cutDecided((bits) => naturalOf1Plus(x, int(bits + GUARD_BITS)));
  const product = { significand: u(160, natural.significand * SHORT_LOG2_E), exponent: int(natural.exponent - 66) };
  return productExact(x.sign ^ y.sign, y, cut(product), control, flags);
}

const logarithmOf1PlusOf = (manner: Manner): X87Operation => ({
  invalid: (x, y) => (x.kind === 'infinity' && (x.sign === 1 || y.kind === 'zero'))
    || (y.kind === 'infinity' && x.kind === 'zero'),
  special(x, y) {
    const sign = x.sign ^ y.sign;
    if (y.kind === 'infinity' || x.kind === 'infinity') return infinityOf(sign);
    return x.kind === 'zero' || y.kind === 'zero' ? zeroOf(sign) : undefined;
  },
  compute(x, y, control, flags) {
    if (isBelow(x)) return exactly(toFloat80(x), flags | PE);
    if (!isSmall(x)) return timesLogarithmOf(onePlus(x), y, control, flags, manner);
    if (manner === 'through 67 bits') return throughInternal(x, y, control, flags);
    const enclose = (bits: number): Interval => toBase2(naturalOf1Plus(x, bits), bits);
    return productOf(y, x.sign === 1, enclose, control, flags, manner);
  },
});

/** Significands of 1 − √½ and √2 − 1, with exponents of −2: the operand's range to either side. */
const RANGE = [0xd413_cccf_e779_9211n, 0x95f6_1998_0c43_36f7n] as const;

/** Outside −(1 − √½) to √2 − 1 the manual leaves the result of FYL2XP1 open. */
export function logarithmOf1PlusOutOfRange(source: Source): boolean {
  const x = operand(source), limit = int(BIAS - 2);
  if (x.kind === 'infinity') return true;
  return x.kind === 'finite' && (x.exponent > limit || (x.exponent === limit && x.significand > RANGE[x.sign]!));
}

/** y · log2(x). */
export const timesLogarithm = (
  x: Source, y: Source, control: Control, manner: Manner = 'correctly rounded',
): Outcome => perform(logarithmOf(manner), x, y, control);

/** y · log2(x + 1), for x from −(1 − √½) to √2 − 1. */
export const timesLogarithmOf1Plus = (
  x: Source, y: Source, control: Control, manner: Manner = 'correctly rounded',
): Outcome => perform(logarithmOf1PlusOf(manner), x, y, control);
