/** What is taken of a PC's RAM, and what is free. */

import { hex } from '../../numbers/bits.ts';
import { MEBIBYTE, type Range } from '../ram.ts';
import { ImageError } from './image.ts';

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
