/** FADD, FSUB, FSUBR. */

import { int, u } from '../bits.ts';
import { type Operation, infinityOf, perform, zeroOf } from './arithmetic.ts';
import type { Control, Outcome } from './control.ts';
import { type Operand, type Source, operand } from './operand.ts';
import { type Unrounded, normalised } from './round.ts';
import { shiftRightSticky } from './shift.ts';

/** The values are opposite: their sum is zero. */
export const cancels = (x: Unrounded, y: Unrounded): boolean =>
  x.sign !== y.sign && x.exponent === y.exponent && x.significand === y.significand;

export const sum: Operation = {
  invalid: (x, y) => x.kind === 'infinity' && y.kind === 'infinity' && x.sign !== y.sign,
  special(x, y, control) {
    if (x.kind === 'infinity') return infinityOf(x.sign);
    if (y.kind === 'infinity') return infinityOf(y.sign);
    if (x.kind === 'zero' && y.kind === 'zero' && x.sign === y.sign) return zeroOf(x.sign);
    // A sum that cancels out is +0, or −0 when rounding down. SDM vol. 1, 4.8.3.1.
    return cancels(x, y) ? zeroOf(control.mode === 'down' ? 1 : 0) : undefined;
  },
  compute: (x, y) => addUnrounded(widened(x), widened(y)),
};

/** The operand as something to be rounded. */
export const widened = ({ sign, exponent, significand }: Operand): Unrounded =>
  ({ sign, exponent, significand: u(128, significand << 64n) });

/** The sum of two values that do not cancel out. Bit 0 of either is 0: the product of two doubles has 106 bits. */
export const addUnrounded = (x: Unrounded, y: Unrounded): Unrounded =>
  x.exponent >= y.exponent ? addAligned(x, y) : addAligned(y, x);

/** `x` has the greater exponent. One bit is left above for the carry, what was below is kept, and a sticky bit. */
function addAligned(x: Unrounded, y: Unrounded): Unrounded {
  const larger = x.significand >> 1n;
  const smaller = shiftRightSticky(y.significand >> 1n, int(x.exponent - y.exponent));
  const exponent = int(x.exponent + 1);
  if (x.sign === y.sign) return normalised(x.sign, exponent, u(128, larger + smaller));
  const sign = larger > smaller ? x.sign : y.sign;
  const difference = larger > smaller ? u(128, larger - smaller) : u(128, smaller - larger);
  return normalised(sign, exponent, difference);
}

/** Subtraction negates numbers only: a NaN keeps its sign. */
export const negated = (x: Operand): Operand =>
  x.kind === 'quiet NaN' || x.kind === 'signalling NaN' ? x : { ...x, sign: int(1 - x.sign) };

export const add = (x: Source, y: Source, control: Control): Outcome => perform(sum, x, y, control);

/** `x − y`. */
export const subtract = (x: Source, y: Source, control: Control): Outcome =>
  perform(sum, x, negated(operand(y)), control);

/** `y − x`, as FSUBR. */
export const subtractReversed = (x: Source, y: Source, control: Control): Outcome => subtract(y, x, control);
