/** Sign extension in the accumulator, byte order, table lookup. SDM vol. 1, 5.1.1 and 7.3.1.5. */

import { fromBytes, s, toBytes, u } from '../numbers/bits.ts';
import { sdm } from '../state/citation.ts';
import { RAX, RBX, RDX } from '../state/fields.ts';
import { type InstructionDefinition, instruction } from './instruction.ts';

/** The operand sizes' mnemonics and what selects them. */
const WIDTHS = [
  { size: 16, extend: 'CBW', spread: 'CWD', form: (opcode: string) => `${opcode} | | s16` },
  { size: 32, extend: 'CWDE', spread: 'CDQ', form: (opcode: string) => `${opcode} | | s32` },
  { size: 64, extend: 'CDQE', spread: 'CQO', form: (opcode: string) => `REX.W + ${opcode}` },
] as const;

const EXTEND = WIDTHS.map(({ size, extend, form }) => instruction({
  mnemonic: extend,
  title: 'Sign-extend the lower half of the accumulator',
  forms: [form('98')],
  operation(x) {
    x.setGeneral(RAX, size, u(size, s(size / 2, x.state.gpr[RAX]!)));
  },
  source: sdm('2A', '3.2, CBW/CWDE/CDQE'),
}));

const SPREAD = WIDTHS.map(({ size, spread, form }) => instruction({
  mnemonic: spread,
  title: 'Copy the sign of the accumulator to rDX',
  forms: [form('99')],
  operation(x) {
    x.setGeneral(RDX, size, u(size, s(size, x.state.gpr[RAX]!) >> BigInt(size)));
  },
  source: sdm('2A', '3.2, CWD/CDQ/CQO'),
}));

const reversed = (size: number, value: bigint): bigint => fromBytes(toBytes(value, size / 8).reverse());

const BSWAP = instruction({
  mnemonic: 'BSWAP',
  title: 'Byte swap',
  forms: ['0F C8+r | rv'],
  operation(x, i) {
    // The manual leaves the 16-bit form undefined; processors write zero.
    x.write(i.operands[0]!, i.size === 16 ? 0n : reversed(i.size, x.read(i.operands[0]!)));
  },
  source: sdm('2A', '3.2, BSWAP'),
});

const MOVBE = instruction({
  mnemonic: 'MOVBE',
  title: 'Move data after swapping bytes',
  forms: ['NFx 0F 38 F0 /r | rv, mv', 'NFx 0F 38 F1 /r | mv, rv'],
  cpuid: 'MOVBE',
  operation(x, i) {
    x.write(i.operands[0]!, reversed(i.size, x.read(i.operands[1]!)));
  },
  source: sdm('2B', '4.3, MOVBE'),
});

const XLATB = instruction({
  mnemonic: 'XLATB',
  aliases: ['XLAT'],
  title: 'Table look-up translation',
  forms: ['D7 | | asz'],
  operation(x, i) {
    const offset = u(i.addressSize, x.state.gpr[RBX]! + x.general(RAX, 8));
    x.setGeneral(RAX, 8, x.memory.read(x.linear(x.sourceSegment(i), offset, 1, false), 1));
  },
  source: sdm('2C', '5.3, XLAT/XLATB'),
});

export const CONVERSION: readonly InstructionDefinition[] = [...EXTEND, ...SPREAD, BSWAP, MOVBE, XLATB];
