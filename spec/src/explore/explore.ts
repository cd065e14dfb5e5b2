/**
 * Transparent at every boundary, or the first counterexample.
 *
 * One trunk run on bare metal. At each instruction boundary: switch the world away and back (and, if the guest cannot
 * tell, once more), compare, roll back by undo log. The cost is linear in the guest's length.
 */

import type { Program } from '../asm/assemble.ts';
import { requireKnown } from '../machine/options.ts';
import { Exploration, type ExploreOptions } from './exploration.ts';
import { shrink } from './shrink.ts';
import { recordTimeline } from './timeline.ts';
import type { Counterexample, Verdict } from './verdict.ts';

const DEFAULT_LIMIT = 100_000;

/**
 * Explores `guest` under a policy on a processor. Throws a `TypeError` for unusable options, `Unmodelled` as the
 * machine does.
 */
export function explore(guest: Program, options: ExploreOptions): Verdict {
  checkOptions(guest, options);
  const run = new Exploration(guest, options);
  const verdict: Verdict = {
    transparent: true, cpu: options.cpu.name, policy: options.policy.name, boundaries: 0, fields: [], ended: '',
    timeline: { lanes: [], fields: [], steps: [] },
  };
  const fields = new Set<string>();
  let first: Counterexample | undefined;
  const limit = options.limit ?? DEFAULT_LIMIT;
  while (verdict.boundaries < limit) {
    const { differences, switches } = run.tryBoundary();
    verdict.boundaries++;
    for (const { label } of differences) fields.add(label);
    if (differences.length && !first) first = run.counterexample(differences, switches);
    const ended = run.advance();
    if (ended !== undefined) {
      verdict.ended = ended;
      break;
    }
  }
  verdict.fields = [...fields];
  verdict.transparent = first === undefined;
  if (first) {
    verdict.counterexample = {
      ...first,
      smallest: options.shrink === false ? [] : shrink(guest, (smaller) => failsAlike(smaller, options, first)),
    };
  }
  const boundary = first?.boundary ?? Math.floor(run.executed / 2);
  verdict.timeline = recordTimeline(
    guest, options,
    { boundary, switches: first?.switches ?? 1, executed: run.executed, differences: first?.differences ?? [] },
  );
  return verdict;
}

/** Whether a smaller guest still loses the same field in the same way, at some boundary within `limit`. */
function failsAlike(guest: Program, options: ExploreOptions, wanted: Counterexample): boolean {
  const run = new Exploration(guest, options);
  for (let boundary = 0; boundary <= wanted.boundary; boundary++) {
    const { differences, switches } = run.tryBoundary();
    if (switches === wanted.switches && differences.some((d) => d.label === wanted.label && d.kind === wanted.kind)) {
      return true;
    }
    if (run.advance() !== undefined) return false;
  }
  return false;
}

function checkOptions(guest: Program, options: ExploreOptions): void {
  if (!guest?.bytes || !guest.listing) {
    throw new TypeError('explore: the first argument is a program, as asm64, asm32 or assemble give it');
  }
  requireKnown('explore', options, ['cpu', 'policy', 'limit', 'shrink', 'prepare']);
  if (!options.cpu?.features) throw new TypeError('explore: cpu must be a CPU profile, for example cpus.ivyBridge');
  if (!options.policy?.save) throw new TypeError('explore: policy must be a policy, for example xen.fipWidthAuto');
  if (options.policy.execute && options.policy.covers === 'nothing') {
    throw new TypeError(
      `explore compares with a guest that the processor itself executes; policy ${JSON.stringify(options.policy.id)} `
        + 'executes it in another way: ask consequences()',
    );
  }
  if (options.limit !== undefined && !(options.limit > 0)) {
    throw new RangeError(`explore: limit is ${options.limit}; it is a number of boundaries above 0`);
  }
}
