/** What writes to memory replaced, in their order: enough to undo them, all or back to a mark. */

import { type MemoryDifference, writtenBy } from './difference.ts';
import { type Page, forget } from './page.ts';

/** What a write replaced. */
export interface JournalEntry {
  readonly page: Page;
  readonly offset: number;
  readonly before: Uint8Array;
}

export class Journal {
  readonly #entries: JournalEntry[] = [];

  /** Notes what is about to be overwritten. */
  note(page: Page, offset: number, bytes: number): void {
    this.#entries.push({ page, offset, before: page.bytes.slice(offset, offset + bytes) });
  }

  /** The moment, as `undo` and `since` take it. */
  get mark(): number {
    return this.#entries.length;
  }

  /** The writes since a mark, oldest first. */
  since(mark: number): readonly JournalEntry[] {
    return mark === 0 ? this.#entries : this.#entries.slice(mark);
  }

  /** Puts memory back to what it was at the mark. */
  undo(mark = 0): void {
    for (let n = this.#entries.length - 1; n >= mark; n--) {
      const { page, offset, before } = this.#entries[n]!;
      page.bytes.set(before, offset);
      forget(page, offset, before.length);
    }
    this.#entries.length = mark;
  }

  /** What differs by now from what it was, on the pages whose address `among` accepts. */
  written(among: (page: bigint) => boolean): MemoryDifference[] {
    return writtenBy(this.#entries, among);
  }
}
