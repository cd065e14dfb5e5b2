/** The transcendental functions against another arithmetic, and what their two manners have in common. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Control, type Float80, type Outcome, type Source, DE, OE, PE, UE, arctangentOfQuotient, classify, controlOf, cos, exponentialMinusOne,
  loadConstant, pack, sin, tan, timesLogarithm, timesLogarithmOf1Plus,
} from '../../spec/src/numbers/float80.ts';
import { LN_2, PI } from '../../spec/src/numbers/float80/constants.ts';
import type { Manner } from '../../spec/src/numbers/float80/internal-format.ts';
import { maskedControl, number } from './arbitraries.ts';
import { FUNCTIONS } from './functions.table.ts';

type Compute = (x: Source, y: Source, control: Control, manner?: Manner) => Outcome;
const unary = (compute: (x: Source, control: Control, manner?: Manner) => Outcome): Compute =>
  (x, _, control, manner) => compute(x, control, manner);

const COMPUTE: Readonly<Record<string, Compute>> = {
  sin: unary(sin), cos: unary(cos), tan: unary(tan), exponential: unary(exponentialMinusOne),
  logarithm: timesLogarithm, logarithmOf1Plus: timesLogarithmOf1Plus, arctangent: arctangentOfQuotient,
};
const MODES = [0x37f, 0x77f, 0xb7f, 0xf7f].map(controlOf);

describe('correctly rounded, as another arithmetic has them', () => {
  test.each(FUNCTIONS.map((row) => [`${row[0]} ${row[1].toString(16)} ${row[2].toString(16)}`, row] as const))('%s', (_, [name, x, y, ...results]) => {
    const outcomes = MODES.map((control) => COMPUTE[name]!(x, y, control));
    expect(outcomes.map(({ value }) => value)).toEqual(results);
    for (const [n, { flags, c1 }] of outcomes.entries()) {
      expect(flags & PE).toBe(PE);
      // To zero is never up; any other result that is not the same was.
      expect(c1).toBe(results[n] === results[3] ? 0 : 1);
    }
  });
});

const INFINITY = 0x7fffn << 63n;
const ordinal = (x: Float80): bigint => ((x >> 64n) << 63n) | (x & 0x7fff_ffff_ffff_ffffn);

describe.each(Object.entries(COMPUTE))('%s', (_, compute) => {
  test('through 67 bits is what is correctly rounded, or one unit of the last bit off, with the same exceptions', () => {
    fc.assert(fc.property(number, number, maskedControl, (x, y, control) => {
      const [rounded, through] = [compute(x, y, control), compute(x, y, control, 'through 67 bits')];
      const difference = ordinal(rounded.value) - ordinal(through.value);
      expect([-1n, 0n, 1n]).toContain(difference);
      // At the two ends of what is normal, the last bit decides whether there is an underflow or an overflow.
      const magnitude = ordinal(rounded.value) & 0x3fff_ffff_ffff_ffff_ffffn;
      const open = (Math.abs(Number(magnitude) - 2 ** 63) < 2 ** 11 ? UE : 0) | (INFINITY - magnitude <= 1n ? OE : 0);
      expect(through.flags | open).toBe(rounded.flags | open);
    }), { numRuns: 400 });
  });

  test('an unmasked denormal operand leaves everything as it was', () => {
    const { written, flags } = compute(1n, pack(0, 0x3fff, 1n << 63n), controlOf(0x37f & ~DE));
    expect({ written, flags }).toEqual({ written: false, flags: DE });
  });

  test('a quiet NaN passes through', () => {
    const nan = pack(1, 0x7fff, (3n << 62n) | 5n);
    expect(compute(nan, nan, controlOf(0x37f))).toMatchObject({ written: true, value: nan, flags: 0 });
  });
});

describe('8.3.8: π', () => {
  test('is 66 bits long where angles are reduced, so the sine of the nearest number to π is their difference', () => {
    const pi = loadConstant('π', controlOf(0x37f)).value;
    // C90FDAA2 2168C235h − C90FDAA2 2168C234 Ch, in 2^-66.
    expect(sin(pi, controlOf(0x37f)).value).toBe(pack(1, 0x3fff - 64, 1n << 63n));
  });

  test('of the constants that are loaded is correct in all rounding modes', () => {
    expect(MODES.map((control) => loadConstant('π', control))).toEqual([0x35n, 0x34n, 0x35n, 0x34n].map((low) =>
      ({ written: true, value: 0x4000_c90f_daa2_2168_c200n | low, flags: 0, c1: 0 })));
  });
});

test.each([200, 500, 3000])('π and ln 2 in %i bits begin like the constants that are loaded', (bits) => {
  for (const [{ low, high, exponent }, name] of [[PI(bits), 'π'], [LN_2(bits), 'ln 2']] as const) {
    expect(high - low).toBeLessThan(1n << BigInt(-exponent - bits + 8));
    const top = low.toString(2).slice(0, 64);
    expect(BigInt(`0b${top}`)).toBe(loadConstant(name, controlOf(0xf7f)).value & 0xffff_ffff_ffff_ffffn);
  }
});

test('an angle of 2^63 or more is out of range, and left alone', () => {
  const x = pack(1, 0x3fff + 63, 1n << 63n);
  for (const compute of [sin, cos, tan]) expect(compute(x, controlOf(0x37f))).toMatchObject({ written: false, flags: 0, outOfRange: true });
  expect(classify(sin(x - (1n << 64n), controlOf(0x37f)).value)).toBe('normal');
});
