/** FSQRT. */

import { int, u } from '../bits.ts';
import { type Operation, perform } from './arithmetic.ts';
import type { Control, Outcome } from './control.ts';
import { BIAS } from './format.ts';
import { type Source, operand, toFloat80 } from './operand.ts';

const ROOT_BITS = 67;

/** The integer part of the square root of a 134-bit number, by digits, and whether anything is left. */
function integerRoot(x: bigint): { root: bigint; exact: boolean } {
  let root = 0n, rest = 0n;
  for (let i = ROOT_BITS - 1; i >= 0; i--) {
    rest = u(70, rest << 2n) | u(2, x >> BigInt(2 * i));
    const trial = u(70, root << 2n) | 1n;
    const fits = rest >= trial;
    rest = fits ? u(70, rest - trial) : rest;
    root = u(70, root << 1n) | (fits ? 1n : 0n);
  }
  return { root, exact: rest === 0n };
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
