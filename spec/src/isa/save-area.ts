/** Areas of x87 and SSE state in memory, which several rules may find wrong: the profile says which is asked first. */

import { fromBytes, u } from '../numbers/bits.ts';
import { sdm } from '../state/citation.ts';
import { FS } from '../state/fields.ts';
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
const XMM_OFFSET = 160, HEADER_OFFSET = 512, HEADER_END = 576;

/** The end of the piece that has byte `at` of an area. */
function pieceEnd(at: number): number {
  const first = FIRST_PIECES.find((end) => end > at);
  if (first !== undefined) return first;
  const bytes = at < XMM_OFFSET || (at >= HEADER_OFFSET && at < HEADER_END) ? 8 : 16;
  return at - (at % bytes) + bytes;
}


/** An access within an area: `bytes` bytes from its byte `at` on. */
interface Piece { readonly at: number; readonly bytes: number }

/** The address that alignment is about: without a look at the segment. */
function addressOf(x: Execution, operand: MemoryOperand): bigint {
  const based = x.mode !== 64 || operand.segment >= FS;
  return u(64, x.offset(operand) + (based ? x.state.base(operand.segment) : 0n));
}

/** #GP(0) where a vector of `bytes` bytes is not aligned on them, before or after what the segment says of it. */
export function requireAlignedVector(x: Execution, operand: MemoryOperand, bytes: number): void {
  const misaligned = (addressOf(x, operand) & BigInt(bytes - 1)) !== 0n;
  const late = x.cpu.accesses.vectorAlignment === 'after the segment';
  if (misaligned && late) x.linear(operand.segment, x.offset(operand), bytes, false);
  if (misaligned) x.fault('#GP', `the memory operand is not aligned on ${bytes} bytes`, 0);
}

/** What the profile says of save areas: `AccessOrder.stateArea`. */
export const endsFirst = (x: Execution): boolean => x.cpu.accesses.stateArea === 'ends first';

/** Some access to the first `end` bytes of an area has an offset that wraps at the address size. */
const wraps = (x: Execution, operand: MemoryOperand, end: number): boolean =>
  endsFirst(x) && operand.addressSize < 64 && Number(x.offset(operand)) + end > 2 ** operand.addressSize;

/** The linear address of an access, with the segment's checks. */
const checked = (x: Execution, operand: MemoryOperand, { at, bytes }: Piece, write: boolean): bigint =>
  x.linear(operand.segment, u(operand.addressSize, x.offset(operand) + BigInt(at)), bytes, write);

/** The same of an access within an area whose ends were asked. */
const placeOf = (x: Execution, operand: MemoryOperand, piece: Piece, write: boolean): bigint =>
  (wraps(x, operand, piece.at + piece.bytes)
    ? checked(x, operand, piece, write)
    : further(x.mode, x.linearUnchecked(operand.segment, x.offset(operand)), piece.at));

/** Its linear address without a look at the segment. */
const pageOf = (x: Execution, operand: MemoryOperand, { at }: Piece): bigint =>
  x.linearUnchecked(operand.segment, u(operand.addressSize, x.offset(operand) + BigInt(at)));

const ask = (x: Execution, operand: MemoryOperand, piece: Piece, write: boolean): void =>
  x.touch(checked(x, operand, piece, write), piece.bytes, write);

/** The accesses to `bytes` bytes from `at` on. */
function piecesOf(x: Execution, operand: MemoryOperand, at: number, bytes: number): Piece[] {
  if (!wraps(x, operand, at + bytes)) return [{ at, bytes }];
  const pieces: Piece[] = [];
  for (let from = at, end = at; from < at + bytes; from = end) {
    end = Math.min(pieceEnd(from), at + bytes);
    pieces.push({ at: from, bytes: end - from });
  }
  return pieces;
}

/**
 * The linear address of an FXSAVE or XSAVE area that its segment has from end to end; where it is not aligned on
 * `alignment` bytes, #GP(0), or #AC(0) while alignment is checked: SDM vol. 2A, 3.2, FXSAVE. `probe` is what the
 * profile may ask for first.
 */
