/** What a reader sees of a block, and where its `// @hide` and `// @show` do not pair up. */
export function splitHidden(code: string): { shown: string; problems: { line: number; message: string }[] } {
  const shown: string[] = [];
  const problems: { line: number; message: string }[] = [];
  const report = (line: number, message: string) => {
    problems.push({ line, message });
  };
  let hiddenSince: number | undefined;
  code.split('\n').forEach((line, index) => {
    const marker = /^\s*\/\/\s*@(\w+)\s*$/.exec(line)?.[1];
    if (marker === 'hide') {
      if (hiddenSince !== undefined) report(index, '`// @hide` inside hidden lines: remove it');
      hiddenSince ??= index;
    } else if (marker === 'show') {
      if (hiddenSince === undefined) report(index, '`// @show` without a `// @hide` above it');
      hiddenSince = undefined;
    } else if (hiddenSince === undefined) {
      shown.push(line);
    }
  });
  if (hiddenSince !== undefined) {
    report(hiddenSince, '`// @hide` without a `// @show` below it in the same block');
  }
  return { shown: shown.join('\n').replace(/^\n+|\n+$/g, ''), problems };
}
