/** RAM of a PC: how much of it there can be, and where it is. */

/** From `start` up to, not including, `end`. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

export const MEBIBYTE = 0x10_0000;
/**
 * Video memory and ROMs: no RAM in a PC, but where firmware lies in RAM and leaves its tables, the upper part of it.
 */
export const LEGACY_HOLE: Range = { start: 0xa_0000, end: MEBIBYTE };
export const DEFAULT_MEMORY = 128 * MEBIBYTE;
/** RAM ends below the addresses of devices, APICs and ROM. */
const MAXIMUM_MEMORY = 0xc000_0000;

/** What a size of memory is, in words. */
export const MEMORY_SIZE = '1 MiB to 3 GiB, in pages of 4 KiB';

/** Holes included. */
export const isMemorySize = (bytes: number): boolean =>
  Number.isInteger(bytes) && bytes >= MEBIBYTE && bytes <= MAXIMUM_MEMORY && bytes % 4096 === 0;

/** RAM of a PC with `memory` bytes: below 640 KiB, and from 1 MiB on. */
export function ramRanges(memory: number): Range[] {
  if (!isMemorySize(memory)) throw new RangeError(`memory is ${memory} bytes; expected ${MEMORY_SIZE}`);
  const high = { start: MEBIBYTE, end: memory };
  return [{ start: 0, end: LEGACY_HOLE.start }, ...(memory > MEBIBYTE ? [high] : [])];
}
