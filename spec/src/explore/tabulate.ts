/** Policies × CPUs: the verdict table. */

import type { Program } from '../asm/assemble.ts';
import type { CpuProfile } from '../cpus/profile.ts';
import type { Policy } from '../hypervisors/policy.ts';
import { explore } from './explore.ts';
import type { ExploreOptions } from './exploration.ts';
import type { PolicySummary, VerdictTable } from './verdict.ts';

export interface TabulateOptions {
  /** The guest, or a guest for each processor (one without XSAVE needs FXSAVE). */
  guest: Program | ((cpu: CpuProfile) => Program);
  cpus: readonly CpuProfile[];
  policies: readonly Policy[];
  prepare?: ExploreOptions['prepare'];
}

/** Of a policy, what a table says. */
export const summarise = (
  { id, name, year, source, summary }: Pick<Policy, 'id' | 'name' | 'year' | 'source' | 'summary'>,
): PolicySummary =>
  ({ id, name, year, commit: source.kind === 'commit' ? source.commit : '', summary });

/** Explores every cell. */
export function tabulate({ guest, cpus, policies, prepare }: TabulateOptions): VerdictTable {
  const options = prepare ? { prepare } : {};
  return {
    cpus: cpus.map(({ id, name }) => ({ id, name })),
    rows: policies.map((policy) => ({
      policy: summarise(policy),
      cells: cpus.map((cpu) => explore(typeof guest === 'function' ? guest(cpu) : guest, { cpu, policy, ...options })),
    })),
  };
}
