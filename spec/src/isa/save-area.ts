/** Areas of x87 and SSE state in memory, which several rules may find wrong: the profile says which is asked first. */

import { fromBytes, u } from '../numbers/bits.ts';
import { EXTENDED_REGION } from '../cpus/xsave-layout.ts';
import { sdm } from '../state/citation.ts';
import { VECTORS } from '../state/outcomes.ts';
import type { Execution } from './execution.ts';
import type { MemoryOperand } from './operand.ts';
import { further } from './segmentation/limit.ts';
import { unchecked } from './unchecked.ts';

/** What is looked at of an area before its alignment is. */
const FIRST_ACCESS = 4;
const PAGE_BYTES = 4096;
const pageOffset = (address: bigint): number => Number(u(12, address));
/**
 * Where an area goes on at offset 0, its pieces end at these bytes, then at multiples of 8, which are
 * two for an x87 register, and from the XMM registers on at multiples of 16, but for the header.
 */
const FIRST_PIECES = [4, 8, 16, 24, 28, 32] as const;
/** Where the XMM registers and the XSAVE header are in an area. */
export const XMM_OFFSET = 160, HEADER_OFFSET = 512;

/** The end of the piece that has byte `at` of an area. */
function pieceEnd(at: number): number {
  const first = FIRST_PIECES.find((end) => end > at);
  if (first !== undefined) return first;
  const bytes = at < XMM_OFFSET || (at >= HEADER_OFFSET && at < EXTENDED_REGION) ? 8 : 16;
  return at - (at % bytes) + bytes;
}

/** An access within an area: `bytes` bytes from its byte `at` on. */
interface Piece { readonly at: number; readonly bytes: number }

/** An area as its instruction names it, before anything is asked about it. */
export interface Area {
  readonly segment: number;
  /** The offset of its first byte. */
  readonly start: bigint;
  readonly addressSize: number;
  readonly linear: bigint;
  /** Bytes up to where an offset wraps at the address size, if the area is then accessed in pieces: else no end. */
  readonly room: number;
}

/** What the profile says of save areas: `AccessOrder.stateArea`. */
export const endsFirst = (x: Execution): boolean => x.cpu.accesses.stateArea === 'ends first';

export function areaAt(x: Execution, operand: MemoryOperand): Area {
  const { segment, addressSize } = operand, start = x.offset(operand);
  const room = endsFirst(x) && addressSize < 64 ? 2 ** addressSize - Number(start) : Infinity;
  return { segment, start, addressSize, linear: x.linearUnchecked(segment, start), room };
}

/** What alignment is about: the linear address, without a look at the segment. */
const isMisaligned = (linear: bigint, alignment: number): boolean => pageOffset(linear) % alignment !== 0;

/** #GP(0) where a vector of `bytes` bytes is not aligned on them, before or after what the segment says of it. */
export function requireAlignedVector(x: Execution, operand: MemoryOperand, bytes: number): void {
  const offset = x.offset(operand);
  const misaligned = isMisaligned(x.linearUnchecked(operand.segment, offset), bytes);
  const late = x.cpu.accesses.vectorAlignment === 'after the segment';
  if (misaligned && late) x.linear(operand.segment, offset, bytes, false);
  if (misaligned) x.fault('#GP', `the memory operand is not aligned on ${bytes} bytes`, 0);
}

/** Some access to the first `end` bytes has an offset that wraps. */
const wraps = ({ room }: Area, end: number): boolean => end > room;

const offsetOf = ({ addressSize, start }: Area, at: number): bigint => u(addressSize, start + BigInt(at));

/** The linear address of an access, with the segment's checks. */
const checked = (x: Execution, area: Area, { at, bytes }: Piece, write: boolean): bigint =>
  x.linear(area.segment, offsetOf(area, at), bytes, write);

/** The same of an access within an area whose ends were asked. */
const placeOf = (x: Execution, area: Area, piece: Piece, write: boolean): bigint =>
  (wraps(area, piece.at + piece.bytes) ? checked(x, area, piece, write) : further(x.mode, area.linear, piece.at));

