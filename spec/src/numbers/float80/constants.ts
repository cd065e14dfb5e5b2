/** π and ln 2 in as many bits as are asked for, and what the instructions that load constants load. */

import { int, u } from '../bits.ts';
import { type Control, type Outcome, exactly } from './control.ts';
import { REGISTER } from './destinations.ts';
import { type Interval, WIDE, exactInterval, minus, over, plus, times } from './interval.ts';
import { round } from './round.ts';
import { GUARD_BITS, arctangent, inverseTangent } from './series.ts';

/** Computed once for each number of bits. */
export function cached(compute: (bits: number) => Interval): (bits: number) => Interval {
  const known = new Map<number, Interval>();
  return (bits) => {
    const value = known.get(bits) ?? compute(bits);
    known.set(bits, value);
    return value;
  };
}

/** `factor` times atan(1/n) or artanh(1/n). */
function ofReciprocal(series: typeof arctangent, factor: number, n: number, bits: number): Interval {
  const precision = int(bits + GUARD_BITS);
  const z = u(WIDE, 1n << BigInt(precision)) / BigInt(int(n * n));
  const value = times(series(z, precision), exactInterval(BigInt(factor), 0));
  return over(value, exactInterval(BigInt(n), 0), precision);
}

/** Machin's formula. */
export const PI = cached((bits) =>
  minus(ofReciprocal(arctangent, 16, 5, bits), ofReciprocal(arctangent, 4, 239, bits)));

export const LN_2 = cached((bits) => minus(
  plus(ofReciprocal(inverseTangent, 18, 26, bits), ofReciprocal(inverseTangent, 8, 8749, bits)),
  ofReciprocal(inverseTangent, 2, 4801, bits),
));

/** The first 128 bits of each, with the biased exponent. */
const LOADED = {
  'log2 10': [0x4000, 0xd49a_784b_cd1b_8afe_492b_f6ff_4daf_db4cn],
  'log2 e': [0x3fff, 0xb8aa_3b29_5c17_f0bb_be87_fed0_691d_3e88n],
  'π': [0x4000, 0xc90f_daa2_2168_c234_c4c6_628b_80dc_1cd1n],
  'log10 2': [0x3ffd, 0x9a20_9a84_fbcf_f798_8f89_59ac_0b7c_9178n],
  'ln 2': [0x3ffe, 0xb172_17f7_d1cf_79ab_c9e3_b398_03f2_f6afn],
} as const;

export type Constant = keyof typeof LOADED;

/**
 * A constant rounded by the rounding control, not by the precision control; its inexactness is not reported, and C1 is
 * 0. SDM vol. 2A, 3.2, FLD1.
 */
export function loadConstant(name: Constant, control: Control): Outcome {
  const [exponent, significand] = LOADED[name];
  return exactly(round({ sign: 0, exponent, significand }, REGISTER[64], control, 0).value);
}
