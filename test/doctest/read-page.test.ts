import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { inspectPage, readPage } from '../../src/doctest/page.ts';
import { PageError } from '../../src/doctest/problems.ts';

const options = { root: import.meta.dirname };
const read = (...lines: string[]) => readPage('content/x.mdx', lines.join('\n'), options);

describe('positions', () => {
  test('of a fence in a quote in a list, with blank and unequal lines', () => {
    const { blocks } = read(
      '# é 🧪', '', '1. > ~~~ts id=deep', '   > const a = 1;', '   >', '   >   const b = 2;', '   > ~~~',
    );
    expect(blocks).toEqual([{
      index: 0, id: 'deep', fenceLine: 3, fenceColumn: 6, line: 4, column: 6, attributes: { id: 'deep' },
      code: 'const a = 1;\n\n  const b = 2;', shown: 'const a = 1;\n\n  const b = 2;', columns: [6, 5, 6],
    }]);
  });

  test('every character of a block is where its line and column say, whatever holds it', () => {
    const word = fc.stringMatching(/^[a-z]{1,5}$/);
    const line = fc.tuple(fc.nat(3), fc.constantFrom('x', '"é"', '"🧪"', '// text', '')).map(([indent, text]) =>
      text === '' ? '' : ' '.repeat(indent) + text);
    const holder = fc.constantFrom(
      ['', ''], ['- ', '  '], ['> ', '> '], ['10. ', '    '], ['- > ', '  > '], ['> 1. ', '>    '],
    );
    const ending = fc.constantFrom('\n', '\r\n');
    fc.assert(fc.property(fc.array(line, { minLength: 1, maxLength: 6 }), holder, ending, word, fc.boolean(),
      (code, [first, rest], end, id, mark) => {
        const lines = ['start', ...code];
        const fenced = [`${first}\`\`\`ts id=${id}`, ...lines.map((text) => rest + text), `${rest}\`\`\``];
        const source = ['text', '', ...fenced, ''];
        const { page } = inspectPage('x.mdx', (mark ? '\uFEFF' : '') + source.join(end), options);
        const block = page.blocks[0]!;
        expect(block.code).toBe(lines.join('\n'));
        block.code.split('\n').forEach((text, index) => {
          expect(source[block.line - 1 + index]!.slice(block.columns[index]! - 1)).toBe(text);
        });
      }));
  });
});

describe('hidden lines', () => {
  test('are in the code and not in what is shown, their markers neither', () => {
    const { blocks } = read(
      '```ts', '// @hide', 'const a = 1;', '// @show', '', 'a;', '  //  @hide ', 'a++;', '//@show', '```',
    );
    expect(blocks[0]!.code.split('\n')).toHaveLength(8);
    expect(blocks[0]!.shown).toBe('a;');
  });
});

describe('claims and values', () => {
  test('carry the sentence as read, with the values in it', () => {
    const { claims, values } = read(
      '```ts id=a', 'export const b = { c: 16 };', '```', '',
      '<Claim id="it-is" witness="a" source="SDM vol. 1">',
      '  FCS *is*', '  `10h`: <Value of="a.b.c" is="10h" />.', '</Claim>',
    );
    expect(claims).toEqual([
      { id: 'it-is', witness: 'a', source: 'SDM vol. 1', text: 'FCS is 10h: 10h.', line: 5, column: 1 },
    ]);
    expect(values).toEqual([{ of: 'a.b.c', is: '10h', line: 7, column: 10 }]);
  });
});

describe('problems', () => {
  test('are thrown all at once, in the page\'s order, with what could be read', () => {
    const lines = [
      '```ts group=g skip=', 'let a = 1;', '```', '', '<Value of="x.y" is="1" />', '', '```ts id=ok', 'ok;', '```',
    ];
    const thrown = (() => {
      try {
        return read(...lines);
      } catch (error) {
        return error;
      }
    })();
    expect(thrown).toBeInstanceOf(PageError);
    expect((thrown as PageError).message).toBe([
      'content/x.mdx:1:15 - a skipped block needs a reason: write skip="reason"',
      'content/x.mdx:5:1 - `x.y` names no value: this page has no block `x` (it has block-1, ok)',
    ].join('\n'));
    expect((thrown as PageError).page.blocks.map(({ id }) => id)).toEqual(['block-1', 'ok']);
  });

  test('no text whatever makes the extractor fail otherwise', () => {
    const piece = fc.constantFrom(
      '```ts', '```', ' id=a', '\n', '> ', '- ', '<Claim id="a">', '</Claim>', '{', '}', '// @hide',
      '<Value of="a.b" is="1" />', 'x', '\t', '\r', '~~~ts', '"', '`', '🧪', ' group=g', '    ',
    );
    fc.assert(fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const { page, problems } = inspectPage('x.mdx', pieces.join(''), options);
      for (const { line, column, message } of problems) {
        expect([line > 0, column > 0, message !== '']).toEqual([true, true, true]);
      }
      expect(page.file).toBe('x.mdx');
    }), { numRuns: 500 });
  });
});
