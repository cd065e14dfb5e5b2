import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The pages below a folder, as paths relative to the root, sorted. */
export function listPages(root: string, content: string): string[] {
  return readdirSync(join(root, content), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.mdx'))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length).replaceAll('\\', '/').replace(/^\/+/, ''))
    .sort();
}

export function readSource(root: string, file: string): string {
  return readFileSync(join(root, file), 'utf8');
}
