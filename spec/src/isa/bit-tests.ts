/** Single bits of registers and of bit strings in memory. SDM vol. 1, 5.1.6; vol. 2A, 3.1.1.9. */

import { bit, s, u } from '../numbers/bits.ts';
import { sdm } from '../state/citation.ts';
import { AF, CF, OF, PF, SF } from './flags.ts';
import type { Execution } from './execution.ts';
import { type Instruction, type InstructionDefinition, instruction } from './instruction.ts';
import type { Operand } from './operand.ts';

/**
 * The operand that holds the bit. A bit offset in a register is signed and reaches beyond a memory operand; one in an
 * immediate, and one into a register, is taken modulo the operand size. SDM vol. 2A, figure 3-2.
 */
function holder(x: Execution, i: Instruction): Operand {
  const [base, offset] = [i.operands[0]!, i.operands[1]!];
  const elements = offset.kind === 'immediate' ? 0n : s(i.size, x.read(offset)) >> BigInt(Math.log2(i.size));
  return base.kind === 'memory'
    ? { ...base, displacement: u(base.addressSize, base.displacement + s(64, elements * BigInt(i.size / 8))) } : base;
}

/** `digit` is that of the immediate form; `opcode` that of the register form. */
const testing = (
  mnemonic: string, title: string, opcode: string, digit: number, change: (value: bigint, mask: bigint) => bigint,
): InstructionDefinition => instruction({
  mnemonic,
  title,
  forms: [`0F ${opcode} /r | r/mv, rv`, `0F BA /${digit} ib | r/mv, imm8`],
  ...(mnemonic === 'BT' ? {} : { lock: true }),
  operation(x, i) {
    const target = holder(x, i);
    const position = Number(u(64, x.read(i.operands[1]!)) & BigInt(i.size - 1));
    const before = mnemonic === 'BT' ? x.read(target) : x.readToModify(target);
    const after = change(before, u(i.size, 1n << BigInt(position)));
    if (mnemonic !== 'BT') x.write(target, u(i.size, after));
    x.setDefinedFlags(CF, bit(before, position) ? CF : 0, OF | SF | AF | PF, { zen: x.flags, skylake: x.flags });
  },
  source: sdm('2A', `3.2, ${mnemonic}`),
});

export const BIT_TESTS: readonly InstructionDefinition[] = [
  testing('BT', 'Bit test', 'A3', 4, (value) => value),
  testing('BTS', 'Bit test and set', 'AB', 5, (value, mask) => value | mask),
  testing('BTR', 'Bit test and reset', 'B3', 6, (value, mask) => value & ~mask),
  testing('BTC', 'Bit test and complement', 'BB', 7, (value, mask) => value ^ mask),
];
