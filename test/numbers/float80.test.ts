/** Cases that the manual spells out, each under the name of its section. SDM volume 1, December 2016. */

import { describe, expect, test } from 'vitest';
import {
  DE, IE, OE, PE, UE, ZE, REAL_INDEFINITE, add, classify, compare, compareUnordered, controlOf, divide, loadFloat32,
  loadFloat64, loadInteger, multiply, pack, roundToInteger, squareRoot, storeFloat32, storeFloat64, storeInteger,
  storeIntegerTruncated, subtract,
} from '../../spec/src/numbers/float80.ts';

/** FCW after FNINIT: all masked, 64 bits, to nearest. */
const initial = controlOf(0x037f);
const unmasking = (flags: number) => controlOf(0x037f & ~flags);
const exact = (value: bigint) => ({ written: true, value, flags: 0, c1: 0 });

const ONE = loadInteger(16, 1n), TWO = loadInteger(16, 2n), THREE = loadInteger(16, 3n);
const INFINITY = pack(0, 0x7fff, 1n << 63n), NEGATIVE_INFINITY = pack(1, 0x7fff, 1n << 63n);
const NEGATIVE_ZERO = pack(1, 0, 0n);
const LEAST_DENORMAL = pack(0, 0, 1n), LEAST_NORMAL = pack(0, 1, 1n << 63n);
const GREATEST = pack(0, 0x7ffe, (1n << 64n) - 1n);
const quiet = (payload: bigint, sign = 0) => pack(sign, 0x7fff, (3n << 62n) | payload);
const signalling = (payload: bigint, sign = 0) => pack(sign, 0x7fff, (1n << 63n) | payload);

describe('4.2.2 and 8.2.2: encodings', () => {
  test.each([
    ['zero', pack(1, 0, 0n)],
    ['denormal', pack(0, 0, (1n << 63n) - 1n)],
    ['pseudo-denormal', pack(0, 0, 1n << 63n)],
    ['normal', pack(0, 1, 1n << 63n)],
    ['unnormal', pack(0, 1, (1n << 63n) - 1n)],
    ['unnormal', pack(1, 0x3fff, 0n)],
    ['infinity', pack(1, 0x7fff, 1n << 63n)],
    ['pseudo-infinity', pack(0, 0x7fff, 0n)],
    ['signalling NaN', signalling(1n)],
    ['quiet NaN', quiet(0n)],
    ['pseudo-NaN', pack(0, 0x7fff, 1n)],
  ])('%s', (name, x) => expect(classify(x)).toBe(name));

  test('an unsupported encoding is an invalid operation, even beside a quiet NaN', () => {
    const unnormal = pack(0, 0x4000, 1n);
    expect(add(quiet(5n), unnormal, initial)).toEqual({ ...exact(REAL_INDEFINITE), flags: IE });
  });

  test('a pseudo-denormal has the value of the normal number with exponent 1, and is denormal', () => {
    expect(multiply(pack(0, 0, 1n << 63n), ONE, initial)).toEqual({ ...exact(LEAST_NORMAL), flags: DE });
  });
});

describe('4.8.3.5, table 4-7: which NaN is passed on', () => {
  test.each([
    ['a number and a quiet NaN: the quiet NaN', ONE, quiet(7n, 1), quiet(7n, 1), 0],
    ['two quiet NaNs: the larger significand', quiet(7n), quiet(9n), quiet(9n), 0],
    ['two equal quiet NaNs: the positive one', quiet(7n, 1), quiet(7n), quiet(7n), 0],
    ['signalling and quiet: the quiet one', signalling(1n << 61n), quiet(1n), quiet(1n), IE],
    ['two signalling NaNs: the larger significand, quieted', signalling(3n), signalling(5n), quiet(5n), IE],
    ['signalling and a number: quieted', signalling(3n, 1), ONE, quiet(3n, 1), IE],
  ])('%s', (_, x, y, value, flags) => {
    expect(add(x, y, initial)).toEqual({ ...exact(value), flags });
    expect(multiply(y, x, initial)).toEqual({ ...exact(value), flags });
  });

  test('subtraction keeps the sign of a NaN', () => {
    expect(subtract(ONE, quiet(7n), initial)).toEqual(exact(quiet(7n)));
  });
});

