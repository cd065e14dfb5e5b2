/** Verdicts for the terminal and for the output of a block. */

import { hex } from '../numbers/bits.ts';
import type { FieldValue, Verdict, VerdictTable } from './verdict.ts';

const value = (field: FieldValue): string => hex(field);

/** A verdict in a few lines: what was tried, and the counterexample with both values. */
export function printVerdict(verdict: Verdict): string {
  const head = `${verdict.policy} on ${verdict.cpu}: ${verdict.boundaries} boundaries`;
  const end = verdict.ended ? `\n  the guest ended with ${verdict.ended}` : '';
  const found = verdict.counterexample;
  if (!found) return `✓ ${head}, the guest cannot tell${end}`;
  const lines = found.differences.map((d) => `  ${d.label}: ${value(d.bareMetal)} on bare metal, `
    + `${value(d.underPolicy)} under the policy${d.kind === 'leaked' ? ' (from another vCPU)' : ''}`);
  const where = found.boundary === 0
    ? 'before the first instruction'
    : `after ${found.boundary} instruction${found.boundary === 1 ? '' : 's'}, the last one ${found.after}`;
  const twice = found.switches === 2 ? ' (at the second of two switches in a row)' : '';
  const smallest = found.smallest.length ? `\n  smallest guest: ${found.smallest.join('; ')}` : '';
  return `✗ ${head}\n  the guest can tell ${where}${twice}\n${lines.join('\n')}${smallest}${end}`;
}

/** A verdict table as aligned text. */
export function printTable(table: VerdictTable): string {
  const cell = ({ counterexample, fields, ended, consequence }: Verdict): string => {
    if (consequence) return `${consequence.outcome === 'identical' ? '✓' : '✗'} ${consequence.text}`;
    const leak = counterexample?.differences.some((d) => d.kind === 'leaked') ? ' (leak)' : '';
    return counterexample ? `✗ ${fields.join(', ')}${leak}` : ended ? '– ended early' : '✓';
  };
  const rows = [
    ['', ...table.cpus.map((cpu) => cpu.name)],
    ...table.rows.map(({ policy, cells }) => [`${policy.year} ${policy.name}`, ...cells.map(cell)]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => row.map((text, column) => text.padEnd(widths[column]!)).join('  ').trimEnd()).join('\n');
}
