/** Captures the experiments anew: `node --conditions=source test/fpu/capture.ts`, then look at what `git diff` says. */

import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { randomFrom } from '../integer/random.ts';
import { processorName } from '../silicon/profile.ts';
import type { RunRecord, RunResult } from '../silicon/records.ts';
import { openRunner } from '../silicon/runner.ts';
import { type Capture, cpuidText, printCapture, toCaptured } from './captured.ts';
import { EXPERIMENTS } from './experiments.table.ts';
import { type Experiment, IMAGE, recordOf } from './experiments.ts';
import { STORED, randomSequences } from './sequences.ts';

const REPEATS = 21;
/** Fewer equal results than this, and something else came in between. */
const ENOUGH = 15;

const runner = openRunner({ data: IMAGE });

/**
 * Each record as often as that; the most frequent result counts: another task or another virtual machine may come in
 * between, and then the x87 pointers are not what they were.
 */
function vote(records: readonly RunRecord[]): RunResult[] {
  const results = runner.run(records.flatMap((record) => Array.from({ length: REPEATS }, () => record)));
  return records.map((_, n) => {
    const own = Map.groupBy(results.slice(n * REPEATS, (n + 1) * REPEATS), (result) =>
      JSON.stringify(result, (_, value: unknown) => (typeof value === 'bigint' ? value.toString(16) : value)));
    const most = [...own.values()].reduce((a, b) => (b.length > a.length ? b : a));
    return { ...most[0]!, votes: most.length };
  });
}

function capture(experiments: readonly Experiment[]): Capture {
  const records = experiments.map(recordOf);
  const results = vote(records);
  const { cpuid } = runner;
  const unsure = experiments.filter((_, n) => results[n]!.votes < ENOUGH).map(({ name }) => name);
  if (unsure.length) throw new Error(`these did not give one result ${ENOUGH} times out of ${REPEATS}, run again: ${unsure.join('; ')}`);
  return {
    processor: processorName(cpuid), date: new Date().toISOString().slice(0, 10), repeats: REPEATS, cpuid: cpuidText(cpuid),
    experiments: experiments.map(({ name }, n) => toCaptured(name, records[n]!, results[n]!)),
  };
}

const named = capture(EXPERIMENTS);
writeFileSync(new URL('silicon-zen4.json', import.meta.url), printCapture(named));
const random = capture(randomSequences(randomFrom(STORED.seed), STORED.count, STORED.length));
const file = gzipSync(printCapture(random), { level: 9 });
writeFileSync(new URL('sequences-zen4.json.gz', import.meta.url), file);
console.log(`${named.experiments.length} experiments and ${random.experiments.length} sequences (${file.length} bytes) captured on ${named.processor}`);
runner.close();
