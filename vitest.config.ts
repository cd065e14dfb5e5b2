import { defineConfig } from 'vitest/config';
import { doctest } from './src/doctest/plugin.ts';

const root = import.meta.dirname;

/** In the workspace `hidden-state` is its TypeScript source. */
const resolve = { conditions: ['source'] };
const ssr = {
  resolve: { conditions: ['source', 'module', 'node', 'development|production'], externalConditions: ['node'] },
};

export default defineConfig({
  resolve,
  ssr,
  test: {
    // What a passing block prints is on its page; here it would only be noise.
    silent: 'passed-only',
    projects: [
      {
        resolve,
        ssr,
        test: {
          name: 'engine',
          include: ['spec/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: ['**/node_modules/**', '**/dist/**', 'test/doctest/**', 'test/browser/**'],
          isolate: false,
          // Sweeps take seconds, and many times that where other work runs beside them.
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        resolve,
        ssr,
        // A block takes a second or less; where other work runs beside it, several times that.
        plugins: [doctest({ root, timeout: 20_000 })],
        test: {
          name: 'pages',
          include: ['content/**/*.mdx'],
          // The watchdog ends loops of a process's main thread.
          pool: 'forks',
          isolate: false,
          includeTaskLocation: true,
        },
      },
      {
        resolve,
        ssr,
        test: { name: 'doctest', include: ['test/doctest/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000 },
      },
    ],
  },
});
