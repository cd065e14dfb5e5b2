/**
 * The words of the BIOS data area that boot code reads to find out where free memory below 1 MiB ends. IBM PC/AT
 * Technical Reference, March 1984, section 5; the segment of the extended area came with the PS/2.
 */

import { toBytes } from '../../numbers/bits.ts';
import type { Memory } from '../memory/physical.ts';

/** Segment of the extended BIOS data area, and kibibytes of memory below it. */
const EXTENDED_SEGMENT = 0x40e, BASE_MEMORY = 0x413;
/** The extended area is the last kibibyte below 640 KiB. */
const BASE_KIBIBYTES = 639;

export function leaveBiosDataArea(memory: Memory): void {
  memory.writeBytes(BigInt(EXTENDED_SEGMENT), toBytes(BigInt((BASE_KIBIBYTES * 1024) / 16), 2));
  memory.writeBytes(BigInt(BASE_MEMORY), toBytes(BigInt(BASE_KIBIBYTES), 2));
  // The size of the extended area in kibibytes is its first byte.
  memory.writeBytes(BigInt(BASE_KIBIBYTES * 1024), Uint8Array.of(1));
}
