/**
 * What firmware finds in CMOS memory: IBM PC AT Technical Reference, "CMOS RAM address map", and places that later
 * firmware agreed on.
 */

import { MEBIBYTE } from '../ram.ts';

const KIB = 1024;
/** KiB below 1 MiB; above it up to 64 MiB less 1 KiB, twice; 64 KiB blocks above 16 MiB. */
const BASE = 0x15, EXTENDED = 0x17, EXTENDED_AGAIN = 0x30, HIGH = 0x34;
const EQUIPMENT = 0x14, CHECKSUM = 0x2e, PROCESSORS = 0x5f;
/** A coprocessor, and a display adapter with firmware of its own or none; no diskette drive. */
const EQUIPPED = 2;

/** The bytes by address, for `memory` bytes of RAM. Processors but the first are counted where Bochs and QEMU do. */
export function cmosBytes(memory: number, processors: number): Record<number, number> {
  const bytes: Record<number, number> = { [EQUIPMENT]: EQUIPPED, [PROCESSORS]: processors - 1 };
  const word = (at: number, value: number): void => {
    bytes[at] = value & 0xff;
    bytes[at + 1] = value >> 8;
  };
  const extended = Math.min((memory - MEBIBYTE) / KIB, 0xfc00);
  word(BASE, 640);
  word(EXTENDED, extended);
  word(EXTENDED_AGAIN, extended);
  word(HIGH, Math.max(0, (memory - 16 * MEBIBYTE) / (64 * KIB)));
  const sum = Object.entries(bytes).reduce(
    (all, [at, value]) => (Number(at) >= 0x10 && Number(at) < CHECKSUM ? all + value : all), 0,
  );
  bytes[CHECKSUM] = sum >> 8;
  bytes[CHECKSUM + 1] = sum & 0xff;
  return bytes;
}
