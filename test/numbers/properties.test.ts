/** Laws that x87 arithmetic obeys for all operands, all rounding and precision controls, all masks. */

import { assert, pre, property } from 'fast-check';
import { expect, test } from 'vitest';
import {
  IE, PE, add, classify, compare, divide, fromFloat32, fromFloat64, loadFloat32, loadFloat64, loadInteger, multiply,
  roundToInteger, squareRoot, storeFloat32, storeFloat64, storeInteger, storeIntegerTruncated, subtract,
  subtractReversed,
} from '../../spec/src/numbers/float80.ts';
import { bits, control, maskedControl, number, pattern } from './arbitraries.ts';

const SIGN = 1n << 79n;
const RUNS = { numRuns: 2000, seed: 80 };

test.each([['add', add], ['multiply', multiply]] as const)('%s is commutative: value, flags and C1', (_, operation) => {
  assert(property(pattern, pattern, control, (x, y, c) => {
    expect(operation(x, y, c)).toEqual(operation(y, x, c));
  }), RUNS);
});

test('x − y is x + (−y), for numbers', () => {
  assert(property(number, number, control, (x, y, c) => {
    expect(subtract(x, y, c)).toEqual(add(x, y ^ SIGN, c));
    expect(subtractReversed(y, x, c)).toEqual(add(x, y ^ SIGN, c));
  }), RUNS);
});

test('negating both operands negates a sum rounded to nearest, unless it cancels out', () => {
  assert(property(number, number, control, (x, y, c) => {
    const nearest = { ...c, mode: 'nearest' as const };
    const outcome = add(x, y, nearest);
    pre(outcome.written && classify(outcome.value) !== 'zero' && (outcome.flags & IE) === 0);
    expect(add(x ^ SIGN, y ^ SIGN, nearest)).toEqual({ ...outcome, value: outcome.value ^ SIGN });
  }), RUNS);
});

test('rounding up is never below rounding down, and they are equal exactly where the result is exact', () => {
  assert(property(number, number, maskedControl, (x, y, c) => {
    for (const operation of [add, multiply, divide]) {
      const down = operation(x, y, { ...c, mode: 'down' }), up = operation(x, y, { ...c, mode: 'up' });
      if ((down.flags & IE) !== 0) continue;
      expect(up.flags & PE).toBe(down.flags & PE);
      expect(compare(down.value, up.value, c).relation).toBe((down.flags & PE) === 0 ? 'equal' : 'less');
    }
  }), RUNS);
});

test('a square root times itself is the operand, where the root is exact', () => {
  assert(property(bits(32), maskedControl, (n, c) => {
    const full = { ...c, precision: 64 as const };
    const x = loadInteger(64, n), square = multiply(x, x, full);
    expect(squareRoot(square.value, full)).toEqual({ written: true, value: x, flags: 0, c1: 0 });
  }), RUNS);
});

test('a double loaded and stored is the same, unless it is a signalling NaN', () => {
  assert(property(bits(64), maskedControl, (x, c) => {
    pre(fromFloat64(x).kind !== 'signalling NaN');
    const stored = storeFloat64(loadFloat64(x, c).value, c);
    expect(stored).toEqual({ written: true, value: x, flags: 0, c1: 0 });
  }), RUNS);
});

test('a single loaded, stored as a double, loaded and stored as a single is the same but quiet', () => {
  assert(property(bits(32), maskedControl, (x, c) => {
    const first = loadFloat32(x, c).value;
    const second = loadFloat64(storeFloat64(first, c).value, c).value;
    expect(second).toBe(first);
    expect(storeFloat32(second, c).value).toBe(fromFloat32(x).kind === 'signalling NaN' ? x | (1n << 22n) : x);
  }), RUNS);
});

test.each([16, 32, 64] as const)('an integer of %i bits survives load and store in every rounding mode', (width) => {
  assert(property(bits(width), control, (x, c) => {
    const loaded = loadInteger(width, x), exact = { written: true, value: x, flags: 0, c1: 0 };
    expect(storeInteger(loaded, width, c)).toEqual(exact);
    expect(storeIntegerTruncated(loaded, width, c)).toEqual(exact);
  }), RUNS);
});

test('rounding to an integer and then storing it is storing with rounding', () => {
  assert(property(number, maskedControl, (x, c) => {
    const whole = roundToInteger(x, c);
    expect(storeInteger(whole.value, 64, c).value).toBe(storeInteger(x, 64, c).value);
  }), RUNS);
});

test('a sum of two 32-bit integers is exact, whatever is masked', () => {
  assert(property(bits(32), bits(32), control, (x, y, c) => {
    const sum = add(loadInteger(64, x), loadInteger(64, y), { ...c, precision: 64 });
    expect(sum).toEqual({ written: true, value: loadInteger(64, x + y), flags: 0, c1: 0 });
  }), RUNS);
});
