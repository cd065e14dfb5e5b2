/** Binary arithmetic. SDM vol. 1, 5.1.2. */

import { u } from '../numbers/bits.ts';
import { type Citation, sdm } from '../state/citation.ts';
import { AF, CF, OF, PF, SF, STATUS, ZF, additionFlags, subtractionFlags } from './flags.ts';
import { type InstructionDefinition, instruction } from './instruction.ts';

/** The six encodings that ADD, OR, ADC, SBB, AND, SUB, XOR and CMP share; `row` is their number, 0 to 7. */
export const arithmeticForms = (row: number): string[] => {
  const opcode = (low: number): string => (row * 8 + low).toString(16).toUpperCase().padStart(2, '0');
  return [
    `${opcode(4)} ib | AL, imm8`, `${opcode(5)} iz | rAX, immz`,
    `80 /${row} ib | r/m8, imm8`, `82 /${row} ib | r/m8, imm8 | i64`,
    `83 /${row} ib | r/mv, simm8`, `81 /${row} iz | r/mv, immz`,
    `${opcode(0)} /r | r/m8, r8`, `${opcode(1)} /r | r/mv, rv`,
    `${opcode(2)} /r | r8, r/m8`, `${opcode(3)} /r | rv, r/mv`,
  ];
};

const adding = (
  mnemonic: string, title: string, row: number, withCarry: boolean, source: Citation,
): InstructionDefinition => instruction({
  mnemonic,
  title,
  forms: arithmeticForms(row),
  lock: true,
  operation(x, i) {
    const a = x.readToModify(i.operands[0]!);
    const b = x.read(i.operands[1]!);
    const carry = withCarry ? x.readFlags(CF) & CF : 0;
    const sum = u(i.size, a + b + BigInt(carry));
    x.write(i.operands[0]!, sum);
    x.setFlags(STATUS, additionFlags(i.size, a, b, sum));
  },
  source,
});

const subtracting = (
  mnemonic: string, title: string, row: number, withBorrow: boolean, source: Citation,
): InstructionDefinition => instruction({
  mnemonic,
  title,
  forms: arithmeticForms(row),
  lock: true,
  operation(x, i) {
    const a = x.readToModify(i.operands[0]!);
    const b = x.read(i.operands[1]!);
    const borrow = withBorrow ? x.readFlags(CF) & CF : 0;
    const difference = u(i.size, a - b - BigInt(borrow));
    x.write(i.operands[0]!, difference);
    x.setFlags(STATUS, subtractionFlags(i.size, a, b, difference));
  },
  source,
});

const CMP = instruction({
  mnemonic: 'CMP',
  title: 'Compare',
  forms: arithmeticForms(7),
  operation(x, i) {
    const a = x.read(i.operands[0]!);
    const b = x.read(i.operands[1]!);
    x.setFlags(STATUS, subtractionFlags(i.size, a, b, u(i.size, a - b)));
  },
  source: sdm('2A', '3.2, CMP'),
});

/** INC and DEC leave CF alone. */
const KEEPS_CARRY = PF | AF | ZF | SF | OF;

const INC = instruction({
  mnemonic: 'INC',
  title: 'Increment',
  forms: ['FE /0 | r/m8', 'FF /0 | r/mv', '40+r | rv | i64'],
  lock: true,
  operation(x, i) {
    const a = x.readToModify(i.operands[0]!);
    const sum = u(i.size, a + 1n);
    x.write(i.operands[0]!, sum);
    x.setFlags(KEEPS_CARRY, additionFlags(i.size, a, 1n, sum));
  },
  source: sdm('2A', '3.2, INC'),
});

const DEC = instruction({
  mnemonic: 'DEC',
  title: 'Decrement',
  forms: ['FE /1 | r/m8', 'FF /1 | r/mv', '48+r | rv | i64'],
  lock: true,
  operation(x, i) {
    const a = x.readToModify(i.operands[0]!);
    const difference = u(i.size, a - 1n);
    x.write(i.operands[0]!, difference);
    x.setFlags(KEEPS_CARRY, subtractionFlags(i.size, a, 1n, difference));
  },
  source: sdm('2A', '3.2, DEC'),
});

const NEG = instruction({
  mnemonic: 'NEG',
  title: "Two's complement negation",
  forms: ['F6 /3 | r/m8', 'F7 /3 | r/mv'],
  lock: true,
  operation(x, i) {
    const a = x.readToModify(i.operands[0]!);
    const negated = u(i.size, -a);
    x.write(i.operands[0]!, negated);
    x.setFlags(STATUS, subtractionFlags(i.size, 0n, a, negated));
  },
  source: sdm('2B', '4.3, NEG'),
});

/** One carry chain each for CF and OF: the other flags are left alone. */
const extended = (mnemonic: string, prefix: string, flag: number): InstructionDefinition => instruction({
  mnemonic,
  title: 'Unsigned integer addition of two operands with one flag as carry',
  forms: [`${prefix} 0F 38 F6 /r | ry, r/my`],
  cpuid: 'ADX',
  operation(x, i) {
    const n = i.rexW ? 64 : 32;
    const sum = u(65, x.read(i.operands[0]!) + x.read(i.operands[1]!) + (x.readFlags(flag) & flag ? 1n : 0n));
    x.write(i.operands[0]!, u(n, sum));
    x.setFlags(flag, sum >> BigInt(n) ? flag : 0);
  },
  source: sdm('2A', `3.2, ${mnemonic}`),
});

export const ARITHMETIC: readonly InstructionDefinition[] = [
  adding('ADD', 'Add', 0, false, sdm('2A', '3.2, ADD')),
  adding('ADC', 'Add with carry', 2, true, sdm('2A', '3.2, ADC')),
  subtracting('SBB', 'Subtract with borrow', 3, true, sdm('2B', '4.3, SBB')),
  subtracting('SUB', 'Subtract', 5, false, sdm('2B', '4.3, SUB')),
  CMP, INC, DEC, NEG,
  extended('ADCX', '66', CF), extended('ADOX', 'F3', OF),
];
