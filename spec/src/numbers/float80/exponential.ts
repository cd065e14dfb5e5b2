/** F2XM1. SDM vol. 2A, 3.2, F2XM1. */

import { int, s, u } from '../bits.ts';
import { type X87Operation, perform } from './arithmetic.ts';
import { type Control, type Outcome, PE, exactly } from './control.ts';
import { LN_2 } from './constants.ts';
import { BIAS, pack } from './format.ts';
import { type Interval, WIDE, exactInterval, roundDecided, times } from './interval.ts';
import { type Operand, type Source, operand, toFloat80 } from './operand.ts';
import { GUARD_BITS, exponential } from './series.ts';

const ONE = 1n << 63n;

/** 2^x − 1 is x ln 2 times a series of x ln 2. */
function enclose({ sign, exponent, significand }: Operand, bits: number): Interval {
  const argument = times(exactInterval(significand, int(exponent - BIAS - 63)), LN_2(bits));
  const shift = int(bits + argument.exponent);
  const magnitude = shift >= 0 ? u(WIDE, argument.low << BigInt(shift)) : argument.low >> BigInt(-shift);
  return times(argument, exponential(sign === 1 ? s(WIDE, -magnitude) : magnitude, bits));
}

/** Outside −1 to 1 the manual leaves the result open. */
export const exponentialOutOfRange = (source: Source): boolean => {
  const x = operand(source);
  return x.kind === 'finite' && (x.exponent > BIAS || (x.exponent === BIAS && x.significand > ONE));
};

const exponentialMinusOneOf: X87Operation = {
  invalid: () => false,
  special(x) {
    if (x.sign === 1 && x.kind === 'infinity') return pack(1, BIAS, ONE);
    return x.kind !== 'finite' ? toFloat80(x) : undefined;
  },
  compute(x, _, control, flags) {
    const minusOne = x.sign === 1 && x.exponent === BIAS && x.significand === ONE;
    if (x.exponent >= BIAS) return exactly(minusOne ? pack(1, BIAS - 1, ONE) : toFloat80(x), flags | PE);
    return roundDecided(x.sign, (bits) => enclose(x, int(bits + GUARD_BITS)), control, flags);
  },
};

/**
 * 2^x − 1 for −1 ≤ x ≤ 1. Out of this range the argument is handed back, as processors do; all but 0 is inexact, as
 * they say.
 */
export function exponentialMinusOne(source: Source, control: Control): Outcome {
  const x = operand(source);
  return perform(exponentialMinusOneOf, x, x, control);
}
