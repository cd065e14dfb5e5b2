/** The models of a Zen 4 and of a Sapphire Rapids against such processors: the very same machine code, every register and byte compared. */

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { type CpuProfile, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { randomFrom } from '../integer/random.ts';
import { disagreements } from '../silicon/compare.ts';
import { Model } from '../silicon/model.ts';
import { type Capture, fromCaptured } from './captured.ts';
import { type Experiment, IMAGE, recordOf } from './experiments.ts';
import { EXPERIMENTS } from './experiments.table.ts';
import { toHex } from './hex.ts';
import { STORED, randomSequences } from './sequences.ts';
import { MODE_SWITCHES, UPPER_EXPERIMENTS, modeSwitches } from './upper-registers.table.ts';
import { WIDE_EXPERIMENTS } from './wide.table.ts';

const sequences = (): Experiment[] => randomSequences(randomFrom(STORED.seed), STORED.count, STORED.length);
/** What was captured on each, by the beginnings of the files' names; `random` by theirs. */
interface Machine { file: string; cpu: CpuProfile; experiments: readonly Experiment[]; random: Readonly<Record<string, () => Experiment[]>> }
const MACHINES: readonly Machine[] = [
  { file: 'zen4', cpu: cpus.zen4, experiments: EXPERIMENTS, random: { sequences } },
  {
    file: 'sapphirerapids', cpu: cpus.sapphireRapids, experiments: [...EXPERIMENTS, ...WIDE_EXPERIMENTS, ...UPPER_EXPERIMENTS],
    random: { sequences, 'mode-switches': () => modeSwitches(MODE_SWITCHES) },
  },
];
const bytesOf = (name: string): Buffer => readFileSync(new URL(name, import.meta.url));
const modelOf = (cpu: CpuProfile, { xcr0 = '7' }: Capture): Model =>
  new Model(cpu, { data: IMAGE }, { rdtscOff: true, fsgsbase: true, xcr0: Number.parseInt(xcr0, 16) });

describe.each(MACHINES)('$cpu.name', ({ file, cpu, experiments, random: sets }) => {
  const capture = JSON.parse(bytesOf(`silicon-${file}.json`).toString()) as Capture;
  const records = experiments.map(recordOf);
  const stored = new Map(capture.experiments.map((experiment) => [experiment.name, experiment]));

  describe(`captured on ${capture.processor}`, () => {
    test('each experiment has a name of its own', () => {
      expect(new Set(experiments.map(({ name }) => name)).size).toBe(experiments.length);
    });

    test('the capture has the experiments of the table, with the bytes that they assemble to now; else capture again', () => {
      const now = experiments.map(({ name }, n) => `${name}: ${toHex(records[n]!.code)}`);
      expect(capture.experiments.map(({ name, code }) => `${name}: ${code}`)).toEqual(now);
    });

    test('most runs of each agreed', () => {
      expect(capture.experiments.filter(({ votes }) => votes * 3 < capture.repeats * 2)).toEqual([]);
    });

    const model = modelOf(cpu, capture);
    test.each(experiments.map((experiment, n) => [experiment.name, n] as const))('%s', (name, n) => {
      expect(disagreements(fromCaptured(stored.get(name)!), model.run(records[n]!))).toEqual([]);
    });
  });

  describe.each(Object.entries(sets))('random %s, captured on the same processor', (kind, generate) => {
    const generated = generate();
    const random = generated.map(recordOf);
    const captured = JSON.parse(gunzipSync(bytesOf(`${kind}-${file}.json.gz`)).toString()) as Capture;

    test('the capture has the bytes that they assemble to now; else capture again', () => {
      expect(captured.experiments.map(({ name, code }) => `${name}: ${code}`)).toEqual(generated.map(({ name }, n) => `${name}: ${toHex(random[n]!.code)}`));
    });

    test(`${generated.length} leave the same`, () => {
      const model = modelOf(cpu, captured);
      const wrong = captured.experiments.flatMap((experiment, n) => {
        const found = disagreements(fromCaptured(experiment), model.run(random[n]!));
        return found.length ? [{ name: experiment.name, found }] : [];
      });
      expect(wrong).toEqual([]);
    });
  });
});
