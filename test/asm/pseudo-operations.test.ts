/** Names of comparisons are read as another disassembler writes them. */

import { Decoder, Formatter, FormatterSyntax, Instruction } from 'iced-x86';
import { expect, test } from 'vitest';
import { assemble } from '../../spec/src/asm/assemble.ts';

function written(bytes: Uint8Array): string {
  const formatter = new Formatter(FormatterSyntax.Intel), decoder = new Decoder(64, bytes, 0), i = new Instruction();
  formatter.usePseudoOps = true;
  decoder.decodeOut(i);
  const text = formatter.format(i);
  for (const object of [formatter, decoder, i]) object.free();
  return text;
}

test.each([
  ['cmpps xmm1, xmm2', 8], ['cmppd xmm1, xmm2', 8], ['cmpss xmm1, xmm2', 8], ['cmpsd xmm1, xmm2', 8],
  ['vcmpps ymm1, ymm2, ymm3', 32], ['vcmppd xmm1, xmm2, xmm3', 32], ['vcmpss xmm1, xmm2, xmm3', 32],
  ['vcmpsd xmm1, xmm2, xmm3', 32],
] as const)('%s has %i names', (text, count) => {
  const names = Array.from({ length: count }, (_, predicate) => {
    const { bytes } = assemble(`${text}, ${predicate}`, { mode: 64 });
    const name = written(bytes);
    expect(assemble(name, { mode: 64 }).bytes).toEqual(bytes);
    return name.split(' ')[0];
  });
  expect(new Set(names).size).toBe(count);
  expect(names.every((name) => name !== text.split(' ')[0])).toBe(true);
});

test('without VEX there are no more than eight', () => {
  expect(() => assemble('cmpgeps xmm1, xmm2', { mode: 64 })).toThrow('"cmpgeps" is no instruction');
});
