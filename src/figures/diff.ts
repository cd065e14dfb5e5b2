export interface DiffRow {
  /** Absent on the side where the line does not exist. */
  left?: number;
  right?: number;
  same: boolean;
}

/** Longest common subsequence of lines, as rows of two columns; indices into the two lists. */
export function diffLines(left: readonly string[], right: readonly string[]): DiffRow[] {
  const key = (line: string | undefined): string => (line ?? '').trim();
  const lengths = Array.from({ length: left.length + 1 }, () => new Array<number>(right.length + 1).fill(0));
  const at = (row: number, column: number): number => lengths[row]?.[column] ?? 0;
  for (let row = left.length - 1; row >= 0; row -= 1) {
    for (let column = right.length - 1; column >= 0; column -= 1) {
      lengths[row]![column] = key(left[row]) === key(right[column])
        ? at(row + 1, column + 1) + 1
        : Math.max(at(row + 1, column), at(row, column + 1));
    }
  }
  const rows: DiffRow[] = [];
  let gone: number[] = [];
  let come: number[] = [];
  const flush = (): void => {
    for (let index = 0; index < Math.max(gone.length, come.length); index += 1) {
      rows.push({ left: gone[index], right: come[index], same: false });
    }
    gone = [];
    come = [];
  };
  let row = 0;
  let column = 0;
  while (row < left.length || column < right.length) {
    if (row < left.length && column < right.length && key(left[row]) === key(right[column])) {
      flush();
      rows.push({ left: row, right: column, same: true });
      row += 1;
      column += 1;
    } else if (column >= right.length || (row < left.length && at(row + 1, column) >= at(row, column + 1))) {
      gone.push(row);
      row += 1;
    } else {
      come.push(column);
      column += 1;
    }
  }
  flush();
  return rows;
}
