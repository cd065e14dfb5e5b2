/** Runs experiments on the processor at hand, each of them often: the most frequent result counts. */

import { processorName } from '../silicon/profile.ts';
import type { RunRecord, RunResult } from '../silicon/records.ts';
import type { Runner } from '../silicon/runner.ts';
import { type Capture, cpuidText, toCaptured } from './captured.ts';
import { type Experiment, recordOf } from './experiments.ts';

const REPEATS = 21;
/** Fewer equal results than this, and something else came in between. */
const ENOUGH = 15;

/**
 * Each record as often as that; the most frequent result counts: another task or another virtual machine may come in
 * between, and then the x87 pointers are not what they were.
 */
export function vote(runner: Runner, records: readonly RunRecord[]): RunResult[] {
  const results = runner.run(records.flatMap((record) => Array.from({ length: REPEATS }, () => record)));
  return records.map((_, n) => {
    const own = Map.groupBy(results.slice(n * REPEATS, (n + 1) * REPEATS), (result) =>
      JSON.stringify(result, (_, value: unknown) => (typeof value === 'bigint' ? value.toString(16) : value)));
    const most = [...own.values()].reduce((a, b) => (b.length > a.length ? b : a));
    return { ...most[0]!, votes: most.length };
  });
}

/** What the processor did, to be stored. Throws where it did not do one thing often enough. */
export function capture(runner: Runner, experiments: readonly Experiment[]): Capture {
  const records = experiments.map(recordOf);
  const results = vote(runner, records);
  const { cpuid } = runner;
  const unsure = experiments.filter((_, n) => results[n]!.votes < ENOUGH).map(({ name }) => name);
  if (unsure.length) throw new Error(`these did not give one result ${ENOUGH} times out of ${REPEATS}, run again: ${unsure.join('; ')}`);
  return {
    processor: processorName(cpuid), date: new Date().toISOString().slice(0, 10), repeats: REPEATS, cpuid: cpuidText(cpuid),
    xcr0: runner.fences.xcr0!.toString(16),
    experiments: experiments.map(({ name }, n) => toCaptured(name, records[n]!, results[n]!)),
  };
}
