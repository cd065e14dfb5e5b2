/** Files as images: what lies where and what the processor begins with, or a sentence about what is wrong. */

import { cpus } from 'hidden-state';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { flat } from '../../spec/src/machine/loaders/flat.ts';
import { type Image, ImageError } from '../../spec/src/machine/loaders/image.ts';
import { type MultibootOptions, multiboot } from '../../spec/src/machine/loaders/multiboot.ts';
import { rom } from '../../spec/src/machine/loaders/rom.ts';
import { type Executable, elf } from './elf.ts';
import { KERNEL_SOURCE, LOADED, assembled, kernel, multibootHeader, romImage } from './guests.ts';
import { pattern } from './pattern.ts';

const memory = 0x100_0000;
const load = (file: Uint8Array, options: Partial<MultibootOptions> = {}): Image => multiboot(file, { memory, ...options });
const changed = (file: Uint8Array, offset: number, ...values: number[]): Uint8Array => {
  const copy = file.slice();
  copy.set(values, offset);
  return copy;
};

function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof ImageError) return error.message;
    throw error;
  }
  throw new Error('it was accepted');
}

/** Reads the image's memory as the kernel would. */
class Reading {
  readonly #image: Image;
  constructor(image: Image) {
    this.#image = image;
  }
  byte(address: number): number {
    const part = this.#image.parts.find(({ address: start, bytes }) => address >= start && address < start + bytes.length);
    return part ? part.bytes[address - part.address]! : 0;
  }
  doubleword(address: number): number {
    return [3, 2, 1, 0].reduce((value, n) => value * 256 + this.byte(address + n), 0);
  }
  text(address: number): string {
    let text = '';
    for (let at = address; this.byte(at) !== 0; at++) text += String.fromCharCode(this.byte(at));
    return text;
  }
}

