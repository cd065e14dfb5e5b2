/**
 * Physical memory: pages of bytes, ROM, and devices that answer at addresses. Writes can be journaled and rolled back,
 * which makes exploring cheap.
 */

import { fromBytes, hex, toBytes } from '../../numbers/bits.ts';
import { Unmodelled } from '../../state/outcomes.ts';
import { PAGE, pageNumber, pageOffset } from './address.ts';
import type { MemoryDifference, MemorySnapshot } from './difference.ts';
import { Journal } from './journal.ts';
import { type Page, forget, newPage, readCell, writeCell } from './page.ts';

/** A device in the physical address space. `offset` counts from its first byte, `processor` is who asks. */
export interface MemoryDevice {
  read(offset: number, bytes: number, processor: number): bigint;
  write(offset: number, bytes: number, value: bigint, processor: number): void;
}

/** Page numbers from `first` to `last`. */
interface Range { readonly first: number; readonly last: number }

const within = (range: Range, number: number): boolean => number >= range.first && number <= range.last;

function rangeOf(what: string, address: bigint, bytes: number): Range {
  if (pageOffset(address) !== 0 || bytes <= 0 || bytes % PAGE !== 0) {
    throw new RangeError(`${what} at ${hex(address)} with ${bytes} bytes: whole pages of ${PAGE} bytes are needed`);
  }
  return { first: pageNumber(address), last: pageNumber(address) + bytes / PAGE - 1 };
}

export class Memory {
  readonly pages = new Map<number, Page>();
  /** What becomes of an access to an address that nothing answers: it is not modelled, or reads all ones as on a PC. */
  absent: 'unmodelled' | 'open bus' = 'unmodelled';
  readonly #ram: Range[] = [];
  readonly #devices: (Range & { readonly device: MemoryDevice })[] = [];
  #last: Page | undefined;
  #journal: Journal | undefined;

  /** Makes the pages of `bytes` bytes at `address` present, filled with zeros; those that are there stay. */
  map(address: bigint, bytes: number, options: { writable?: boolean } = {}): void {
    if (bytes <= 0 || bytes > 1 << 30) {
      throw new RangeError(`cannot map ${bytes} bytes at ${hex(address)}: between 1 byte and 1 GiB at a time`);
    }
    const last = pageNumber(address + BigInt(bytes - 1));
    for (let number = pageNumber(address); number <= last; number++) {
      if (!this.pages.has(number)) this.pages.set(number, newPage(number, options.writable ?? true));
    }
  }

  /** Declares RAM; its pages come into being, filled with zeros, when they are first touched. */
  ram(address: bigint, bytes: number): void {
    this.#ram.push(rangeOf('RAM', address, bytes));
  }

  /** Fills whole pages that software cannot write. */
  rom(address: bigint, data: Uint8Array): void {
    const { first, last } = rangeOf('ROM', address, data.length);
    for (let number = first; number <= last; number++) {
      const page = newPage(number, false);
      page.bytes.set(data.subarray((number - first) * PAGE, (number - first + 1) * PAGE));
      this.pages.set(number, page);
    }
    this.#last = undefined;
  }

  /** Gives whole pages to a device. It answers where there is no page of memory. */
  attach(address: bigint, bytes: number, device: MemoryDevice): void {
    const range = rangeOf('a device', address, bytes);
    const taken = this.#devices.find((other) => other.first <= range.last && other.last >= range.first);
    if (taken) {
      throw new RangeError(`a device at ${hex(address)} overlaps the one at ${hex(BigInt(taken.first) << 12n)}`);
    }
    this.#devices.push({ ...range, device });
  }

  /** The page that holds `address`, or undefined where there is no memory. */
  page(address: bigint): Page | undefined {
    return this.pageNumbered(pageNumber(address));
  }

