/** Four-level page tables in physical memory, written entry by entry as boot code does. SDM vol. 3A, 4.5. */

import type { Memory } from '../machine/memory/physical.ts';
import { ENTRY } from '../machine/memory/walk.ts';

const PAGE = 0x1000n;
const ADDRESS = 0xf_ffff_ffff_f000n;
/** Lowest bit of the linear address that each level but the last decides. */
const UPPER_LEVELS = [39n, 30n, 21n];
/** What an entry that leads to another table allows: the last entry decides. */
const TABLE = ENTRY.present | ENTRY.writable | ENTRY.user;

/** Where tables come from: pages of physical memory, one after the other. */
export class TablePages {
  readonly memory: Memory;
  #next: bigint;

  /** From physical address `at` up. */
  constructor(memory: Memory, at: bigint) {
    this.memory = memory;
    this.#next = at;
  }

  /** Physical address of a new table, all entries not present. */
  take(): bigint {
    const page = this.#next;
    this.#next += PAGE;
    this.memory.map(page, Number(PAGE));
    return page;
  }
}

/** Who may use a page. */
export type Rights = 'supervisor' | 'user';

/** One address space. Pages are of 4 KiB, present and writable. */
export class PageTables {
  /** What goes into CR3. */
  readonly root: bigint;
  readonly #pages: TablePages;

  constructor(pages: TablePages) {
    this.#pages = pages;
    this.root = pages.take();
  }

  /** Maps `bytes` bytes, rounded up to pages, and makes the physical memory that is not there yet. */
  map(linear: bigint, physical: bigint, bytes: number, rights: Rights): void {
    for (let at = 0n; at < BigInt(bytes); at += PAGE) this.#mapPage(linear + at, physical + at, rights);
  }

  #mapPage(linear: bigint, physical: bigint, rights: Rights): void {
    const { memory } = this.#pages;
    let table = this.root;
    for (const shift of UPPER_LEVELS) {
      const at = table + entryOffset(linear, shift);
      if (!(memory.read(at, 8) & ENTRY.present)) memory.write(at, 8, this.#pages.take() | TABLE);
      table = memory.read(at, 8) & ADDRESS;
    }
    memory.map(physical, Number(PAGE));
    const entry = physical | ENTRY.present | ENTRY.writable | (rights === 'user' ? ENTRY.user : 0n);
    memory.write(table + entryOffset(linear, 12n), 8, entry);
  }
}

const entryOffset = (linear: bigint, shift: bigint): bigint => ((linear >> shift) & 0x1ffn) * 8n;
