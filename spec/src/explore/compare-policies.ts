/** Policies side by side on one trace of a guest: which of them a guest cannot tell from one another, and where not. */

import type { Program } from '../asm/assemble.ts';
import { requireKnown } from '../machine/options.ts';
import type { Policy } from '../hypervisors/policy.ts';
import { Exploration, type ExploreOptions } from './exploration.ts';
import type { Difference, FieldValue } from './verdict.ts';

export interface CompareOptions extends Pick<ExploreOptions, 'cpu' | 'limit' | 'prepare'> {
  /** Two or more, whose names differ. */
  policies: readonly Policy[];
}

/** The first boundary at which a switch under one policy leaves another state than under another. */
export interface Parting {
  /** Guest instructions executed before the switch. */
  boundary: number;
  rip: bigint;
  field: string;
  label: string;
  width: number;
  bareMetal: FieldValue;
  /** By policy id, what a switch there leaves in the field. */
  values: Record<string, FieldValue>;
}

export interface Comparison {
  cpu: string;
  /** Boundaries of the trace at which all of them were tried. */
  boundaries: number;
  /** Ids of policies that leave the same state at every boundary, in groups: this guest cannot tell those apart. */
  alike: string[][];
  /** Absent where there is one group. */
  first?: Parting;
}

/**
 * Runs the guest once for each policy in lockstep and switches at every boundary, as `explore` does. Throws a
 * `TypeError` or `RangeError` for unusable options.
 */
export function comparePolicies(guest: Program, options: CompareOptions): Comparison {
  requireKnown('comparePolicies', options, ['cpu', 'policies', 'limit', 'prepare']);
  const { cpu, policies, limit = 100_000, prepare } = options;
  const ids = policies.map(({ id }) => id);
  if (new Set(ids).size < 2 || new Set(ids).size < ids.length) {
    throw new RangeError('comparePolicies: policies are two or more, each with an id of its own');
  }
  const runs = policies.map((policy) => new Exploration(guest, { cpu, policy, ...(prepare && { prepare }) }));
  const [trunk] = runs;
  const signatures = runs.map((): string[] => []);
  const comparison: Comparison = { cpu: cpu.name, boundaries: 0, alike: [] };
  for (let ended: string | undefined; ended === undefined && comparison.boundaries < limit;) {
    const found = runs.map((run) => run.tryBoundary().differences);
    comparison.boundaries++;
    comparison.first ??= parting(ids, found, trunk!.executed, trunk!.machine.state.rip);
    found.forEach((differences, n) => signatures[n]!.push(signature(differences)));
    ended = runs.map((run) => run.advance())[0];
  }
  const groups = new Map<string, string[]>();
  ids.forEach((id, n) => {
    const all = signatures[n]!.join('\n');
    groups.set(all, [...(groups.get(all) ?? []), id]);
  });
  return { ...comparison, alike: [...groups.values()] };
}

const signature = (differences: readonly Difference[]): string =>
  differences.map(({ label, underPolicy }) => `${label} ${underPolicy}`).join();

function parting(
  ids: readonly string[], found: readonly (readonly Difference[])[], boundary: number, rip: bigint,
): Parting | undefined {
  const all = found.flat();
  for (const { field, label, width, bareMetal } of all) {
    const values = found.map((differences) =>
      differences.find((other) => other.field === field && other.label === label)?.underPolicy ?? bareMetal);
    if (values.every((value) => value === values[0])) continue;
    return {
      boundary, rip, field, label, width, bareMetal,
      values: Object.fromEntries(ids.map((id, n) => [id, values[n]!])),
    };
  }
  return undefined;
}
