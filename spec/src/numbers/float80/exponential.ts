/** F2XM1. SDM vol. 2A, 3.2, F2XM1. */

import { int, s, u } from '../bits.ts';
import { type X87Operation, perform } from './arithmetic.ts';
import { type Control, type Outcome, PE, exactly } from './control.ts';
import { LN_2 } from './constants.ts';
import { BIAS, pack } from './format.ts';
import { type Manner, cut, interval, roundInexact } from './internal-format.ts';
import { type Interval, WIDE, exactInterval, roundDecided, times } from './interval.ts';
import { type Operand, type Source, operand, toFloat80 } from './operand.ts';
import { GUARD_BITS, exponential } from './series.ts';

const ONE = 1n << 63n;

/** 2^x − 1 is x ln 2, which is `argument`, times a series of it. */
function enclose(sign: number, argument: Interval, bits: number): Interval {
  const shift = int(bits + argument.exponent);
  const magnitude = shift >= 0 ? u(WIDE, argument.low << BigInt(shift)) : argument.low >> BigInt(-shift);
  return times(argument, exponential(sign === 1 ? s(WIDE, -magnitude) : magnitude, bits));
}

/** ln 2 in 66 bits, times 2^66. */
const SHORT_LN_2 = 0x2c5c_85fd_f473_de6a_fn;
/** Below this exponent the result is no more than the product. */
const LINEAR = int(BIAS - 68);

/**
 * Through 67 bits: x times 66 bits of ln 2, cut; and what that is the logarithm of, less 1, correctly rounded. That is
 * what the processor does where the magnitude of x is below 2^-8.
 */
function throughInternal({ sign, exponent, significand }: Operand, control: Control, flags: number): Outcome {
  const product = { significand: u(130, significand * SHORT_LN_2), exponent: int(exponent - BIAS - 63 - 66) };
  if (exponent < LINEAR) return roundInexact(sign, product, control, flags);
  const argument = interval(cut(product));
  return roundDecided(sign, (bits) => enclose(sign, argument, int(bits + GUARD_BITS)), control, flags);
}

/** Outside −1 to 1 the manual leaves the result open. */
export const exponentialOutOfRange = (source: Source): boolean => {
  const x = operand(source);
  return x.kind === 'finite' && (x.exponent > BIAS || (x.exponent === BIAS && x.significand > ONE));
};

const exponentialMinusOneOf = (manner: Manner): X87Operation => ({
  invalid: () => false,
  special(x) {
    if (x.sign === 1 && x.kind === 'infinity') return pack(1, BIAS, ONE);
    return x.kind !== 'finite' ? toFloat80(x) : undefined;
  },
  compute(x, _, control, flags) {
    const minusOne = x.sign === 1 && x.exponent === BIAS && x.significand === ONE;
    if (x.exponent >= BIAS) return exactly(minusOne ? pack(1, BIAS - 1, ONE) : toFloat80(x), flags | PE);
    if (manner === 'through 67 bits') return throughInternal(x, control, flags);
    const own = exactInterval(x.significand, int(x.exponent - BIAS - 63));
    const inBits = (bits: number): Interval => enclose(x.sign, times(own, LN_2(bits)), bits);
    return roundDecided(x.sign, (bits) => inBits(int(bits + GUARD_BITS)), control, flags);
  },
});

/**
 * 2^x − 1 for −1 ≤ x ≤ 1. Out of this range the argument is handed back, as processors do; all but 0 is inexact, as
 * they say.
 */
export function exponentialMinusOne(
  source: Source, control: Control, manner: Manner = 'correctly rounded',
): Outcome {
  const x = operand(source);
  return perform(exponentialMinusOneOf(manner), x, x, control);
}
