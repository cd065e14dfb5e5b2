/** Random x87 operands and control words for property tests, weighted towards the edges of the format. */

import { type Arbitrary, bigInt, constantFrom, integer, oneof, tuple } from 'fast-check';
import { type Control, type Float80, controlOf, pack } from '../../spec/src/numbers/float80.ts';

const exponent = oneof(
  constantFrom(0, 1, 2, 0x3ffe, 0x3fff, 0x4000, 0x403e, 0x7ffd, 0x7ffe, 0x7fff),
  integer({ min: 0x3fc0, max: 0x4040 }),
  integer({ min: 0, max: 0x7fff }),
);

const significand = oneof(
  constantFrom(0n, 1n, 1n << 62n, 1n << 63n, (1n << 63n) + 1n, 3n << 62n, (1n << 64n) - 1n),
  bigInt({ min: 0n, max: (1n << 64n) - 1n }),
);

const sign = constantFrom(0, 1);

/** Any of the 2^80 patterns. */
export const pattern: Arbitrary<Float80> = tuple(sign, exponent, significand).map(([s, e, m]) => pack(s, e, m));

/** Zeros, denormals, normals and infinities. */
export const number: Arbitrary<Float80> = tuple(sign, exponent, significand).map(([s, e, m]) => {
  const fraction = BigInt.asUintN(63, m);
  if (e === 0) return pack(s, 0, fraction);
  return pack(s, e, (1n << 63n) | (e === 0x7fff ? 0n : fraction));
});

const controlWord = tuple(integer({ min: 0, max: 0x3f }), constantFrom(0, 2, 3), integer({ min: 0, max: 3 }))
  .map(([masks, precision, rounding]) => masks | (precision << 8) | (rounding << 10));

export const control: Arbitrary<Control> = controlWord.map(controlOf);
/** With every exception masked. */
export const maskedControl: Arbitrary<Control> = controlWord.map((fcw) => controlOf(fcw | 0x3f));

export const bits = (width: number): Arbitrary<bigint> => bigInt({ min: 0n, max: (1n << BigInt(width)) - 1n });