describe('4.8.4: rounding', () => {
  test.each([
    ['nearest', 0x037f, 0x3ffd_aaaa_aaaa_aaaa_aaabn, 1],
    ['down', 0x077f, 0x3ffd_aaaa_aaaa_aaaa_aaaan, 0],
    ['up', 0x0b7f, 0x3ffd_aaaa_aaaa_aaaa_aaabn, 1],
    ['zero', 0x0f7f, 0x3ffd_aaaa_aaaa_aaaa_aaaan, 0],
    ['nearest, 53 bits', 0x027f, 0x3ffd_aaaa_aaaa_aaaa_a800n, 0],
    ['nearest, 24 bits', 0x007f, 0x3ffd_aaaa_ab00_0000_0000n, 1],
  ])('1 ÷ 3: %s', (_, fcw, value, c1) => {
    expect(divide(ONE, THREE, controlOf(fcw))).toEqual({ written: true, value, flags: PE, c1 });
  });

  test('a tie goes to the even significand', () => {
    const half = pack(0, 0x3fff - 64, 1n << 63n), next = pack(0, 0x3fff, (1n << 63n) + 1n);
    expect(add(ONE, half, initial)).toEqual({ ...exact(ONE), flags: PE });
    expect(add(next, half, initial)).toEqual({ written: true, value: next + 1n, flags: PE, c1: 1 });
  });
});

describe('4.8.3.1: the sign of zero', () => {
  test.each([['nearest', 0x037f, 0n], ['down', 0x077f, NEGATIVE_ZERO], ['up', 0x0b7f, 0n], ['zero', 0x0f7f, 0n]])(
    'x − x, rounding %s', (_, fcw, zero) => expect(subtract(THREE, THREE, controlOf(fcw))).toEqual(exact(zero)),
  );

  test('√−0 is −0', () => expect(squareRoot(NEGATIVE_ZERO, initial)).toEqual(exact(NEGATIVE_ZERO)));
});

describe('8.5.1.2, table 8-10: invalid operations', () => {
  test.each([
    ['∞ − ∞', subtract(INFINITY, INFINITY, initial)],
    ['∞ + −∞', add(INFINITY, NEGATIVE_INFINITY, initial)],
    ['0 × ∞', multiply(0n, INFINITY, initial)],
    ['0 ÷ 0', divide(0n, NEGATIVE_ZERO, initial)],
    ['∞ ÷ ∞', divide(INFINITY, INFINITY, initial)],
    ['√−1', squareRoot(pack(1, 0x3fff, 1n << 63n), initial)],
  ])('%s is the real indefinite', (_, outcome) => expect(outcome).toEqual({ ...exact(REAL_INDEFINITE), flags: IE }));

  test('unmasked, nothing is written', () => {
    expect(multiply(0n, INFINITY, unmasking(IE))).toMatchObject({ written: false, flags: IE });
  });

  test('out of range, an integer store writes the integer indefinite', () => {
    const x = loadInteger(32, 0x8000n);
    expect(storeInteger(x, 16, initial)).toEqual({ ...exact(0x8000n), flags: IE });
    expect(storeInteger(x, 16, unmasking(IE))).toMatchObject({ written: false, flags: IE });
    expect(storeInteger(quiet(0n), 64, initial)).toEqual({ ...exact(0x8000_0000_0000_0000n), flags: IE });
  });
});

describe('8.5.2 and 8.5.3: denormal operands, division by zero', () => {
  test('x ÷ 0 is an infinity with the product of the signs', () => {
    expect(divide(ONE, NEGATIVE_ZERO, initial)).toEqual({ ...exact(NEGATIVE_INFINITY), flags: ZE });
    expect(divide(ONE, 0n, unmasking(ZE))).toMatchObject({ written: false, flags: ZE });
  });

  test('∞ ÷ 0 is exact', () => expect(divide(INFINITY, 0n, initial)).toEqual(exact(INFINITY)));

  test('4.9.2: division by zero and a quiet NaN come before a denormal operand', () => {
    expect(divide(LEAST_DENORMAL, 0n, initial).flags).toBe(ZE);
    expect(add(LEAST_DENORMAL, quiet(0n), initial).flags).toBe(0);
  });

  test('loading a denormal single or double normalises it', () => {
    expect(loadFloat32(1n, initial)).toEqual({ ...exact(pack(0, 0x3fff - 149, 1n << 63n)), flags: DE });
    expect(loadFloat64(1n, initial)).toEqual({ ...exact(pack(0, 0x3fff - 1074, 1n << 63n)), flags: DE });
  });

  test('loading a signalling NaN quiets it', () => {
    expect(loadFloat32(0x7f80_0001n, initial)).toEqual({ ...exact(quiet(1n << 40n)), flags: IE });
    expect(loadFloat32(0x7f80_0001n, unmasking(IE))).toMatchObject({ written: false, flags: IE });
  });
});

