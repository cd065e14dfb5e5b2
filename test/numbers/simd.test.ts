/** What the captured vectors hold by chance, said by name: rules of SIMD floating-point that are easily got wrong. */

import { describe, expect, test } from 'vitest';
import {
  DE, DOUBLE, type DotProductOrder, IE, OE, PE, SINGLE, UE, ZE, add, approximateReciprocal,
  approximateReciprocalSquareRoot, compareTo, divide, dotProduct, eachLane, fromHalf, fusedMultiplyAdd, maximum, minimum,
  multiply, roundLane, simdControlOf, squareRoot, toHalf,
} from '../../spec/src/numbers/simd.ts';

/** All exceptions masked, but those of `unmasked`; FTZ is 8000h, DAZ 40h. */
const control = (also = 0, unmasked = 0) => simdControlOf((0x1f80 | also) & ~(unmasked << 7));
const single = (value: number): bigint => BigInt(new Uint32Array(Float32Array.of(value).buffer)[0]!);
const FTZ = 0x8000, DAZ = 0x40;
const LEAST_NORMAL = 0x0080_0000n, GREATEST_DENORMAL = 0x007f_ffffn, GREATEST = 0x7f7f_ffffn;
const QUIET = 0x7fc0_1234n, OTHER_QUIET = 0xffc0_4321n, SIGNALLING = 0x7f80_0001n;
const outcome = ({ value, flags }: { value: bigint; flags: number }) => ({ value, flags });

describe('NaN operands', () => {
  test('the first is passed on, be it signalling and the second quiet', () => {
    expect(outcome(add(SINGLE, SIGNALLING, QUIET, control()))).toEqual({ value: 0x7fc0_0001n, flags: IE });
    expect(outcome(add(SINGLE, QUIET, SIGNALLING, control()))).toEqual({ value: QUIET, flags: IE });
    expect(outcome(add(SINGLE, 0n, OTHER_QUIET, control()))).toEqual({ value: OTHER_QUIET, flags: 0 });
  });

  test('an infinity times zero with a quiet NaN as addend is no invalid operation', () => {
    const signs = { negateProduct: false, negateAddend: false }, infinity = 0x7f80_0000n;
    expect(outcome(fusedMultiplyAdd(SINGLE, infinity, 0n, QUIET, signs, control()))).toEqual({ value: QUIET, flags: 0 });
  });

  test('MINPS and MAXPS take the second operand as it is, be it signalling', () => {
    for (const extreme of [minimum, maximum]) {
      expect(outcome(extreme(SINGLE, QUIET, SIGNALLING, control()))).toEqual({ value: SIGNALLING, flags: IE });
      expect(outcome(extreme(SINGLE, QUIET, single(1), control()))).toEqual({ value: single(1), flags: IE });
      expect(outcome(extreme(SINGLE, single(-0), 0n, control()))).toEqual({ value: 0n, flags: 0 });
    }
  });

  test('of several, DPPS passes one on by lane, and the manual the first', () => {
    // Products: lane 0 and lane 1 are NaNs.
    const x = (OTHER_QUIET << 32n) | QUIET, y = (single(1) << 32n) | single(1);
    const dot = (order: DotProductOrder): bigint => dotProduct(SINGLE, 128, x, y, 0xff, order, control()).value;
    expect(dot('as written')).toBe((QUIET << 96n) | (QUIET << 64n) | (QUIET << 32n) | QUIET);
    expect(dot('by lane')).toBe((QUIET << 96n) | (OTHER_QUIET << 64n) | (QUIET << 32n) | OTHER_QUIET);
  });
});

describe('exceptions', () => {
  test('an unmasked overflow and an unmasked underflow set PE too, where the result is inexact', () => {
    expect(add(SINGLE, GREATEST, GREATEST, control(0, OE)).flags).toBe(OE);
    expect(multiply(SINGLE, GREATEST, GREATEST, control(0, OE)).flags).toBe(OE | PE);
    expect(multiply(SINGLE, LEAST_NORMAL, single(0.5), control(0, UE)).flags).toBe(UE);
    expect(multiply(SINGLE, 0x0080_0001n, 0x3f00_0001n, control(0, UE)).flags).toBe(UE | PE);
  });

  test('a tiny result that is exact is no underflow, unless underflow is unmasked or flushed to zero', () => {
    expect(outcome(multiply(SINGLE, LEAST_NORMAL, single(0.5), control()))).toEqual({ value: 0x0040_0000n, flags: 0 });
    expect(outcome(multiply(SINGLE, LEAST_NORMAL, single(-0.5), control(FTZ)))).toEqual({ value: 1n << 31n, flags: UE | PE });
  });

  test('what is below the least normal value and rounds to it at full precision is not tiny', () => {
    const below = multiply(SINGLE, 0x3f7f_ffffn, 0x0080_0001n, control(FTZ));
    expect(outcome(below)).toEqual({ value: LEAST_NORMAL, flags: PE });
  });

  test('FTZ does nothing where underflow is unmasked', () => {
    expect(multiply(SINGLE, LEAST_NORMAL, single(0.5), control(FTZ, UE)).flags).toBe(UE);
  });

  test('DAZ goes before everything: a denormal divisor divides by zero', () => {
    expect(outcome(divide(SINGLE, single(1), GREATEST_DENORMAL, control(DAZ)))).toEqual({ value: 0x7f80_0000n, flags: ZE });
    expect(outcome(squareRoot(SINGLE, 0x8000_0001n, control(DAZ)))).toEqual({ value: 1n << 31n, flags: 0 });
    expect(outcome(squareRoot(SINGLE, 0x8000_0001n, control()))).toEqual({ value: 0xffc0_0000n, flags: IE });
  });

  test('a denormal divided by zero is a zero divide and no denormal operand', () => {
    expect(divide(SINGLE, 1n, 0n, control()).flags).toBe(ZE);
  });

  test('an unmasked exception found before computing hides those of other lanes that are found after it', () => {
    const lanes: [bigint, bigint][] = [[1n, single(1)], [GREATEST, 0x7f7f_fffen]];
    const of = (unmasked: number) =>
      eachLane(2, 32, control(0, unmasked), (n) => multiply(SINGLE, ...lanes[n]!, control(0, unmasked)));
    expect(of(0)).toMatchObject({ flags: DE | OE | PE, trapped: false });
    expect(of(DE)).toMatchObject({ flags: DE, trapped: true });
    expect(of(OE)).toMatchObject({ flags: DE | OE | PE, trapped: true });
  });
});

