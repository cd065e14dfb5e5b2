import { readAttributes } from './attributes.ts';
import { splitHidden } from './hidden.ts';
import type { Source } from './source.ts';
import { type Node, walk } from './tree.ts';
import type { Block, Problem } from './types.ts';

type Report = (line: number, column: number, message: string, block?: number) => void;

const otherNamesOfTypeScript = /^(typescript|javascript|[cm]?[tj]sx?)$/i;
const snapshotMatcher = /\.(toMatchInlineSnapshot|toThrowErrorMatchingInlineSnapshot)\s*\(/g;

/** Reads the page's `ts` fences, wherever in lists, quotes and components they stand. */
export function readFences(file: string, source: Source, root: Node): { blocks: Block[]; problems: Problem[] } {
  const blocks: Block[] = [];
  const problems: Problem[] = [];
  const report: Report = (line, column, message, block) => {
    problems.push({ file, line, column, message, ...(block === undefined ? {} : { block }) });
  };
  for (const { node, ancestors } of walk(root)) {
    if (node.type !== 'code') continue;
    const quoted = ancestors.some((ancestor) => ancestor.type === 'blockquote');
    const block = readFence(node, source, blocks.length, quoted, report);
    if (block) blocks.push(block);
  }
  const names = new Map<string, Block>();
  for (const block of blocks) {
    const first = names.get(block.id);
    if (first) {
      report(block.fenceLine, block.fenceColumn, `id \`${block.id}\` is already that of the block at line `
        + `${first.fenceLine}: every block needs its own`, block.index);
    } else {
      names.set(block.id, block);
    }
  }
  return { blocks, problems };
}

function readFence(node: Node, source: Source, index: number, quoted: boolean, report: Report): Block | undefined {
  const { line, column } = node.position.start;
  const opening = /^(`{3,}|~{3,})([ \t]*)([^\s`]*)/.exec(source.lines[line - 1]!.slice(column - 1));
  if (!opening) return undefined;
  const language = opening[3]!;
  const languageColumn = column + opening[1]!.length + opening[2]!.length;
  if (language !== 'ts') {
    if (otherNamesOfTypeScript.test(language) || /^ts\W/i.test(language)) {
      report(line, languageColumn, `a block marked \`${language}\` would not be tested: write \`ts\`, then a space `
        + 'and the attributes, if any');
    }
    return undefined;
  }
  const metaColumn = languageColumn + language.length;
  const { attributes, problems } = readAttributes(source.lines[line - 1]!.slice(metaColumn - 1));
  for (const { offset, message } of problems) report(line, metaColumn + offset, message, index);

  const code = (node.value ?? '').replace(/\r\n?/g, '\n');
  const codeLines = code.split('\n');
  const columns: number[] = [];
  codeLines.forEach((text, offset) => {
    const written = source.lines[line + offset] ?? '';
    if (code !== '' && !written.endsWith(text)) {
      report(line + 1 + offset, 1,
        'a tab splits between the indent of the list or quote and the code: indent with spaces', index);
    }
    columns.push(Math.max(1, written.length - text.length + 1));
  });
  const { shown, problems: hidingProblems } = splitHidden(code);
  const block: Block = {
    index, id: attributes.id || `block-${index + 1}`, fenceLine: line, fenceColumn: column, line: line + 1,
    column: columns[0]!, attributes, code, shown, columns,
  };
  for (const problem of hidingProblems) {
    report(block.line + problem.line, columns[problem.line]!, problem.message, index);
  }
  if (code.trim() === '') report(line, column, 'the block is empty: put code into it or remove it', index);
  if (!isClosed(node, source, opening[1]!)) {
    report(line, column, `the block has no end: close it with a line \`${opening[1]}\``, index);
  }
  if (quoted) forbidInlineSnapshots(block, report);
  return block;
}

function isClosed(node: Node, source: Source, fence: string): boolean {
  const { start, end } = node.position;
  const last = source.lines[end.line - 1]!.slice(0, end.column - 1);
  const closing = /(`{3,}|~{3,})[ \t]*$/.exec(last);
  return end.line > start.line && closing !== null && closing[1]!.startsWith(fence);
}

/** vitest writes snapshots back as lines without the quote's `>`: it would take the block apart. */
function forbidInlineSnapshots(block: Block, report: Report): void {
  block.code.split('\n').forEach((text, index) => {
    for (const match of text.matchAll(snapshotMatcher)) {
      report(block.line + index, block.columns[index]! + match.index + 1, `\`${match[1]}\` cannot be used in a block `
        + 'quote, where vitest cannot write it back: move the block out of the quote or write the value', block.index);
    }
  });
}
