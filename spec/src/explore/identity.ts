/**
 * Telling states of a system apart by two independent hashes of 32 bits each: of all state areas, kept up to date word
 * by word, and of memory, write by write. Two states that differ are taken for one with a probability of about n²/2⁶⁵
 * among n.
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

/** By page: in which call of `afterWrites` each byte was last met. */
const meetings = new WeakMap<Page, Uint32Array>();
let call = 0;

function meetingsOf(page: Page): Uint32Array {
  const known = meetings.get(page) ?? new Uint32Array(page.bytes.length);
  meetings.set(page, known);
  return known;
}

/** The hash after `writes`, which have just been made, oldest first. */
export function afterWrites({ a, b }: MemoryHash, writes: readonly JournalEntry[]): MemoryHash {
  if (writes.length === 0) return { a, b };
  let [sumA, sumB] = [a, b];
  call = (call + 1) >>> 0;
  for (const { page, offset, before } of writes) {
    const met = meetingsOf(page);
    for (let n = 0; n < before.length; n++) {
      const at = offset + n;
      // The first write to a byte has what it was; later ones of the same step do not count.
      if (met[at] === call) continue;
      met[at] = call;
      const [was, is] = [before[n]!, page.bytes[at]!];
      if (was === is) continue;
      sumA = (sumA + cell(page.number, at, is, 1) - cell(page.number, at, was, 1)) | 0;
      sumB = (sumB + cell(page.number, at, is, 2) - cell(page.number, at, was, 2)) | 0;
    }
  }
  return { a: sumA, b: sumB };
}

/** A state area as it was when it was last asked for, and the hash of that. */
interface KnownState {
  readonly now: Int32Array;
  readonly before: Int32Array;
  a: number;
  b: number;
}

const states = new WeakMap<Uint8Array, KnownState>();

/** Of an area of zeros the hash is 0, as long as each word's share is counted as its difference from that of a zero. */
function known(bytes: Uint8Array): KnownState {
  const found = states.get(bytes);
  if (found) return found;
  const now = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const state: KnownState = { now, before: new Int32Array(now.length), a: 0, b: 0 };
  states.set(bytes, state);
  return state;
}

/** What the word at a place adds to the hash of a state. */
function share(place: number, word: number, seed: number): number {
  let h = Math.imul(word ^ Math.imul(place, 0x9e37_79b1) ^ seed, 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  h = Math.imul(h ^ (h >>> 15), 0x27d4_eb2f);
  return h ^ (h >>> 16);
}

/** Words that are compared at once: most of an area, tiles above all, never changes. It is a whole number of them. */
const BLOCK = 4;

const sameBlock = (x: Int32Array, y: Int32Array, n: number): boolean =>
  ((x[n]! ^ y[n]!) | (x[n + 1]! ^ y[n + 1]!) | (x[n + 2]! ^ y[n + 2]!) | (x[n + 3]! ^ y[n + 3]!)) === 0;

/** The hash of a state, as the sum over its words: what is computed anew is the share of those that have changed. */
function hashOf(bytes: Uint8Array): KnownState {
  const state = known(bytes);
  const { now, before } = state;
  let { a, b } = state;
  for (let start = 0; start < now.length; start += BLOCK) {
    if (sameBlock(now, before, start)) continue;
    for (let n = start; n < start + BLOCK; n++) {
      const was = before[n]!;
      const is = now[n]!;
      if (was === is) continue;
      before[n] = is;
      a = (a + share(n, is, 0x51ed_270b) - share(n, was, 0x51ed_270b)) | 0;
      b = (b + share(n, is, 0x2c1b_3c6d) - share(n, was, 0x2c1b_3c6d)) | 0;
    }
  }
  state.a = a;
  state.b = b;
  return state;
}

/** What tells one state of these machines and their memory from another. */
export function identityOf(machines: readonly Machine[], memory: MemoryHash): string {
  let { a, b } = memory;
  for (const { state } of machines) {
    const hash = hashOf(state.bytes);
    a = Math.imul(a << 5 | a >>> 27, 0x9e37_79b1) + hash.a | 0;
    b = Math.imul(b << 7 | b >>> 25, 0x85eb_ca6b) + hash.b | 0;
  }
  return `${a >>> 0}.${b >>> 0}`;
}
