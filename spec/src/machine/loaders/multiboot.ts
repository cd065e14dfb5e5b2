/**
 * Kernels that follow the Multiboot specification, version 0.6.96: the header, what is loaded where, and the state at
 * entry.
 */

import { hex } from '../../numbers/bits.ts';
import { RAX, RBX } from '../../state/fields.ts';
import { MEBIBYTE, type Range, ramRanges } from '../ram.ts';
import { isElf, readElf } from './elf.ts';
import { type Image, ImageError, type Part } from './image.ts';
import { Layout } from './layout.ts';
import { type Module, type MultibootModule, multibootInformation, placeModules } from './multiboot-information.ts';
import { flatProtectedState } from './protected-mode.ts';
import { Reader } from './reader.ts';

export interface MultibootOptions {
  /** What the kernel finds as its command line; by custom its first word is the kernel's own name. */
  commandLine?: string;
  modules?: readonly MultibootModule[];
  /** Bytes of RAM, holes included. */
  memory: number;
}

const MAGIC = 0x1bad_b002, ENTRY_MAGIC = 0x2bad_b002;
/** The header lies whole in this many bytes at the beginning of the file. Multiboot 0.6.96, 3.1. */
const SEARCHED = 8192;
/** What the header's flags may ask for. 3.1.2. */
const FLAG = { alignModules: 1, memoryInformation: 2, videoMode: 4, addresses: 1 << 16 } as const;

interface Header {
  readonly offset: number;
  readonly flags: number;
}

/** Where the kernel's bytes go, and where it begins. */
interface Kernel {
  readonly kind: string;
  readonly parts: readonly (Part & { readonly memoryBytes: number })[];
  readonly entry: number;
}

/** A kernel with a Multiboot header, as an image: the kernel, its modules, and the information it is given. */
export function multiboot(bytes: Uint8Array, options: MultibootOptions): Image {
  const file = new Reader(bytes);
  const header = findHeader(file);
  const layout = new Layout(ramRanges(options.memory));
  const kernel = header.flags & FLAG.addresses ? kernelByAddresses(file, header) : kernelFromElf(file);
  for (const { what, address, memoryBytes } of kernel.parts) layout.take(what, address, memoryBytes);
  const { entry } = kernel;
  if (!kernel.parts.some(({ address, memoryBytes }) => entry >= address && entry < address + memoryBytes)) {
    throw new ImageError(`the entry ${hex(entry)} lies outside of what is loaded`);
  }
  const modules: Module[] = placeModules(layout, options.modules ?? []);
  const information = multibootInformation(
    layout, { ...memorySize(layout.ram), commandLine: options.commandLine, modules },
  );
  return {
    kind: kernel.kind,
    parts: [...kernel.parts, ...modules.map(({ part }) => part), information],
    state(cpu) {
      const state = flatProtectedState(cpu, kernel.entry);
      state.gpr[RAX] = BigInt(ENTRY_MAGIC);
      state.gpr[RBX] = BigInt(information.address);
      return state;
    },
  };
}

/** Whether the file has a header, in whatever condition. */
export function hasMultibootHeader(bytes: Uint8Array): boolean {
  const end = Math.min(SEARCHED, bytes.length) - 4;
  const file = new Reader(bytes);
  for (let at = 0; at <= end; at += 4) if (file.doubleword(at, 'the magic number') === MAGIC) return true;
  return false;
}

function findHeader(file: Reader): Header {
  let refused: string | undefined;
  for (let offset = 0; offset + 12 <= Math.min(SEARCHED, file.bytes.length); offset += 4) {
    if (file.doubleword(offset, 'the magic number') !== MAGIC) continue;
    const flags = file.doubleword(offset + 4, 'the flags');
    const checksum = file.doubleword(offset + 8, 'the checksum');
    const sum = (MAGIC + flags + checksum) >>> 0;
    if (sum === 0) return checkedFlags({ offset, flags });
    refused ??= `the Multiboot header at offset ${hex(offset)} has the checksum ${hex(checksum)}, expected `
      + `${hex(-(MAGIC + flags) >>> 0)}`;
  }
  const what = isElf(file) ? 'an ELF file without a Multiboot header' : 'no Multiboot header';
  throw new ImageError(
    refused
      ?? `${what}: expected 1badb002 at a multiple of 4 in the first ${hex(Math.min(SEARCHED, file.bytes.length))} `
        + 'bytes, with flags and checksum behind it',
  );
}

/** Bits 15:0 are requirements: a loader that does not know one must not go on. 3.1.2. */
function checkedFlags(header: Header): Header {
  const where = `the flags ${hex(header.flags)} of the Multiboot header, at offset ${hex(header.offset + 4)},`;
  if (header.flags & FLAG.videoMode) {
    throw new ImageError(`${where} require a video mode (bit 2), and there is no display`);
  }
  const unknown = header.flags & 0xffff & ~(FLAG.alignModules | FLAG.memoryInformation);
  if (unknown) {
    throw new ImageError(`${where} require something unknown: bits ${hex(unknown)}; known are bits 0, 1 and 2`);
  }
  return header;
}

function kernelFromElf(file: Reader): Kernel {
  const { bits, segments, entry } = readElf(file);
  const parts = segments.map(({ physical, memoryBytes, bytes, headerOffset }) => ({
    what: `the segment of the program header at offset ${hex(headerOffset)}`, address: physical, bytes, rom: false,
    memoryBytes,
  }));
  return { kind: `Multiboot kernel, ELF${bits}`, parts, entry };
}

/** The address fields, for files of any format. 3.1.3. */
function kernelByAddresses(file: Reader, { offset }: Header): Kernel {
  const addresses = ['header_addr', 'load_addr', 'load_end_addr', 'bss_end_addr', 'entry_addr']
    .map((name, n) => file.doubleword(offset + 12 + 4 * n, `${name} of the Multiboot header`));
  const [headerAddress, loadAddress, loadEnd, bssEnd, entry] = addresses as [number, number, number, number, number];
  const start = offset - (headerAddress - loadAddress);
  const field = (n: number): string => `at offset ${hex(offset + 12 + 4 * n)}`;
  if (loadAddress > headerAddress || start < 0) {
    throw new ImageError(
      `load_addr ${hex(loadAddress)} ${field(1)} would lie at offset ${start} of the file, before its beginning or `
        + `behind the header (header_addr is ${hex(headerAddress)})`,
    );
  }
  const length = loadEnd === 0 ? file.bytes.length - start : loadEnd - loadAddress;
  if (length < 0) {
    throw new ImageError(`load_end_addr ${hex(loadEnd)} ${field(2)} is below load_addr ${hex(loadAddress)}`);
  }
  file.require(start, length, 'what load_addr and load_end_addr say');
  const memoryBytes = bssEnd === 0 ? length : bssEnd - loadAddress;
  if (memoryBytes < length) {
    throw new ImageError(
      `bss_end_addr ${hex(bssEnd)} ${field(3)} is below the end of the data, ${hex(loadAddress + length)}`,
    );
  }
  const part = {
    what: 'the kernel', address: loadAddress, bytes: file.bytes.slice(start, start + length), rom: false, memoryBytes,
  };
  return { kind: 'Multiboot kernel, by its address fields', parts: [part], entry };
}

/** KiB of memory below 1 MiB, and from there on. */
function memorySize(ram: readonly Range[]): { lowerKilobytes: number; upperKilobytes: number } {
  const upper = ram.find(({ start }) => start === MEBIBYTE);
  return { lowerKilobytes: ram[0]!.end / 1024, upperKilobytes: upper ? (upper.end - upper.start) / 1024 : 0 };
}
