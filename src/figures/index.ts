import type { Timeline, Verdict, VerdictTable } from 'hidden-state';
import { type ByteMapData, byteMap } from './byte-map.ts';
import { type Html, html } from './html.ts';
import { lanes } from './lanes.ts';
import { type StateTableData, stateTable } from './state-table.ts';
import { verdictTable } from './verdict-table.ts';

export type FigureKind = 'verdict-table' | 'lanes' | 'byte-map' | 'state-table' | 'value';

export interface FigureOptions {
  id: string;
  caption?: string;
  open?: string;
  commits?: boolean;
  strict?: boolean;
  step?: number;
}

const has = <Name extends string>(data: unknown, ...names: Name[]): data is Record<Name, unknown> =>
  typeof data === 'object' && data !== null && names.every((name) => name in data);

export const isVerdictTable = (data: unknown): data is VerdictTable => has(data, 'cpus', 'rows');
export const isTimeline = (data: unknown): data is Timeline => has(data, 'lanes', 'fields', 'steps');
export const isVerdict = (data: unknown): data is Verdict => has(data, 'transparent', 'boundaries', 'timeline');
const isByteMap = (data: unknown): data is ByteMapData => has(data, 'forms');
const isStateTable = (data: unknown): data is StateTableData => has(data, 'columns', 'rows');

/** One verdict is a table with one cell. */
const alone = (verdict: Verdict): VerdictTable => ({
  cpus: [{ id: verdict.cpu, name: verdict.cpu }],
  rows: [{
    policy: { id: verdict.policy, name: verdict.policy, year: 0, commit: '', summary: '' },
    cells: [verdict],
  }],
});

/** What a computed value looks like in a sentence: numbers as the manuals print them. */
export function valueText(value: unknown): string {
  if (typeof value === 'bigint') return `0x${value.toString(16)}`;
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map(valueText).join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Draws `data` as the figure named; throws a sentence that says what it would need where the shape does not fit. */
export function draw(kind: FigureKind, data: unknown, options: FigureOptions): Html {
  switch (kind) {
    case 'verdict-table':
      if (isVerdictTable(data)) return verdictTable(data, options);
      if (isVerdict(data)) return verdictTable(alone(data), options);
      throw new Error('needs a verdict table (what `tabulate` answers) or a verdict (what `explore` answers)');
    case 'lanes':
      if (isTimeline(data)) return lanes(data, options);
      if (isVerdict(data)) return lanes(data.timeline, options);
      throw new Error('needs a timeline (`verdict.timeline`) or a verdict');
    case 'byte-map':
      if (isByteMap(data)) return byteMap(data);
      throw new Error('needs `{ forms: [{ caption, fields: [{ offset, size, name, tone }] }] }`, or forms of `{ caption, from, bytes, bars }`');
    case 'state-table':
      if (isStateTable(data)) return stateTable(data, options);
      throw new Error('needs `{ columns: […], rows: [{ name, width, values: […] }] }`');
    case 'value':
      return html`${valueText(data)}`;
  }
}
