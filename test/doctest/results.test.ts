import { expect, test } from 'vitest';
import { readPage } from '../../src/doctest/page.ts';
import { resultFor, type Results } from '../../src/doctest/results.ts';
import type { BlockResult } from '../../src/doctest/types.ts';

const read = (first: string, second: string) => readPage('content/x.mdx',
  `\`\`\`ts id=first group=g\n${first}\n\`\`\`\n\n\`\`\`ts id=second group=g\n${second}\n\`\`\`\n`);

const result = (id: string, code: string): BlockResult =>
  ({ id, code, status: 'passed', logs: [], checks: [], exports: {} });

test('a result is that of the code on the page, and of the code that its group runs before it', () => {
  const blocks = [result('first', 'let a = 1;'), result('second', 'a;')];
  const results: Results = new Map([['content/x.mdx', { file: 'content/x.mdx', blocks, claims: [], values: [] }]]);
  const found = (first: string, second: string) => {
    const page = read(first, second);
    return page.blocks.map((block) => resultFor(page, block, results)?.id);
  };
  expect(found('let a = 1;', 'a;')).toEqual(['first', 'second']);
  expect(found('let a = 1;', 'a + 1;')).toEqual(['first', undefined]);
  expect(found('let a = 2;', 'a;')).toEqual([undefined, undefined]);
});