describe('a Multiboot kernel', () => {
  test.each([32, 64] as const)('of ELF%d is loaded where its program headers say', (bits) => {
    const image = load(kernel(bits));
    expect(image.kind).toBe(`Multiboot kernel, ELF${bits}`);
    expect(image.parts[0]).toMatchObject({ address: Number(LOADED), bytes: assembled(KERNEL_SOURCE, 32, LOADED), rom: false });
  });

  test('begins in flat 32-bit protected mode, with the magic number and the address of the information', () => {
    const image = load(kernel());
    const state = image.state(cpus.haswell);
    expect(['RAX', 'RIP', 'RFLAGS', 'CR0'].map((name) => Number(state.get(name)))).toEqual([0x2bad_b002, 0x10_000c, 2, 0x11]);
    const information = image.parts.find(({ what }) => what === 'the Multiboot information')!;
    expect(Number(state.get('RBX'))).toBe(information.address);
    for (const name of ['CS', 'DS', 'ES', 'FS', 'GS', 'SS']) {
      expect([name, state.get(`${name}.base`), state.get(`${name}.limit`), state.get(`${name}.attributes`)]).toEqual([name, 0n, 0xffff_ffff, name === 'CS' ? 0xc09b : 0xc093]);
    }
  });

  test('is told of memory, command line and modules', () => {
    const modules = [{ bytes: new Uint8Array(5000).fill(1), string: 'first one' }, { bytes: Uint8Array.of(2), string: 'second' }];
    const image = load(kernel(), { commandLine: 'kernel one two', modules });
    const read = new Reading(image);
    const ebx = Number(image.state(cpus.haswell).get('RBX'));
    const field = (offset: number): number => read.doubleword(ebx + offset);
    expect(field(0)).toBe(0b10_0100_1101);
    expect([field(4), field(8)]).toEqual([640, 15 * 1024]);
    expect(read.text(field(16))).toBe('kernel one two');
    expect(read.text(field(64))).toBe('Hidden State');
    const list = Array.from({ length: field(20) }, (_, n) => field(24) + 16 * n)
      .map((at) => ({ start: read.doubleword(at), end: read.doubleword(at + 4), string: read.text(read.doubleword(at + 8)) }));
    expect(list).toEqual([{ start: 0x10_1000, end: 0x10_2388, string: 'first one' }, { start: 0x10_3000, end: 0x10_3001, string: 'second' }]);
    expect(list.map(({ start }) => read.byte(start))).toEqual([1, 2]);
  });

  test('has a memory map that covers RAM and the hole below 1 MiB', () => {
    const image = load(kernel());
    const read = new Reading(image);
    const ebx = Number(image.state(cpus.haswell).get('RBX'));
    const [length, at] = [read.doubleword(ebx + 44), read.doubleword(ebx + 48)];
    const entries = Array.from({ length: length / 24 }, (_, n) => Array.from({ length: 6 }, (_, k) => read.doubleword(at + 24 * n + 4 * k)));
    expect(entries).toEqual([[20, 0, 0, 0xa_0000, 0, 1], [20, 0xa_0000, 0, 0x6_0000, 0, 2], [20, 0x10_0000, 0, 0xf0_0000, 0, 1]]);
  });

  test('without a command line is told that there is none', () => {
    const image = load(kernel());
    const read = new Reading(image);
    expect(read.doubleword(Number(image.state(cpus.haswell).get('RBX'))) & 4).toBe(0);
  });

  test('linked high is entered where its segment is loaded', () => {
    const bytes = assembled(KERNEL_SOURCE, 32, LOADED);
    const virtual = 0xffff_ffff_8010_0000n;
    const image = load(elf({ bits: 64, entry: virtual + 12n, segments: [{ physical: LOADED, virtual, bytes }] }));
    expect(image.state(cpus.haswell).get('RIP')).toBe(LOADED + 12n);
  });

  test('the header is found at the last place that it may have', () => {
    const header = assembled(multibootHeader(0), 32);
    const at = 8192 - 12;
    const file = elf({ bits: 32, entry: LOADED, segments: [{ physical: LOADED, bytes: new Uint8Array(10_000) }] });
    expect(load(changed(file, at, ...header)).parts[0]!.address).toBe(Number(LOADED));
    expect(refusal(() => load(changed(file, at + 4, ...header)))).toMatch(/without a Multiboot header/);
    expect(refusal(() => load(changed(file, at - 2, ...header)))).toMatch(/without a Multiboot header/);
  });

  describe('with address fields', () => {
    const fields = (header: string, start: string, end: string, bss: string, entry: string): Uint8Array =>
      assembled(`db 'junk'\nheader:${multibootHeader(0x1_0000, header, start, end, bss, entry)}code: hlt\nresb 20\nend:`, 32, 0x20_0000n);

    test('is loaded as they say, whatever the format', () => {
      const file = fields('header', '$$', 'end', 'end + 0x1000', 'code');
      const image = load(file);
      expect(image.kind).toBe('Multiboot kernel, by its address fields');
      expect(image.parts[0]).toMatchObject({ address: 0x20_0000, bytes: file });
      expect(image.state(cpus.haswell).get('RIP')).toBe(0x20_0000n + 4n + 32n);
    });
    test('zero for the ends means the whole file and no bss', () => {
      expect(load(fields('header', 'header', '0', '0', 'code')).parts[0]).toMatchObject({ address: 0x20_0004 });
    });
    test.each([
      ['header', 'header + 4', '0', '0', 'code', /^load_addr 0x200008 at offset 0x14 would lie at offset 8 of the file/],
      ['header', 'header - 8', '0', '0', 'code', /^load_addr 0x1ffffc at offset 0x14 would lie at offset -4 of the file/],
      ['header', '$$', '$$ - 4', '0', 'code', /^load_end_addr 0x1ffffc at offset 0x18 is below load_addr 0x200000/],
      ['header', '$$', 'end + 100', '0', 'code', /^what load_addr and load_end_addr say lies at offsets 0x0 to 0x9c, but the file has only 0x39 bytes/],
      ['header', '$$', 'end', '$$ + 4', 'code', /^bss_end_addr 0x200004 at offset 0x1c is below the end of the data, 0x200039/],
      ['header', '$$', 'end', '0x1100000', 'code', /^the kernel does not fit: it needs 0x200000 to 0x10fffff, and RAM is at/],
      ['header', '$$', 'end', '0', '0x100000', /^the entry 0x100000 lies outside of what is loaded/],
    ] as const)('%s, %s, %s, %s, %s', (header, start, end, bss, entry, message) => {
      expect(refusal(() => load(fields(header, start, end, bss, entry)))).toMatch(message);
    });
  });

  const bytes = assembled(KERNEL_SOURCE, 32, LOADED);
  const with32 = (change: Partial<Executable>): Uint8Array => elf({ bits: 32, entry: LOADED + 12n, segments: [{ physical: LOADED, bytes }], ...change });
  const with64 = (change: Partial<Executable>): Uint8Array => with32({ bits: 64, ...change });

  test.each<[string, () => Uint8Array, string | RegExp]>([
    ['an empty file', () => new Uint8Array(0), 'no Multiboot header: expected 1badb002 at a multiple of 4 in the first 0x0 bytes, with flags and checksum behind it'],
    ['an ELF file without a header', () => with32({ segments: [{ physical: LOADED, bytes: new Uint8Array(16) }] }), /^an ELF file without a Multiboot header: expected/],
    ['a wrong checksum', () => changed(kernel(), 0x54 + 8, 0), /^the Multiboot header at offset 0x54 has the checksum 0x\w+, expected 0xe4524ffb$/],
    ['a video mode', () => kernel(32, KERNEL_SOURCE.replace(multibootHeader(3), multibootHeader(7))), 'the flags 0x7 of the Multiboot header, at offset 0x58, require a video mode (bit 2), and there is no display'],
    ['an unknown requirement', () => kernel(32, KERNEL_SOURCE.replace(multibootHeader(3), multibootHeader(0x11))), 'the flags 0x11 of the Multiboot header, at offset 0x58, require something unknown: bits 0x10; known are bits 0, 1 and 2'],
    ['a file of another format', () => assembled(multibootHeader(0), 32), 'no ELF file: it begins with 02 b0 ad 1b at offset 0x0, expected 7f 45 4c 46'],
    ['another class', () => changed(kernel(), 4, 3), 'the ELF class is 3 at offset 0x4, expected 1 (32-bit) or 2 (64-bit)'],
    ['big-endian', () => changed(kernel(), 5, 2), 'the ELF data encoding is 2 at offset 0x5, expected 1 (little-endian)'],
    ['an object file', () => changed(kernel(), 0x10, 1), /^e_type is 1 at offset 0x10, expected 2/],
    ['another machine', () => changed(kernel(), 0x12, 40), 'e_machine is 40 at offset 0x12, expected 3 (Intel 80386) in ELF32'],
    ['another machine in ELF64', () => changed(kernel(64), 0x12, 3), 'e_machine is 3 at offset 0x12, expected 62 (x86-64) in ELF64'],
    ['short program headers', () => changed(kernel(), 0x2a, 8), 'e_phentsize is 8 at offset 0x2a, expected 32 or more in ELF32'],
    ['program headers behind the end', () => changed(kernel(), 0x1c, 0xff, 0xff), /^program header 0 lies at offsets 0xffff to 0x1001e, but the file has only/],
    ['program headers at 2^63', () => changed(kernel(64), 0x27, 0x80), /^e_phoff is 0x8000000000000040 at offset 0x20; addresses and sizes have up to 52 bits/],
    ['no segment', () => changed(kernel(), 0x34, 4), /^an ELF file with nothing to load: none of its 1 program headers/],
    ['a segment that ends behind the file', () => kernel().slice(0, -1), /^the segment of program header 0 lies at offsets 0x54 to/],
    ['more in the file than in memory', () => with32({ segments: [{ physical: LOADED, bytes, memoryBytes: 4n }] }), /^program header 0 at offset 0x34: p_filesz 0x\w+ is more than p_memsz 0x4$/],
    ['a huge size', () => with64({ segments: [{ physical: LOADED, bytes, memoryBytes: 1n << 62n }] }), /^p_memsz of program header 0 is 0x4000000000000000 at offset/],
    ['a segment behind memory', () => with32({ segments: [{ physical: LOADED, bytes, memoryBytes: 0xf0_0001n }] }), /^the segment of the program header at offset 0x34 does not fit: it needs 0x100000 to 0x1000000, and RAM is at 0x0 to 0x9ffff and 0x100000 to 0xffffff$/],
    ['a segment in the hole', () => with32({ entry: 0xb_000cn, segments: [{ physical: 0xb_0000n, bytes }] }), /does not fit: it needs 0xb0000/],
    ['overlapping segments', () => with32({ segments: [{ physical: LOADED, bytes }, { physical: LOADED + 16n, bytes: new Uint8Array(4) }] }), /^the segment of the program header at offset 0x54 \(0x100010 to 0x100013\) overlaps the segment of the program header at offset 0x34 /],
    ['an entry that is not loaded', () => with32({ entry: 4n }), 'e_entry is 0x4 at offset 0x18, and no segment that is loaded holds this address'],
  ])('%s is refused', (_, file, message) => {
    expect(refusal(() => load(file()))).toMatch(pattern(message));
  });

  test('modules and strings that do not fit are refused', () => {
    expect(refusal(() => load(kernel(), { modules: [{ bytes: new Uint8Array(memory), string: 'big' }] }))).toMatch(/^module 1 \(big\) needs 0x1000000 bytes, and no free RAM from 0x\w+ on holds them/);
    expect(refusal(() => load(kernel(), { commandLine: 'π' }))).toBe('the string "π" has the character 0x3c0; expected 0x1 to 0xff');
  });
});

