import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readPage } from '../../src/doctest/page.ts';
import { loadResults, resultFor } from '../../src/doctest/results.ts';
import { runNode, runVitest } from './child.ts';
import { scratch } from './scratch.ts';

const list = `# Written back

- \`\`\`ts id=list
  import { expect } from 'vitest';

  expect({ fip: 1n }).toMatchInlineSnapshot();
  \`\`\`
`;

const two = `\`\`\`ts id=one
export const one = 1;
\`\`\`

\`\`\`ts id=two
import { expect } from 'vitest';

expect(2).toBe(2);
\`\`\`

<Claim id="claim" witness="test:witness" source="here">It holds.</Claim>
`;

const { root, remove } = scratch({
  'pages/list.mdx': list,
  'pages/two.mdx': two,
  'pages/gone.mdx': '```ts id=gone\nexport const gone = 1;\n```\n',
  'spec/witness.test.ts': "import { expect, test } from 'vitest';\n\ntest('holds', () => expect(1).toBe(1));\n",
});
afterAll(remove);

const path = (name: string) => join(root, name);
const page = (name: string) => readPage(name, readFileSync(path(name), 'utf8'), { root });

test('pages are ordinary test files: snapshots are written back, JUnit counts blocks, results are stored', async () => {
  const { output, exitCode } = await runVitest(root, [
    '--update', '--reporter=default', '--reporter=junit', '--outputFile.junit=junit.xml',
  ]);
  expect(output).toContain('Tests  6 passed (6)');
  expect(exitCode).toBe(0);
  const written = readFileSync(path('pages/list.mdx'), 'utf8');
  expect(written).toBe(list.replace('toMatchInlineSnapshot()', `toMatchInlineSnapshot(\`
    {
      "fip": 1n,
    }
  \`)`));
  const junit = readFileSync(path('junit.xml'), 'utf8');
  expect(junit).toContain('<testsuites name="vitest tests" tests="6" failures="0" errors="0"');
  expect(junit).toContain('<testcase classname="pages/two.mdx" name="one"');
});

test('a run by line runs that block, the results of the others stay, those of a removed page go', async () => {
  const before = loadResults(root);
  expect([...before.keys()]).toEqual(['pages/gone.mdx', 'pages/list.mdx', 'pages/two.mdx']);
  rmSync(path('pages/gone.mdx'));
  writeFileSync(path('pages/two.mdx'), two.replace('toBe(2)', 'toBe(3)'));
  expect(resultFor(page('pages/two.mdx'), page('pages/two.mdx').blocks[1]!, before)).toBeUndefined();

  const { output, exitCode } = await runVitest(root, ['pages/two.mdx:5']);
  expect(output).toContain('❯ pages/two.mdx:8:11');
  expect(output).toContain('Tests  1 failed | 2 skipped (3)');
  expect(exitCode).toBe(1);

  const after = loadResults(root);
  expect([...after.keys()]).toEqual(['pages/list.mdx', 'pages/two.mdx']);
  expect(after.get('pages/list.mdx')).toEqual(before.get('pages/list.mdx'));
  const [one, other] = page('pages/two.mdx').blocks.map((block) => resultFor(page('pages/two.mdx'), block, after));
  expect(one).toEqual(before.get('pages/two.mdx')!.blocks[0]);
  expect(other).toMatchObject({ status: 'failed', error: { line: 8, column: 11 } });
  expect(after.get('pages/two.mdx')!.claims).toEqual([{ id: 'claim', state: 'witnessed' }]);
});

test('a page whose text is the same is tested anew when a witness is gone', async () => {
  writeFileSync(path('pages/two.mdx'), two);
  rmSync(path('spec/witness.test.ts'));
  const { output, exitCode } = await runVitest(root, ['pages/two.mdx']);
  expect(output).toContain('no file witness.test.ts under test/ or spec/');
  expect(output).toContain('Tests  1 failed | 2 passed (3)');
  expect(exitCode).toBe(1);
});

test('the type check on its own prints the page\'s positions', async () => {
  writeFileSync(path('pages/list.mdx'), '1. > ```ts\n   > const wide: string = 1n;\n   > ```\n');
  const check = join(import.meta.dirname, '..', '..', 'src', 'doctest', 'check-types.ts');
  const failing = await runNode(root, [check, 'pages']);
  expect(failing.output.trim()).toBe("pages/list.mdx:2:12 - TS2322 Type 'bigint' is not assignable to type 'string'.");
  expect(failing.exitCode).toBe(1);
  rmSync(path('pages/list.mdx'));
  const passing = await runNode(root, [check, 'pages']);
  expect(passing.output.trim()).toBe('types: 2 blocks on 1 page, each as its page says');
  expect(passing.exitCode).toBe(0);
});
