/** The set of vectors that travels with the repository, and files like it. */

import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { Vector } from './generate/index.ts';
import { processorName } from './profile.ts';
import type { RunRecord, RunResult } from './records.ts';
import type { Runner } from './runner.ts';
import { type Header, type Stored, readHeader, readVectors, writeVector } from './vectors.ts';

export const STORED_SETS = {
  zen4: new URL('silicon-vectors.bin.gz', import.meta.url),
  sapphireRapids: new URL('silicon-vectors-sapphirerapids.bin.gz', import.meta.url),
} as const;

/** Throws a sentence where `file` is not such a set. */
export function readStored(file: string | URL): { header: Header; vectors: () => Generator<Stored> } {
  const name = String(file);
  let bytes: Uint8Array;
  try {
    bytes = gunzipSync(readFileSync(file));
  } catch (error) {
    throw new RangeError(`${name} is not a stored set of vectors: ${(error as Error).message}`, { cause: error });
  }
  const header = readHeader(bytes);
  if (!Array.isArray(header.cpuid)) throw new RangeError(`${name} is not a stored set of vectors: its first line has no CPUID leaves`);
  return { header, vectors: () => readVectors(bytes) };
}

export interface Captured { readonly vector: Vector; readonly record: RunRecord; readonly result: RunResult }

/** Writes what was captured; answers the size of the file. */
export function writeStored(file: string | URL, runner: Runner, seed: number, captured: readonly Captured[]): number {
  const { cpuid, fences } = runner;
  const header: Header = { processor: processorName(cpuid), date: new Date().toISOString().slice(0, 10), cpuid, fences, seed, count: captured.length };
  const body = captured.map(({ vector, record, result }) => writeVector(vector, record, result));
  const bytes = gzipSync(Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), ...body]), { level: 9 });
  writeFileSync(file, bytes);
  return bytes.length;
}