describe('conversions', () => {
  test('VCVTPH2PS does not heed DAZ and raises no denormal exception', () => {
    expect(outcome(fromHalf(SINGLE, 1n, control(DAZ, DE)))).toEqual({ value: single(2 ** -24), flags: 0 });
  });

  test('VCVTPS2PH does not heed FTZ, but does DAZ', () => {
    expect(outcome(toHalf(SINGLE, single(2 ** -24), 4, control(FTZ)))).toEqual({ value: 1n, flags: 0 });
    expect(toHalf(SINGLE, 1n, 4, control()).flags).toBe(DE | UE | PE);
    expect(toHalf(SINGLE, 1n, 4, control(DAZ)).flags).toBe(0);
  });

  test('VCVTPS2PH rounds as its immediate says, unless bit 2 leaves it to MXCSR', () => {
    const third = single(1 / 3);
    expect(toHalf(SINGLE, third, 1, control()).value).toBe(0x3555n);
    expect(toHalf(SINGLE, third, 2, control()).value).toBe(0x3556n);
    expect(toHalf(SINGLE, third, 4 | 1, control(2 << 13)).value).toBe(0x3556n);
  });

  test('ROUNDPS keeps PE quiet with bit 3, and no denormal operand is an exception', () => {
    expect(outcome(roundLane(SINGLE, single(2.5), 0, control()))).toEqual({ value: single(2), flags: PE });
    expect(outcome(roundLane(SINGLE, single(2.5), 8 | 2, control()))).toEqual({ value: single(3), flags: 0 });
    expect(outcome(roundLane(SINGLE, 1n, 2, control()))).toEqual({ value: single(1), flags: PE });
  });
});

test('each of the 32 predicates is its relations, and half of them signal', () => {
  const relations = [['<', 1, 2], ['=', 1, 1], ['>', 2, 1], ['?', NaN, 1]] as const;
  const table = Array.from({ length: 32 }, (_, predicate) => {
    const of = (x: number, y: number) => compareTo(DOUBLE, double(x), double(y), predicate, control());
    const holds = relations.map(([name, x, y]) => (of(x, y).value === 0n ? '-' : name)).join('');
    return of(NaN, 1).flags === IE ? `${holds} signals` : holds;
  });
  expect(table.slice(0, 16)).toEqual([
    '-=--', '<--- signals', '<=-- signals', '---?', '<->?', '-=>? signals', '-->? signals', '<=>-',
    '-=-?', '<--? signals', '<=-? signals', '----', '<->-', '-=>- signals', '-->- signals', '<=>?',
  ]);
  const flipped = (row: string): string => (row.endsWith(' signals') ? row.slice(0, 4) : `${row} signals`);
  expect(table.slice(16)).toEqual(table.slice(0, 16).map(flipped));
});

describe('approximations', () => {
  test('are within 1.5 × 2^-12 and have 13 bits', () => {
    for (let step = 0; step < 1 << 14; step++) {
      const bits = BigInt(0x3f80_0000 + step * 1021), value = toNumber(bits);
      for (const [of, exact] of [
        [approximateReciprocal, 1 / value], [approximateReciprocalSquareRoot, 1 / Math.sqrt(value)],
      ] as const) {
        const found = of(bits);
        expect(found & 0x7ffn).toBe(0n);
        expect(Math.abs(toNumber(found) / exact - 1)).toBeLessThanOrEqual(1.5 * 2 ** -12);
      }
    }
  });

  test('take denormals for zeros and flush tiny results, whatever MXCSR says', () => {
    expect(approximateReciprocal(0x8000_0001n)).toBe(0xff80_0000n);
    expect(approximateReciprocal(0x7e7f_ffffn)).toBe(0x0080_0800n);
    expect(approximateReciprocal(0x7e80_0000n)).toBe(0n);
    expect(approximateReciprocalSquareRoot(0x8000_0001n)).toBe(0xff80_0000n);
    expect(approximateReciprocalSquareRoot(0xbf80_0000n)).toBe(0xffc0_0000n);
  });
});

const double = (value: number): bigint => new BigUint64Array(Float64Array.of(value).buffer)[0]!;
const toNumber = (bits: bigint): number => new Float32Array(Uint32Array.of(Number(bits)).buffer)[0]!;
