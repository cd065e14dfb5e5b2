/** One line of a block's code, numbered from 1: shown, hidden, or one of the two markers. */
export interface CodeLine {
  line: number;
  text: string;
  kind: 'shown' | 'hidden' | 'marker';
}

/**
 * The lines of a block, and where its `// @hide` and `// @show` do not pair up (`line` from 0). Blank lines at the edges
 * of what is shown are not drawn, and count as hidden.
 */
export function classifyLines(code: string): { lines: CodeLine[]; problems: { line: number; message: string }[] } {
  const lines: CodeLine[] = [];
  const problems: { line: number; message: string }[] = [];
  const report = (line: number, message: string) => {
    problems.push({ line, message });
  };
  let hiddenSince: number | undefined;
  code.split('\n').forEach((text, index) => {
    const marker = /^\s*\/\/\s*@(\w+)\s*$/.exec(text)?.[1];
    const kind = marker === 'hide' || marker === 'show' ? 'marker' : hiddenSince === undefined ? 'shown' : 'hidden';
    lines.push({ line: index + 1, text, kind });
    if (marker === 'hide') {
      if (hiddenSince !== undefined) report(index, '`// @hide` inside hidden lines: remove it');
      hiddenSince ??= index;
    } else if (marker === 'show') {
      if (hiddenSince === undefined) report(index, '`// @show` without a `// @hide` above it');
      hiddenSince = undefined;
    }
  });
  if (hiddenSince !== undefined) {
    report(hiddenSince, '`// @hide` without a `// @show` below it in the same block');
  }
  const drawn = lines.filter(({ kind }) => kind === 'shown');
  const edges = [drawn.findIndex(({ text }) => text !== ''), drawn.findLastIndex(({ text }) => text !== '')] as const;
  drawn.forEach((each, n) => {
    if (n < edges[0] || n > edges[1]) each.kind = 'hidden';
  });
  return { lines, problems };
}

/** What a reader sees of a block. */
export function splitHidden(code: string): { shown: string; problems: { line: number; message: string }[] } {
  const { lines, problems } = classifyLines(code);
  return { shown: lines.filter(({ kind }) => kind === 'shown').map(({ text }) => text).join('\n'), problems };
}