export function alignedArea(
  x: Execution, operand: MemoryOperand, bytes: number, alignment: number, write: boolean, probe: Piece,
): bigint {
  const misaligned = (addressOf(x, operand) & BigInt(alignment - 1)) !== 0n;
  const first: Piece = { at: 0, bytes: endsFirst(x) ? FIRST_ACCESS : bytes };
  // That first look is at the limit: whether the segment may be read or written is asked behind the alignment.
  const offset = x.offset(operand);
  const linear = x.linear(operand.segment, offset, first.bytes, write && !endsFirst(x), endsFirst(x));
  if (misaligned) refuse(x, linear, alignment);
  checked(x, operand, first, write);
  if (endsFirst(x)) ask(x, operand, probe, write);
  if (!wraps(x, operand, bytes)) checked(x, operand, { at: 0, bytes }, write);
  if (write && !endsFirst(x)) x.memory.requireWritable(linear, bytes);
  return linear;
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
export function readArea(x: Execution, operand: MemoryOperand, at: number, bytes: number): Uint8Array {
  const read = (piece: Piece): Uint8Array => x.memory.readBytes(placeOf(x, operand, piece, false), piece.bytes);
  const [first, ...others] = piecesOf(x, operand, at, bytes);
  if (others.length === 0) return read(first!);
  const all = new Uint8Array(bytes);
  for (const piece of [first!, ...others]) all.set(read(piece), piece.at - at);
  return all;
}

/** Reads a field of an image in memory: `bytes` bytes from byte `at` on. */
export type Field = (at: number, bytes: number) => bigint;

export const fieldsOf = (image: Uint8Array): Field => (at, bytes) => fromBytes(image, at, bytes);

/**
 * The first `bytes` bytes of an area. Where it wraps, a field is read when it is asked for, and may be beyond the limit
 * or on a page that is not there, when those before it are loaded.
 */
export function areaFields(x: Execution, operand: MemoryOperand, bytes: number): Field {
  if (!wraps(x, operand, bytes)) return fieldsOf(readArea(x, operand, 0, bytes));
  return (at, length) => fromBytes(readArea(x, operand, at, length));
}

/** What an area holds at `offset`, or is to hold. */
interface Content { readonly offset: number; readonly bytes: Uint8Array }

const byAddress = (contents: readonly Content[]): Content[] => [...contents].sort((a, b) => a.offset - b.offset);

/** The profile asks for the ends of an area first, and what is in between is not where they are. */
const asksForMore = (x: Execution, operand: MemoryOperand, end: number): boolean =>
  endsFirst(x) && (pageOffset(addressOf(x, operand)) + end > PAGE_BYTES || wraps(x, operand, end));

/**
 * The first `bytes` bytes of an area, of which only those that `contents` has are needed. Where its ends were asked
 * first, the others are not accessed, which shows if they are on another page.
 */
export function readContents(
  x: Execution, operand: MemoryOperand, bytes: number, contents: () => readonly Content[],
): Uint8Array {
  if (!asksForMore(x, operand, bytes)) return readArea(x, operand, 0, bytes);
  const all = new Uint8Array(bytes);
  for (const { offset, bytes: { length } } of byAddress(contents())) {
    all.set(readArea(x, operand, offset, length), offset);
  }
  return all;
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
  x: Execution, operand: MemoryOperand, end: number, contents: readonly Content[],
  { asked = [], first = [], last = [], between }: Writing = {},
): void {
  const more = asksForMore(x, operand, end);
  for (const { offset, bytes } of more ? byAddress([...contents, ...first, ...last, ...asked]) : []) {
    for (const piece of piecesOf(x, operand, offset, bytes.length)) {
      x.memory.requireWritable(pageOf(x, operand, piece), piece.bytes);
    }
  }
  between?.();
  for (const { offset, bytes } of [...first, ...(more ? byAddress(contents) : contents), ...last]) {
    for (const piece of piecesOf(x, operand, offset, bytes.length)) {
      const from = piece.at - offset;
      x.memory.writeBytes(placeOf(x, operand, piece, true), bytes.subarray(from, from + piece.bytes));
    }
  }
}

/** What is asked of an x87 environment or state before anything else. */
function askX87Area(x: Execution, operand: MemoryOperand, bytes: number, word: number, write: boolean): void {
  if (!endsFirst(x)) return;
  ask(x, operand, { at: 0, bytes: word }, write);
  ask(x, operand, { at: bytes - 1, bytes: 1 }, write);
}

/**
 * An x87 environment or state to load, whose words have `word` bytes. Where it wraps, a field that is found to be
 * beyond the limit faults when those before it are read.
 */
export function loadX87Area(x: Execution, operand: MemoryOperand, bytes: number, word: number): Field {
  askX87Area(x, operand, bytes, word, false);
  if (wraps(x, operand, bytes)) {
    return (at, length) =>
      unchecked(x, () => x.memory.read(checked(x, operand, { at, bytes: length }, false), length));
  }
  return fieldsOf(x.memory.readBytes(checked(x, operand, { at: 0, bytes }, false), bytes));
}

/** Stores one; `lengths` are its fields' in bytes. */
export function storeX87Area(x: Execution, operand: MemoryOperand, data: Uint8Array, lengths: readonly number[]): void {
  askX87Area(x, operand, data.length, lengths[0]!, true);
  if (wraps(x, operand, data.length)) {
    let at = 0;
    for (const bytes of lengths) {
      const place = checked(x, operand, { at, bytes }, true), value = fromBytes(data, at, bytes);
      unchecked(x, () => x.memory.write(place, bytes, value));
      at += bytes;
    }
  } else x.memory.writeBytes(checked(x, operand, { at: 0, bytes: data.length }, true), data);
}
