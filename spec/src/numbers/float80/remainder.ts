/** FPREM and FPREM1. SDM vol. 2A, 3.2, FPREM and FPREM1. */

import { int, u } from '../bits.ts';
import { type X87Operation, perform } from './arithmetic.ts';
import { type Control, type Outcome, UE } from './control.ts';
import { REGISTER } from './destinations.ts';
import { BIAS } from './format.ts';
import { unrounded } from './interval.ts';
import { type Operand, type Source, operand, toFloat80 } from './operand.ts';
import { round } from './round.ts';

export interface Remainder extends Outcome {
  /** False where the exponents are 64 or more apart: the result is congruent, to be given to the instruction again. */
  readonly complete: boolean;
  /** Bits 2:0 of the quotient, 0 while the reduction is not complete; absent where an operand allows none. */
  readonly quotient: number | undefined;
}

interface Reduction {
  readonly complete: boolean;
  readonly quotient: bigint;
  /** The quotient was rounded up: the remainder has the other sign. */
  readonly up: boolean;
  readonly rest: bigint;
  readonly exponent: number;
}

/**
 * How much of the exponents' difference one execution works off where it is 64 or more: the manual allows 32 to 63, and
 * processors leave a multiple of 32.
 */
const partial = (difference: number): number => 32 + (difference & 31);

function reduce(x: Operand, y: Operand, nearest: boolean): Reduction {
  const difference = int(x.exponent - y.exponent), complete = difference < 64;
  const steps = complete ? difference : partial(difference);
  // Below y, x is its own remainder, unless it is nearer to y than to 0.
  if (steps < -1 || (steps < 0 && !nearest)) {
    return { complete, quotient: 0n, up: false, rest: x.significand, exponent: x.exponent };
  }
  const dividend = u(128, x.significand << BigInt(Math.max(steps, 0)));
  const divisor = steps < 0 ? u(65, y.significand << 1n) : y.significand;
  const quotient = dividend / divisor, rest = dividend % divisor;
  const twice = u(66, rest << 1n);
  const up = nearest && complete && (twice > divisor || (twice === divisor && u(1, quotient) === 1n));
  return {
    complete, quotient: u(65, quotient + (up ? 1n : 0n)), up, rest: up ? u(65, divisor - rest) : rest,
    exponent: int(x.exponent - Math.max(steps, 0)),
  };
}

function remainderOf(first: Source, second: Source, control: Control, nearest: boolean): Remainder {
  const x = operand(first), y = operand(second);
  const finite = x.kind === 'finite' && y.kind === 'finite';
  const { complete, quotient, up, rest, exponent } = finite ? reduce(x, y, nearest) : NONE;
  const exact: X87Operation = {
    invalid: () => x.kind === 'infinity' || y.kind === 'zero',
    special: () => (x.kind === 'zero' || rest === 0n && finite ? zeroLike(x) : undefined),
    compute: (_, __, ___, flags) => {
      const sign = x.sign ^ (up ? 1 : 0);
      const [significand, scale] = finite ? [rest, exponent] : [x.significand, x.exponent];
      // By an infinity, a denormal operand is handed back, and is no underflow even where that is not masked.
      const masks = finite ? control.masks : control.masks | UE;
      const value = unrounded(sign, significand, int(scale - BIAS - 63), 0n);
      return round(value, REGISTER[64], { ...control, masks }, flags);
    },
  };
  const outcome = perform(exact, x, y, control);
  const divided = outcome.written && finiteOrZero(x) && (y.kind === 'finite' || y.kind === 'infinity');
  return { ...outcome, complete, quotient: divided ? Number(u(3, complete ? quotient : 0n)) : undefined };
}

const finiteOrZero = (x: Operand): boolean => x.kind === 'finite' || x.kind === 'zero';
const NONE: Reduction = { complete: true, quotient: 0n, up: false, rest: 0n, exponent: 0 };
const zeroLike = (x: Operand): bigint => toFloat80({ ...x, kind: 'zero' });

/** The remainder of `x` by `y` with the sign of `x`, the quotient truncated. */
export const remainder = (x: Source, y: Source, control: Control): Remainder => remainderOf(x, y, control, false);

/** The remainder of IEEE 754, with the quotient rounded to nearest. */
export const remainderToNearest = (x: Source, y: Source, control: Control): Remainder =>
  remainderOf(x, y, control, true);
