import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { defineConfig } from 'vitest/config';
import { doctest } from '../../src/doctest/plugin.ts';

const root = process.env['DOCTEST_FIXTURES'] ?? import.meta.dirname;
const standIn = `${import.meta.dirname}/stand-in.ts`;

class ByName extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return files.sort((a, b) => (a.moduleId < b.moduleId ? -1 : 1));
  }
}

/** Runs the fixture pages as the site's pages are run, but in order, with a limit of their own and a small engine. */
export default defineConfig({
  root,
  cacheDir: `${import.meta.dirname}/../../node_modules/.vite-doctest`,
  resolve: { alias: { 'hidden-state': standIn } },
  plugins: [
    doctest({
      root, content: 'pages', paths: { 'hidden-state': [standIn] }, timeout: Number(process.env['DOCTEST_LIMIT'] ?? 20_000),
    }),
  ],
  test: {
    include: ['spec/*.test.ts', 'pages/**/*.mdx', 'loops/*.mdx'],
    pool: 'forks',
    isolate: false,
    maxWorkers: 1,
    sequence: { sequencer: ByName },
    includeTaskLocation: true,
  },
});
