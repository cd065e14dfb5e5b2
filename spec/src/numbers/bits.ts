/**
 * Fixed-width integers in bigint. Architectural arithmetic is written with ordinary operators and wrapped to its
 * width before any other use: `u(64, a + b)`.
 */

/** `x` modulo 2^`n`, as an unsigned integer. */
export const u = BigInt.asUintN as (n: number, x: bigint) => bigint;

/** `x` modulo 2^`n`, as a two's complement signed integer. */
export const s = BigInt.asIntN as (n: number, x: bigint) => bigint;

/** Marks arithmetic on plain numbers (offsets, counts) as such for readers and for the semantics lint. */
export const int = (x: number): number => x | 0;

/** `x` with only its low `n` bits, sign-extended to 64 bits and given as an unsigned 64-bit value. */
export const signExtend = (n: number, x: bigint): bigint => u(64, s(n, x));

/** The sign bit of an `n`-bit value: 2^(n-1). */
export const signBit = (n: number): bigint => SIGN_BITS[n] ?? 1n << BigInt(n - 1);
const SIGN_BITS: Record<number, bigint> = { 8: 0x80n, 16: 0x8000n, 32: 0x8000_0000n, 64: 0x8000_0000_0000_0000n };

/** Bit `position` of `x` is 1. */
export const bit = (x: bigint, position: number): boolean => (x & (POWERS[position] ?? 1n << BigInt(position))) !== 0n;
const POWERS: readonly bigint[] = Array.from({ length: 64 }, (_, n) => 1n << BigInt(n));

/** 64 bits of a number, and the same as doublewords and as bytes: without a bigint for each part. */
const quadword = new BigUint64Array(1);
const doublewords = new Int32Array(quadword.buffer);
const octets = new Uint8Array(quadword.buffer);

/**
 * A linear address is canonical when all bits from `width` - 1 up are equal.
 * `width` is 48, or 57 with 5-level paging. SDM vol. 1, 3.3.7.1.
 */
export function isCanonical(linear: bigint, width: number): boolean {
  quadword[0] = linear;
  const upper = doublewords[1]! >> (width - 33);
  return upper === 0 || upper === -1;
}

/** Whether the first and the last of `bytes` bytes (fewer than 2^32) at `linear` have canonical addresses. */
export function isCanonicalRange(linear: bigint, bytes: number, width: number): boolean {
  if (!isCanonical(linear, width)) return false;
  // Within 4 GiB of addresses bits 63:32 are the same.
  const last = (doublewords[0]! >>> 0) + bytes - 1;
  return last <= 0xffff_ffff || isCanonical(u(64, linear + BigInt(bytes - 1)), width);
}

/** Hexadecimal with `0x`, as everywhere in this project. */
export const hex = (x: bigint | number): string => (x < 0 ? `-0x${(-x).toString(16)}` : `0x${x.toString(16)}`);

/** Little-endian bytes of `value`. */
export function toBytes(value: bigint, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let rest = value;
  for (let i = 0; i < length; i++) {
    if (i % 8 === 0) {
      quadword[0] = rest;
      rest >>= 64n;
    }
    bytes[i] = octets[i % 8]!;
  }
  return bytes;
}

/** The unsigned value of `length` little-endian bytes at `offset`; a `RangeError` where there are not so many. */
export function fromBytes(bytes: Uint8Array, offset = 0, length = bytes.length - offset): bigint {
  if (offset + length > bytes.length) {
    throw new RangeError(`of ${bytes.length} bytes, ${length} were asked for at ${offset}`);
  }
  let value = 0n;
  quadword[0] = 0n;
  for (let i = length - 1; i >= 0; i--) {
    octets[i % 8] = bytes[offset + i]!;
    if (i % 8 === 0) value = (value << 64n) | quadword[0]!;
  }
  return value;
}

/** Copies a few bytes: without the views that `set` and `subarray` make. */
export function copyBytes(to: Uint8Array, at: number, from: Uint8Array, start: number, length: number): void {
  for (let i = 0; i < length; i++) to[at + i] = from[start + i]!;
}