describe('a flat binary', () => {
  test.each([[0x7c00, 0, 0x7c00], [0xffff, 0, 0xffff], [0x1_0000, 0x1000, 0], [0x9_0010, 0x9001, 0]])('at %i is entered at %i:%i in real-address mode', (origin, selector, offset) => {
    const image = flat(Uint8Array.of(0xf4), { origin, mode: 16, memory });
    const state = image.state(cpus.ivyBridge);
    expect([image.parts[0]!.address, state.get('CS'), state.get('CS.base'), state.get('RIP'), state.get('CR0')]).toEqual([origin, selector, BigInt(selector * 16), BigInt(offset), 0x10n]);
  });
  test('in 32-bit protected mode is entered where it lies', () => {
    const state = flat(Uint8Array.of(0xf4), { origin: 0x10_0000, mode: 32, memory }).state(cpus.ivyBridge);
    expect([state.get('RIP'), state.get('CR0'), state.get('CS.attributes')]).toEqual([0x10_0000n, 0x11n, 0xc09b]);
  });
  test.each([
    [new Uint8Array(0), 0x7c00, 'the file is empty: there is no first instruction'],
    [new Uint8Array(4), 0x1_0001, 'the origin 0x10001 is no start of a real-address segment: expected up to 0xffff, or a multiple of 16'],
    [new Uint8Array(0x1_0000), 0x9_8000, /^the binary does not fit: it needs 0x98000 to 0xa7fff, and RAM is at/],
  ])('that cannot be is refused', (bytes, origin, message) => {
    expect(refusal(() => flat(bytes, { origin, mode: 16, memory }))).toMatch(message);
  });
});

