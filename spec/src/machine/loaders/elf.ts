/**
 * ELF32 and ELF64 executables: the segments that are loaded, and the entry. System V ABI, Object Files, December 2013
 * draft.
 */

import { hex } from '../../numbers/bits.ts';
import { ImageError } from './image.ts';
import type { Reader } from './reader.ts';

export interface ElfSegment {
  /** Of its program header in the file. */
  readonly headerOffset: number;
  readonly virtual: number;
  readonly physical: number;
  readonly memoryBytes: number;
  readonly bytes: Uint8Array;
}

export interface Elf {
  readonly bits: 32 | 64;
  readonly segments: readonly ElfSegment[];
  /** Physical address of the first instruction. */
  readonly entry: number;
}

const LOAD = 1;
const EXECUTABLE = 2, SHARED = 3;
const MACHINES: Readonly<Record<number, readonly [value: number, name: string]>> = {
  32: [3, 'Intel 80386'], 64: [62, 'x86-64'],
};

export const isElf = ({ bytes }: Reader): boolean =>
  bytes.length >= 4 && [0x7f, 0x45, 0x4c, 0x46].every((byte, n) => bytes[n] === byte);

export function readElf(file: Reader): Elf {
  if (!isElf(file)) {
    const found = [...file.bytes.slice(0, 4)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ') || 'nothing';
    throw new ImageError(`no ELF file: it begins with ${found} at offset 0x0, expected 7f 45 4c 46`);
  }
  file.require(0, 0x34, 'the ELF header');
  const [elfClass, encoding] = [file.bytes[4]!, file.bytes[5]!];
  if (elfClass !== 1 && elfClass !== 2) throw wrong('the ELF class', elfClass, 4, '1 (32-bit) or 2 (64-bit)');
  if (encoding !== 1) throw wrong('the ELF data encoding', encoding, 5, '1 (little-endian)');
  const bits = elfClass === 1 ? 32 : 64;
  file.require(0, bits === 32 ? 0x34 : 0x40, 'the ELF header');
  const type = file.word(0x10, 'e_type');
  if (type !== EXECUTABLE && type !== SHARED) {
    throw wrong('e_type', type, 0x10, '2 (an executable) or 3 (a position-independent one)');
  }
  const [machine, name] = MACHINES[bits]!;
  const found = file.word(0x12, 'e_machine');
  if (found !== machine) throw wrong('e_machine', found, 0x12, `${machine} (${name}) in ELF${bits}`);
  const segments = readSegments(file, bits);
  const virtualEntry = low(file, 0x18, bits === 32 ? 4 : 8);
  return { bits, segments, entry: physicalEntry(virtualEntry, segments) };
}

function readSegments(file: Reader, bits: 32 | 64): ElfSegment[] {
  const size = bits === 32 ? 4 : 8;
  const table = file.address(bits === 32 ? 0x1c : 0x20, size, 'e_phoff');
  const at = bits === 32 ? 0x2a : 0x36;
  const entryBytes = file.word(at, 'e_phentsize');
  const count = file.word(at + 2, 'e_phnum');
  if (count > 0 && entryBytes < (bits === 32 ? 32 : 56)) {
    throw wrong('e_phentsize', entryBytes, at, `${bits === 32 ? 32 : 56} or more in ELF${bits}`);
  }
  if (count === 0xffff) throw wrong('e_phnum', count, at + 2, 'less than 65535 program headers');
  const segments: ElfSegment[] = [];
  for (let n = 0; n < count; n++) {
    const header = table + n * entryBytes;
    file.require(header, bits === 32 ? 32 : 56, `program header ${n}`);
    if (file.doubleword(header, 'p_type') === LOAD) segments.push(readSegment(file, header, n, bits));
  }
  const loaded = segments.filter(({ memoryBytes }) => memoryBytes > 0);
  if (loaded.length === 0) {
    throw new ImageError(
      `an ELF file with nothing to load: none of its ${count} program headers is PT_LOAD with a size`,
    );
  }
  return loaded;
}

function readSegment(file: Reader, header: number, n: number, bits: 32 | 64): ElfSegment {
  const size = bits === 32 ? 4 : 8;
  const fields = ['p_offset', 'p_vaddr', 'p_paddr', 'p_filesz', 'p_memsz'].map((name, k) => {
    const place = header + size + k * size;
    // A kernel's virtual addresses may well have all 64 bits; only the difference to another one counts.
    return name === 'p_vaddr' ? low(file, place, size) : file.address(place, size, `${name} of program header ${n}`);
  });
  const [offset, virtual, physical, fileBytes, memoryBytes] = fields as [number, number, number, number, number];
  if (fileBytes > memoryBytes) {
    throw new ImageError(
      `program header ${n} at offset ${hex(header)}: p_filesz ${hex(fileBytes)} is more than p_memsz `
        + `${hex(memoryBytes)}`,
    );
  }
  file.require(offset, fileBytes, `the segment of program header ${n}`);
  return { headerOffset: header, virtual, physical, memoryBytes, bytes: file.bytes.slice(offset, offset + fileBytes) };
}

/** The low 48 bits of an address: enough to tell a kernel's addresses apart. */
function low(file: Reader, offset: number, size: 4 | 8): number {
  const bottom = file.doubleword(offset, 'the address');
  return size === 4 ? bottom : file.word(offset + 4, 'the address') * 2 ** 32 + bottom;
}

/**
 * The entry is a virtual address; where the segment that holds it is loaded elsewhere, it moves along, as with GRUB.
 */
function physicalEntry(entry: number, segments: readonly ElfSegment[]): number {
  const inside = (start: number, { memoryBytes }: ElfSegment): boolean => entry >= start && entry < start + memoryBytes;
  const byVirtual = segments.find((segment) => inside(segment.virtual, segment));
  if (byVirtual) return entry - byVirtual.virtual + byVirtual.physical;
  if (segments.some((segment) => inside(segment.physical, segment))) return entry;
  throw new ImageError(`e_entry is ${hex(entry)} at offset 0x18, and no segment that is loaded holds this address`);
}

const wrong = (what: string, found: number, offset: number, expected: string): ImageError =>
  new ImageError(`${what} is ${found} at offset ${hex(offset)}, expected ${expected}`);
