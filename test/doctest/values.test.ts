import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { plain, printLike, revive } from '../../src/doctest/values.ts';

describe('a value prints in the style of what the page says', () => {
  test.each([
    [16, '0x0', '0x10'], [16n, '0x0000', '0x0010'], [0xabcn, '0xFFF', '0xABC'], [0xabcn, '0xfff', '0xabc'],
    [16, '7h', '10h'], [0xff, '0FFH', '0FFH'], [5, '0b0000', '0b0101'],
    [832, '1', '832'], [1234567, '7,654,321', '1,234,567'],
    [0x1_2345_6789n, '0xffff_ffff', '0x1_2345_6789'], [-1n, '-0x1', '-0x1'], [-5, '5', '-5'], [0.5, '0.5', '0.5'],
    ['FCS', 'FDS', 'FCS'], [true, 'false', 'true'], [undefined, 'x', 'undefined'], [null, '0', 'null'],
    ['0x10', '0x10', '0x10'],
    [[1n], '[]', '[{"$bigint":"0x1"}]'], [{ notation: '#GP(0)' }, '#GP(0)', '#GP(0)'], [16, 'sixteen', '16'],
  ])('%s, written %s, is %s', (value, written, printed) => {
    expect(printLike(value, written)).toBe(printed);
  });

  test('so that a number that is what the page says prints as the page says', () => {
    fc.assert(fc.property(fc.bigInt(0n, 1n << 80n), (value) => {
      for (const written of [`0x${value.toString(16)}`, `0x${value.toString(16).padStart(24, '0')}`, String(value),
        `0b${value.toString(2)}`, `${value.toString(16).toUpperCase()}h`, value.toLocaleString('en')]) {
        expect(printLike(value, written)).toBe(written);
        expect(printLike(value + 1n, written)).not.toBe(written);
      }
    }));
  });
});

describe('what is stored', () => {
  test('is JSON, and comes back', () => {
    const value = { a: [1n, -2n, { b: null, c: 'x' }], bytes: new Uint8Array([0, 255]), not: Number.NaN };
    expect(revive(JSON.parse(JSON.stringify(plain(value))))).toEqual(value);
  });

  test('leaves out what is no data', () => {
    const cycle: Record<string, unknown> = { n: 1, f: () => 1, s: Symbol('s'), u: undefined };
    cycle['self'] = cycle;
    expect(plain(cycle)).toEqual({ n: 1 });
    expect(plain(() => 1)).toBeUndefined();
    expect(plain(new Uint8Array(1_000_000))).toBeUndefined();
    expect(plain(new RangeError('far'))).toEqual({ name: 'RangeError', message: 'far' });
  });
});