/** Its linear address without a look at the segment. */
const pageOf = (x: Execution, area: Area, { at }: Piece): bigint => x.linearUnchecked(area.segment, offsetOf(area, at));

const ask = (x: Execution, area: Area, piece: Piece, write: boolean): void =>
  x.touch(checked(x, area, piece, write), piece.bytes, write);

/** The accesses to `bytes` bytes from `at` on. */
function piecesOf(area: Area, at: number, bytes: number): Piece[] {
  if (!wraps(area, at + bytes)) return [{ at, bytes }];
  const pieces: Piece[] = [];
  for (let from = at, end = at; from < at + bytes; from = end) {
    end = Math.min(pieceEnd(from), at + bytes);
    pieces.push({ at: from, bytes: end - from });
  }
  return pieces;
}

/**
 * The segment has the first `bytes` bytes of an FXSAVE or XSAVE area; where it is not aligned on `alignment` bytes,
 * #GP(0), or #AC(0) while alignment is checked: SDM vol. 2A, 3.2, FXSAVE. `probe` is what the profile may ask for
 * first.
 */
export function requireArea(
  x: Execution, area: Area, bytes: number, alignment: number, write: boolean, probe: Piece,
): void {
  const { segment, start, linear } = area, misaligned = isMisaligned(linear, alignment);
  if (endsFirst(x)) {
    // That first look is at the limit: whether the segment may be read or written is asked behind the alignment.
    x.linear(segment, start, FIRST_ACCESS, false, true);
    if (misaligned) refuse(x, linear, alignment);
    x.linear(segment, start, FIRST_ACCESS, write);
    ask(x, area, probe, write);
    if (!wraps(area, bytes)) x.linear(segment, start, bytes, write);
  } else {
    x.linear(segment, start, bytes, write);
    if (misaligned) refuse(x, linear, alignment);
    if (write) x.memory.requireWritable(linear, bytes);
  }
}

function refuse(x: Execution, linear: bigint, alignment: number): never {
  if (x.alignment) {
    x.leavesOpen(
      `the vector of the exception for an area that is not aligned on ${alignment} bytes`, sdm('2A', '3.2, FXSAVE'),
      [BigInt(VECTORS['#GP']), BigInt(VECTORS['#AC'])],
    );
  }
  if (x.cpu.accesses.misalignedArea === '#AC for its first four bytes') x.alignment?.(linear, FIRST_ACCESS);
  x.fault('#GP', `the area is not aligned on ${alignment} bytes`, 0);
}

/** Bytes of an area, from `at` on. */
export function readArea(x: Execution, area: Area, at: number, bytes: number): Uint8Array {
  const read = (piece: Piece): Uint8Array => x.memory.readBytes(placeOf(x, area, piece, false), piece.bytes);
  if (!wraps(area, at + bytes)) return read({ at, bytes });
  const all = new Uint8Array(bytes);
  for (const piece of piecesOf(area, at, bytes)) all.set(read(piece), piece.at - at);
  return all;
}

/** Part of an image: `bytes` bytes from byte `at` on. */
export type Part = (at: number, bytes: number) => Uint8Array;

export const partsOf = (image: Uint8Array): Part => (at, bytes) => image.subarray(at).subarray(0, bytes);

/**
 * The first `bytes` bytes of an area. Where it wraps, a part is read when it is asked for, and may be beyond the limit
 * or on a page that is not there, when those before it are loaded.
 */
export const areaParts = (x: Execution, area: Area, bytes: number): Part =>
  (wraps(area, bytes) ? (at, length) => readArea(x, area, at, length) : partsOf(readArea(x, area, 0, bytes)));

/** What an area holds at `offset`, or is to hold. */
interface Content { readonly offset: number; readonly bytes: Uint8Array }

const byAddress = (contents: readonly Content[]): Content[] => [...contents].sort((a, b) => a.offset - b.offset);

/** The profile asks for the ends of an area first, and what is in between is not where they are. */
const asksForMore = (x: Execution, area: Area, end: number): boolean =>
  endsFirst(x) && (pageOffset(area.linear) + end > PAGE_BYTES || wraps(area, end));

/**
 * The first `bytes` bytes of an area, of which only those that `contents` has are needed. Where its ends were asked
 * first, the others are not accessed, which shows if they are on another page.
 */
