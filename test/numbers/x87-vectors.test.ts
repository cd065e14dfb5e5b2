/** Every vector captured from a processor is computed bit for bit: values, exception flags, C1, pushes and pops. */

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { OPERATIONS, mismatch } from './replay.ts';
import { type Vector, readHeader, readVectors } from './vectors.ts';

const file = gunzipSync(readFileSync(new URL('x87-vectors.bin.gz', import.meta.url)));
const header = readHeader(file);
const byOperation = Map.groupBy(readVectors(file), (vector) => vector.operation);

/** The bits of FCW that arithmetic reads take every value, exceptions of every kind occur, masked and unmasked. */
function coverage(vectors: Iterable<Vector>): { controls: number; masked: number; unmasked: number } {
  const controls = new Set<number>();
  let masked = 0, unmasked = 0;
  for (const { fcw, fsw } of vectors) {
    controls.add(fcw & 0x0f00);
    masked |= fsw & fcw & 0x3f;
    unmasked |= fsw & ~fcw & 0x3f;
  }
  return { controls: controls.size, masked, unmasked };
}

const { vendor, family, model, stepping } = header.cpu;

describe(`x87 vectors captured on ${vendor} family ${family} model ${model} stepping ${stepping}`, () => {
  test('the file holds each operation that can be computed, and no other', () => {
    expect([...byOperation.keys()].toSorted()).toEqual([...OPERATIONS].toSorted());
  });

  test('all rounding and precision controls occur, and each exception both masked and unmasked', () => {
    expect(coverage([...byOperation.values()].flat())).toEqual({ controls: 12, masked: 0x3f, unmasked: 0x3f });
  });

  test.each([...byOperation])('%s', (_, vectors) => {
    const mismatches = vectors.map(mismatch).filter((line) => line !== undefined);
    expect(mismatches).toEqual([]);
  });
});
