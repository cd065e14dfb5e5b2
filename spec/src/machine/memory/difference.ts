/** What differs between two moments of memory. */

import { PAGE } from './address.ts';
import type { JournalEntry } from './journal.ts';
import type { Page } from './page.ts';

/** Memory at one moment: page numbers and contents. */
export type MemorySnapshot = ReadonlyMap<number, Uint8Array>;

/** Bytes that differ between two snapshots, as runs. */
export interface MemoryDifference {
  /** Physical address of the first; the linear one as well where the mapping is flat. */
  linear: bigint;
  before: Uint8Array;
  after: Uint8Array;
}

/** The cells that a journal touched and that now differ from what they were. */
export function writtenBy(journal: readonly JournalEntry[], among: (page: bigint) => boolean): MemoryDifference[] {
  const seen = new Map<Page, Map<number, number>>();
  const pages = new Set(
    [...new Set(journal.map(({ page }) => page))].filter(({ number }) => among(BigInt(number) << 12n)),
  );
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
      found.push({
        linear: (BigInt(page.number) << 12n) + BigInt(offset), before: Uint8Array.of(before),
        after: Uint8Array.of(page.bytes[offset]!),
      });
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
      found.push({
        linear: (BigInt(number) << 12n) + BigInt(offset), before: a.slice(offset, end), after: b.slice(offset, end),
      });
      offset = end;
    }
  }
  return found;
}