  pageNumbered(number: number): Page | undefined {
    if (this.#last?.number === number) return this.#last;
    const page = this.pages.get(number) ?? this.#touch(number);
    if (page) this.#last = page;
    return page;
  }

  #touch(number: number): Page | undefined {
    if (!this.#ram.some((range) => within(range, number))) return undefined;
    const page = newPage(number, true);
    this.pages.set(number, page);
    return page;
  }

  read(address: bigint, bytes: number, processor = 0): bigint {
    const offset = pageOffset(address);
    if (offset + bytes > PAGE) return fromBytes(this.readBytes(address, bytes, processor));
    const page = this.page(address);
    return page ? readCell(page, offset, bytes) : this.#readDevice(address, bytes, processor);
  }

  write(address: bigint, bytes: number, value: bigint, processor = 0): void {
    const offset = pageOffset(address);
    if (offset + bytes > PAGE) {
      this.writeBytes(address, toBytes(value, bytes), processor);
      return;
    }
    const page = this.page(address);
    if (page) this.store(page, offset, bytes, value);
    else this.#writeDevice(address, bytes, value, processor);
  }

  /** Writes within a page of memory. ROM keeps what it has. */
  store(page: Page, offset: number, bytes: number, value: bigint): void {
    if (!page.writable) return;
    this.#journal?.note(page, offset, bytes);
    writeCell(page, offset, bytes, value);
  }

  readBytes(address: bigint, bytes: number, processor = 0): Uint8Array {
    const out = new Uint8Array(bytes);
    for (const { at, offset, length } of pieces(address, bytes)) {
      const page = this.page(address + BigInt(at));
      out.set(
        page
          ? page.bytes.subarray(offset, offset + length)
          : toBytes(this.#readDevice(address + BigInt(at), length, processor), length),
        at,
      );
    }
    return out;
  }

  /** Writes all of `data`; where there is no memory at all nothing is written. */
  writeBytes(address: bigint, data: Uint8Array, processor = 0): void {
    const parts = [...pieces(address, data.length)]
      .map((piece) => ({ ...piece, page: this.page(address + BigInt(piece.at)) }));
    for (const { at, length, page } of parts) if (!page) this.#deviceAt(address + BigInt(at), 'writing', length);
    for (const { at, offset, length, page } of parts) {
      if (page) this.storeBytes(page, offset, data.subarray(at, at + length));
      else this.#writeDevice(address + BigInt(at), length, fromBytes(data, at, length), processor);
    }
  }

  /** The same, of any number of bytes. */
  storeBytes(page: Page, offset: number, data: Uint8Array): void {
    if (!page.writable) return;
    this.#journal?.note(page, offset, data.length);
    forget(page, offset, data.length);
    page.bytes.set(data, offset);
  }

  #readDevice(address: bigint, bytes: number, processor: number): bigint {
    const found = this.#deviceAt(address, 'reading', bytes);
    return found ? found.device.read(offsetIn(found, address), bytes, processor) : BigInt.asUintN(8 * bytes, -1n);
  }

  #writeDevice(address: bigint, bytes: number, value: bigint, processor: number): void {
    const found = this.#deviceAt(address, 'writing', bytes);
    found?.device.write(offsetIn(found, address), bytes, value, processor);
  }

  /** Who answers at `address`; undefined on an open bus. */
  #deviceAt(address: bigint, doing: string, bytes: number): (Range & { readonly device: MemoryDevice }) | undefined {
    const number = pageNumber(address);
    const found = this.#devices.find((range) => within(range, number));
    if (found || this.absent === 'open bus') return found;
    throw new Unmodelled(
      `${doing} ${bytes} bytes at physical address ${hex(address)}, where there is no memory and no device`,
    );
  }

  /** Maps and fills memory outside of any transaction: for what was there before the machine began to run. */
  install(address: bigint, data: Uint8Array): void {
    this.map(address, data.length);
    const journal = this.#journal;
    this.#journal = undefined;
    try {
      this.writeBytes(address, data);
    } finally {
      this.#journal = journal;
    }
  }

  /**
   * Runs `body` and undoes every write it made, whatever it returns or throws. Nests. `written` answers what differs by
   * now, on the pages whose address `among` accepts.
   */
  transaction<T>(body: (written: (among: (page: bigint) => boolean) => MemoryDifference[]) => T): T {
    return this.journaled((journal) => body((among) => journal.written(among)));
  }

  /** The same; `body` may undo a part of them on the way, back to a mark of the journal. */
  journaled<T>(body: (journal: Journal) => T): T {
    const outer = this.#journal;
    const journal = (this.#journal = new Journal());
    try {
      return body(journal);
    } finally {
      journal.undo();
      this.#journal = outer;
    }
  }

  snapshot(): MemorySnapshot {
    return new Map([...this.pages].map(([number, page]) => [number, page.bytes.slice()]));
  }

  restore(snapshot: MemorySnapshot): void {
    for (const number of this.pages.keys()) if (!snapshot.has(number)) this.pages.delete(number);
    this.#last = undefined;
    for (const [number, content] of snapshot) {
      this.map(BigInt(number) << 12n, PAGE);
      const page = this.pages.get(number)!;
      page.bytes.set(content);
      page.decoded = undefined;
    }
  }
}

const offsetIn = (range: Range, address: bigint): number => Number(address - (BigInt(range.first) << 12n));

/** The pieces of a range page by page, in order: `at` counts from its first byte, `offset` from that of the page. */
export function* pieces(address: bigint, bytes: number): Generator<{ at: number; offset: number; length: number }> {
  for (let at = 0; at < bytes;) {
    const offset = pageOffset(BigInt.asUintN(64, address + BigInt(at)));
    const length = Math.min(bytes - at, PAGE - offset);
    yield { at, offset, length };
    at += length;
  }
}