export function readContents(
  x: Execution, area: Area, bytes: number, contents: () => readonly Content[],
): Uint8Array {
  if (!asksForMore(x, area, bytes)) return readArea(x, area, 0, bytes);
  const all = new Uint8Array(bytes);
  for (const { offset, bytes: { length } } of byAddress(contents())) {
    all.set(readArea(x, area, offset, length), offset);
  }
  return all;
}

/** Writes bytes of an area: the counterpart of `readArea`. */
function writeArea(x: Execution, area: Area, { offset, bytes }: Content): void {
  const write = (piece: Piece, data: Uint8Array): void => x.memory.writeBytes(placeOf(x, area, piece, true), data);
  if (!wraps(area, offset + bytes.length)) write({ at: offset, bytes: bytes.length }, bytes);
  else {
    for (const piece of piecesOf(area, offset, bytes.length)) {
      const from = piece.at - offset;
      write(piece, bytes.subarray(from, from + piece.bytes));
    }
  }
}

/** What else there is about a write to an area. */
interface Writing {
  /** Asked for as what is written is, and not written. */
  readonly asked?: readonly Content[];
  /** Written first: MXCSR, of an XSAVE area. */
  readonly first?: readonly Content[];
  /** Written last: the header. */
  readonly last?: readonly Content[];
  /** Called before the first is written. */
  readonly between?: () => void;
}

/**
 * Writes to the first `end` bytes of an area. Where its ends were asked first, the pages of the rest are by what is
 * written, in the order of addresses; where the area wraps and a piece is around the end, it is beyond the limit when
 * its turn has come.
 */
export function writeContents(
  x: Execution, area: Area, end: number, contents: readonly Content[],
  { asked = [], first = [], last = [], between }: Writing = {},
): void {
  const more = asksForMore(x, area, end);
  for (const { offset, bytes } of more ? byAddress([...contents, ...first, ...last, ...asked]) : []) {
    for (const piece of piecesOf(area, offset, bytes.length)) {
      x.memory.requireWritable(pageOf(x, area, piece), piece.bytes);
    }
  }
  between?.();
  for (const content of first) writeArea(x, area, content);
  for (const content of more ? byAddress(contents) : contents) writeArea(x, area, content);
  for (const content of last) writeArea(x, area, content);
}

/** Reads a field of an x87 environment or state: `bytes` bytes from byte `at` on. */
export type Field = (at: number, bytes: number) => bigint;

/** What is asked of an x87 environment or state before anything else. */
function askX87Area(x: Execution, area: Area, bytes: number, word: number, write: boolean): void {
  if (!endsFirst(x)) return;
  ask(x, area, { at: 0, bytes: word }, write);
  ask(x, area, { at: bytes - 1, bytes: 1 }, write);
}

/**
 * An x87 environment or state to load, whose words have `word` bytes. Where it wraps, a field that is found to be
 * beyond the limit faults when those before it are read.
 */
export function loadX87Area(x: Execution, operand: MemoryOperand, bytes: number, word: number): Field {
  const area = areaAt(x, operand);
  askX87Area(x, area, bytes, word, false);
  if (wraps(area, bytes)) {
    return (at, length) =>
      unchecked(x, () => x.memory.read(checked(x, area, { at, bytes: length }, false), length));
  }
  const image = x.memory.readBytes(checked(x, area, { at: 0, bytes }, false), bytes);
  return (at, length) => fromBytes(image, at, length);
}

/** Stores one; `lengths` are its fields' in bytes. */
export function storeX87Area(x: Execution, operand: MemoryOperand, data: Uint8Array, lengths: readonly number[]): void {
  const area = areaAt(x, operand);
  askX87Area(x, area, data.length, lengths[0]!, true);
  if (wraps(area, data.length)) {
    let at = 0;
    for (const bytes of lengths) {
      const place = checked(x, area, { at, bytes }, true), value = fromBytes(data, at, bytes);
      unchecked(x, () => x.memory.write(place, bytes, value));
      at += bytes;
    }
  } else x.memory.writeBytes(checked(x, area, { at: 0, bytes: data.length }, true), data);
}