describe('8.5.4: overflow', () => {
  test.each([
    ['nearest', 0x037f, INFINITY, 1], ['down', 0x077f, GREATEST, 0],
    ['up', 0x0b7f, INFINITY, 1], ['zero', 0x0f7f, GREATEST, 0],
  ])('masked, rounding %s', (_, fcw, value, c1) => {
    expect(multiply(GREATEST, TWO, controlOf(fcw))).toEqual({ written: true, value, flags: OE | PE, c1 });
  });

  test('unmasked, a register gets the result divided by 2^24576', () => {
    const scaled = pack(0, 0x7fff - 24576, (1n << 64n) - 1n);
    expect(multiply(GREATEST, TWO, unmasking(OE))).toEqual({ ...exact(scaled), flags: OE });
  });

  test('unmasked, memory is left as it was', () => {
    expect(storeFloat64(GREATEST, unmasking(OE))).toEqual({ written: false, value: 0n, flags: OE, c1: 0 });
    expect(storeFloat32(GREATEST, initial)).toEqual({ written: true, value: 0x7f80_0000n, flags: OE | PE, c1: 1 });
  });
});

describe('8.5.5: underflow', () => {
  test('masked, an exact denormal is no underflow', () => {
    expect(divide(LEAST_NORMAL, TWO, initial)).toEqual(exact(pack(0, 0, 1n << 62n)));
  });

  test('masked, an inexact one is', () => {
    const outcome = divide(pack(0, 1, (1n << 63n) + 1n), TWO, initial);
    expect(outcome).toEqual({ ...exact(pack(0, 0, 1n << 62n)), flags: UE | PE });
  });

  test('unmasked, a tiny result is one even where it is exact, and comes multiplied by 2^24576', () => {
    expect(divide(LEAST_NORMAL, TWO, unmasking(UE))).toEqual({ ...exact(pack(0, 24576, 1n << 63n)), flags: UE });
  });

  test('4.9.1.5: a result that rounds up to the least normal number is not tiny', () => {
    const below = pack(0, 0x3ffe, (1n << 64n) - 1n), single = controlOf(0x006f);
    expect(multiply(LEAST_NORMAL, below, single)).toEqual({ written: true, value: LEAST_NORMAL, flags: PE, c1: 1 });
  });
});

describe('8.3.6: comparison', () => {
  test('zeros are equal whatever their signs', () => {
    expect(compare(0n, NEGATIVE_ZERO, initial)).toEqual({ relation: 'equal', flags: 0, pops: true });
  });

  test('a quiet NaN is invalid for FCOM, unordered for FUCOM', () => {
    expect(compare(ONE, quiet(0n), unmasking(IE))).toEqual({ relation: 'unordered', flags: IE, pops: false });
    expect(compareUnordered(ONE, quiet(0n), initial)).toEqual({ relation: 'unordered', flags: 0, pops: true });
    expect(compareUnordered(ONE, signalling(1n), initial)).toEqual({ relation: 'unordered', flags: IE, pops: true });
  });

  test.each([
    ['−∞', NEGATIVE_INFINITY, '−1', pack(1, 0x3fff, 1n << 63n)],
    ['−1', pack(1, 0x3fff, 1n << 63n), '0', 0n],
    ['0', 0n, 'the least denormal', LEAST_DENORMAL],
    ['the least denormal', LEAST_DENORMAL, 'the least normal', LEAST_NORMAL],
    ['the greatest finite', GREATEST, '∞', INFINITY],
  ])('%s is less than %s', (_, x, __, y) => {
    expect(compare(x, y, initial).relation).toBe('less');
    expect(compare(y, x, initial).relation).toBe('greater');
  });
});

describe('conversion to integers', () => {
  const minusTwoAndAHalf = pack(1, 0x4000, 0xa000_0000_0000_0000n);

  test.each([['nearest', 0x037f, 2, 0], ['down', 0x077f, 3, 1], ['up', 0x0b7f, 2, 0], ['zero', 0x0f7f, 2, 0]])(
    'FIST and FRNDINT of −2.5, rounding %s', (_, fcw, magnitude, c1) => {
      const control = controlOf(fcw), integer = BigInt.asUintN(32, -BigInt(magnitude));
      expect(storeInteger(minusTwoAndAHalf, 32, control)).toEqual({ written: true, value: integer, flags: PE, c1 });
      const whole = loadInteger(32, integer);
      expect(roundToInteger(minusTwoAndAHalf, control)).toEqual({ written: true, value: whole, flags: PE, c1 });
    },
  );

  test('FISTTP truncates whatever the rounding control', () => {
    expect(storeIntegerTruncated(minusTwoAndAHalf, 16, controlOf(0x077f)))
      .toEqual({ written: true, value: 0xfffen, flags: PE, c1: 0 });
  });

  test('FRNDINT keeps the sign of what becomes zero', () => {
    expect(roundToInteger(pack(1, 0x3ffd, 1n << 63n), initial)).toEqual({ ...exact(NEGATIVE_ZERO), flags: PE });
  });
});
