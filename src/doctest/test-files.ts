import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Whether the test file at `path` is called `name`: its path without `.test.ts`, or the end of that: `fpu/silicon`. */
export const isCalled = (path: string, name: string): boolean => `/${path}`.endsWith(`/${name}.test.ts`);

/** Paths of the conformance and engine tests that a claim may name. */
export function testFiles(root: string): string[] {
  return ['test', 'spec'].flatMap((folder) => collect(root, folder));
}

/** What is wrong with `name` as the name of one of `files`; undefined where it is one of them. */
export function complaintAbout(name: string, files: readonly string[]): string | undefined {
  const called = files.filter((path) => isCalled(path, name));
  if (called.length === 0) return `no file ${name}.test.ts under test/ or spec/`;
  return called.length === 1 ? undefined : `${called.join(' and ')} are both called so: say in which folder`;
}

function collect(root: string, folder: string): string[] {
  let entries;
  try {
    entries = readdirSync(join(root, folder), { withFileTypes: true });
  } catch {
    return [];
  }
  return entries.flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return ['node_modules', 'dist', 'pages'].includes(entry.name) ? [] : collect(root, path);
    return entry.name.endsWith('.test.ts') ? [path] : [];
  });
}
