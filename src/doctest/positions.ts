import type { Block } from './types.ts';

/** The page's position of an offset into a block's code. */
export function positionAt(block: Block, offset: number): { line: number; column: number } {
  const before = block.code.slice(0, offset).split('\n');
  const index = before.length - 1;
  return { line: block.line + index, column: block.columns[index]! + before[index]!.length };
}

/** Whether a line of the page belongs to the block's code. */
export function holdsLine(block: Block, line: number): boolean {
  return line >= block.line && line < block.line + block.columns.length;
}
