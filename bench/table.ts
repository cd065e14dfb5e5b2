/** One line of the report: what was measured, beside what, and the ratio of the two. */
export interface Row {
  what: string;
  value: string;
  beside?: string;
  ratio?: string;
}

export interface Section {
  title: string;
  rows: Row[];
}

export function printSections(sections: Section[]): string {
  const rows = sections.flatMap((section) => section.rows);
  const width = (key: keyof Row): number => Math.max(...rows.map((row) => row[key]?.length ?? 0));
  const widths = { what: width('what'), value: width('value'), beside: width('beside'), ratio: width('ratio') };
  return sections.map(({ title, rows: own }) => [
    title,
    ...own.map(({ what, value, beside = '', ratio = '' }) =>
      `  ${what.padEnd(widths.what)}  ${value.padStart(widths.value)}  ${beside.padEnd(widths.beside)}  ${ratio.padStart(widths.ratio)}`.trimEnd()),
  ].join('\n')).join('\n\n');
}

/** Three significant digits, as people write them. */
export function digits(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en');
  return value.toPrecision(value < 1 ? 2 : 3);
}

export const seconds = (milliseconds: number): string => `${digits(milliseconds / 1000)} s`;
export const kilobytes = (bytes: number): string => `${(bytes / 1000).toFixed(1)} kB`;

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
