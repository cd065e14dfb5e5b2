/** Moves between registers and memory. SDM vol. 1, 5.1.1. */

import { s, u } from '../numbers/bits.ts';
import { sdm } from '../state/citation.ts';
import { CONDITIONS, hexDigit } from './flags.ts';
import { type InstructionDefinition, instruction } from './instruction.ts';
import type { MemoryOperand } from './operand.ts';

const MOV = instruction({
  mnemonic: 'MOV',
  title: 'Move',
  forms: [
    '88 /r | r/m8, r8', '89 /r | r/mv, rv', '8A /r | r8, r/m8', '8B /r | rv, r/mv',
    'A0 moffs | AL, moffs8', 'A1 moffs | rAX, moffsv', 'A2 moffs | moffs8, AL', 'A3 moffs | moffsv, rAX',
    'B0+r ib | r8, imm8', 'B8+r iv | rv, immv', 'C6 /0 ib | r/m8, imm8', 'C7 /0 iz | r/mv, immz',
  ],
  operation(x, i) {
    x.write(i.operands[0]!, x.read(i.operands[1]!));
  },
  source: sdm('2B', '4.3, MOV'),
});

const MOV_FROM_SEGMENT = instruction({
  mnemonic: 'MOV',
  title: 'Move from a segment register',
  forms: ['8C /r | rmv, Sreg', '8C /r | m16, Sreg'],
  operation(x, i) {
    x.write(i.operands[0]!, x.read(i.operands[1]!));
  },
  source: sdm('2B', '4.3, MOV'),
});

const MOVZX = instruction({
  mnemonic: 'MOVZX',
  title: 'Move with zero extension',
  forms: ['0F B6 /r | rv, r/m8', '0F B7 /r | rv, r/m16'],
  operation(x, i) {
    x.write(i.operands[0]!, x.read(i.operands[1]!));
  },
  source: sdm('2B', '4.3, MOVZX'),
});

const signExtending = (mnemonic: string, forms: string[], from: (size: number) => number): InstructionDefinition =>
  instruction({
    mnemonic,
    title: 'Move with sign extension',
    forms,
    operation(x, i) {
      x.write(i.operands[0]!, u(i.size, s(from(i.size), x.read(i.operands[1]!))));
    },
    source: sdm('2B', '4.3, MOVSX/MOVSXD'),
  });
const MOVSX8 = signExtending('MOVSX', ['0F BE /r | rv, r/m8'], () => 8);
const MOVSX16 = signExtending('MOVSX', ['0F BF /r | rv, r/m16'], () => 16);
const MOVSXD = signExtending('MOVSXD', ['63 /r | rv, r/mz | o64'], (size) => Math.min(size, 32));

const LEA = instruction({
  mnemonic: 'LEA',
  title: 'Load effective address',
  forms: ['8D /r | rv, m'],
  operation(x, i) {
    x.write(i.operands[0]!, u(i.size, x.offset(i.operands[1] as MemoryOperand)));
  },
  source: sdm('2A', '3.2, LEA'),
});

const XCHG = instruction({
  mnemonic: 'XCHG',
  title: 'Exchange',
  forms: ['86 /r | r/m8, r8', '87 /r | r/mv, rv', '90+r | rv, rAX | r1'],
  lock: true,
  operation(x, i) {
    const [a, b] = [i.operands[0]!, i.operands[1]!];
    const before = x.readToModify(a);
    const after = x.read(b);
    x.write(a, after);
    x.write(b, before);
  },
  source: sdm('2C', '5.3, XCHG'),
});

const PUSH = instruction({
  mnemonic: 'PUSH',
  title: 'Push onto the stack',
  forms: ['50+r | rv | d64', '68 iz | immz | d64', '6A ib | simm8 | d64', 'FF /6 | r/mv | d64'],
  operation(x, i) {
    x.push(i.size, x.read(i.operands[0]!));
  },
  source: sdm('2B', '4.3, PUSH'),
});

const POP = instruction({
  mnemonic: 'POP',
  title: 'Pop from the stack',
  forms: ['58+r | rv | d64', '8F /0 | r/mv | d64'],
  operation(x, i) {
    const target = i.operands[0]!;
    const value = x.peek(i.size);
    // With RSP as base, the address is computed after RSP moved.
    const moved: typeof target = target.kind === 'memory' && target.base === 4
      ? { ...target, displacement: u(target.addressSize, target.displacement + BigInt(i.size / 8)) } : target;
    if (moved.kind === 'memory') x.requireStorable(moved, i.size / 8);
    if (moved.kind === 'memory') x.write(moved, value);
    x.release(i.size / 8);
    if (moved.kind === 'register') x.write(moved, value);
  },
  source: sdm('2B', '4.3, POP'),
});

const CMOV = CONDITIONS.map((condition, code) => instruction({
  mnemonic: `CMOV${condition.names[0]}`,
  aliases: condition.names.slice(1).map((name) => `CMOV${name}`),
  title: 'Conditional move',
  forms: [`0F 4${hexDigit(code)} /r | rv, r/mv`],
  cpuid: 'CMOV',
  operation(x, i) {
    // The source is read, and the destination written, whatever the condition: a 32-bit CMOV always clears bits 63:32.
    const value = x.read(i.operands[1]!);
    x.write(i.operands[0]!, condition.holds(x.readFlags(condition.reads)) ? value : x.read(i.operands[0]!));
  },
  source: sdm('2A', '3.2, CMOVcc'),
}));

export const DATA_TRANSFER: readonly InstructionDefinition[] = [
  MOV, MOV_FROM_SEGMENT, MOVZX, MOVSX8, MOVSX16, MOVSXD, LEA, XCHG, PUSH, POP, ...CMOV,
];
