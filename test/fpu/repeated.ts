/** Runs experiments on the processor at hand, each of them often: the most frequent result counts. */

import { processorName } from '../silicon/profile.ts';
import type { Runner } from '../silicon/runner.ts';
import { vote } from '../silicon/vote.ts';
import { type Capture, cpuidText, toCaptured } from './captured.ts';
import { type Experiment, recordOf } from './experiments.ts';

export const REPEATS = 21;
/** Fewer equal results than this, and something else came in between. */
const ENOUGH = 15;

/** What the processor did, to be stored. Throws where it did not do one thing often enough. */
export function capture(runner: Runner, experiments: readonly Experiment[]): Capture {
  const records = experiments.map(recordOf);
  const results = vote(runner, records, REPEATS);
  const { cpuid } = runner;
  const unsure = experiments.filter((_, n) => results[n]!.votes < ENOUGH).map(({ name }) => name);
  if (unsure.length) throw new Error(`these did not give one result ${ENOUGH} times out of ${REPEATS}, run again: ${unsure.join('; ')}`);
  return {
    processor: processorName(cpuid), date: new Date().toISOString().slice(0, 10), repeats: REPEATS, cpuid: cpuidText(cpuid),
    xcr0: runner.fences.xcr0!.toString(16),
    experiments: experiments.map(({ name }, n) => toCaptured(name, records[n]!, results[n]!)),
  };
}
