/**
 * Memory as pages of bytes, by linear address: paging structures are not walked yet, so linear and physical are one.
 * A page that was not mapped is not present (#PF). Writes can be journaled and rolled back, which makes exploring cheap.
 */

import { fromBytes, hex, toBytes } from '../numbers/bits.ts';
import { MAXIMUM_LENGTH } from '../isa/decode.ts';
import type { Instruction } from '../isa/instruction.ts';
import type { MemoryPort } from '../isa/execution.ts';
import { Fault } from '../state/outcomes.ts';

const PAGE = 4096;

export interface Page {
  /** Linear address divided by 4096. */
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly writable: boolean;
  /** Decoded instructions by offset of their first byte; those that a write overlaps are dropped. */
  decoded: (Instruction | undefined)[] | undefined;
}

interface JournalEntry { page: Page; offset: number; before: Uint8Array }

/** Memory at one moment: page numbers and contents. */
export type MemorySnapshot = ReadonlyMap<number, Uint8Array>;

/** Bytes that differ between two snapshots, as runs. */
export interface MemoryDifference { linear: bigint; before: Uint8Array; after: Uint8Array }

/** Splits an address without making bigints: this is the hottest place of the engine. */
const address64 = new BigUint64Array(1);
const address32 = new Uint32Array(address64.buffer);

/** Address divided by 4096. */
function pageNumber(linear: bigint): number {
  address64[0] = linear;
  return address32[1]! * 0x10_0000 + (address32[0]! >>> 12);
}

/** Address modulo 4096. */
function pageOffset(linear: bigint): number {
  address64[0] = linear;
  return address32[0]! & 0xfff;
}

/** Drops exactly the decoded instructions that overlap `length` bytes at `offset`. */
function forget(page: Page, offset: number, length: number): void {
  const { decoded } = page;
  if (!decoded) return;
  for (let at = Math.max(0, offset - (MAXIMUM_LENGTH - 1)); at < offset + length; at++) {
    const here = decoded[at];
    if (here && at + here.length > offset) decoded[at] = undefined;
  }
}

export class Memory implements MemoryPort {
  readonly pages = new Map<number, Page>();
  /** The pages looked up last: instructions and data alternate, so each has its own. */
  #last: Page | undefined;
  #lastCode: Page | undefined;
  #journal: JournalEntry[] | undefined;

  /** Makes the pages of `bytes` bytes at `linear` present, filled with zeros; those that are there stay. */
  map(linear: bigint, bytes: number, options: { writable?: boolean } = {}): void {
    if (bytes <= 0 || bytes > 1 << 30) throw new RangeError(`cannot map ${bytes} bytes at ${hex(linear)}: between 1 byte and 1 GiB at a time`);
    const last = pageNumber(linear + BigInt(bytes - 1));
    for (let number = pageNumber(linear); number <= last; number++) {
      if (this.pages.has(number)) continue;
      const content = new Uint8Array(PAGE);
      this.pages.set(number, { number, bytes: content, view: new DataView(content.buffer), writable: options.writable ?? true, decoded: undefined });
    }
  }

  /** The page that holds `linear`, or undefined when it is not present. */
  page(linear: bigint): Page | undefined {
    const number = pageNumber(linear);
    if (this.#last?.number === number) return this.#last;
    const page = this.pages.get(number);
    if (page) this.#last = page;
    return page;
  }

  /** The instruction that was decoded at `linear`, unless a write has overlapped it since. */
  decodedAt(linear: bigint): Instruction | undefined {
    address64[0] = linear;
    const low = address32[0]!;
    const number = address32[1]! * 0x10_0000 + (low >>> 12);
    if (this.#lastCode?.number !== number) this.#lastCode = this.pages.get(number);
    return this.#lastCode?.decoded?.[low & 0xfff];
  }

  /** Remembers a decoded instruction; one that crosses into the next page is decoded anew each time. */
  rememberDecoded(linear: bigint, instruction: Instruction): void {
    const page = this.pages.get(pageNumber(linear));
    const offset = pageOffset(linear);
    if (page && offset + instruction.length <= PAGE) (page.decoded ??= new Array<Instruction | undefined>(PAGE))[offset] = instruction;
  }

  #present(linear: bigint, write: boolean): Page {
    const page = this.page(linear);
    if (!page) throw new Fault('#PF', `the page of ${hex(linear)} is not present`, write ? 2 : 0, linear);
    if (write && !page.writable) throw new Fault('#PF', `the page of ${hex(linear)} is read-only`, 3, linear);
    return page;
  }

  read(linear: bigint, bytes: number): bigint {
    const offset = pageOffset(linear);
    if (offset + bytes > PAGE) return fromBytes(this.readBytes(linear, bytes));
    const { view, bytes: content } = this.#present(linear, false);
    switch (bytes) {
      case 8: return view.getBigUint64(offset, true);
      case 4: return BigInt(view.getUint32(offset, true));
      case 2: return BigInt(view.getUint16(offset, true));
      case 1: return BigInt(content[offset]!);
      default: return fromBytes(content, offset, bytes);
    }
  }

  write(linear: bigint, bytes: number, value: bigint): void {
    const offset = pageOffset(linear);
    if (offset + bytes > PAGE || this.#journal || bytes > 8) return this.writeBytes(linear, toBytes(value, bytes));
    const page = this.#present(linear, true);
    forget(page, offset, bytes);
    switch (bytes) {
      case 8: return page.view.setBigUint64(offset, value, true);
      case 4: return page.view.setUint32(offset, Number(value), true);
      case 2: return page.view.setUint16(offset, Number(value), true);
      case 1: page.bytes[offset] = Number(value); return;
      default: page.bytes.set(toBytes(value, bytes), offset);
    }
  }

  readBytes(linear: bigint, bytes: number): Uint8Array {
    const out = new Uint8Array(bytes);
    this.#spans(linear, bytes, false, (page, offset, at, length) => out.set(page.bytes.subarray(offset, offset + length), at));
    return out;
  }

  writeBytes(linear: bigint, data: Uint8Array): void {
    this.requireWritable(linear, data.length);
    this.#spans(linear, data.length, true, (page, offset, at, length) => {
      this.#journal?.push({ page, offset, before: page.bytes.slice(offset, offset + length) });
      forget(page, offset, length);
      page.bytes.set(data.subarray(at, at + length), offset);
    });
  }