describe('a ROM', () => {
  test('ends at 4 GiB, shows below 1 MiB, and is where RESET begins', () => {
    const bytes = new Uint8Array(0x4_0000).map((_, n) => n >> 12);
    const image = rom(bytes);
    expect(image.parts.map(({ address, rom: only }) => [address, only])).toEqual([[0xfffc_0000, true], [0xe_0000, true]]);
    expect(image.parts[1]!.bytes).toEqual(bytes.slice(-0x2_0000));
    const state = image.state(cpus.ivyBridge);
    expect(['CS', 'CS.base', 'CS.limit', 'RIP', 'CR0', 'RDX', 'RFLAGS'].map((name) => Number(state.get(name)))).toEqual([0xf000, 0xffff_0000, 0xffff, 0xfff0, 0x6000_0010, 0x3_06a9, 2]);
  });
  test('of 64 KiB shows whole below 1 MiB', () => {
    expect(rom(romImage()).parts.map(({ address }) => address)).toEqual([0xffff_0000, 0xf_0000]);
  });
  test.each([0, 1, 0xffff, 0x1_8000, 0x101_0000])('of %i bytes is refused', (length) => {
    expect(refusal(() => rom(new Uint8Array(length)))).toMatch(/^a ROM of 0x\w+ bytes; expected a multiple of 64 KiB \(0x10000\), up to 16 MiB/);
  });
});

describe('whatever the file, there is an image or an ImageError', () => {
  /** Real files with a few bytes changed and the end cut off. */
  const damaged = fc.tuple(
    fc.constantFrom(kernel(32), kernel(64), assembled(multibootHeader(0x1_0000, '0x200000', '0x200000', '0', '0', '0x200020'), 32)),
    fc.array(fc.tuple(fc.nat(0x80), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }), fc.nat(400),
  ).map(([file, changes, cut]) => {
    const copy = file.slice(0, cut > 300 ? file.length - (cut - 300) : file.length);
    for (const [offset, value] of changes) if (offset < copy.length) copy[offset] = value;
    return copy;
  });
  /** Whether it is one of the two; anything else is thrown on. */
  const isEither = (action: () => Image): boolean => {
    try {
      const image = action();
      return image.state(cpus.zen4).rip >= 0n && image.parts.every(({ address, bytes, rom: only }) => only || address + bytes.length <= memory);
    } catch (error) {
      if (error instanceof ImageError) return error.message.length > 20;
      throw error;
    }
  };

  test('damaged kernels', () => {
    const loads = (file: Uint8Array, commandLine: string): boolean => isEither(() => load(file, { commandLine, modules: [{ bytes: file, string: 'm' }] }));
    const result = fc.check(fc.property(damaged, fc.string({ maxLength: 8 }), loads), { numRuns: 5000, seed: 1 });
    expect(result).toMatchObject({ failed: false, errorInstance: null });
  });
  test('random bytes', () => {
    const loads = (file: Uint8Array, origin: number, mode: 16 | 32): boolean =>
      isEither(() => load(file)) && isEither(() => rom(file)) && isEither(() => flat(file, { origin, mode, memory }));
    const result = fc.check(fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(0x1100_0000), fc.constantFrom(16, 32), loads), { numRuns: 2000, seed: 1 });
    expect(result).toMatchObject({ failed: false, errorInstance: null });
  });
});
