import { Decoder, DecoderOptions, Instruction } from 'iced-x86';
import { expect, test } from 'vitest';
import { u } from '../../spec/src/numbers/bits.ts';
import { decode } from '../../spec/src/isa/decode.ts';
import { print } from '../../spec/src/isa/print.ts';
import { ADDRESS } from './iced.ts';

/** Near branches, with what follows the opcode. */
const BRANCHES = [[0xeb, 0x10], [0xe9, 0x10, 0x20, 0x30, 0x40], [0x74, 0xf0], [0x0f, 0x84, 0x10, 0x20, 0x30, 0x40], [0xe8, 1, 2, 3, 4], [0xc3],
  [0xc2, 8, 0], [0xff, 0xe0], [0xff, 0xd0], [0xff, 0x20], [0xff, 0x10], [0xe0, 5], [0xe1, 5], [0xe2, 5], [0xe3, 5]];
const PREFIXES = [[], [0x66], [0x66, 0x48], [0x66, 0x67], [0x48]];

/** Length, operand size of 16 bits or not, and target as an AMD processor reads it, and as an Intel one does. */
function theirs(bytes: readonly number[], amd: boolean): [number, bigint | undefined] {
  const decoder = new Decoder(64, Uint8Array.from(bytes), amd ? DecoderOptions.AMD : DecoderOptions.None);
  const i = new Instruction();
  decoder.ip = ADDRESS[64];
  decoder.decodeOut(i);
  const relative = [0xeb, 0xe9, 0xe8, 0x74, 0x84, 0xe0, 0xe1, 0xe2, 0xe3].some((opcode) => bytes.includes(opcode)) && !bytes.includes(0xff);
  const found: [number, bigint | undefined] = [i.length, relative ? i.nearBranchTarget : undefined];
  decoder.free();
  i.free();
  return found;
}

function ours(bytes: readonly number[], amd: boolean): [number, bigint | undefined] {
  const i = decode((n) => bytes[n] ?? 0, 64, { wordBranches: amd });
  const [operand] = i.operands;
  const width = i.size === 16 ? 16 : 64;
  const target = operand?.kind === 'relative' ? u(width, ADDRESS[64] + i.advance + operand.displacement) : undefined;
  return [i.length, target];
}

test.each([['AMD', true], ['Intel', false]] as const)('near branches in 64-bit mode, with and without 66, as %s processors read them', (_, amd) => {
  for (const prefix of PREFIXES) {
    for (const branch of BRANCHES) {
      const bytes = [...prefix, ...branch];
      expect([bytes, ...ours(bytes, amd)]).toEqual([bytes, ...theirs(bytes, amd)]);
    }
  }
});

test('the text says the size', () => {
  const text = (bytes: readonly number[]) => print(decode((n) => bytes[n] ?? 0, 64, { wordBranches: true }), 0x1_0000n);
  expect([text([0x66, 0xeb, 0x10]), text([0x66, 0xc3]), text([0x66, 0xff, 0xe0])]).toEqual(['data16 jmp 0x13', 'data16 ret', 'jmp ax']);
});
