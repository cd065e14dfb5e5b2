import type { FieldValue } from 'hidden-state';
import { type Html, html } from './html.ts';
import { hex } from './values.ts';

export interface StateTableData {
  /** States side by side; every other one is compared with the first. */
  columns: string[];
  rows: StateRow[];
  /** `false`: the columns are sentences about each row, so nothing is compared, and they wrap. */
  compared?: boolean;
  /** Of the first column; else "Field", or "Name" where nothing is compared. */
  heading?: string;
}

export interface StateRow {
  name: string;
  width?: number;
  values: (FieldValue | string)[];
  /** Rows of one group, which follow each other, stand under its heading. */
  group?: string;
}

const print = (value: FieldValue | string | undefined, width: number): string =>
  value === undefined ? '' : typeof value === 'string' ? value : hex(value, width);

const said = (text: string): Html => html`<td>${text}</td>`;

const cell = (text: string, first: string): Html => text === first
  ? html`<td><code>${text}</code></td>`
  : html`<td class="differs"><b aria-hidden="true">≠</b><span class="hush">differs: </span><code>${text}</code></td>`;

/** RESET, INIT, FNINIT and the like beside each other, what differs from the first lit; or what is said of each row. */
export function stateTable(
  { columns, rows, compared = true, heading = compared ? 'Field' : 'Name' }: StateTableData, options: { caption?: string },
): Html {
  return html`${options.caption && html`<p class="caption">${options.caption}</p>`}
<div class="scroll" tabindex="0" role="group" aria-label="${options.caption || 'States'}"><table class="state-table${
    compared ? '' : ' said'}">
<thead><tr><th scope="col">${heading}</th>${
    columns.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${rows.map(({ name, width = 32, values, group }, n) => html`${
    group !== undefined && group !== rows[n - 1]?.group && html`<tr class="group"><th colspan="${
      columns.length + 1}" scope="colgroup">${group}</th></tr>`}<tr><th scope="row">${
    compared ? html`<code>${name}</code>` : name}</th>${
    values.map((value) => (compared ? cell(print(value, width), print(values[0], width)) : said(print(value, width))))
  }</tr>`)}</tbody></table></div>`;
}
