/** Reads the file that capture-x87.c writes. */

import { fromBytes } from '../../spec/src/numbers/bits.ts';

export interface Processor {
  vendor: string;
  family: number;
  model: number;
  stepping: number;
  leaf1Eax: number;
}

export interface Header {
  cpu: Processor;
  seed: number;
  count: number;
  operations: string[];
}

export interface Vector {
  operation: string;
  fcw: number;
  st0: bigint;
  /** ST1, or the memory operand. */
  source: bigint;
  /** After the instruction; before, it was 0600h: TOP 0, C2 and C1 set, no exceptions. */
  fsw: number;
  /** ST0 after, or the memory destination. */
  result: bigint;
}

/** What a memory destination held before. */
export const MEMORY_BEFORE = 0xcccc_cccc_cccc_cccc_ccccn;

const RECORD_BYTES = 35;

export function readHeader(file: Uint8Array): Header {
  return JSON.parse(new TextDecoder().decode(file.subarray(0, file.indexOf(0x0a)))) as Header;
}

export function* readVectors(file: Uint8Array): Generator<Vector> {
  const { operations, count } = readHeader(file);
  const start = file.indexOf(0x0a) + 1;
  const expected = start + count * RECORD_BYTES;
  if (file.length !== expected) {
    throw new RangeError(`the vector file has ${file.length} bytes, its header says ${expected}: capture it again`);
  }
  for (let at = start; at < file.length; at += RECORD_BYTES) {
    const field = (offset: number, length: number): bigint => fromBytes(file, at + offset, length);
    yield {
      operation: operations[file[at]!]!,
      fcw: Number(field(1, 2)),
      st0: field(3, 10),
      source: field(13, 10),
      fsw: Number(field(23, 2)),
      result: field(25, 10),
    };
  }
}
