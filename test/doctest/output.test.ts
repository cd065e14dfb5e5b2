import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { byPage, runVitest } from './child.ts';

const here = import.meta.dirname;
const pages = readdirSync(join(here, 'pages')).filter((name) => name.endsWith('.mdx')).map((name) => `pages/${name}`);

let output: ReturnType<typeof byPage>;
let loops: ReturnType<typeof byPage>;
let exitCodes: number[];

beforeAll(async () => {
  const runs = await Promise.all([
    runVitest(here, ['pages/', 'spec/']),
    // Blocks that do not end are worth waiting a second for; the others may take what a busy machine needs.
    runVitest(here, ['loops/'], { DOCTEST_LIMIT: '1000' }),
  ]);
  exitCodes = runs.map((run) => run.exitCode);
  [output, loops] = runs.map((run) => byPage(run.output)) as [typeof output, typeof loops];
});

const expected = (page: string) => `expected/${page.replace(/^pages\//, '').replace('.mdx', '.txt')}`;

describe('what vitest prints', () => {
  test.each(pages)('for %s', async (page) => {
    await expect(output.pages.get(page) ?? '').toMatchFileSnapshot(expected(page));
  });

  test('for loops/alone.mdx', async () => {
    await expect(loops.pages.get('loops/alone.mdx') ?? '').toMatchFileSnapshot(expected('loops/alone.mdx'));
  });

  test('for loops/elsewhere.mdx, but for where in its turn a loop is broken off, which is chance', () => {
    const text = loops.pages.get('loops/elsewhere.mdx')!;
    expect(text.match(/^TimeoutError: .*$/gm)).toEqual(['counts-for-ever', 'catches-everything'].map((id) =>
      `TimeoutError: block \`${id}\` did not end within 1 s: it was in a loop that never ends`));
  });

  test('around the pages, and nothing else', async () => {
    expect([...output.pages.keys()].sort()).toEqual(pages.toSorted());
    await expect(output.rest).toMatchFileSnapshot('expected/summary.txt');
    expect(loops.rest).toContain('Tests  4 failed | 1 passed (5)');
    expect(exitCodes).toEqual([1, 1]);
  });
});

describe('what is stored', () => {
  const stored = (page: string): string =>
    readFileSync(join(here, '.doctest', 'results', 'pages', `${page}.mdx.json`), 'utf8');

  test.each(['passes', 'checks', 'elements', 'groups', 'faults'])('for %s.mdx', async (page) => {
    await expect(stored(page)).toMatchFileSnapshot(`expected/${page}.json`);
  });
});
