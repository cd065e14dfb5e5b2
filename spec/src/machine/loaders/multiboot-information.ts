/** What a Multiboot kernel is told, at the address in EBX. Multiboot specification 0.6.96, 3.3. */

import { hex } from '../../numbers/bits.ts';
import { LEGACY_HOLE, type Range } from '../ram.ts';
import { type Part, ImageError } from './image.ts';
import type { Layout } from './layout.ts';

/** A file that the kernel gets beside itself, with its string. */
export interface MultibootModule {
  readonly bytes: Uint8Array;
  readonly string: string;
}

/** A module in its place. */
export interface Module {
  readonly part: Part;
  readonly string: string;
}

export interface Information {
  readonly lowerKilobytes: number;
  readonly upperKilobytes: number;
  readonly commandLine: string | undefined;
  readonly modules: readonly Module[];
}

const LOADER_NAME = 'Hidden State';
/** Which fields are valid. */
const HAS = { memory: 1, commandLine: 1 << 2, modules: 1 << 3, memoryMap: 1 << 6, loaderName: 1 << 9 } as const;
/** Byte offsets in the structure. */
const AT = {
  flags: 0, lower: 4, upper: 8, commandLine: 16, moduleCount: 20, modules: 24, mapLength: 44, map: 48, loaderName: 64,
} as const;
const STRUCTURE_BYTES = 120, MODULE_BYTES = 16, MAP_ENTRY_BYTES = 24;
const AVAILABLE = 1, RESERVED = 2;
/** Low memory where GRUB, too, has such things; kernels start their other processors and read BIOS data below. */
const PREFERRED = 0x1_0000;

/** Modules follow the kernel, each at a page of its own. 3.1.2, bit 0. */
export function placeModules(layout: Layout, modules: readonly MultibootModule[]): Module[] {
  return modules.map(({ bytes, string }, n) => {
    const what = `module ${n + 1} (${string})`;
    return { part: { what, address: layout.takePages(what, bytes.length, layout.top), bytes, rom: false }, string };
  });
}

export function multibootInformation(layout: Layout, information: Information): Part {
  const { modules } = information;
  const map = memoryMap(layout.ram);
  const moduleStrings = modules.map(({ string }) => string);
  const texts = [LOADER_NAME, information.commandLine ?? '', ...moduleStrings].map(zeroTerminated);
  const mapAt = STRUCTURE_BYTES, modulesAt = mapAt + map.length * MAP_ENTRY_BYTES;
  const textsAt = modulesAt + modules.length * MODULE_BYTES;
  const bytesOf = (some: readonly Uint8Array[]): number => some.reduce((sum, text) => sum + text.length, 0);
  const length = textsAt + bytesOf(texts);
  const what = 'the Multiboot information';
  const address = layout.takePages(what, length, PREFERRED);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  const put = (offset: number, value: number): void => view.setUint32(offset, value, true);

  const textAddresses = texts.map((_, n) => address + textsAt + bytesOf(texts.slice(0, n)));
  texts.forEach((text, n) => bytes.set(text, textAddresses[n]! - address));
  const [loaderName, commandLine, ...strings] = textAddresses;
  const hasCommandLine = information.commandLine !== undefined;
  put(AT.flags, HAS.memory | HAS.memoryMap | HAS.loaderName | HAS.modules | (hasCommandLine ? HAS.commandLine : 0));
  put(AT.lower, information.lowerKilobytes);
  put(AT.upper, information.upperKilobytes);
  put(AT.commandLine, hasCommandLine ? commandLine! : 0);
  put(AT.moduleCount, modules.length);
  put(AT.modules, address + modulesAt);
  put(AT.mapLength, map.length * MAP_ENTRY_BYTES);
  put(AT.map, address + mapAt);
  put(AT.loaderName, loaderName!);
  modules.forEach(({ part }, n) => {
    const at = modulesAt + n * MODULE_BYTES;
    [part.address, part.address + part.bytes.length, strings[n]!, 0].forEach((value, k) => put(at + 4 * k, value));
  });
  map.forEach(({ start, end, type }, n) => {
    const at = mapAt + n * MAP_ENTRY_BYTES;
    // The size does not count itself; bases and lengths have 64 bits, of which no more than 32 are needed.
    [MAP_ENTRY_BYTES - 4, start, 0, end - start, 0, type].forEach((value, k) => put(at + 4 * k, value));
  });
  return { what, address, bytes, rom: false };
}

function memoryMap(ram: readonly Range[]): (Range & { type: number })[] {
  const [low, ...high] = ram.map((range) => ({ ...range, type: AVAILABLE }));
  return [low!, { ...LEGACY_HOLE, type: RESERVED }, ...high];
}

/** Latin-1: one byte a character, as command lines are typed. */
function zeroTerminated(text: string): Uint8Array {
  const codes = Array.from(text, (character) => character.codePointAt(0)!);
  const foreign = codes.find((code) => code === 0 || code > 0xff);
  if (foreign !== undefined) {
    throw new ImageError(`the string ${JSON.stringify(text)} has the character ${hex(foreign)}; expected 0x1 to 0xff`);
  }
  return Uint8Array.from([...codes, 0]);
}
