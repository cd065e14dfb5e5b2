/** Polynomials over the field of two elements, as the bits of an integer: what AES, PCLMULQDQ and GFNI compute with. */

import { u } from './bits.ts';

/** The product of two polynomials of degree below `bits`; nothing is carried. */
export function multiplyCarryless(bits: number, a: bigint, b: bigint): bigint {
  let product = 0n;
  for (let n = 0; n < bits; n++) if ((b >> BigInt(n)) & 1n) product ^= u(2 * bits, a << BigInt(n));
  return product;
}

/** x^8 + x^4 + x^3 + x + 1: the field of AES and of GF2P8MULB. FIPS 197, 4.2. */
const FIELD = 0x11b;

/** The product of two bytes in that field. */
export function multiplyBytes(a: number, b: number): number {
  let product = 0;
  for (let n = 0; n < 8; n++) if ((b >> n) & 1) product ^= a << n;
  for (let n = 14; n >= 8; n--) if ((product >> n) & 1) product ^= FIELD << (n - 8);
  return product;
}

/** The inverse in that field, and 0 of 0: the 254th power, which is the product of the 2nd, 4th, 8th … 128th. */
export function invertByte(a: number): number {
  let square = a, power = 1;
  for (let n = 1; n < 8; n++) {
    square = multiplyBytes(square, square);
    power = multiplyBytes(power, square);
  }
  return power;
}

/** The parity of the bits of `value`. */
export function parity(value: number): number {
  let rest = value, odd = 0;
  for (; rest !== 0; rest &= rest - 1) odd ^= 1;
  return odd;
}
