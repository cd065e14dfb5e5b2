/** FDIV, FDIVR. */

import { int, u } from '../bits.ts';
import { type Operation, infinityOf, perform, zeroOf } from './arithmetic.ts';
import type { Control, Outcome } from './control.ts';
import { BIAS } from './format.ts';
import type { Source } from './operand.ts';
import { normalised } from './round.ts';

export const quotient: Operation = {
  invalid: (x, y) => (x.kind === 'zero' && y.kind === 'zero') || (x.kind === 'infinity' && y.kind === 'infinity'),
  zeroDivide: (x, y) => (x.kind === 'finite' && y.kind === 'zero' ? infinityOf(x.sign ^ y.sign) : undefined),
  special(x, y) {
    if (x.kind === 'infinity') return infinityOf(x.sign ^ y.sign);
    return x.kind === 'zero' || y.kind === 'infinity' ? zeroOf(x.sign ^ y.sign) : undefined;
  },
  compute(x, y) {
    // 66 or 67 bits of quotient and a sticky one: more than rounding to 64 needs.
    const dividend = u(130, x.significand << 66n);
    const sticky = dividend % y.significand === 0n ? 0n : 1n;
    const significand = u(128, dividend / y.significand << 61n) | sticky;
    return normalised(x.sign ^ y.sign, int(x.exponent - y.exponent + BIAS), significand);
  },
};

/** `x ÷ y`. */
export const divide = (x: Source, y: Source, control: Control): Outcome => perform(quotient, x, y, control);

/** `y ÷ x`, as FDIVR. */
export const divideReversed = (x: Source, y: Source, control: Control): Outcome => divide(y, x, control);
