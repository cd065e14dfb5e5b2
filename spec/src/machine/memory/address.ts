/** Addresses as page number and offset, split without making bigints: this is the hottest place of the engine. */

/** Bytes of the smallest page. */
export const PAGE = 4096;

const quadword = new BigUint64Array(1);
/** Low and high doubleword of the address that was split last: for places that cannot afford a call for each part. */
export const doublewords = new Uint32Array(quadword.buffer);

/** Splits `address` into `doublewords`. */
export function split(address: bigint): void {
  quadword[0] = address;
}

/** Address divided by 4096: up to 52 bits, which a number holds exactly. */
export function pageNumber(address: bigint): number {
  quadword[0] = address;
  return doublewords[1]! * 0x10_0000 + (doublewords[0]! >>> 12);
}

/** Address modulo 4096. */
export function pageOffset(address: bigint): number {
  quadword[0] = address;
  return doublewords[0]! & 0xfff;
}
