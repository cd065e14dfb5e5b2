/** The file of vectors: a line of JSON, then one vector after the other with what the processor made of it. */

import { decode } from '../../spec/src/isa/decode.ts';
import { fromBytes, toBytes } from '../../spec/src/numbers/bits.ts';
import { randomRegisters } from '../integer/random.ts';
import { PLACES, codePage } from './environment.ts';
import type { Mode } from './generate/draft.ts';
import { extentOf } from './generate/draft.ts';
import type { Vector } from './generate/index.ts';
import { extendedState } from './generate/extended.ts';
import { type CpuidLeaf, type Piece, type RunRecord, type RunResult, areaBefore, changedRuns } from './records.ts';
import type { Fences } from './runner.ts';

export interface Header { processor: string; date: string; cpuid: readonly CpuidLeaf[]; fences: Fences; seed: number; count: number }

/** The record of vector `index` of a run with this seed. */
export function recordOf(vector: Vector, seed: number, index: number): RunRecord {
  const { mode, place, code, rflags, pieces, segments, bases } = vector;
  const gpr = randomRegisters(seed, index, mode === 64 ? 64 : 32);
  for (const [register, value] of vector.special) gpr[register] = value;
  const at = codePage(place) + BigInt(vector.at);
  const ip = at - extentOf(segments[1]!).base;
  const extended = vector.kind === undefined ? undefined : [...extendedState(seed, index, vector.kind), ...vector.extended];
  return { mode, place, code, at, ip, rflags, pieces, segments, gpr, ...(bases ? { bases } : {}), ...(extended ? { extended } : {}) };
}

/** The mnemonic that counts a vector: that of its first instruction, LOCK or not, where it decodes at all. */
export function mnemonicOf({ code, mode }: Pick<Vector, 'code' | 'mode'>): string {
  const bytes = code.filter((byte, n) => byte !== 0xf0 || n > 4 || code.subarray(0, n).some((before) => !PREFIXES.has(before)));
  try {
    return decode((n) => {
      if (n >= bytes.length) throw new RangeError('the code ends');
      return bytes[n]!;
    }, mode).definition.mnemonic;
  } catch {
    return '(none)';
  }
}
const PREFIXES = new Set([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3]);

const MODES: readonly Mode[] = [16, 32, 64];

class Writer {
  readonly parts: Uint8Array[] = [];
  number(value: number | bigint, length: number): void { this.parts.push(toBytes(BigInt(value), length)); }
  bytes(value: Uint8Array): void { this.parts.push(value); }
  registers(values: ReadonlyMap<number, bigint>): void {
    const sorted = [...values].sort(([a], [b]) => a - b);
    this.number(sorted.reduce((mask, [n]) => mask | (1 << n), 0), 2);
    for (const [, value] of sorted) this.number(value, 8);
  }
  pieces(list: readonly Piece[]): void {
    this.number(list.length, 2);
    for (const { offset, bytes } of list) {
      this.number(offset, 2);
      this.number(bytes.length, 2);
      this.bytes(bytes);
    }
  }
}

/** The bytes of a vector with its result. What changed is kept, not what stayed. */
export function writeVector(vector: Vector, record: RunRecord, result: RunResult): Uint8Array {
  const out = new Writer();
  const { segments, bases, place } = vector;
  out.number(MODES.indexOf(vector.mode) | (place === 'low' ? 4 : 0) | (bases ? 8 : 0) | (vector.kind === undefined ? 0 : 16), 1);
  out.number(vector.code.length, 1);
  out.bytes(vector.code);
  out.number(vector.at, 2);
  out.number(vector.rflags, 4);
  for (const selector of segments) out.number(selector, 2);
  for (const base of bases ?? []) out.number(base, 8);
  out.registers(vector.special);
  out.pieces(vector.pieces);
  if (vector.kind !== undefined) {
    out.number(vector.kind, 1);
    out.pieces(vector.extended);
  }
  out.number(result.vector, 1);
  out.number(result.errorCode, 4);
  if (result.vector === 14) out.number(result.cr2 - PLACES[place].data & 0xffff_ffff_ffff_ffffn, 8);
  out.number(BigInt.asUintN(64, result.rip - record.ip!), 8);
  out.number(result.rflags, 4);
  out.registers(new Map(result.gpr.flatMap((value, n) => (value === record.gpr[n] ? [] : [[n, value] as const]))));
  out.registers(new Map(result.segments.flatMap((value, n) => (value === segments[n] ? [] : [[n, BigInt(value)] as const]))));
  for (const base of result.bases) out.number(base, 8);
  out.pieces(result.written);
  if (vector.kind !== undefined) out.pieces(result.area ? changedRuns(areaBefore(record), 0, result.area) : []);
  return Buffer.concat(out.parts);
}

export function readHeader(file: Uint8Array): Header {
  return JSON.parse(new TextDecoder().decode(file.subarray(0, file.indexOf(0x0a)))) as Header;
}

function patched(area: Uint8Array, pieces: readonly Piece[]): Uint8Array {
  for (const { offset, bytes } of pieces) area.set(bytes, offset);
  return area;
}

export interface Stored { readonly vector: Vector; readonly record: RunRecord; readonly result: RunResult }

export function* readVectors(file: Uint8Array): Generator<Stored> {
  const { count, seed } = readHeader(file);
  let at = file.indexOf(0x0a) + 1;
  const get = (length: number): bigint => {
    if (at + length > file.length) throw new RangeError('the file of vectors ends early: capture it again');
    at += length;
    return fromBytes(file, at - length, length);
  };
  const number = (length: number): number => Number(get(length));
  const take = (length: number): Uint8Array => file.slice(at, (at += length));
  const readRegisters = (): Map<number, bigint> => {
    const mask = number(2), values = new Map<number, bigint>();
    for (let n = 0; n < 16; n++) if (mask & (1 << n)) values.set(n, get(8));
    return values;
  };
  const readPieces = (): Piece[] => Array.from({ length: number(2) }, () => ({ offset: number(2), bytes: take(number(2)) }));
  for (let index = 0; index < count; index++) {
    const kind = number(1), place = kind & 4 ? 'low' : 'high';
    const own = (kind & 16) !== 0;
    const start: Omit<Vector, 'kind' | 'extended'> = {
      mode: MODES[kind & 3]!, place, code: take(number(1)), at: number(2), rflags: number(4), segments: Array.from({ length: 6 }, () => number(2)),
      bases: kind & 8 ? [get(8), get(8)] : undefined, special: readRegisters(), pieces: readPieces(),
    };
    const vector: Vector = { ...start, kind: own ? number(1) : undefined, extended: own ? readPieces() : [] };
    const record = recordOf(vector, seed, index);
    const event = number(1), errorCode = number(4);
    const cr2 = event === 14 ? BigInt.asUintN(64, get(8) + PLACES[place].data) : 0n;
    const rip = BigInt.asUintN(64, get(8) + record.ip!), rflags = number(4);
    const changed = readRegisters(), loaded = readRegisters(), bases = [get(8), get(8)] as const;
    const result: RunResult = {
      votes: 1, vector: event, errorCode, cr2, rip, rflags, gpr: record.gpr.map((value, n) => changed.get(n) ?? value),
      segments: vector.segments.map((value, n) => Number(loaded.get(n) ?? value)), bases,
      fcw: 0, fsw: 0, ftw: 0, mxcsr: 0, st: [], xmm: [], written: readPieces(), ...(own ? { area: patched(areaBefore(record), readPieces()) } : {}),
    };
    yield { vector, record, result };
  }
}
