import { parseCLI, startVitest } from 'vitest/node';
import type { Count } from './checks.ts';

/**
 * Runs vitest once in this process, so that its results can be counted without replacing the reporters of
 * vitest.config.ts (a reporter given on the command line would).
 */
export async function runVitest(args: string[]): Promise<Count> {
  const { filter, options } = parseCLI(['vitest', 'run', ...args]);
  const vitest = await startVitest('test', filter, { ...options, run: true, watch: false });
  const count: Count = { passed: 0, failed: 0 };
  for (const module of vitest.state.getTestModules()) {
    let failedTests = 0;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') count.passed++;
      if (state === 'failed') failedTests++;
    }
    // A file that failed before or outside its tests counts once.
    count.failed += failedTests || (module.state() === 'failed' ? 1 : 0);
  }
  const unhandled = vitest.state.getUnhandledErrors().length;
  await vitest.close();
  count.failed += unhandled;
  if (count.failed === 0 && process.exitCode) count.failed = 1;
  return count;
}
