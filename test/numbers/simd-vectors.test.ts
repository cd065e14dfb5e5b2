/** Every vector captured from a processor is computed bit for bit: values, exception flags, #XM. */

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { SIMD_OPERATIONS, simdMismatch } from './simd-replay.ts';
import { type SimdVector, readSimdVectors } from './simd-vectors.ts';
import { readHeader } from './vectors.ts';

const file = gunzipSync(readFileSync(new URL('simd-vectors.bin.gz', import.meta.url)));
const header = readHeader(file);
const byOperation = Map.groupBy(readSimdVectors(file), (vector) => vector.operation);

/** Rounding modes, FTZ and DAZ take every value, exceptions of every kind occur, masked and unmasked. */
function coverage(vectors: Iterable<SimdVector>): { controls: number; masked: number; unmasked: number } {
  const controls = new Set<number>();
  let masked = 0, unmasked = 0;
  for (const { mxcsr, mxcsrAfter, trapped } of vectors) {
    const raised = mxcsrAfter & ~mxcsr & 0x3f, masks = mxcsr >> 7;
    controls.add(mxcsr & 0xe040);
    masked |= raised & masks;
    if (trapped) unmasked |= raised & ~masks;
  }
  return { controls: controls.size, masked, unmasked };
}

const { vendor, family, model, stepping } = header.cpu;

describe(`SIMD vectors captured on ${vendor} family ${family} model ${model} stepping ${stepping}`, () => {
  test('the file holds each operation that can be computed, and no other', () => {
    expect([...byOperation.keys()].toSorted()).toEqual([...SIMD_OPERATIONS].toSorted());
  });

  test('all rounding modes occur with and without FTZ and DAZ, and each exception both masked and unmasked', () => {
    expect(coverage([...byOperation.values()].flat())).toEqual({ controls: 16, masked: 0x3f, unmasked: 0x3f });
  });

  test.each([...byOperation])('%s', (_, vectors) => {
    const mismatches = vectors.map(simdMismatch).filter((line) => line !== undefined);
    expect(mismatches).toEqual([]);
  });
});
