/** Reads the file that capture-simd.c writes. */

import { fromBytes } from '../../spec/src/numbers/bits.ts';
import { readHeader } from './vectors.ts';

export interface SimdVector {
  operation: string;
  immediate: number;
  mxcsr: number;
  /** XMM0, which is also the destination. */
  first: bigint;
  /** XMM1, or RAX in its low 64 bits. */
  second: bigint;
  /** XMM2. */
  third: bigint;
  mxcsrAfter: number;
  trapped: boolean;
  /** XMM0 after, or RAX, or CF, PF, AF, ZF, SF and OF. */
  result: bigint;
}

export const SIMD_RECORD_BYTES = 71;

export function simdVector(operations: readonly string[], file: Uint8Array, at: number): SimdVector {
  const field = (offset: number, length: number): bigint => fromBytes(file, at + offset, length);
  return {
    operation: operations[file[at]!]!,
    immediate: file[at + 1]!,
    mxcsr: Number(field(2, 2)),
    first: field(4, 16),
    second: field(20, 16),
    third: field(36, 16),
    mxcsrAfter: Number(field(52, 2)),
    trapped: file[at + 54] === 1,
    result: field(55, 16),
  };
}

export function* readSimdVectors(file: Uint8Array): Generator<SimdVector> {
  const { operations, count } = readHeader(file);
  const start = file.indexOf(0x0a) + 1;
  const expected = start + count * SIMD_RECORD_BYTES;
  if (file.length !== expected) {
    throw new RangeError(`the vector file has ${file.length} bytes, its header says ${expected}: capture it again`);
  }
  for (let at = start; at < file.length; at += SIMD_RECORD_BYTES) yield simdVector(operations, file, at);
}
