/** Captures the experiments anew: `node --conditions=source test/fpu/capture.ts`, then look at what `git diff` says. */

import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { randomFrom } from '../integer/random.ts';
import { type Capture, cpuidText, printCapture, toCaptured } from './captured.ts';
import { EXPERIMENTS } from './experiments.table.ts';
import { type Experiment, IMAGE, recordOf } from './experiments.ts';
import { processorName, runOnProcessor } from './run-on-processor.ts';
import { STORED, randomSequences } from './sequences.ts';

const REPEATS = 21;
/** Fewer equal results than this, and something else came in between. */
const ENOUGH = 15;

function capture(experiments: readonly Experiment[]): Capture {
  const records = experiments.map(recordOf);
  const { cpuid, results } = runOnProcessor(records, IMAGE, REPEATS);
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
