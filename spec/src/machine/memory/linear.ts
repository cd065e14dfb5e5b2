/** Linear memory as instructions access it: pages are translated, and those used last are remembered. */

import { fromBytes, toBytes, u } from '../../numbers/bits.ts';
import type { MemoryPort } from '../../isa/connections.ts';
import { EFER } from '../../isa/system/control-bits.ts';
import { CS, OFFSET, SEGMENT_STRIDE, SS } from '../../state/fields.ts';
import { ATTRIBUTE } from '../../state/state.ts';
import { PAGE, doublewords, pageOffset, split } from './address.ts';
import { type Page, readCell } from './page.ts';
import { pieces } from './physical.ts';
import type { Paging } from './paging.ts';

type Kind = 'read' | 'write' | 'fetch';

/** Pages remembered for each kind of access; a power of two. */
const REMEMBERED = 64;
const SS_ATTRIBUTES = OFFSET.segments + SEGMENT_STRIDE * SS + 4;
const NOTHING = -1;
const LMA = Number(EFER.LMA);

/** Where an access goes: within a page of memory, or to `physical` where there is none. */
interface Place {
  readonly page: Page | undefined;
  readonly physical: bigint;
  readonly offset: number;
  readonly at: number;
  readonly length: number;
}

/** The pages that accesses of one kind went to last, by linear page number and privilege. */
class Remembered {
  readonly keys = new Float64Array(REMEMBERED).fill(NOTHING);
  readonly pages = new Array<Page | undefined>(REMEMBERED);
  #isEmpty = true;

  add(slot: number, key: number, page: Page): void {
    this.keys[slot] = key;
    this.pages[slot] = page;
    this.#isEmpty = false;
  }

  forget(): void {
    if (!this.#isEmpty) this.keys.fill(NOTHING);
    this.#isEmpty = true;
  }
}

export class LinearMemory implements MemoryPort {
  readonly #paging: Paging;
  /**
   * Whose accesses: those of the current privilege level, implicit supervisor-mode ones, explicit ones below level 3.
   */
  readonly #level: 'current' | 'implicit' | 'supervisor';
  readonly #read = new Remembered();
  readonly #write = new Remembered();
  readonly #fetch = new Remembered();

  constructor(paging: Paging, level: 'current' | 'implicit' | 'supervisor') {
    this.#paging = paging;
    this.#level = level;
  }

  /** Forgets the pages used last: something that decides about translation has changed. */
  forget(): void {
    this.#read.forget();
    this.#write.forget();
    this.#fetch.forget();
  }

  /** 1 for a user-mode access: the DPL of SS is the current privilege level. */
  get #user(): 0 | 1 {
    return this.#level === 'current' && (this.#paging.state.doubleword(SS_ATTRIBUTES) & 0x60) === 0x60 ? 1 : 0;
  }

