/** FMUL. */

import { int, u } from '../bits.ts';
import { type Operation, infinityOf, perform, zeroOf } from './arithmetic.ts';
import type { Control, Outcome } from './control.ts';
import { BIAS } from './format.ts';
import type { Operand, Source } from './operand.ts';
import { type Unrounded, normalised } from './round.ts';

export const product: Operation = {
  invalid: (x, y) => (x.kind === 'infinity' && y.kind === 'zero') || (x.kind === 'zero' && y.kind === 'infinity'),
  special(x, y) {
    if (x.kind === 'infinity' || y.kind === 'infinity') return infinityOf(x.sign ^ y.sign);
    return x.kind === 'zero' || y.kind === 'zero' ? zeroOf(x.sign ^ y.sign) : undefined;
  },
  compute: multiplied,
};

/** The product of two finite values: its top bit is bit 126 or 127, as both integer bits are set, so it is exact. */
export function multiplied(x: Operand, y: Operand): Unrounded {
  const exponent = int(x.exponent + y.exponent - BIAS + 1);
  return normalised(x.sign ^ y.sign, exponent, u(128, x.significand * y.significand));
}

export const multiply = (x: Source, y: Source, control: Control): Outcome => perform(product, x, y, control);
