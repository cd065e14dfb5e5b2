import { captureNode } from './child.ts';

export interface Count {
  passed: number;
  failed: number;
}

export function add(...counts: Count[]): Count {
  return {
    passed: counts.reduce((sum, count) => sum + count.passed, 0),
    failed: counts.reduce((sum, count) => sum + count.failed, 0),
  };
}

/** The last line of every command that checks something: `.ci/run` and people read it. */
export function summary({ passed, failed }: Count): string {
  return `${passed} passed, ${failed} failed`;
}

const tsc = 'node_modules/typescript/bin/tsc';

/** Each is a sequence of commands that all have to end well. */
const checks: { name: string; commands: string[][] }[] = [
  { name: 'types of the engine', commands: [[tsc, '-p', 'spec', '--pretty', String(isColoured())]] },
  {
    name: 'types of everything else',
    // Astro derives the types of the collections of pages first; a fresh clone has none yet.
    commands: [['node_modules/astro/bin/astro.mjs', 'sync'], [tsc, '-p', '.', '--pretty', String(isColoured())]],
  },
  {
    name: 'lint',
    commands: [['node_modules/oxlint/bin/oxlint', '--deny-warnings', ...(isColoured() ? [] : ['--format=unix'])]],
  },
];

/** Types and lint: each counts as one check. What they print is shown only where something is wrong. */
export async function staticChecks(): Promise<Count> {
  return add(...await Promise.all(checks.map(async ({ name, commands }) => {
    const started = performance.now();
    for (const command of commands) {
      const { code, output } = await captureNode(command);
      if (code === 0) continue;
      console.log(` ✗ ${name}\n${output.trimEnd()}\n`);
      return { passed: 0, failed: 1 };
    }
    console.log(` ✓ ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
    return { passed: 1, failed: 0 };
  })));
}

function isColoured(): boolean {
  return process.stdout.isTTY === true && !process.env.NO_COLOR;
}
