/**
 * Telling states of a system apart by two independent hashes of 32 bits each: of all state areas, and, kept up to date
 * write by write, of memory. Two states that differ are taken for one with a probability of about n²/2⁶⁵ among n.
 */

import type { Machine } from '../machine/machine.ts';
import type { JournalEntry } from '../machine/memory/journal.ts';
import type { Page } from '../machine/memory/page.ts';

/** Hash of what memory holds, as the sum over its bytes: only bytes that were written count. */
export interface MemoryHash {
  readonly a: number;
  readonly b: number;
}

export const UNWRITTEN: MemoryHash = { a: 0, b: 0 };

/** The finalizer of MurmurHash3, on a byte and its place. */
function cell(page: number, offset: number, value: number, seed: number): number {
  let h = Math.imul(page ^ seed, 0x9e37_79b1) ^ Math.imul(((page / 2 ** 32) | 0) + 1, 0x27d4_eb2f);
  h = Math.imul(h ^ (offset << 8) ^ value, 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return h ^ (h >>> 16);
}

/** The hash after `writes`, which have just been made, oldest first. */
export function afterWrites({ a, b }: MemoryHash, writes: readonly JournalEntry[]): MemoryHash {
  if (writes.length === 0) return { a, b };
  let [sumA, sumB] = [a, b];
  const seen = new Map<Page, Set<number>>();
  for (const { page, offset, before } of writes) {
    const offsets = seen.get(page) ?? new Set<number>();
    seen.set(page, offsets);
    for (let n = 0; n < before.length; n++) {
      const at = offset + n;
      const [was, is] = [before[n]!, page.bytes[at]!];
      // The first write to a byte has what it was; later ones of the same step do not count.
      if (offsets.has(at)) continue;
      if (writes.length > 1) offsets.add(at);
      if (was === is) continue;
      sumA = (sumA + cell(page.number, at, is, 1) - cell(page.number, at, was, 1)) | 0;
      sumB = (sumB + cell(page.number, at, is, 2) - cell(page.number, at, was, 2)) | 0;
    }
  }
  return { a: sumA, b: sumB };
}

const views = new WeakMap<Uint8Array, Uint32Array>();

function doublewords(bytes: Uint8Array): Uint32Array {
  const known = views.get(bytes);
  if (known) return known;
  const view = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  views.set(bytes, view);
  return view;
}

/** What tells one state of these machines and their memory from another. */
export function identityOf(machines: readonly Machine[], memory: MemoryHash): string {
  let [a, b] = [memory.a, memory.b];
  for (const { state } of machines) {
    const words = doublewords(state.bytes);
    for (let n = 0; n < words.length; n++) {
      const word = words[n]!;
      a = Math.imul((a << 5 | a >>> 27) ^ word, 0x9e37_79b1);
      b = Math.imul((b << 7 | b >>> 25) + word, 0x85eb_ca6b);
    }
    a ^= a >>> 15;
    b ^= b >>> 13;
  }
  return `${a >>> 0}.${b >>> 0}`;
}
