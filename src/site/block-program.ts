import { blank, partsOf } from '../doctest/groups.ts';
import { type CodeLine, classifyLines } from '../doctest/hidden.ts';
import { readSyntax } from '../doctest/syntax.ts';
import type { Block, Page } from '../doctest/types.ts';
import { stripTypes } from '../live/strip-types.ts';

/** The lines that a reader sees, each with its place in the whole block (`line`, from 1). */
export const shownLines = ({ code }: Block): CodeLine[] => classifyLines(code).lines.filter(({ kind }) => kind === 'shown');

/** The lines between `// @hide` and `// @show`. */
export const hiddenLines = ({ code }: Block): string[] =>
  classifyLines(code).lines.filter(({ kind, text }) => kind === 'hidden' && text.trim()).map(({ text }) => text);

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
