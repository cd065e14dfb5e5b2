import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';

/** The conformance and engine tests that a claim may name: the name without `.test.ts`, and the file's path. */
export function testFiles(root: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const folder of ['test', 'spec']) collect(root, folder, found);
  return found;
}

function collect(root: string, folder: string, found: Map<string, string>): void {
  let entries;
  try {
    entries = readdirSync(join(root, folder), { withFileTypes: true });
  } catch {
    return;
  }
  for (const entry of entries) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) {
      if (!['node_modules', 'dist', 'pages'].includes(entry.name)) collect(root, path, found);
    } else if (entry.name.endsWith('.test.ts')) {
      found.set(basename(entry.name, '.test.ts'), path);
    }
  }
}
