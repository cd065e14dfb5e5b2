/** Bitwise logic. SDM vol. 1, 5.1.4. */

import { u } from '../numbers/bits.ts';
import { type Citation, sdm } from '../state/citation.ts';
import { arithmeticForms } from './arithmetic.ts';
import { AF, CF, OF, PF, SF, ZF, CONDITIONS, hexDigit, resultFlags } from './flags.ts';
import type { Execution } from './execution.ts';
import { type InstructionDefinition, instruction } from './instruction.ts';

/** CF and OF become 0, AF is undefined, the rest follow the result. */
function setLogicFlags(x: Execution, n: number, result: bigint): void {
  x.setDefinedFlags(CF | OF | PF | ZF | SF, resultFlags(n, result), AF, { zen: 0, skylake: 0 });
}

const logic = (
  mnemonic: string, title: string, row: number, combine: (a: bigint, b: bigint) => bigint, source: Citation,
): InstructionDefinition => instruction({
  mnemonic,
  title,
  forms: arithmeticForms(row),
  lock: true,
  operation(x, i) {
    const result = combine(x.readToModify(i.operands[0]!), x.read(i.operands[1]!));
    x.write(i.operands[0]!, result);
    setLogicFlags(x, i.size, result);
  },
  source,
});

const TEST = instruction({
  mnemonic: 'TEST',
  title: 'Logical compare',
  forms: [
    'A8 ib | AL, imm8', 'A9 iz | rAX, immz', 'F6 /0 ib | r/m8, imm8', 'F7 /0 iz | r/mv, immz', '84 /r | r/m8, r8',
    '85 /r | r/mv, rv',
    // Not listed by the manual; every processor takes the digit 1 as well. AMD APM vol. 3, table A-6.
    'F6 /1 ib | r/m8, imm8', 'F7 /1 iz | r/mv, immz',
  ],
  operation(x, i) {
    setLogicFlags(x, i.size, x.read(i.operands[0]!) & x.read(i.operands[1]!));
  },
  source: sdm('2B', '4.3, TEST'),
});

const NOT = instruction({
  mnemonic: 'NOT',
  title: "One's complement negation",
  forms: ['F6 /2 | r/m8', 'F7 /2 | r/mv'],
  lock: true,
  operation(x, i) {
    x.write(i.operands[0]!, u(i.size, ~x.readToModify(i.operands[0]!)));
  },
  source: sdm('2B', '4.3, NOT'),
});

const SETCC = CONDITIONS.map((condition, code) => instruction({
  mnemonic: `SET${condition.names[0]}`,
  aliases: condition.names.slice(1).map((name) => `SET${name}`),
  title: 'Set byte on condition',
  forms: [`0F 9${hexDigit(code)} /r | r/m8`],
  operation(x, i) {
    x.write(i.operands[0]!, condition.holds(x.readFlags(condition.reads)) ? 1n : 0n);
  },
  source: sdm('2B', '4.3, SETcc'),
}));

export const LOGIC: readonly InstructionDefinition[] = [
  logic('OR', 'Inclusive or', 1, (a, b) => a | b, sdm('2B', '4.3, OR')),
  logic('AND', 'And', 4, (a, b) => a & b, sdm('2A', '3.2, AND')),
  logic('XOR', 'Exclusive or', 6, (a, b) => a ^ b, sdm('2C', '5.3, XOR')),
  TEST, NOT, ...SETCC,
];
