/** Where a PC has memory, and what is taken of it. */

import { hex } from '../../numbers/bits.ts';
import { ImageError } from './image.ts';

/** From `start` up to, not including, `end`. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** Video memory and ROMs: no RAM in a PC. */
export const LEGACY_HOLE: Range = { start: 0xa_0000, end: 0x10_0000 };
/** RAM ends below the addresses of devices, APICs and ROM. */
export const MAXIMUM_MEMORY = 0xc000_0000;
const MEBIBYTE = 0x10_0000;

/** RAM of a PC with `memory` bytes: below 640 KiB, and from 1 MiB on. */
export function ramRanges(memory: number): Range[] {
  if (!Number.isInteger(memory) || memory < MEBIBYTE || memory > MAXIMUM_MEMORY || memory % 4096 !== 0) {
    throw new RangeError(`memory is ${memory} bytes; expected 1 MiB to 3 GiB, in pages of 4 KiB`);
  }
  const high = { start: MEBIBYTE, end: memory };
  return [{ start: 0, end: LEGACY_HOLE.start }, ...(memory > MEBIBYTE ? [high] : [])];
}

const overlap = (a: Range, b: Range): boolean => a.start < b.end && b.start < a.end;
const printed = ({ start, end }: Range): string => `${hex(start)} to ${hex(end - 1)}`;

/** Hands out pieces of RAM. */
export class Layout {
  readonly ram: readonly Range[];
  readonly #taken: (Range & { readonly what: string })[] = [];

  constructor(ram: readonly Range[]) {
    this.ram = ram;
  }

  /** Takes `length` bytes at `address`: they must be RAM, and free. */
  take(what: string, address: number, length: number): void {
    if (length === 0) return;
    const range = { what, start: address, end: address + length };
    const other = this.#taken.find((taken) => overlap(taken, range));
    if (other) throw new ImageError(`${what} (${printed(range)}) overlaps ${other.what} (${printed(other)})`);
    if (!this.ram.some(({ start, end }) => address >= start && range.end <= end)) {
      throw new ImageError(
        `${what} does not fit: it needs ${printed(range)}, and RAM is at ${this.ram.map(printed).join(' and ')}`,
      );
    }
    this.#taken.push(range);
  }

  /** The end of what is taken above 1 MiB. */
  get top(): number {
    return this.#taken.reduce((top, { end }) => Math.max(top, end), MEBIBYTE);
  }

  /** Takes `length` bytes at the first free multiple of 4096 from `from` on. */
  takePages(what: string, length: number, from: number): number {
    const size = Math.max(length, 1);
    for (const { start, end } of this.ram) {
      for (let at = pages(Math.max(start, from)); at + size <= end;) {
        const other = this.#taken.find((taken) => overlap(taken, { start: at, end: at + size }));
        if (!other) {
          this.take(what, at, size);
          return at;
        }
        at = pages(other.end);
      }
    }
    throw new ImageError(
      `${what} needs ${hex(size)} bytes, and no free RAM from ${hex(from)} on holds them; RAM is at `
        + `${this.ram.map(printed).join(' and ')}`,
    );
  }
}

/** `address` rounded up to a page. */
const pages = (address: number): number => Math.ceil(address / 4096) * 4096;
