/**
 * What a processor does most often: another task or another virtual machine may come in between, and then the x87
 * pointers are not what they were, nor is what XRSTOR noted, and XINUSE is as the kernel's own restore left it.
 */

import type { RunRecord, RunResult } from './records.ts';
import type { Runner } from './runner.ts';

/** Of `repeats` runs of each record the most frequent result, with how many runs gave it as `votes`. */
export function vote(runner: Runner, records: readonly RunRecord[], repeats: number): RunResult[] {
  const results = runner.run(records.flatMap((record) => Array.from({ length: repeats }, () => record)));
  const text = (result: RunResult): string => JSON.stringify(result, (_, value: unknown) => (typeof value === 'bigint' ? value.toString(16) : value));
  return records.map((_, n) => {
    const groups = [...Map.groupBy(results.slice(n * repeats, (n + 1) * repeats), text).values()];
    const most = groups.reduce((a, b) => (b.length > a.length ? b : a));
    return { ...most[0]!, votes: most.length };
  });
}
