/** String moves and stores, with REP as one iteration a step. SDM vol. 1, 7.3.9; vol. 2B, MOVS, STOS, REP. */

import { u } from '../numbers/bits.ts';
import { sdm } from '../state/citation.ts';
import { ES } from '../state/fields.ts';
import { DF } from './flags.ts';
import type { Execution } from './execution.ts';
import { type InstructionDefinition, instruction } from './instruction.ts';

const RAX = 0, RSI = 6, RDI = 7;

/** Moves an index register by one element, forward or backward by DF. */
function advance(x: Execution, index: number, addressSize: number, bytes: number): void {
  const step = BigInt(x.flags & DF ? -bytes : bytes);
  const moved = u(addressSize, u(addressSize, x.state.gpr[index]!) + step);
  x.write({ kind: 'register', file: 'gpr', index, size: addressSize, high: false }, moved);
}

/** The forms of an instruction whose byte form has opcode `byte` and whose other forms have `other`. */
const SIZES = [
  ['B', 8, (byte: string) => `${byte} | | asz`],
  ['W', 16, (_: string, other: string) => `${other} | | s16 asz`],
  ['D', 32, (_: string, other: string) => `${other} | | s32 asz`],
  ['Q', 64, (_: string, other: string) => `REX.W + ${other} | | asz`],
] as const;

const MOVS = SIZES.map(([suffix, size, form]) => instruction({
  mnemonic: `MOVS${suffix}`,
  title: 'Move data from string to string',
  forms: [form('A4', 'A5')],
  repeat: 'REP',
  operation(x, i) {
    x.repeat(i, () => {
      const from = x.linear(x.sourceSegment(i), u(i.addressSize, x.state.gpr[RSI]!), size / 8, false);
      const to = x.linear(ES, u(i.addressSize, x.state.gpr[RDI]!), size / 8, true);
      x.memory.write(to, size / 8, x.memory.read(from, size / 8));
      advance(x, RSI, i.addressSize, size / 8);
      advance(x, RDI, i.addressSize, size / 8);
    });
  },
  source: sdm('2B', '4.3, MOVS/MOVSB/MOVSW/MOVSD/MOVSQ'),
}));

const STOS = SIZES.map(([suffix, size, form]) => instruction({
  mnemonic: `STOS${suffix}`,
  title: 'Store string',
  forms: [form('AA', 'AB')],
  repeat: 'REP',
  operation(x, i) {
    x.repeat(i, () => {
      const to = x.linear(ES, u(i.addressSize, x.state.gpr[RDI]!), size / 8, true);
      x.memory.write(to, size / 8, u(size, x.state.gpr[RAX]!));
      advance(x, RDI, i.addressSize, size / 8);
    });
  },
  source: sdm('2B', '4.3, STOS/STOSB/STOSW/STOSD/STOSQ'),
}));

const direction = (mnemonic: string, opcode: string, value: number): InstructionDefinition => instruction({
  mnemonic,
  title: value ? 'Set direction flag' : 'Clear direction flag',
  forms: [opcode],
  operation(x) {
    x.setFlags(DF, value);
  },
  source: sdm(value ? '2B' : '2A', mnemonic === 'STD' ? '4.3, STD' : '3.2, CLD'),
});

export const STRINGS: readonly InstructionDefinition[] =
  [...MOVS, ...STOS, direction('CLD', 'FC', 0), direction('STD', 'FD', DF)];
