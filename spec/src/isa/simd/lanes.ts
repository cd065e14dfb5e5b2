/** Vectors as the manual's pseudocode has them: lanes of 8 to 128 bits, the lowest first. */

import { s, u } from '../../numbers/bits.ts';

/** The lanes of `bits` bits of a vector of `width` bits, unsigned. */
export function split(width: number, bits: number, value: bigint): bigint[] {
  const lanes: bigint[] = [], by = BigInt(bits);
  let rest = value;
  for (let n = width / bits; n > 0; n--) {
    lanes.push(u(bits, rest));
    rest >>= by;
  }
  return lanes;
}

/** The same, signed. */
export const splitSigned = (width: number, bits: number, value: bigint): bigint[] =>
  split(width, bits, value).map((lane) => s(bits, lane));

/** The vector of these lanes, each taken modulo 2^`bits`. */
export function join(bits: number, lanes: readonly bigint[]): bigint {
  const width = lanes.length * bits, by = BigInt(bits);
  let value = 0n;
  for (let n = lanes.length - 1; n >= 0; n--) value = u(width, value << by) | u(bits, lanes[n]!);
  return value;
}

/** A copy of `value` with `bits` bits from lane `index` on replaced. */
export function insert(bits: number, index: number, value: bigint, lane: bigint): bigint {
  const at = BigInt(index * bits);
  const mask = u(512, u(bits, -1n) << at);
  return (value & ~mask) | u(512, u(bits, lane) << at);
}

/** All ones or all zeros. */
export const mask = (bits: number, condition: boolean): bigint => (condition ? u(bits, -1n) : 0n);

/** `value` saturated to what `bits` bits hold. SDM vol. 1, 9.3.3. */
export const saturateSigned = (bits: number, value: bigint): bigint => {
  const limit = u(bits, 1n << BigInt(bits - 1));
  return value >= limit ? u(bits, limit - 1n) : value < s(512, -limit) ? limit : u(bits, value);
};
export const saturateUnsigned = (bits: number, value: bigint): bigint =>
  (value < 0n ? 0n : value >> BigInt(bits) ? u(bits, -1n) : value);
