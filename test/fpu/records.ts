/**
 * A record is a piece of machine code with everything that it starts from; a result is what it left. The same records
 * go to capture.c, which runs them on the processor, and to model.ts, which runs them on the engine.
 */

import { fromBytes, toBytes } from '../../spec/src/numbers/bits.ts';

/** Where code and data are: high addresses, whose upper halves a 32-bit save loses, or low ones. */
export const PLACES = {
  high: { code: 0x2000_0000_0800n, data: 0x2000_0010_0000n },
  low: { code: 0x1000_0800n, data: 0x1010_0000n },
} as const;
export type Place = keyof typeof PLACES;

/** The code page around `code` holds nothing but HLT: in user mode that is #GP(0), which ends a record. */
export const CODE_PAGE_BYTES = 0x1000;
export const HLT = 0xf4;

export interface Piece { readonly offset: number; readonly bytes: Uint8Array }

export interface RunRecord {
  readonly mode: 32 | 64;
  readonly place: Place;
  readonly code: Uint8Array;
  /** By encoding; RSP is index 4. */
  readonly gpr: readonly bigint[];
  readonly rflags: number;
  /** What differs in the data region from the image that all records share. */
  readonly pieces: readonly Piece[];
}

export interface RunResult {
  /** How many of the repetitions gave this result. */
  readonly votes: number;
  readonly vector: number;
  readonly errorCode: number;
  readonly cr2: bigint;
  readonly rip: bigint;
  readonly rflags: number;
  readonly gpr: readonly bigint[];
  readonly fcw: number;
  readonly fsw: number;
  /** Abridged. */
  readonly ftw: number;
  readonly mxcsr: number;
  /** ST(0) to ST(7), XMM0 to XMM15. */
  readonly st: readonly bigint[];
  readonly xmm: readonly bigint[];
  /** Bytes of the data region that changed. */
  readonly written: readonly Piece[];
}

export interface CpuidLeaf { leaf: number; subleaf: number; eax: number; ebx: number; ecx: number; edx: number }

/** capture.c's input. */
export function writeRecords(records: readonly RunRecord[], image: Uint8Array, repeats: number): Uint8Array {
  const parts: Uint8Array[] = [];
  const put = (value: number | bigint, length: number): void => void parts.push(toBytes(BigInt(value), length));
  put(records.length, 4);
  put(repeats, 4);
  put(image.length, 4);
  parts.push(image);
  for (const record of records) {
    put(record.mode, 1);
    put(record.place === 'high' ? 0 : 1, 1);
    put(record.code.length, 2);
    put(record.pieces.length, 2);
    for (const value of record.gpr) put(value, 8);
    put(record.rflags, 8);
    parts.push(record.code);
    for (const { offset, bytes } of record.pieces) {
      put(offset, 2);
      put(bytes.length, 2);
      parts.push(bytes);
    }
  }
  return Buffer.concat(parts);
}

/** capture.c's output. */
export function readResults(file: Uint8Array, count: number): { cpuid: CpuidLeaf[]; results: RunResult[] } {
  let at = 0;
  const get = (length: number): bigint => {
    if (at + length > file.length) throw new RangeError(`the output of capture.c ends early, at byte ${at}`);
    at += length;
    return fromBytes(file, at - length, length);
  };
  const number = (length = 4): number => Number(get(length));
  const list = <T>(length: number, item: () => T): T[] => Array.from({ length }, item);
  const cpuid = list(number(), () => ({ leaf: number(), subleaf: number(), eax: number(), ebx: number(), ecx: number(), edx: number() }));
  const results = list(count, (): RunResult => {
    const votes = number(), vector = number(), errorCode = number(), cr2 = get(8), rip = get(8), rflags = number(8);
    const gpr = list(16, () => get(8));
    const fx = file.subarray(at, at + 512);
    at += 512;
    const written = list(number(2), () => {
      const offset = number(2), length = number(2);
      at += length;
      return { offset, bytes: file.slice(at - length, at) };
    });
    const word = (offset: number, length: number): number => Number(fromBytes(fx, offset, length));
    return {
      votes, vector, errorCode, cr2, rip, rflags, gpr, fcw: word(0, 2), fsw: word(2, 2), ftw: word(4, 1), mxcsr: word(24, 4),
      st: list(8, () => 0n).map((_, n) => fromBytes(fx, 32 + 16 * n, 10)),
      xmm: list(16, () => 0n).map((_, n) => fromBytes(fx, 160 + 16 * n, 16)),
      written,
    };
  });
  return { cpuid, results };
}
