/** Exchange and add, compare and exchange. SDM vol. 1, 5.1.1 and 7.3.1.2; vol. 3A, 8.1.2.2. */

import { u } from '../numbers/bits.ts';
import { type Citation, sdm } from '../state/citation.ts';
import type { Feature } from '../cpus/features.table.ts';
import { RAX, RBX, RCX, RDX } from '../state/fields.ts';
import { STATUS, ZF, additionFlags, subtractionFlags } from './flags.ts';
import { type InstructionDefinition, instruction } from './instruction.ts';
import { type MemoryOperand, generalRegister } from './operand.ts';

const XADD = instruction({
  mnemonic: 'XADD',
  title: 'Exchange and add',
  forms: ['0F C0 /r | r/m8, r8', '0F C1 /r | r/mv, rv'],
  lock: true,
  operation(x, i) {
    const [target, source] = [i.operands[0]!, i.operands[1]!];
    const a = x.readToModify(target), b = x.read(source);
    const sum = u(i.size, a + b);
    // Memory before a register that may make its address; with one register as both, the sum stays.
    if (target.kind === 'memory') x.write(target, sum);
    x.write(source, a);
    if (target.kind === 'register') x.write(target, sum);
    x.setFlags(STATUS, additionFlags(i.size, a, b, sum));
  },
  source: sdm('2C', '5.3, XADD'),
});

const CMPXCHG = instruction({
  mnemonic: 'CMPXCHG',
  title: 'Compare and exchange',
  forms: ['0F B0 /r | r/m8, r8', '0F B1 /r | r/mv, rv'],
  lock: true,
  operation(x, i) {
    const [target, source] = [i.operands[0]!, i.operands[1]!];
    const accumulator = generalRegister(RAX, i.size);
    const before = x.readToModify(target), expected = x.read(accumulator);
    const equal = before === expected;
    // Memory is written in any case; a register only where it changes, so that its upper half is kept.
    const written = equal ? target : target.kind === 'memory' ? target : accumulator;
    x.write(written, equal ? x.read(source) : before);
    const kept = equal ? generalRegister(RAX, 64) : accumulator;
    x.write(kept, equal ? x.read(kept) : before);
    x.setFlags(STATUS, subtractionFlags(i.size, expected, before, u(i.size, expected - before)));
  },
  source: sdm('2A', '3.2, CMPXCHG'),
});

/** Compares rDX:rAX with `2 * half` bits of memory and stores rCX:rBX. */
const wide = (
  mnemonic: string, title: string, form: string, half: 32 | 64, cpuid: Feature, source: Citation,
): InstructionDefinition =>
  instruction({
    mnemonic,
    title,
    forms: [form],
    cpuid,
    lock: true,
    operation(x, i) {
      const target = i.operands[0] as MemoryOperand;
      const linear = x.linear(target.segment, x.offset(target), half / 4, true);
      if (half === 64 && linear & 15n) x.fault('#GP', 'the operand of CMPXCHG16B is not 16-byte aligned', 0);
      x.requireStorable(target, half / 4);
      const before = x.read(target);
      const pair = (high: number, low: number): bigint =>
        u(half * 2, u(half * 2, x.general(high, half) << BigInt(half)) | x.general(low, half));
      const equal = before === pair(RDX, RAX);
      x.write(target, equal ? pair(RCX, RBX) : before);
      // What is equal is not loaded: a 32-bit load would clear the upper halves.
      const width = equal ? 64 : half;
      x.setGeneral(RAX, width, equal ? x.state.gpr[RAX]! : u(half, before));
      x.setGeneral(RDX, width, equal ? x.state.gpr[RDX]! : before >> BigInt(half));
      x.setFlags(ZF, equal ? ZF : 0);
    },
    source,
  });

export const EXCHANGE: readonly InstructionDefinition[] = [
  XADD, CMPXCHG,
  wide(
    'CMPXCHG8B', 'Compare and exchange 8 bytes', '0F C7 /1 | m64', 32, 'CX8', sdm('2A', '3.2, CMPXCHG8B/CMPXCHG16B'),
  ),
  wide(
    'CMPXCHG16B', 'Compare and exchange 16 bytes', 'REX.W + 0F C7 /1 | m128', 64, 'CX16',
    sdm('2A', '3.2, CMPXCHG8B/CMPXCHG16B'),
  ),
];
