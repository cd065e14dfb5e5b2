/** A page's text by lines. Positions are 1-based; offsets count UTF-16 units after a byte order mark. */
export interface Source {
  text: string;
  lines: string[];
  /** Offset at which each line starts. */
  starts: number[];
}

export function splitSource(written: string): Source {
  const text = written.replace(/^\uFEFF/, '');
  const lines: string[] = [];
  const starts: number[] = [];
  let start = 0;
  for (const match of text.matchAll(/\r\n|\n|\r|$/g)) {
    if (match.index < start) continue;
    lines.push(text.slice(start, match.index));
    starts.push(start);
    start = match.index + match[0].length;
  }
  return { text, lines, starts };
}
