import { assert, bigInt, integer, property } from 'fast-check';
import { expect, test } from 'vitest';
import { fromBytes, toBytes } from '../../spec/src/numbers/bits.ts';

const value = bigInt({ min: -(1n << 300n), max: 1n << 300n }), length = integer({ min: 0, max: 40 });

test('toBytes takes byte n from bits 8n+7:8n, of negative numbers as of others', () => {
  assert(property(value, length, (x, bytes) => {
    const expected = Array.from({ length: bytes }, (_, n) => Number((x >> BigInt(8 * n)) & 0xffn));
    expect([...toBytes(x, bytes)]).toEqual(expected);
  }));
});

test('fromBytes is its inverse, at any offset, and takes no more than it is told', () => {
  assert(property(value, length, integer({ min: 0, max: 20 }), (x, bytes, offset) => {
    const within = Uint8Array.of(...Array<number>(offset).fill(0xa5), ...toBytes(x, bytes), 0xa5);
    expect(fromBytes(within, offset, bytes)).toBe(BigInt.asUintN(8 * bytes, x));
  }));
});

test('fromBytes refuses to read beyond the end', () => {
  expect(() => fromBytes(new Uint8Array(4), 2, 3)).toThrow(new RangeError('of 4 bytes, 3 were asked for at 2'));
});
