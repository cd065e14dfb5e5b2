import { blank, partsOf } from '../doctest/groups.ts';
import { readSyntax } from '../doctest/syntax.ts';
import type { Block, Page } from '../doctest/types.ts';
import { stripTypes } from '../live/strip-types.ts';

export interface ShownLine {
  /** Line within the block's code, from 1. */
  line: number;
  text: string;
}

const isMark = (line: string): string | undefined => /^\s*\/\/\s*@(hide|show)\s*$/.exec(line)?.[1];

/** The lines that a reader sees, each with its place in the whole block. */
export function shownLines({ code, shown, id }: Block): ShownLine[] {
  const lines = code.split('\n');
  let at = 0;
  let hidden = false;
  return shown.split('\n').map((text) => {
    for (; at < lines.length; at += 1) {
      const mark = isMark(lines[at] ?? '');
      if (mark) hidden = mark === 'hide';
      else if (!hidden && lines[at] === text) break;
    }
    at += 1;
    if (at > lines.length) throw new Error(`block ${id}: a shown line is not in its code: ${text}`);
    return { line: at, text };
  });
}

/** The lines between `// @hide` and `// @show`. */
export function hiddenLines(block: Block): string[] {
  const shown = new Set(shownLines(block).map(({ line }) => line));
  return block.code.split('\n').filter((text, index) => text.trim() && !shown.has(index + 1) && !isMark(text));
}

/**
 * What runs before the block: the earlier blocks of its group, as JavaScript. Imports that the block itself repeats are
 * left to the block, so that it stays whole under the reader's edits.
 */
export function prelude(page: Page, block: Block): string {
  const own = new Set(readSyntax(block.code).imports.flatMap(({ names }) => names.map(({ local }) => local)));
  const earlier = partsOf(page, block).slice(0, -1).map((part) => {
    const repeated = readSyntax(part.block.code).imports
      .flatMap(({ names }) => names.filter(({ local }) => own.has(local)))
      .map(({ start, end }) => ({ start, end: end + (/^\s*,/.exec(part.block.code.slice(end))?.[0].length ?? 0) }));
    return blank(part.block.code, [...part.repeated, ...repeated]);
  });
  return earlier.length > 0 ? `${stripTypes(earlier.join('\n'))}\n` : '';
}
