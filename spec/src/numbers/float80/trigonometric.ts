/** FSIN, FCOS, FPTAN. SDM vol. 1, 8.3.8 to 8.3.10. */

import { int, s, u } from '../bits.ts';
import { type X87Operation, perform } from './arithmetic.ts';
import { type Control, type Outcome, PE, exactly, unwritten } from './control.ts';
import { BIAS, type Float80, pack } from './format.ts';
import { type Exact, type Manner, cutDecided, quotient, roundInexact } from './internal-format.ts';
import { type Interval, exactInterval, over, roundDecided, squared, times } from './interval.ts';
import { type Operand, type Source, operand, toFloat80 } from './operand.ts';
import { GUARD_BITS, cosine, sine, tangent } from './series.ts';

/**
 * π/2 as these instructions have it, times 2^67: 66 bits of π, in 68. The argument less a multiple of this is what
 * they are computed of, so that near multiples of π the result is nothing like the function's. SDM vol. 1, 8.3.8.
 */
const HALF_PI = 0xc90f_daa2_2168_c234_cn, HALF_PI_EXPONENT = -67;
const QUARTER_PI = HALF_PI >> 1n;

/** An argument less the nearest multiple of π/2: exact. */
export interface Reduced {
  readonly negative: boolean;
  readonly magnitude: bigint;
  readonly exponent: number;
  /** The multiple, modulo 4. */
  readonly quadrant: number;
}

/** `x` is finite and below 2^63. */
export function reduce(x: Operand): Reduced {
  const exponent = int(x.exponent - BIAS - 63);
  const shift = int(exponent - HALF_PI_EXPONENT);
  const fixed = shift < 0 ? 0n : u(256, x.significand << BigInt(shift));
  const negative = x.sign === 1;
  if (fixed <= QUARTER_PI) return { negative, magnitude: x.significand, exponent, quadrant: 0 };
  const multiple = u(256, fixed + QUARTER_PI) / HALF_PI;
  const rest = s(256, fixed - u(256, multiple * HALF_PI));
  const quarter = Number(u(2, multiple));
  return {
    negative: rest < 0n !== negative, magnitude: u(256, rest < 0n ? s(256, -rest) : rest), exponent: HALF_PI_EXPONENT,
    quadrant: negative ? (4 - quarter) & 3 : quarter,
  };
}

const sineOf = ({ magnitude, exponent }: Reduced, bits: number): Interval =>
  times(exactInterval(magnitude, exponent), sine(squared(magnitude, exponent, bits), bits));
const cosineOf = ({ magnitude, exponent }: Reduced, bits: number): Interval =>
  cosine(squared(magnitude, exponent, bits), bits);

export interface Trigonometric extends Outcome {
  /** C2: the argument is out of range, and nothing was done. */
  readonly outOfRange: boolean;
}

const LIMIT = int(BIAS + 63);
const ONE = pack(0, BIAS, 1n << 63n);

/** What all three do before they compute; `ofZero` is what they make of ±0. */
function trigonometric(
  source: Source, control: Control, ofZero: (x: Operand) => Float80, compute: X87Operation['compute'],
): Trigonometric {
  const x = operand(source);
  const operation: X87Operation = {
    invalid: () => x.kind === 'infinity',
    special: () => (x.kind === 'zero' ? ofZero(x) : undefined),
    compute,
  };
  const outOfRange = x.kind === 'finite' && x.exponent >= LIMIT;
  return { ...(outOfRange ? unwritten(0) : perform(operation, x, x, control)), outOfRange };
}

/**
 * Through 67 bits, angles below 2^-68 are their own sine and tangent, and have 1 for a cosine: inexact, but whatever
 * the rounding control.
 */
const LINEAR = int(BIAS - 68);

const isLinear = (x: Operand, manner: Manner): boolean => manner === 'through 67 bits' && x.exponent < LINEAR;

/** The sine of the reduced argument and `turns` quarters of a circle: an odd number of them makes a cosine of it. */
function sineAfter(x: Operand, turns: number, control: Control, flags: number): Outcome {
  const reduced = reduce(x), quadrant = (reduced.quadrant + turns) & 3;
  const isCosine = (quadrant & 1) === 1;
  const turned = (quadrant & 2) !== 0, mirrored = reduced.negative && !isCosine;
  const series = isCosine ? cosineOf : sineOf;
  return roundDecided(turned === mirrored ? 0 : 1, (bits) => series(reduced, int(bits + GUARD_BITS)), control, flags);
}

export const sin = (x: Source, control: Control, manner: Manner = 'correctly rounded'): Trigonometric =>
  trigonometric(x, control, toFloat80, (number, _, __, flags) =>
    isLinear(number, manner) ? asItIs(number, control, flags) : sineAfter(number, 0, control, flags));

export const cos = (x: Source, control: Control, manner: Manner = 'correctly rounded'): Trigonometric =>
  trigonometric(x, control, () => ONE, (number, _, __, flags) =>
    isLinear(number, manner) ? exactly(ONE, flags | PE) : sineAfter(number, 1, control, flags));

/** A denormal underflows. */
function asItIs({ sign, exponent, significand }: Operand, control: Control, flags: number): Outcome {
  return roundInexact(sign, { significand, exponent: int(exponent - BIAS - 63) }, control, flags);
}

/** Correctly rounded: as a series of its own, so that it is more than its argument however small that is. */
function encloseTangent({ magnitude, exponent, quadrant }: Reduced, bits: number): Interval {
  const acute = times(exactInterval(magnitude, exponent), tangent(squared(magnitude, exponent, bits), bits));
  return (quadrant & 1) === 1 ? over(exactInterval(1n, 0), acute, bits) : acute;
}

/** Through 67 bits: the quotient of sine and cosine, both cut. That is what the processor does below 2^-8. */
function quotientOfSines(reduced: Reduced): Exact {
  const [sine67, cosine67] = [sineOf, cosineOf].map((series) =>
    cutDecided((bits) => series(reduced, int(bits + GUARD_BITS))));
  return (reduced.quadrant & 1) === 1 ? quotient(cosine67!, sine67!, 120) : quotient(sine67!, cosine67!, 120);
}

/** FPTAN pushes 1 after it, which is not part of this. */
export const tan = (x: Source, control: Control, manner: Manner = 'correctly rounded'): Trigonometric =>
  trigonometric(x, control, toFloat80, (number, _, __, flags) => {
    if (isLinear(number, manner)) return asItIs(number, control, flags);
    const reduced = reduce(number), sign = reduced.negative === ((reduced.quadrant & 1) === 1) ? 0 : 1;
    if (manner === 'correctly rounded') {
      return roundDecided(sign, (bits) => encloseTangent(reduced, int(bits + GUARD_BITS)), control, flags);
    }
    return roundInexact(sign, quotientOfSines(reduced), control, flags);
  });
