/**
 * A set of sequences that travels with the repository: their code, and a digest of what the processor had after each of
 * their instructions. What they start from follows from the seed (`generate/sequence.ts`).
 */

import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import { u } from '../../spec/src/numbers/bits.ts';
import { AREA_FIELDS, visible } from './compare.ts';
import type { Sequence } from './generate/sequence.ts';
import { processorName } from './profile.ts';
import type { RunResult } from './records.ts';
import type { Runner } from './runner.ts';
import { type Header, mnemonicOf, readHeader } from './vectors.ts';

export const STORED_SEQUENCES = { sapphireRapids: new URL('sequences-sapphirerapids.bin.gz', import.meta.url) } as const;

export interface StoredSequence {
  readonly sequence: Sequence;
  /** Its number in the run, which with the seed says what it starts from. */
  readonly index: number;
  /** After none of the instructions, after the first, and so on: `DIGEST_BYTES` bytes each, in hexadecimal. */
  readonly digests: readonly string[];
}

const DIGEST_BYTES = 4;

/** Of all that `disagreements` compares. */
export function digestOf(result: RunResult, mode: 32 | 64): string {
  const { vector, errorCode, cr2, rip, rflags, gpr, segments, bases, area, written } = result;
  const hidden = vector === 14 && cr2 >> 47n ? 1 : 0;
  const hash = createHash('sha256');
  hash.update([vector, errorCode & ~hidden, cr2, rip, rflags, ...gpr.map((value, n) => (mode === 32 && n === 4 ? u(32, value) : value)), ...segments.map(visible), ...bases].join());
  for (const { offset, bytes } of AREA_FIELDS) hash.update(area!.subarray(offset, offset + bytes));
  for (const { offset, bytes } of written) hash.update(`${offset}:${bytes.length}`).update(bytes);
  return hash.digest('hex').slice(0, 2 * DIGEST_BYTES);
}

/** Writes a set; answers the size of the file. */
export function writeSequences(file: string | URL, { cpuid, fences }: Runner, seed: number, stored: readonly StoredSequence[]): number {
  const header: Header = { processor: processorName(cpuid), date: new Date().toISOString().slice(0, 10), cpuid, fences, seed, count: stored.length };
  const heads: number[] = [], codes: number[] = [], digests: Buffer[] = [];
  for (const { sequence: { mode, place, steps }, index, digests: own } of stored) {
    heads.push((mode === 64 ? 1 : 0) | (place === 'low' ? 2 : 0), index & 0xff, (index >> 8) & 0xff, index >> 16, steps.length, ...steps.map(({ code }) => code.length));
    for (const { code } of steps) codes.push(...code);
    digests.push(...own.map((digest) => Buffer.from(digest, 'hex')));
  }
  const bytes = gzipSync(Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), Buffer.from(heads), Buffer.from(codes), ...digests]), { level: 9 });
  writeFileSync(file, bytes);
  return bytes.length;
}

/** The mnemonic of a step is that of its last instruction: what stands before it loads registers for it. */
function mnemonicAt(code: Uint8Array, mode: 32 | 64): string {
  const [first] = code;
  const before = first === 0xb8 ? 10 : first === 0xb9 ? 5 : first === 0xc5 && code[1] === 0xfe && code[2] === 0x6f && code.length > 8 ? 8 : 0;
  return mnemonicOf({ code: code.subarray(before), mode });
}

export function readSequences(file: string | URL): { header: Header; sequences: StoredSequence[] } {
  const bytes = gunzipSync(readFileSync(file)), header = readHeader(bytes);
  let at = bytes.indexOf(0x0a) + 1;
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw new RangeError(`${String(file)} ends early: capture it again`);
    return bytes.subarray(at, (at += length));
  };
  const heads = Array.from({ length: header.count }, () => {
    const [kind, low, middle, high, count] = take(5) as unknown as [number, number, number, number, number];
    return { kind, index: low | (middle << 8) | (high << 16), lengths: [...take(count)] };
  });
  const begun = heads.map(({ kind, index, lengths }) => {
    const mode = kind & 1 ? 64 : 32;
    const steps = lengths.map((length) => Uint8Array.from(take(length))).map((code) => ({ code, mnemonic: mnemonicAt(code, mode) }));
    return { index, sequence: { mode, place: kind & 2 ? 'low' : 'high', steps } satisfies Sequence };
  });
  const sequences = begun.map(({ index, sequence }) =>
    ({ index, sequence, digests: Array.from({ length: sequence.steps.length + 1 }, () => Buffer.from(take(DIGEST_BYTES)).toString('hex')) }));
  return { header, sequences };
}
