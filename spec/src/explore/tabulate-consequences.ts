/** Policies × guests, or policies × processors, each run on to its end. */

import type { CpuProfile } from '../cpus/profile.ts';
import type { Program } from '../asm/assemble.ts';
import type { Policy } from '../hypervisors/policy.ts';
import { type Consequence, type ConsequenceOptions, consequences } from './consequence.ts';
import { summarise } from './tabulate.ts';
import type { Counterexample, Verdict, VerdictTable } from './verdict.ts';

/** A column: a guest on a processor. */
export interface Case extends Pick<ConsequenceOptions, 'prepare' | 'at' | 'limit'> {
  readonly id: string;
  readonly name: string;
  readonly guest: Program;
  readonly cpu: CpuProfile;
}

/** Runs every case under every policy; a cell is the worst boundary. `across` names what the columns are. */
export function tabulateConsequences(
  { cases, policies, across = 'guests' }: { cases: readonly Case[]; policies: readonly Policy[]; across?: string },
): VerdictTable {
  return {
    cpus: cases.map(({ id, name }) => ({ id, name })), across,
    rows: policies.map((policy) => ({ policy: summarise(policy), cells: cases.map((one) => cellOf(one, policy)) })),
  };
}

/** What every faulting run differs in, and says nothing. */
const TRIVIAL = new Set(['RIP', 'RFLAGS', 'activity state']);

/** Fields that a cell names. */
const MOST = 3;

function cellOf({ guest, cpu: processor, prepare, at, limit }: Case, policy: Policy): Verdict {
  const { cpu, worst, bareMetal, boundaries } = consequences(guest, {
    cpu: processor, policy, ...(prepare && { prepare }), ...(at && { at }), ...(limit && { limit }),
  });
  const shown = boundaries.find(({ outcome }) => outcome === worst);
  const ended = bareMetal.how === 'halted' ? '' : bareMetal.how;
  const telling = shown?.differences.filter(({ field }) => !TRIVIAL.has(field)) ?? [];
  const fields = telling.map(({ label }) => label);
  return {
    transparent: worst === 'identical', cpu, policy: policy.name, boundaries: boundaries.length, ended,
    fields, timeline: { lanes: [], fields: [], steps: [] },
    ...(shown && {
      consequence: {
        outcome: worst, ending: shown.ending, otherwise: shown.otherwise, text: printConsequence(shown, named(telling)),
      },
    }),
    ...(shown && worst !== 'identical' && { counterexample: counterexample(shown, telling) }),
  };
}

/** Labels, a run of bytes of memory by its first. */
function named(telling: Consequence['differences']): string[] {
  const bytes = new Set(telling.filter(({ field }) => field === 'memory').map(addressOf));
  return telling.filter((one) => one.field !== 'memory' || !bytes.has(addressOf(one) - 1n)).map(({ label }) => label);
}

/** Of `memory at 0x1234`. */
const addressOf = ({ label }: Consequence['differences'][number]): bigint => BigInt(label.split(' ').at(-1)!);

/** What came of a switch, in a few words. */
function printConsequence({ outcome, ending, otherwise }: Consequence, fields: readonly string[]): string {
  const where = ending.where === 'hypervisor' ? ' in the hypervisor' : '';
  const some = fields.slice(0, MOST).join(', ') + (fields.length > MOST ? ` +${fields.length - MOST}` : '');
  const alternative = { identical: ', or nothing', faulting: ', or a fault', wrong: '' }[otherwise];
  const varying = outcome === otherwise ? '' : alternative;
  if (outcome === 'identical') return 'identical';
  if (outcome === 'faulting') return `${ending.how}${where}${varying}`;
  return `wrong: ${ending.how === 'running' ? 'does not end' : some}${varying}`;
}

function counterexample({ boundary, after, ending }: Consequence, telling: Consequence['differences']): Counterexample {
  const first = telling[0]
    ?? { field: 'fault', label: ending.how, width: 8, bareMetal: 0, underPolicy: 1, kind: 'lost' as const };
  return { ...first, boundary, after, switches: 1, rip: 0n, differences: [...telling], smallest: [] };
}
