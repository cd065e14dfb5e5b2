import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { copyText } from '../../src/doctest/copy.ts';
import { inspectPage } from '../../src/doctest/page.ts';
import { type ChildRun, runVitest } from './child.ts';
import { scratch } from './scratch.ts';

/** Those whose blocks show something of the copy, failures included: a copy does what its block does. */
const pages = ['passes', 'copies', 'groups', 'hidden', 'faults', 'types', 'checks'];

const copies = pages.flatMap((name) => {
  const file = `pages/${name}.mdx`;
  const { page, problems } = inspectPage(file, readFileSync(join(import.meta.dirname, file), 'utf8'));
  return page.blocks.filter((block) => !problems.some((problem) => problem.block === block.index))
    .map((block) => ({ name: `spec/${name}-${block.id}.test.ts`, text: copyText(block, page) }));
});

describe('a copied block', () => {
  test.each(pages)('from %s.mdx reads as expected', async (name) => {
    const own = copies.filter((copy) => copy.name.startsWith(`spec/${name}-`)).map(({ text }) => text);
    await expect(own.join('\n')).toMatchFileSnapshot(`expected/copies/${name}.txt`);
  });
});

describe('copied blocks run as they are', () => {
  const { root, remove } = scratch(Object.fromEntries(copies.map(({ name, text }) => [name, text])));
  let run: ChildRun;
  beforeAll(async () => {
    run = await runVitest(root);
  });
  afterAll(remove);

  test('and fail where their block fails, only there', () => {
    const failed = [...run.output.matchAll(/^ FAIL +spec\/(\S+)\.test\.ts/gm)].map((match) => match[1]!);
    expect([...new Set(failed)].sort()).toEqual(['checks-soft', 'faults-another', 'faults-no-fault', 'faults-not-met',
      'faults-thrown-text', 'faults-unexpected', 'groups-after-the-end', 'groups-fails', 'hidden-setup',
      'types-fails-twice']);
    expect(run.output).toContain(`Test Files  10 failed | `);
  });
});
