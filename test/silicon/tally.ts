/** Counts what a comparison found, by instruction and by cause, and prints it as a table. */

import { Unmodelled } from 'hidden-state';
import { type Cause, type Disagreement, disagreements } from './compare.ts';
import type { Vector } from './generate/index.ts';
import type { Model } from './model.ts';
import { unexplained } from './partial.ts';
import type { RunRecord, RunResult } from './records.ts';
import { mnemonicOf } from './vectors.ts';

const CAUSES: readonly Cause[] = ['event', 'error code', 'CR2', 'RIP', 'RF', 'flags', 'registers', 'segments', 'memory', 'x87', 'SSE and AVX', 'not modelled'];
const STATUS = 0x8d5;
const FLAGS = [[0, 'CF'], [2, 'PF'], [4, 'AF'], [6, 'ZF'], [7, 'SF'], [11, 'OF']] as const;

/** What became of one vector. */
export interface Verdict {
  readonly mnemonic: string;
  readonly found: readonly Disagreement[];
  /** The instruction itself raised something; the fault of the HLT behind it does not count. */
  readonly faulted: boolean;
  /** Something differed that a fault leaves open. */
  readonly open: boolean;
  /** Status flags left undefined, and those of them that came out as on the processor. */
  readonly undefinedFlags: number;
  readonly agreeing: number;
}

export function judge(vector: Vector, record: RunRecord, processor: RunResult, model: Model): Verdict {
  const mnemonic = mnemonicOf(vector);
  const faulted = processor.rip === record.ip;
  let computed: RunResult;
  try {
    computed = model.run(record);
  } catch (error) {
    if (!(error instanceof Unmodelled)) throw error;
    return { mnemonic, found: [{ cause: 'not modelled', text: error.what }], faulted, open: false, undefinedFlags: 0, agreeing: 0 };
  }
  const undefinedFlags = faulted ? 0 : model.undefinedFlags & STATUS;
  const options = { undefinedFlags, narrow: record.mode !== 64, integerOnly: true };
  const all = disagreements(processor, computed, options);
  const found = faulted ? unexplained(all, mnemonic, record, { processor, computed }, model, options) : all;
  const agreeing = undefinedFlags & ~(processor.rflags ^ computed.rflags);
  return { mnemonic, found, faulted, open: found.length < all.length, undefinedFlags, agreeing };
}

interface Row {
  vectors: number; faults: number; exact: number; open: number; causes: Map<Cause, number>;
  undefinedFlags: number; agreeing: number;
  /** The same two by bit of RFLAGS. */
  byFlag: Map<number, { undefinedFlags: number; agreeing: number }>;
}
const emptyRow = (): Row =>
  ({ vectors: 0, faults: 0, exact: 0, open: 0, causes: new Map(), undefinedFlags: 0, agreeing: 0, byFlag: new Map() });
const ones = (mask: number): number => mask.toString(2).replaceAll('0', '').length;

export class Tally {
  readonly rows = new Map<string, Row>();
  readonly total = emptyRow();

  add(verdict: Verdict): void {
    const row = this.rows.get(verdict.mnemonic) ?? emptyRow();
    this.rows.set(verdict.mnemonic, row);
    // A vector counts under the first of its causes, so that the columns add up.
    const cause = CAUSES.find((each) => verdict.found.some((found) => found.cause === each));
    for (const each of [row, this.total]) {
      each.vectors++;
      if (verdict.faulted) each.faults++;
      if (verdict.open) each.open++;
      if (cause) each.causes.set(cause, (each.causes.get(cause) ?? 0) + 1);
      else each.exact++;
      each.undefinedFlags += ones(verdict.undefinedFlags);
      each.agreeing += ones(verdict.agreeing);
      for (const [bit] of FLAGS.filter(([n]) => verdict.undefinedFlags & (1 << n))) {
        const before = each.byFlag.get(bit) ?? { undefinedFlags: 0, agreeing: 0 };
        each.byFlag.set(bit, { undefinedFlags: before.undefinedFlags + 1, agreeing: before.agreeing + ((verdict.agreeing >> bit) & 1) });
      }
    }
  }

  get percent(): string {
    const { vectors, exact } = this.total;
    // Rounded down: 100.00 is said only where nothing differs.
    return (Math.floor((10_000 * exact) / Math.max(vectors, 1)) / 100).toFixed(2);
  }

  /** Columns without anything in them are left out. */
  table(): string {
    const causes = CAUSES.filter((cause) => this.total.causes.has(cause));
    const anyOpen = this.total.open > 0;
    const head = ['instruction', 'vectors', 'faults', 'bit-exact', ...causes, ...(anyOpen ? ['left open'] : []), 'undefined flags', 'as profile'];
    const line = (name: string, row: Row): string[] => [
      name, ...[row.vectors, row.faults, row.exact].map(String), ...causes.map((cause) => dash(row.causes.get(cause))), ...(anyOpen ? [dash(row.open)] : []),
      dash(row.undefinedFlags), row.undefinedFlags ? dash(row.agreeing, '0') : '·',
    ];
    const lines = [...this.rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, row]) => line(name, row));
    return drawn([head, ...lines, line('total', this.total)]);
  }

  /** Of each flag that an instruction leaves undefined, how often it came out as on the processor. */
  flagTable(): string {
    const line = (name: string, { byFlag }: Row): string[] => [name, ...FLAGS.map(([bit]) => {
      const { undefinedFlags, agreeing } = byFlag.get(bit) ?? { undefinedFlags: 0, agreeing: 0 };
      return agreeing === undefinedFlags ? dash(undefinedFlags) : `${agreeing} of ${undefinedFlags}`;
    })];
    const rows = [...this.rows].filter(([, { undefinedFlags }]) => undefinedFlags).sort(([a], [b]) => (a < b ? -1 : 1));
    const lines = rows.map(([name, row]) => line(name, row));
    return drawn([['undefined flag as profile', ...FLAGS.map(([, name]) => name)], ...lines, line('total', this.total)]);
  }
}

/** Cells in columns: a head, rows, a last row. */
function drawn(all: readonly (readonly string[])[]): string {
  const widths = all[0]!.map((_, column) => Math.max(...all.map((cells) => cells[column]!.length)));
  const text = all.map((cells) =>
    cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  '));
  const rule = '─'.repeat(text[0]!.length);
  return [text[0], rule, ...text.slice(1, -1), rule, text.at(-1)].join('\n');
}

const dash = (count: number | undefined, none = '·'): string => (count ? String(count) : none);
