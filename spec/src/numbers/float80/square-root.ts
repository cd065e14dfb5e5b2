/** FSQRT. */

import { int, u } from '../bits.ts';
import { type Operation, perform } from './arithmetic.ts';
import type { Control, Outcome } from './control.ts';
import { BIAS } from './format.ts';
import { type Source, operand, toFloat80 } from './operand.ts';

/** The integer part of the square root of a 134-bit number, and whether anything is left. */
function integerRoot(x: bigint): { root: bigint; exact: boolean } {
  // 53 bits of it are right, and twice as many after a step of Newton's method, which never ends below the root. It
  // ends above it by less than 1, so on it where that is an integer.
  const near = BigInt(Math.floor(Math.sqrt(Number(x))));
  const better = u(70, near + x / near) >> 1n, square = u(140, better * better);
  return { root: square > x ? u(70, better - 1n) : better, exact: square === x };
}

export const squareRootOf: Operation = {
  invalid: (x) => x.sign === 1 && x.kind !== 'zero',
  // √−0 is −0. SDM vol. 2, FSQRT.
  special: (x) => (x.kind === 'zero' || x.kind === 'infinity' ? toFloat80(x) : undefined),
  compute(x) {
    // The radicand is scaled by an even power of two, so that its root has all of its 67 bits.
    const exponent = int(x.exponent - BIAS), odd = exponent & 1;
    const { root, exact } = integerRoot(u(134, x.significand << BigInt(69 + odd)));
    const significand = u(128, root << 61n) | (exact ? 0n : 1n);
    return { sign: 0, exponent: int((exponent >> 1) + BIAS), significand };
  },
};

export function squareRoot(source: Source, control: Control): Outcome {
  const x = operand(source);
  return perform(squareRootOf, x, x, control);
}