  /**
   * Bits of a linear address: 64 in 64-bit mode, and of what the processor accesses by itself in IA-32e mode; else 32,
   * and what follows 4 GiB is address 0. SDM vol. 3A, 3.3.
   */
  get #width(): 32 | 64 {
    const { state } = this.#paging;
    const long = this.#level !== 'current' || (state.attributes(CS) & ATTRIBUTE.long) !== 0;
    return long && state.doubleword(OFFSET.efer) & LMA ? 64 : 32;
  }

  /** The page of memory behind `linear`, or undefined where a device or nothing answers. */
  #page(from: Remembered, kind: Kind, linear: bigint): Page | undefined {
    split(linear);
    const low = doublewords[0]! >>> 12;
    const user = this.#user;
    const key = (doublewords[1]! * 0x10_0000 + low) * 2 + user;
    const slot = low & (REMEMBERED - 1);
    if (from.keys[slot] === key) return from.pages[slot];
    const { frame, repeatable } = this.#paging.translate(
      linear, { kind, user: user === 1, implicit: this.#level === 'implicit', probe: false },
    );
    const page = this.#paging.physical.pageNumbered(frame);
    if (page && repeatable && (kind !== 'write' || page.writable)) {
      from.add(slot, key, page);
    }
    return page;
  }

  #isRemembered(from: Remembered, linear: bigint): boolean {
    split(linear);
    const low = doublewords[0]! >>> 12;
    return from.keys[low & (REMEMBERED - 1)] === (doublewords[1]! * 0x10_0000 + low) * 2 + this.#user;
  }

  /** The page that an instruction at `linear` is fetched from; #PF where fetching is not allowed. */
  codePage(linear: bigint): Page | undefined {
    return this.#page(this.#fetch, 'fetch', linear);
  }

  /** The same, by the halves of the address. */
  codePageAt(low: number, high: number): Page | undefined {
    const number = high * 0x10_0000 + (low >>> 12);
    const slot = (low >>> 12) & (REMEMBERED - 1);
    if (this.#fetch.keys[slot] === number * 2 + this.#user) return this.#fetch.pages[slot];
    return this.codePage((BigInt(high) << 32n) | BigInt(low));
  }

  /** A byte of an instruction that is being fetched. */
  fetchByte(linear: bigint): number {
    const page = this.codePage(linear);
    if (page) return page.bytes[pageOffset(linear)]!;
    return Number(this.#paging.physical.read(this.#physical(linear, 'fetch'), 1, this.#paging.processor));
  }

  /** The physical address behind `linear`. */
  #physical(linear: bigint, kind: Kind, probe = false): bigint {
    const { frame } = this.#paging.translate(
      linear, { kind, user: this.#user === 1, implicit: this.#level === 'implicit', probe },
    );
    return BigInt(frame) * BigInt(PAGE) + BigInt(pageOffset(linear));
  }

  read(linear: bigint, bytes: number): bigint {
    const offset = pageOffset(linear);
    if (offset + bytes > PAGE) return fromBytes(this.readBytes(linear, bytes));
    const page = this.#page(this.#read, 'read', linear);
    if (page) return readCell(page, offset, bytes);
    return this.#paging.physical.read(this.#physical(linear, 'read'), bytes, this.#paging.processor);
  }

  write(linear: bigint, bytes: number, value: bigint): void {
    const offset = pageOffset(linear);
    if (offset + bytes > PAGE) {
      this.writeBytes(linear, toBytes(value, bytes));
      return;
    }
    const page = this.#page(this.#write, 'write', linear);
    if (page) this.#paging.physical.store(page, offset, bytes, value);
    else this.#paging.physical.write(this.#physical(linear, 'write'), bytes, value, this.#paging.processor);
  }

  readBytes(linear: bigint, bytes: number): Uint8Array {
    const offset = pageOffset(linear);
    const within = offset + bytes <= PAGE ? this.#page(this.#read, 'read', linear) : undefined;
    return within ? within.bytes.slice(offset, offset + bytes) : this.#readPieces(linear, bytes);
  }

  #readPieces(linear: bigint, bytes: number): Uint8Array {
    const out = new Uint8Array(bytes);
    for (const { page, physical, offset, at, length } of this.#places(linear, bytes, 'read')) {
      out.set(
        page
          ? page.bytes.subarray(offset, offset + length)
          : this.#paging.physical.readBytes(physical, length, this.#paging.processor),
        at,
      );
    }
    return out;
  }

  writeBytes(linear: bigint, data: Uint8Array): void {
    const offset = pageOffset(linear);
    const within = offset + data.length <= PAGE ? this.#page(this.#write, 'write', linear) : undefined;
    if (within) this.#paging.physical.storeBytes(within, offset, data);
    else this.#writePieces(linear, data);
  }

  #writePieces(linear: bigint, data: Uint8Array): void {
    this.requireWritable(linear, data.length);
    for (const { physical, at, length } of this.#places(linear, data.length, 'write')) {
      this.#paging.physical.writeBytes(physical, data.subarray(at, at + length), this.#paging.processor);
    }
  }

  requireWritable(linear: bigint, bytes: number): void {
    if (pageOffset(linear) + bytes <= PAGE && this.#isRemembered(this.#write, linear)) return;
    const width = this.#width;
    for (const { at } of pieces(linear, bytes)) this.#physical(u(width, linear + BigInt(at)), 'write', true);
  }

  /** The pieces of a range, page by page; all are translated, and may fault, before the first is used. */
  #places(linear: bigint, bytes: number, kind: Kind): Place[] {
    const width = this.#width;
    return [...pieces(linear, bytes)].map((piece) => {
      const physical = this.#physical(u(width, linear + BigInt(piece.at)), kind);
      return { ...piece, physical, page: this.#paging.physical.page(physical) };
    });
  }
}
