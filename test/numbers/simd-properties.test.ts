/** Laws of SIMD floating-point, and the host's own arithmetic as another opinion: it rounds to nearest and has no flags. */

import { type Arbitrary, assert, bigInt, constantFrom, integer, oneof, property, tuple } from 'fast-check';
import { expect, test } from 'vitest';
import {
  type Binary, DOUBLE, type Format, IE, PE, SINGLE, add, compareTo, convertLane, divide, fusedMultiplyAdd, multiply, roundLane,
  simdControlOf, squareRoot, subtract, toIntegerLane,
} from '../../spec/src/numbers/simd.ts';

const RUNS = { numRuns: 4000, seed: 754 };
const nearest = simdControlOf(0x1f80), NO_SIGNS = { negateProduct: false, negateAddend: false };
const FORMATS = [['single precision', SINGLE], ['double precision', DOUBLE]] as const;

/** Any pattern, weighted towards the ends of the exponent's range and numbers near each other. */
function lane({ width }: Format): Arbitrary<bigint> {
  const fraction = width === 32 ? 23 : 52, top = (1 << (width - 1 - fraction)) - 1;
  const exponent = oneof(constantFrom(0, 1, top, top - 1, top >> 1), integer({ min: (top >> 1) - 30, max: (top >> 1) + 30 }), integer({ min: 0, max: top }));
  const bits = oneof(constantFrom(0n, 1n, (1n << BigInt(fraction)) - 1n), bigInt({ min: 0n, max: (1n << BigInt(fraction)) - 1n }));
  return tuple(constantFrom(0n, 1n), exponent, bits).map(([sign, e, f]) => (sign << BigInt(width - 1)) | (BigInt(e) << BigInt(fraction)) | f);
}

const bitsOf = ({ width }: Format, value: number): bigint =>
  width === 64 ? new BigUint64Array(Float64Array.of(value).buffer)[0]! : BigInt(new Uint32Array(Float32Array.of(value).buffer)[0]!);
const valueOf = ({ width }: Format, bits: bigint): number =>
  width === 64 ? new Float64Array(BigUint64Array.of(bits).buffer)[0]! : new Float32Array(Uint32Array.of(Number(bits)).buffer)[0]!;
/** Which NaN it is, the host does not say. */
const same = (format: Format, bits: bigint, value: number): void => {
  if (Number.isNaN(value)) expect(valueOf(format, bits)).toBeNaN();
  else expect(bits).toBe(bitsOf(format, value));
};

const OPERATIONS: readonly [string, Binary, (x: number, y: number) => number][] = [
  ['add', add, (x, y) => x + y], ['subtract', subtract, (x, y) => x - y], ['multiply', multiply, (x, y) => x * y],
  ['divide', divide, (x, y) => x / y],
];

for (const [name, format] of FORMATS) {
  // Rounding to 53 bits and then to 24 is rounding once, for these operations.
  test.each(OPERATIONS)(`%s in ${name} is the host's`, (_, operation, host) => {
    assert(property(lane(format), lane(format), (x, y) => {
      same(format, operation(format, x, y, nearest).value, host(valueOf(format, x), valueOf(format, y)));
    }), RUNS);
  });

  test(`square root, comparison and truncation in ${name} are the host's`, () => {
    assert(property(lane(format), lane(format), (x, y) => {
      const value = valueOf(format, x), other = valueOf(format, y);
      same(format, squareRoot(format, x, nearest).value, Math.sqrt(value));
      expect(compareTo(format, x, y, 1, nearest).value !== 0n).toBe(value < other);
      same(format, roundLane(format, x, 3, nearest).value, Math.trunc(value));
      const integer = Math.trunc(value), fits = integer >= -(2 ** 31) && integer < 2 ** 31;
      expect(BigInt.asIntN(32, toIntegerLane(format, 32, x, true, nearest).value)).toBe(fits ? BigInt(integer) : -(2n ** 31n));
    }), RUNS);
  });

  test(`in ${name} a product plus zero is a product, and a product by one plus a number is a sum`, () => {
    const one = bitsOf(format, 1), control = integer({ min: 0, max: 3 }).map((mode) => simdControlOf(0x1f80 | (mode << 13)));
    assert(property(lane(format), lane(format), control, (x, y, c) => {
      const product = multiply(format, x, y, c);
      // −0, so that the sum keeps the product's sign.
      const minus = (product.value >> BigInt(format.width - 1)) << BigInt(format.width - 1);
      expect(fusedMultiplyAdd(format, x, y, minus, NO_SIGNS, c)).toMatchObject({ value: product.value, flags: product.flags });
      expect(fusedMultiplyAdd(format, x, one, y, NO_SIGNS, c)).toMatchObject(flagsAndValue(add(format, x, y, c)));
    }), RUNS);
  });

  test(`in ${name} the result is exact where rounding up and down give the same`, () => {
    assert(property(lane(format), lane(format), (x, y) => {
      for (const [, operation] of OPERATIONS) {
        const [down, up] = [1, 2].map((mode) => operation(format, x, y, simdControlOf(0x1f80 | (mode << 13))));
        if (down!.flags & IE) continue;
        const equal = valueOf(format, down!.value) === valueOf(format, up!.value) || Number.isNaN(valueOf(format, up!.value));
        expect((down!.flags & PE) === 0).toBe(equal);
      }
    }), RUNS);
  });
}

const flagsAndValue = ({ value, flags }: { value: bigint; flags: number }) => ({ value, flags });

test('conversions between the formats are the host\'s', () => {
  assert(property(lane(DOUBLE), lane(SINGLE), (x, y) => {
    same(SINGLE, convertLane(DOUBLE, SINGLE, x, nearest).value, Math.fround(valueOf(DOUBLE, x)));
    same(DOUBLE, convertLane(SINGLE, DOUBLE, y, nearest).value, valueOf(SINGLE, y));
  }), RUNS);
});
