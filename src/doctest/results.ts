import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { partsOf } from './groups.ts';
import type { Block, BlockResult, Page, PageResult } from './types.ts';

export { revive } from './values.ts';

/** Results by page: `content/hazards/x.mdx`. */
export type Results = Map<string, PageResult>;

const folder = join('.doctest', 'results');

/** What vitest stored in its last runs; empty where none ran yet. */
export function loadResults(root: string): Results {
  const results: Results = new Map();
  const base = join(root, folder);
  if (!existsSync(base)) return results;
  const files = readdirSync(base, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.json'))
    .map((entry) => join(entry.parentPath, entry.name)).sort();
  for (const file of files) {
    const result = JSON.parse(readFileSync(file, 'utf8')) as PageResult;
    results.set(result.file, result);
  }
  return results;
}

/** A block's stored result; undefined where it has none, or where its code or that of its group before it has changed. */
export function resultFor(page: Page, block: Block, results: Results): BlockResult | undefined {
  const stored = new Map(results.get(page.file)?.blocks.map((result) => [result.id, result]));
  const current = partsOf(page, block).every((part) => stored.get(part.block.id)?.code === part.block.code);
  return current ? stored.get(block.id) : undefined;
}

export function storeResult(root: string, result: PageResult): void {
  const path = join(root, folder, `${result.file}.json`);
  const text = `${JSON.stringify(result, null, 1)}\n`;
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

export function removeResult(root: string, file: string): void {
  rmSync(join(root, folder, `${file}.json`), { force: true });
}
