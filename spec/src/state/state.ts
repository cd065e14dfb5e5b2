/** One processor's registers: one flat area, typed views with names. A snapshot is a copy of the area. */

import { FIELDS, type Field, OFFSET, SEGMENT_STRIDE, STATE_SIZE, VECTOR_STRIDE, fieldNamed } from './fields.ts';

/** Activity states of the VMCS's guest-state area. SDM vol. 3C, 24.4.2. */
export const HLT = 1, SHUTDOWN = 2, WAIT_FOR_SIPI = 3;

export class State {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** The sixteen general-purpose registers, by encoding. */
  readonly gpr: BigUint64Array;
  readonly #quads: BigUint64Array;
  readonly #doublewords: Uint32Array;
  readonly #words: Uint16Array;

  constructor(from?: Uint8Array) {
    const area = new ArrayBuffer(STATE_SIZE);
    this.bytes = new Uint8Array(area);
    this.view = new DataView(area);
    this.gpr = new BigUint64Array(area, OFFSET.gpr, 16);
    this.#quads = new BigUint64Array(area);
    this.#doublewords = new Uint32Array(area);
    this.#words = new Uint16Array(area);
    if (from) this.bytes.set(from);
  }

  /** A copy of the whole area, to be given to `restore`. */
  snapshot(): Uint8Array {
    return this.bytes.slice();
  }

  restore(snapshot: Uint8Array): void {
    if (snapshot.length !== STATE_SIZE) {
      throw new RangeError(`a snapshot of the state has ${STATE_SIZE} bytes, this one ${snapshot.length}`);
    }
    this.bytes.set(snapshot);
  }

