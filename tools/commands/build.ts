import { endTogether, runNode } from '../child.ts';
import { runVitest } from '../vitest.ts';
import { inspectPage } from '../../src/doctest/page.ts';
import { listPages, readSource } from '../../src/doctest/pages.ts';
import { isCalled, testFiles } from '../../src/doctest/test-files.ts';

/**
 * `npm run build`: the static site in dist/. What the pages show is what the doctests just computed, so they come first,
 * together with the tests that claims on the pages name as their witnesses.
 */
export async function main(): Promise<number> {
  endTogether();
  const { failed } = await runVitest(['--passWithNoTests', 'content/', ...witnesses()]);
  if (failed > 0) {
    console.error(`The site is not built: ${failed} of the pages' blocks or of their witnesses failed (see above).`);
    return 1;
  }
  const built = await runNode(['node_modules/astro/bin/astro.mjs', 'build']);
  if (built !== 0) return built;
  return runNode(['node_modules/pagefind/lib/runner/bin.cjs', '--site', 'dist', '--silent']);
}

/** Files of the tests that `witness="test:name"` names. */
function witnesses(root = process.cwd()): string[] {
  const files = testFiles(root);
  const names = listPages(root, 'content').flatMap((file) => inspectPage(file, readSource(root, file), { root }).page.claims)
    .flatMap(({ witness }) => (witness?.startsWith('test:') ? [witness.slice('test:'.length)] : []));
  return files.filter((path) => names.some((name) => isCalled(path, name)));
}
