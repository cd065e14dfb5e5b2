/**
 * The double extended-precision format. A `Float80` is its bit pattern: sign in bit 79, biased exponent in bits 78:64,
 * significand with its explicit integer bit in bits 63:0. SDM vol. 1, 4.2.2 and 8.2.
 */

import { u } from '../bits.ts';

export type Float80 = bigint;

/** What the exponent field exceeds the exponent by. */
export const BIAS = 0x3fff;
/** The exponent field of infinities and NaNs. */
export const GREATEST_EXPONENT = 0x7fff;
/** Bit 63 of the significand: the integer bit, which this format stores. */
export const INTEGER_BIT = 0x8000_0000_0000_0000n;
/** Bit 62 of the significand: the most significant bit of the fraction, 1 in a quiet NaN. */
export const QUIET_BIT = 0x4000_0000_0000_0000n;

/** The QNaN that is the masked response to an invalid operation. SDM vol. 1, 4.8.3.7. */
export const REAL_INDEFINITE: Float80 = 0xffff_c000_0000_0000_0000n;

/** Bits 79:64: the sign above the exponent. */
export const signAndExponentOf = (x: Float80): number => Number(x >> 64n);
export const signOf = (x: Float80): number => signAndExponentOf(x) >> 15;
export const exponentOf = (x: Float80): number => signAndExponentOf(x) & 0x7fff;
export const significandOf = (x: Float80): bigint => u(64, x);

export const pack = (sign: number, exponent: number, significand: bigint): Float80 =>
  u(80, BigInt((sign << 15) | (exponent & 0x7fff)) << 64n) | u(64, significand);

/**
 * The encodings of SDM vol. 1, tables 4-3 and 8-3. The last three are not supported since the Intel 387: an operand
 * that is one is an invalid operation. A pseudo-denormal is never generated but is handled correctly as an operand.
 */
export type Float80Class =
  | 'zero' | 'denormal' | 'pseudo-denormal' | 'normal' | 'infinity' | 'quiet NaN' | 'signalling NaN'
  | 'unnormal' | 'pseudo-infinity' | 'pseudo-NaN';

export const classify = (x: Float80): Float80Class => classOf(exponentOf(x), significandOf(x));

/** The same of the parts. */
export function classOf(exponent: number, significand: bigint): Float80Class {
  const integer = significand >= INTEGER_BIT;
  if (exponent === 0) return integer ? 'pseudo-denormal' : significand === 0n ? 'zero' : 'denormal';
  if (exponent < GREATEST_EXPONENT) return integer ? 'normal' : 'unnormal';
  if (!integer) return significand === 0n ? 'pseudo-infinity' : 'pseudo-NaN';
  return significand === INTEGER_BIT ? 'infinity' : (significand & QUIET_BIT) !== 0n ? 'quiet NaN' : 'signalling NaN';
}
