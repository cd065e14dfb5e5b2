/** The model of Zen 4 against a Zen 4: the very same machine code, every register and every byte of memory compared. */

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { randomFrom } from '../integer/random.ts';
import { disagreements } from '../silicon/compare.ts';
import { Model } from '../silicon/model.ts';
import { type Capture, fromCaptured } from './captured.ts';
import { IMAGE, recordOf } from './experiments.ts';
import { EXPERIMENTS } from './experiments.table.ts';
import { toHex } from './hex.ts';
import { STORED, randomSequences } from './sequences.ts';

const capture = JSON.parse(readFileSync(new URL('silicon-zen4.json', import.meta.url), 'utf8')) as Capture;
const RECORDS = EXPERIMENTS.map(recordOf);
const stored = new Map(capture.experiments.map((experiment) => [experiment.name, experiment]));

describe(`captured on ${capture.processor}`, () => {
  test('each experiment has a name of its own', () => {
    expect(new Set(EXPERIMENTS.map(({ name }) => name)).size).toBe(EXPERIMENTS.length);
  });

  test('the capture has the experiments of the table, with the bytes that they assemble to now; else capture again', () => {
    const now = EXPERIMENTS.map(({ name }, n) => `${name}: ${toHex(RECORDS[n]!.code)}`);
    expect(capture.experiments.map(({ name, code }) => `${name}: ${code}`)).toEqual(now);
  });

  test('most runs of each agreed', () => {
    expect(capture.experiments.filter(({ votes }) => votes * 3 < capture.repeats * 2)).toEqual([]);
  });

  const model = new Model(cpus.zen4, { data: IMAGE });
  test.each(EXPERIMENTS.map((experiment, n) => [experiment.name, n] as const))('%s', (name, n) => {
    expect(disagreements(fromCaptured(stored.get(name)!), model.run(RECORDS[n]!))).toEqual([]);
  });
});

describe('random sequences, captured on the same processor', () => {
  const sequences = randomSequences(randomFrom(STORED.seed), STORED.count, STORED.length);
  const records = sequences.map(recordOf);
  const { experiments } = JSON.parse(gunzipSync(readFileSync(new URL('sequences-zen4.json.gz', import.meta.url))).toString()) as Capture;

  test('the capture has the bytes that they assemble to now; else capture again', () => {
    expect(experiments.map(({ name, code }) => `${name}: ${code}`)).toEqual(sequences.map(({ name }, n) => `${name}: ${toHex(records[n]!.code)}`));
  });

  test(`${STORED.count} sequences leave the same`, () => {
    const model = new Model(cpus.zen4, { data: IMAGE });
    const wrong = experiments.flatMap((experiment, n) => {
      const found = disagreements(fromCaptured(experiment), model.run(records[n]!));
      return found.length ? [{ name: experiment.name, found }] : [];
    });
    expect(wrong).toEqual([]);
  });
});