  // A quadword, doubleword or word of the area by byte offset (see `OFFSET`).
  quad(offset: number): bigint { return this.#quads[offset >> 3]!; }
  setQuad(offset: number, value: bigint): void { this.#quads[offset >> 3] = value; }
  doubleword(offset: number): number { return this.#doublewords[offset >> 2]!; }
  setDoubleword(offset: number, value: number): void { this.#doublewords[offset >> 2] = value; }
  word(offset: number): number { return this.#words[offset >> 1]!; }
  setWord(offset: number, value: number): void { this.#words[offset >> 1] = value; }
  byte(offset: number): number { return this.bytes[offset]!; }
  setByte(offset: number, value: number): void { this.bytes[offset] = value; }

  get rip(): bigint { return this.quad(OFFSET.rip); }
  set rip(value: bigint) { this.setQuad(OFFSET.rip, value); }
  /** Moves RIP by `length` bytes; outside of 64-bit mode it has 32 bits. */
  advance(length: number, wide: boolean): void {
    const low = this.#doublewords[OFFSET.rip >> 2]! + length;
    this.#doublewords[OFFSET.rip >> 2] = low;
    const high = (OFFSET.rip >> 2) + 1;
    if (!wide) this.#doublewords[high] = 0;
    else if (low > 0xffff_ffff) this.#doublewords[high] = this.#doublewords[high]! + 1;
  }

  /** Bits 31:0 of RFLAGS; bits 63:32 are reserved and always 0. */
  get rflags(): number { return this.doubleword(OFFSET.rflags); }
  set rflags(value: number) { this.setDoubleword(OFFSET.rflags, value); }
  get undefinedFlags(): number { return this.doubleword(OFFSET.undefinedFlags); }
  set undefinedFlags(value: number) { this.setDoubleword(OFFSET.undefinedFlags, value); }
  /** HLT, shutdown or wait for SIPI: no further instruction is executed before an event. */
  get halted(): boolean { return this.byte(OFFSET.halted) !== 0; }
  /** Which of them. */
  get activity(): number { return this.byte(OFFSET.halted); }
  set activity(value: number) { this.setByte(OFFSET.halted, value); }
  get shutdown(): boolean { return this.byte(OFFSET.halted) === SHUTDOWN; }
  set halted(value: boolean) { this.setByte(OFFSET.halted, value ? HLT : 0); }

  get cr0(): bigint { return this.quad(OFFSET.cr0); }
  set cr0(value: bigint) { this.setQuad(OFFSET.cr0, value); }
  get cr4(): bigint { return this.quad(OFFSET.cr4); }
  set cr4(value: bigint) { this.setQuad(OFFSET.cr4, value); }
  get efer(): bigint { return this.quad(OFFSET.efer); }
  set efer(value: bigint) { this.setQuad(OFFSET.efer, value); }
  get xcr0(): bigint { return this.quad(OFFSET.xcr0); }
  set xcr0(value: bigint) { this.setQuad(OFFSET.xcr0, value); }

  get fcw(): number { return this.word(OFFSET.fcw); }
  set fcw(value: number) { this.setWord(OFFSET.fcw, value); }
  get fsw(): number { return this.word(OFFSET.fsw); }
  set fsw(value: number) { this.setWord(OFFSET.fsw, value); }
  get ftw(): number { return this.byte(OFFSET.ftw); }
  set ftw(value: number) { this.setByte(OFFSET.ftw, value); }
  get fop(): number { return this.word(OFFSET.fop); }
  set fop(value: number) { this.setWord(OFFSET.fop, value); }
  get fip(): bigint { return this.quad(OFFSET.fip); }
  set fip(value: bigint) { this.setQuad(OFFSET.fip, value); }
  get fcs(): number { return this.word(OFFSET.fcs); }
  set fcs(value: number) { this.setWord(OFFSET.fcs, value); }
  get fdp(): bigint { return this.quad(OFFSET.fdp); }
  set fdp(value: bigint) { this.setQuad(OFFSET.fdp, value); }
  get fds(): number { return this.word(OFFSET.fds); }
  set fds(value: number) { this.setWord(OFFSET.fds, value); }
  get mxcsr(): number { return this.doubleword(OFFSET.mxcsr); }
  set mxcsr(value: number) { this.setDoubleword(OFFSET.mxcsr, value); }
  get xinuse(): bigint { return this.quad(OFFSET.xinuse); }
  set xinuse(value: bigint) { this.setQuad(OFFSET.xinuse, value); }
  get xinuse8To15(): bigint { return this.quad(OFFSET.xinuse8To15); }
  set xinuse8To15(value: bigint) { this.setQuad(OFFSET.xinuse8To15, value); }
  get x87Written(): boolean { return this.byte(OFFSET.x87Written) !== 0; }
  set x87Written(value: boolean) { this.setByte(OFFSET.x87Written, value ? 1 : 0); }
  get xmmWritten(): number { return this.word(OFFSET.xmmWritten); }
  set xmmWritten(value: number) { this.setWord(OFFSET.xmmWritten, value); }
  get xmodified(): bigint { return this.quad(OFFSET.xmodified); }
  set xmodified(value: bigint) { this.setQuad(OFFSET.xmodified, value); }
  get xmodified8To15(): bigint { return this.quad(OFFSET.xmodified8To15); }
  set xmodified8To15(value: bigint) { this.setQuad(OFFSET.xmodified8To15, value); }

  /** Physical x87 register Rj as an 80-bit pattern. */
  x87(j: number): bigint {
    return (BigInt(this.x87SignAndExponent(j)) << 64n) | this.x87Significand(j);
  }
  x87Offset(j: number): number { return OFFSET.st + 16 * j; }
  /** Bits 79:64 of it, and bits 63:0. */
  x87SignAndExponent(j: number): number { return this.word(this.x87Offset(j) + 8); }
  x87Significand(j: number): bigint { return this.quad(this.x87Offset(j)); }
  setX87(j: number, value: bigint): void {
    const at = this.x87Offset(j);
    this.setQuad(at, BigInt.asUintN(64, value));
    this.setWord(at + 8, Number(value >> 64n));
  }

  /** Offset of vector register `index`; XMM is its first 16 bytes, the upper half of YMM the next 16. */
  vectorOffset(index: number): number { return OFFSET.vector + VECTOR_STRIDE * index; }
  xmm(index: number): bigint { return this.read128(this.vectorOffset(index)); }
  setXmm(index: number, value: bigint): void { this.write128(this.vectorOffset(index), value); }
  /** Bits 255:128 of YMM register `index`. */
  ymmHigh(index: number): bigint { return this.read128(this.vectorOffset(index) + 16); }
  setYmmHigh(index: number, value: bigint): void { this.write128(this.vectorOffset(index) + 16, value); }
  /** Clears vector register `index` from byte `from` on, a multiple of 8. */
  clearVector(index: number, from: number): void {
    const at = this.vectorOffset(index);
    for (let offset = from; offset < VECTOR_STRIDE; offset += 8) this.setQuad(at + offset, 0n);
  }

  /** Selector, hidden base, limit and attributes of segment register `index`. */
  selector(index: number): number { return this.word(OFFSET.segments + SEGMENT_STRIDE * index); }
  attributes(index: number): number { return this.doubleword(OFFSET.segments + SEGMENT_STRIDE * index + 4); }
  limit(index: number): number { return this.doubleword(OFFSET.segments + SEGMENT_STRIDE * index + 8); }
  base(index: number): bigint { return this.quad(OFFSET.segments + SEGMENT_STRIDE * index + 16); }
  /** Selector and hidden part together. */
  segment(index: number): Segment {
    return {
      selector: this.selector(index), base: this.base(index), limit: this.limit(index),
      attributes: this.attributes(index),
    };
  }
  setBase(index: number, base: bigint): void { this.setQuad(OFFSET.segments + SEGMENT_STRIDE * index + 16, base); }
  setSegment(index: number, segment: Segment): void {
    const at = OFFSET.segments + SEGMENT_STRIDE * index;
    this.setWord(at, segment.selector);
    this.setDoubleword(at + 4, segment.attributes);
    this.setDoubleword(at + 8, segment.limit);
    this.setQuad(at + 16, segment.base);
  }

  read128(offset: number): bigint { return (this.quad(offset + 8) << 64n) | this.quad(offset); }
  write128(offset: number, value: bigint): void {
    this.setQuad(offset, BigInt.asUintN(64, value));
    this.setQuad(offset + 8, BigInt.asUintN(64, value >> 64n));
  }

  /** The value of a field by its manual name: a number up to 32 bits, a bigint above. */
  get(name: string): number | bigint { return readField(this, fieldNamed(name)); }

  /** Sets a field by its manual name; the value is taken modulo the field's width. */
  set(name: string, value: number | bigint): void {
    const field = fieldNamed(name);
    const bits = BigInt.asUintN(field.width, BigInt(value));
    for (let i = 0; i < field.width / 8; i++) this.bytes[field.offset + i] = Number((bits >> BigInt(8 * i)) & 0xffn);
  }
}

/**
 * The hidden part of a segment register with its selector. `attributes` is bits 23:8 of the descriptor's upper half,
 * limit bits masked out.
 */
export interface Segment {
  selector: number;
  base: bigint;
  /** Scaled: the highest (or for expand-down, highest invalid) byte offset. */
  limit: number;
  /** Type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15. */
  attributes: number;
}

export const ATTRIBUTE = {
  accessed: 1, writableOrReadable: 2, expandDownOrConforming: 4, code: 8, codeOrData: 0x10, present: 0x80, long: 0x2000,
  big: 0x4000, granular: 0x8000,
} as const;

/** Attributes of flat segments: present, 4 GiB, accessed; code (execute/read) or data (read/write); DPL 0, or 3. */
export const FLAT = { code64: 0xa09b, code32: 0xc09b, data: 0xc093, data3: 0xc0f3 } as const;

/** All linear addresses of 32 bits. */
export const flatSegment = (selector: number, attributes: number): Segment =>
  ({ selector, base: 0n, limit: 0xffff_ffff, attributes });

export function readField(state: State, field: Field): number | bigint {
  const value = readRaw(state.bytes, field);
  return field.width <= 32 ? Number(value) : value;
}

function readRaw(bytes: Uint8Array, field: Field): bigint {
  let value = 0n;
  for (let i = field.width / 8 - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[field.offset + i]!);
  return value;
}

/** A field that differs between two snapshots, with both values. */
export interface FieldDifference {
  field: Field;
  before: bigint;
  after: bigint;
}

/**
 * Where the first and behind the last doubleword that differs between two state areas are; empty when none does. Areas
 * are mostly equal, most of all at their end, where the tiles are.
 */
function differingRange(a: Uint8Array, b: Uint8Array): { from: number; to: number } {
  const left = new Int32Array(a.buffer, a.byteOffset, a.length / 4);
  const right = new Int32Array(b.buffer, b.byteOffset, b.length / 4);
  let from = 0, to = left.length;
  while (from < to && left[from] === right[from]) from++;
  while (to > from && left[to - 1] === right[to - 1]) to--;
  return { from: 4 * from, to: 4 * to };
}

/** All fields that differ between two state areas, in the table's order; `tracking` fields only where asked for. */
export function differences(
  before: Uint8Array, after: Uint8Array, options: { tracking?: boolean } = {},
): FieldDifference[] {
  const found: FieldDifference[] = [];
  const { from, to } = differingRange(before, after);
  for (const field of from < to ? FIELDS : []) {
    if (field.offset >= to || field.offset + field.width / 8 <= from) continue;
    if (field.visibility === 'tracking' && !options.tracking) continue;
    const bytes = field.width / 8;
    for (let i = 0; i < bytes; i++) {
      if (before[field.offset + i] === after[field.offset + i]) continue;
      found.push({ field, before: readRaw(before, field), after: readRaw(after, field) });
      break;
    }
  }
  return found;
}
