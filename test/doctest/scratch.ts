import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A folder of pages that a test may change, inside the tree so that packages are found; removed with `remove`. */
export function scratch(files: Record<string, string>): { root: string; remove: () => void } {
  const base = join(import.meta.dirname, '.doctest');
  mkdirSync(base, { recursive: true });
  const root = mkdtempSync(join(base, 'scratch-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return { root, remove: () => rmSync(root, { recursive: true, force: true }) };
}
