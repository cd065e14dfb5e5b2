/** Jumps, calls, returns, loops. SDM vol. 1, 5.1.7 and 7.3.8. */

import { u } from '../numbers/bits.ts';
import { sdm } from '../state/citation.ts';
import { RCX } from '../state/fields.ts';
import { CONDITIONS, ZF, hexDigit } from './flags.ts';
import type { Execution } from './execution.ts';
import { type Instruction, type InstructionDefinition, instruction } from './instruction.ts';

/** Target of a relative branch: the next instruction's address plus the displacement. */
const relative = (x: Execution, i: Instruction): bigint => u(64, x.next + x.read(i.operands[0]!));

const JMP = instruction({
  mnemonic: 'JMP',
  title: 'Jump, near',
  forms: ['EB cb | rel8 | f64', 'E9 cz | relz | f64', 'FF /4 | r/mv | f64'],
  operation(x, i) {
    x.branch(i.operands[0]!.kind === 'relative' ? relative(x, i) : x.read(i.operands[0]!), i.size);
  },
  source: sdm('2A', '3.2, JMP'),
});

const JCC = CONDITIONS.map((condition, code) => instruction({
  mnemonic: `J${condition.names[0]}`,
  aliases: condition.names.slice(1).map((name) => `J${name}`),
  title: 'Jump if condition is met',
  forms: [`7${hexDigit(code)} cb | rel8 | f64`, `0F 8${hexDigit(code)} cz | relz | f64`],
  operation(x, i) {
    // Where it is not taken the instruction pointer is not cut to the operand size either.
    if (condition.holds(x.readFlags(condition.reads))) x.branch(relative(x, i), i.size);
  },
  source: sdm('2A', '3.2, Jcc'),
}));

const CALL = instruction({
  mnemonic: 'CALL',
  title: 'Call, near',
  forms: ['E8 cz | relz | f64', 'FF /2 | r/mv | f64'],
  operation(x, i) {
    const target = i.operands[0]!.kind === 'relative' ? relative(x, i) : x.read(i.operands[0]!);
    const back = x.next;
    if (x.cpu.accesses.call === 'stack first') x.requirePushable(1, i.size / 8);
    x.branch(target, i.size);
    x.push(i.size, u(i.size, back));
  },
  source: sdm('2A', '3.2, CALL'),
});

const RET = instruction({
  mnemonic: 'RET',
  title: 'Return, near',
  forms: ['C3 | | f64', 'C2 iw | imm16 | f64'],
  operation(x, i) {
    x.branch(x.peek(i.size), i.size);
    x.release(i.size / 8 + Number(i.operands.length > 0 ? x.read(i.operands[0]!) : 0n));
  },
  source: sdm('2B', '4.3, RET'),
});

const looping = (
  mnemonic: string, opcode: string, aliases: string[], continues: (zero: boolean) => boolean,
): InstructionDefinition => instruction({
  mnemonic,
  aliases,
  title: 'Loop with RCX as counter',
  forms: [`${opcode} cb | rel8 | f64 asz`],
  operation(x, i) {
    const count = u(i.addressSize, x.general(RCX, i.addressSize) - 1n);
    const taken = count !== 0n && continues((x.readFlags(mnemonic === 'LOOP' ? 0 : ZF) & ZF) !== 0);
    if (taken) x.branch(relative(x, i), i.size);
    x.setGeneral(RCX, i.addressSize, count);
  },
  source: sdm('2A', '3.2, LOOP/LOOPcc'),
});

/** The address size chooses the register and the mnemonic. */
const COUNTERS = [['JCXZ', 'a16 i64'], ['JECXZ', 'a32'], ['JRCXZ', 'a64 o64']] as const;

const JCXZ = COUNTERS.map(([mnemonic, flags]) => instruction({
  mnemonic,
  title: 'Jump if rCX is zero',
  forms: [`E3 cb | rel8 | f64 ${flags}`],
  operation(x, i) {
    if (x.general(RCX, i.addressSize) === 0n) x.branch(relative(x, i), i.size);
  },
  source: sdm('2A', '3.2, Jcc'),
}));

export const CONTROL_TRANSFER: readonly InstructionDefinition[] = [
  JMP, ...JCC, ...JCXZ, CALL, RET,
  looping('LOOP', 'E2', [], () => true),
  looping('LOOPE', 'E1', ['LOOPZ'], (zero) => zero),
  looping('LOOPNE', 'E0', ['LOOPNZ'], (zero) => !zero),
];
