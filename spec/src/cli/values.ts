/** Values of options: numbers, sizes, places where output goes. */

import type { Mode } from '../isa/instruction.ts';
import * as cpus from '../cpus/index.ts';
import type { CpuProfile } from '../cpus/profile.ts';
import { UsageError } from './usage.ts';

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** `2e9`, `1_000`, `0x7c00` or `7c00h` as a whole number up to `most`; undefined when it is none. */
export function wholeNumber(text: string, most = Number.MAX_SAFE_INTEGER): number | undefined {
  const digits = text.replaceAll('_', '');
  const hexadecimal = /^0x([0-9a-f]+)$/i.exec(digits) ?? /^(\d[0-9a-f]*)h$/i.exec(digits);
  const value = hexadecimal ? Number.parseInt(hexadecimal[1]!, 16)
    : /^\d+(\.\d+)?(e\d+)?$/i.test(digits) ? Number(digits) : Number.NaN;
  return Number.isSafeInteger(value) && value <= most ? value : undefined;
}

/** A number between `least` and `most`; `expected` says what it counts. */
export function number(option: string, text: string, expected: string, least: number, most: number): number {
  const value = wholeNumber(text);
  if (value === undefined || value < least || value > most) {
    throw new UsageError(`${option} ${text}: expected ${expected}`);
  }
  return value;
}

/** A number of bytes, with K, M or G for powers of 1024. */
export function size(option: string, text: string, expected: string): number {
  const [, digits, unit] = /^(.*?)([KMG]?)i?B?$/i.exec(text)!;
  const value = wholeNumber(digits!);
  const bytes = value === undefined ? Number.NaN : value * UNITS[unit!.toUpperCase()]!;
  if (!Number.isSafeInteger(bytes)) throw new UsageError(`${option} ${text}: expected ${expected}`);
  return bytes;
}

export function bits(option: string, text: string): Mode {
  if (text !== '16' && text !== '32' && text !== '64') throw new UsageError(`${option} ${text}: expected 16, 32 or 64`);
  return Number(text) as Mode;
}

/** A processor by its name, however it is spelt: `ivyBridge`, `ivy-bridge`. */
export function processor(option: string, text: string): CpuProfile {
  const plain = (name: string): string => name.toLowerCase().replaceAll(/[-_ ]/g, '');
  const found = Object.values(cpus).find(({ id }) => plain(id) === plain(text));
  if (!found) throw new UsageError(`${option} ${text}: expected one of ${Object.keys(cpus).toSorted().join(', ')}`);
  return found;
}

/** `0x7c00`, or with the size of the code before it: `16:0x7c00`, `32:0x100000`. */
export function flatOrigin(option: string, text: string): { origin: number; mode: 16 | 32 } {
  const expected = 'an address such as 0x7c00 (real-address mode), or 32:0x100000 (32-bit protected mode)';
  const [, mode = '16', address] = /^(?:(16|32):)?(.*)$/.exec(text)!;
  return { mode: Number(mode) as 16 | 32, origin: number(option, address!, expected, 0, 0xffff_ffff) };
}