  /** Maps and fills memory outside of any transaction: for what was there before the machine began to run. */
  install(linear: bigint, data: Uint8Array): void {
    this.map(linear, data.length);
    const journal = this.#journal;
    this.#journal = undefined;
    try {
      this.writeBytes(linear, data);
    } finally {
      this.#journal = journal;
    }
  }

  requireWritable(linear: bigint, bytes: number): void {
    this.#spans(linear, bytes, true, () => {});
  }

  /** Visits the pieces of a range page by page, in order; #PF at the first that is not there. */
  #spans(linear: bigint, bytes: number, write: boolean, visit: (page: Page, offset: number, at: number, length: number) => void): void {
    for (let at = 0; at < bytes;) {
      const address = BigInt.asUintN(64, linear + BigInt(at));
      const offset = pageOffset(address);
      const length = Math.min(bytes - at, PAGE - offset);
      visit(this.#present(address, write), offset, at, length);
      at += length;
    }
  }

  /**
   * Runs `body` and undoes every write it made, whatever it returns or throws. Nests. `written` answers what differs by
   * now, on the pages whose address `among` accepts.
   */
  transaction<T>(body: (written: (among: (page: bigint) => boolean) => MemoryDifference[]) => T): T {
    const outer = this.#journal;
    const journal: JournalEntry[] = (this.#journal = []);
    try {
      return body((among) => writtenBy(journal, among));
    } finally {
      for (let n = journal.length - 1; n >= 0; n--) {
        const { page, offset, before } = journal[n]!;
        page.bytes.set(before, offset);
        forget(page, offset, before.length);
      }
      this.#journal = outer;
    }
  }

  snapshot(): MemorySnapshot {
    return new Map([...this.pages].map(([number, page]) => [number, page.bytes.slice()]));
  }

  restore(snapshot: MemorySnapshot): void {
    for (const number of this.pages.keys()) if (!snapshot.has(number)) this.pages.delete(number);
    this.#last = this.#lastCode = undefined;
    for (const [number, content] of snapshot) {
      this.map(BigInt(number) << 12n, PAGE);
      const page = this.pages.get(number)!;
      page.bytes.set(content);
      page.decoded = undefined;
    }
  }
}

/** The cells that a journal touched and that now differ from what they were. */
function writtenBy(journal: readonly JournalEntry[], among: (page: bigint) => boolean): MemoryDifference[] {
  const seen = new Map<Page, Map<number, number>>();
  const pages = new Set([...new Set(journal.map(({ page }) => page))].filter(({ number }) => among(BigInt(number) << 12n)));
  for (const { page, offset, before } of journal) {
    if (!pages.has(page)) continue;
    const cells = seen.get(page) ?? new Map<number, number>();
    seen.set(page, cells);
    before.forEach((value, n) => { if (!cells.has(offset + n)) cells.set(offset + n, value); });
  }
  const found: MemoryDifference[] = [];
  for (const [page, cells] of seen) {
    for (const [offset, before] of cells) {
      if (page.bytes[offset] === before) continue;
      found.push({ linear: (BigInt(page.number) << 12n) + BigInt(offset), before: Uint8Array.of(before), after: Uint8Array.of(page.bytes[offset]!) });
    }
  }
  return found.sort((a, b) => (a.linear < b.linear ? -1 : 1));
}

/** Bytes that differ between two snapshots, in address order, adjacent ones joined. */
export function memoryDifferences(before: MemorySnapshot, after: MemorySnapshot): MemoryDifference[] {
  const found: MemoryDifference[] = [];
  const zeros = new Uint8Array(PAGE);
  for (const number of [...new Set([...before.keys(), ...after.keys()])].sort((a, b) => a - b)) {
    const [a, b] = [before.get(number) ?? zeros, after.get(number) ?? zeros];
    for (let offset = 0; offset < PAGE; offset++) {
      if (a[offset] === b[offset]) continue;
      let end = offset + 1;
      while (end < PAGE && a[end] !== b[end]) end++;
      found.push({ linear: (BigInt(number) << 12n) + BigInt(offset), before: a.slice(offset, end), after: b.slice(offset, end) });
      offset = end;
    }
  }
  return found;
}
