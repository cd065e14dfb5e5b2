import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

const made = new Set(['node_modules', 'dist', '.git', '.astro', '.doctest', 'test-results']);
const text = /\.(ts|mts|mjs|js|c|astro|css|mdx?|jsonc?|svg|txt|yml|html)$|^(run|LICENSE|\.[a-z]+)$/;

/** Every text file of the project, by its path from the root; what tools make is left out. */
export function projectFiles(folder = ''): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder ? `${folder}/${entry.name}` : entry.name;
    if (entry.isDirectory()) return made.has(entry.name) ? [] : projectFiles(path);
    // `.git` is a file in a worktree.
    return entry.isFile() && !made.has(entry.name) && text.test(entry.name) ? [path] : [];
  });
}

export function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** `path:line:column` of every match, with what was found. */
export function places(path: string, pattern: RegExp): string[] {
  return read(path).split('\n').flatMap((line, at) =>
    [...line.matchAll(pattern)].map((match) => `${path}:${at + 1}:${match.index + 1}: ${match[0]}`),
  );
}
