/** The floating-point formats that results are rounded to. */

import { int, u } from '../bits.ts';
import type { X87Precision } from './control.ts';
import { BIAS, GREATEST_EXPONENT, INTEGER_BIT, pack } from './format.ts';
import type { Destination } from './round.ts';

/** Precision control shortens the significand only; the exponent keeps its full range. SDM vol. 1, 8.1.5.2. */
function register(precision: X87Precision): Destination {
  const dropped = BigInt(64 - precision);
  return {
    precision,
    leastExponent: 1,
    greatestExponent: GREATEST_EXPONENT - 1,
    memory: false,
    encode(sign, exponent, significand) {
      const aligned = precision === 64 ? significand : u(64, significand << dropped);
      return pack(sign, aligned < INTEGER_BIT ? 0 : exponent, aligned);
    },
    infinity: (sign) => pack(sign, GREATEST_EXPONENT, INTEGER_BIT),
  };
}

/** A format whose integer bit is implied. `precision` counts it. */
function memory(precision: 11 | 24 | 53, exponentBits: number): Destination {
  const greatest = int((1 << exponentBits) - 1), rebias = int(BIAS - (greatest >> 1));
  const fractionBits = int(precision - 1), width = int(precision + exponentBits), below = BigInt(fractionBits);
  const leastNormal = u(width, 1n << below);
  const fields = (sign: number, exponent: number, fraction: bigint): bigint =>
    u(width, BigInt((sign << exponentBits) | exponent) << below) | u(fractionBits, fraction);
  return {
    precision,
    leastExponent: int(rebias + 1),
    greatestExponent: int(rebias + greatest - 1),
    memory: true,
    encode: (sign, exponent, significand) =>
      fields(sign, significand < leastNormal ? 0 : int(exponent - rebias), significand),
    infinity: (sign) => fields(sign, greatest, 0n),
  };
}

export const REGISTER: Record<X87Precision, Destination> = { 24: register(24), 53: register(53), 64: register(64) };
export const FLOAT16 = memory(11, 5);
export const FLOAT32 = memory(24, 8);
export const FLOAT64 = memory(53, 11);
