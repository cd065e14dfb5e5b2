/** One page of physical memory: its bytes, and the instructions that were decoded from them. */

import { fromBytes, toBytes } from '../../numbers/bits.ts';
import { MAXIMUM_LENGTH } from '../../isa/decode.ts';
import type { Instruction } from '../../isa/instruction.ts';
import { PAGE } from './address.ts';

export interface Page {
  /** Physical address divided by 4096. */
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** False for ROM: a write does not change it. */
  readonly writable: boolean;
  /** Decoded instructions by offset of their first byte; those that a write overlaps are dropped. */
  decoded: (Instruction | undefined)[] | undefined;
}

export function newPage(number: number, writable: boolean): Page {
  const bytes = new Uint8Array(PAGE);
  return { number, bytes, view: new DataView(bytes.buffer), writable, decoded: undefined };
}

/** Drops exactly the decoded instructions that overlap `length` bytes at `offset`. */
export function forget(page: Page, offset: number, length: number): void {
  const { decoded } = page;
  if (!decoded) return;
  for (let at = Math.max(0, offset - (MAXIMUM_LENGTH - 1)); at < offset + length; at++) {
    const here = decoded[at];
    if (here && at + here.length > offset) decoded[at] = undefined;
  }
}

/** Remembers a decoded instruction; one that crosses into the next page is decoded anew each time. */
export function remember(page: Page, offset: number, instruction: Instruction): void {
  if (offset + instruction.length <= PAGE) {
    (page.decoded ??= new Array<Instruction | undefined>(PAGE))[offset] = instruction;
  }
}

/** The value of `bytes` bytes at `offset`, all of them within the page. */
export function readCell(page: Page, offset: number, bytes: number): bigint {
  switch (bytes) {
    case 8: return page.view.getBigUint64(offset, true);
    case 4: return BigInt(page.view.getUint32(offset, true));
    case 2: return BigInt(page.view.getUint16(offset, true));
    case 1: return BigInt(page.bytes[offset]!);
    default: return fromBytes(page.bytes, offset, bytes);
  }
}

/** Writes `bytes` bytes at `offset`, all of them within the page. */
export function writeCell(page: Page, offset: number, bytes: number, value: bigint): void {
  if (page.decoded) forget(page, offset, bytes);
  switch (bytes) {
    case 8: page.view.setBigUint64(offset, value, true); return;
    case 4: page.view.setUint32(offset, Number(value), true); return;
    case 2: page.view.setUint16(offset, Number(value), true); return;
    case 1: page.bytes[offset] = Number(value); return;
    default: page.bytes.set(toBytes(value, bytes), offset);
  }
}
