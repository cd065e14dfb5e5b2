/** The file of vectors: a line of JSON, then one vector after the other with what the processor made of it. */

import { fromBytes, toBytes } from '../../spec/src/numbers/bits.ts';
import { PLACES, type Piece, type RunRecord, type RunResult } from '../fpu/records.ts';
import type { Vector } from './generate.ts';
import { randomRegisters } from './random.ts';

export interface Header { processor: string; date: string; seed: number; count: number }

/** What the processor left: registers and memory that changed, flags, and the fault that ended it. */
export interface Outcome {
  readonly vector: number;
  readonly errorCode: number;
  readonly rip: bigint;
  readonly rflags: number;
  readonly gpr: ReadonlyMap<number, bigint>;
  readonly written: readonly Piece[];
}

export function recordOf(vector: Vector, seed: number, index: number): RunRecord {
  const gpr = randomRegisters(seed, index, vector.mode);
  for (const [register, value] of vector.special) gpr[register] = value;
  return { ...vector, gpr };
}

export function outcomeOf(record: RunRecord, result: RunResult): Outcome {
  const changed = result.gpr.flatMap((value, n) => (value === record.gpr[n] ? [] : [[n, value] as const]));
  return { ...result, gpr: new Map(changed) };
}

const registers = (values: ReadonlyMap<number, bigint>): Uint8Array[] => {
  const sorted = [...values].sort(([a], [b]) => a - b);
  return [toBytes(sorted.reduce((mask, [n]) => mask | (1n << BigInt(n)), 0n), 2), ...sorted.map(([, value]) => toBytes(value, 8))];
};
const pieces = (list: readonly Piece[]): Uint8Array[] =>
  [Uint8Array.of(list.length), ...list.flatMap(({ offset, bytes }) => [toBytes(BigInt(offset), 2), Uint8Array.of(bytes.length), bytes])];

export function writeVector(vector: Vector, outcome: Outcome): Uint8Array {
  const flags = (vector.mode === 32 ? 1 : 0) | (vector.place === 'low' ? 2 : 0);
  const { code } = PLACES[vector.place];
  return Buffer.concat([
    Uint8Array.of(flags, vector.code.length), vector.code, toBytes(BigInt(vector.rflags), 2), ...registers(vector.special), ...pieces(vector.pieces),
    Uint8Array.of(outcome.vector, outcome.errorCode), toBytes(BigInt.asUintN(64, outcome.rip - code), 8), toBytes(BigInt(outcome.rflags), 2),
    ...registers(outcome.gpr), ...pieces(outcome.written),
  ]);
}

export function readHeader(file: Uint8Array): Header {
  return JSON.parse(new TextDecoder().decode(file.subarray(0, file.indexOf(0x0a)))) as Header;
}

export function* readVectors(file: Uint8Array): Generator<{ vector: Vector; outcome: Outcome; index: number }> {
  const { count } = readHeader(file);
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
  const readPieces = (): Piece[] => Array.from({ length: number(1) }, () => ({ offset: number(2), bytes: take(number(1)) }));
  for (let index = 0; index < count; index++) {
    const flags = number(1);
    const place = flags & 2 ? 'low' : 'high', mode = flags & 1 ? 32 : 64;
    const vector: Vector = { mode, place, code: take(number(1)), rflags: number(2), special: readRegisters(), pieces: readPieces() };
    const outcome: Outcome = {
      vector: number(1), errorCode: number(1), rip: BigInt.asUintN(64, get(8) + PLACES[place].code), rflags: number(2), gpr: readRegisters(), written: readPieces(),
    };
    yield { vector, outcome, index };
  }
}
