/** A static ELF64 program for x86-64 Linux: one header, one segment that holds everything. ELF-64 object file format, 1.5. */

import { toBytes } from '../../spec/src/numbers/bits.ts';

const FILE_HEADER = 64, PROGRAM_HEADER = 56;
/** What comes before the code, in the file and in memory. */
export const HEADER_BYTES = FILE_HEADER + PROGRAM_HEADER;

/** `code` runs from `base` + `HEADER_BYTES`, where it begins; `memory` bytes are there in all, those beyond it zero. */
export function elf({ base, code, memory }: { base: bigint; code: Uint8Array; memory: number }): Uint8Array {
  const number = (value: bigint | number, length: number): number[] => [...toBytes(BigInt(value), length)];
  const identity = [0x7f, ...new TextEncoder().encode('ELF'), 2, 1, 1, 0, ...number(0, 8)];
  const file = HEADER_BYTES + code.length;
  return Uint8Array.from([
    ...identity,
    // An executable for x86-64, version 1; entry, program headers, no section headers.
    ...number(2, 2), ...number(62, 2), ...number(1, 4), ...number(base + BigInt(HEADER_BYTES), 8), ...number(FILE_HEADER, 8), ...number(0, 8),
    ...number(0, 4), ...number(FILE_HEADER, 2), ...number(PROGRAM_HEADER, 2), ...number(1, 2), ...number(64, 2), ...number(0, 2), ...number(0, 2),
    // PT_LOAD; readable, writable, executable.
    ...number(1, 4), ...number(7, 4), ...number(0, 8), ...number(base, 8), ...number(base, 8), ...number(file, 8), ...number(memory, 8), ...number(0x1000, 8),
    ...code,
  ]);
}
