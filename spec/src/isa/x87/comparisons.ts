/** FCOM and its kin, FTST, FXAM. SDM vol. 1, 8.3.6 and 8.1.3.1. */

import {
  type Comparison, type Float80Class, type Relation, type Source, classify, compare, compareUnordered, fromFloat32,
  fromFloat64, fromInteger, signOf,
} from '../../numbers/float80.ts';
import { type Citation, sdm } from '../../state/citation.ts';
import type { State } from '../../state/state.ts';
import type { Execution } from '../execution.ts';
import { CF, PF, STATUS, ZF } from '../flags.ts';
import type { InstructionDefinition } from '../instruction.ts';
import type { MemoryOperand } from '../operand.ts';
import { FSW, control, indexOf, isEmpty, physical, pop, signal, stOperand, underflow, x87Instruction } from './unit.ts';

type Compare = typeof compare;

const CONDITIONS = FSW.C0 | FSW.C2 | FSW.C3;
/** SDM vol. 1, table 8-1. */
const CONDITION: Readonly<Record<Relation, number>> = {
  greater: 0, less: FSW.C0, equal: FSW.C3, unordered: CONDITIONS,
};
const FLAG: Readonly<Record<Relation, number>> = { greater: 0, less: CF, equal: ZF, unordered: ZF | PF | CF };

const setConditions = (state: State, conditions: number): void => {
  state.fsw = (state.fsw & ~CONDITIONS) | conditions;
};

/** An empty register compares as unordered. */
function missing(state: State): Comparison {
  const { flags, written } = underflow(state);
  return { relation: 'unordered', flags, pops: written };
}

const compareStack = (x: Execution, empty: boolean, other: () => Source, operation: Compare): Comparison =>
  empty ? missing(x.state) : operation(stOperand(x.state, 0), other(), control(x.state));

type Answer = (x: Execution, relation: Relation) => void;
const inStatusWord: Answer = (x, relation) => setConditions(x.state, CONDITION[relation]);
const inFlags: Answer = (x, relation) => x.setFlags(STATUS, FLAG[relation]);

function conclude(x: Execution, comparison: Comparison, answer: Answer, pops: number): void {
  const keepsC1 = answer === inFlags && x.cpu.x87.c1OfFcomi === 'kept' && !(comparison.flags & FSW.SF);
  signal(x.state, comparison.flags, keepsC1 ? x.state.fsw & FSW.C1 : 0);
  answer(x, comparison.relation);
  for (let n = 0; n < 2; n++) if (n < pops && comparison.pops) pop(x.state);
}

interface WithRegister {
  mnemonic: string;
  title: string;
  forms: string[];
  operation: Compare;
  pops?: number;
  answer?: Answer;
  /** ST(i) of a form that names none. */
  index?: number;
  cpuid?: InstructionDefinition['cpuid'];
  source: Citation;
}

const withRegister = (
  { mnemonic, title, forms, operation: compared, pops = 0, answer = inStatusWord, index, cpuid, source }: WithRegister,
): InstructionDefinition => x87Instruction({
  mnemonic,
  title,
  forms,
  kind: 'arithmetic',
  ...(cpuid ? { cpuid } : {}),
  operation(x, i) {
    const other = index ?? indexOf(i, 1);
    const empty = isEmpty(x.state, 0) || isEmpty(x.state, other);
    conclude(x, compareStack(x, empty, () => stOperand(x.state, other), compared), answer, pops);
  },
  source,
});

const withMemory = (
  mnemonic: string, title: string, forms: string[], widen: (size: number, bits: bigint) => Source, pops: number,
  source: Citation,
): InstructionDefinition => x87Instruction({
  mnemonic,
  title,
  forms,
  kind: 'arithmetic',
  operation(x, i) {
    const memory = i.operands[0] as MemoryOperand;
    const bits = x.load(memory, memory.size / 8);
    const comparison = compareStack(x, isEmpty(x.state, 0), () => widen(memory.size, bits), compare);
    conclude(x, comparison, inStatusWord, pops);
  },
  source,
});

const float = (size: number, bits: bigint): Source => (size === 32 ? fromFloat32(bits) : fromFloat64(bits));

const FCOM = sdm('2A', '3.2, FCOM/FCOMP/FCOMPP');
const FUCOM = sdm('2A', '3.2, FUCOM/FUCOMP/FUCOMPP');
const FICOM = sdm('2A', '3.2, FICOM/FICOMP');
const FCOMI = sdm('2A', '3.2, FCOMI/FCOMIP/FUCOMI/FUCOMIP');

/** SDM vol. 1, table 8-1 by rows, of the encodings without an operand those with ST(1). */
const COMPARISONS: readonly InstructionDefinition[] = [
  withMemory('FCOM', 'Compare floating point values', ['D8 /2 | m32fp', 'DC /2 | m64fp'], float, 0, FCOM),
  withMemory('FCOMP', 'Compare floating point values and pop', ['D8 /3 | m32fp', 'DC /3 | m64fp'], float, 1, FCOM),
  withRegister({
    mnemonic: 'FCOM', title: 'Compare floating point values', operation: compare, source: FCOM,
    forms: ['D8 D0+i | ST(0), ST(i)', 'DC D0+i | ST(0), ST(i)'],
  }),
  withRegister({
    mnemonic: 'FCOMP', title: 'Compare floating point values and pop', operation: compare, pops: 1, source: FCOM,
    forms: ['D8 D8+i | ST(0), ST(i)', 'DC D8+i | ST(0), ST(i)', 'DE D0+i | ST(0), ST(i)'],
  }),
  withRegister({
    mnemonic: 'FCOMPP', title: 'Compare floating point values and pop twice', operation: compare, pops: 2, index: 1,
    source: FCOM, forms: ['DE D9'],
  }),
  withRegister({
    mnemonic: 'FUCOM', title: 'Unordered compare floating point values', operation: compareUnordered, source: FUCOM,
    forms: ['DD E0+i | ST(0), ST(i)'],
  }),
  withRegister({
    mnemonic: 'FUCOMP', title: 'Unordered compare floating point values and pop', operation: compareUnordered, pops: 1,
    source: FUCOM, forms: ['DD E8+i | ST(0), ST(i)'],
  }),
  withRegister({
    mnemonic: 'FUCOMPP', title: 'Unordered compare floating point values and pop twice', operation: compareUnordered,
    pops: 2, index: 1, source: FUCOM, forms: ['DA E9'],
  }),
  withMemory(
    'FICOM', 'Compare integer', ['DE /2 | m16int', 'DA /2 | m32int'], (size, bits) => fromInteger(size, bits), 0, FICOM,
  ),
  withMemory(
    'FICOMP', 'Compare integer and pop', ['DE /3 | m16int', 'DA /3 | m32int'], (size, bits) => fromInteger(size, bits),
    1, FICOM,
  ),
  withRegister({
    mnemonic: 'FCOMI', title: 'Compare floating point values and set RFLAGS', operation: compare, answer: inFlags,
    cpuid: 'CMOV', source: FCOMI, forms: ['DB F0+i | ST(0), ST(i)'],
  }),
  withRegister({
    mnemonic: 'FCOMIP', title: 'Compare floating point values, set RFLAGS and pop', operation: compare, pops: 1,
    answer: inFlags, cpuid: 'CMOV', source: FCOMI, forms: ['DF F0+i | ST(0), ST(i)'],
  }),
  withRegister({
    mnemonic: 'FUCOMI', title: 'Unordered compare floating point values and set RFLAGS', operation: compareUnordered,
    answer: inFlags, cpuid: 'CMOV', source: FCOMI, forms: ['DB E8+i | ST(0), ST(i)'],
  }),
  withRegister({
    mnemonic: 'FUCOMIP', title: 'Unordered compare floating point values, set RFLAGS and pop',
    operation: compareUnordered, pops: 1, answer: inFlags, cpuid: 'CMOV', source: FCOMI,
    forms: ['DF E8+i | ST(0), ST(i)'],
  }),
];

const FTST = x87Instruction({
  mnemonic: 'FTST',
  title: 'Test: compare with zero',
  forms: ['D9 E4'],
  kind: 'arithmetic',
  operation(x) {
    conclude(x, compareStack(x, isEmpty(x.state, 0), () => 0n, compare), inStatusWord, 0);
  },
  source: sdm('2A', '3.2, FTST'),
});

/** SDM vol. 2A, 3.2, FXAM, table 3-45. */
const EXAMINED: Readonly<Record<Float80Class | 'empty', number>> = {
  'unnormal': 0, 'pseudo-infinity': 0, 'pseudo-NaN': 0, 'quiet NaN': FSW.C0, 'signalling NaN': FSW.C0,
  'normal': FSW.C2, 'infinity': FSW.C2 | FSW.C0, 'zero': FSW.C3, 'empty': FSW.C3 | FSW.C0,
  'denormal': FSW.C3 | FSW.C2, 'pseudo-denormal': FSW.C3 | FSW.C2,
};

/** The class in C3, C2 and C0; C1 is the sign, that of an empty register too. */
const FXAM = x87Instruction({
  mnemonic: 'FXAM',
  title: 'Examine floating point',
  forms: ['D9 E5'],
  kind: 'arithmetic',
  operation(x) {
    const value = x.state.x87(physical(x.state, 0));
    setConditions(x.state, EXAMINED[isEmpty(x.state, 0) ? 'empty' : classify(value)]);
    x.state.fsw = (x.state.fsw & ~FSW.C1) | (signOf(value) === 1 ? FSW.C1 : 0);
  },
  source: sdm('2A', '3.2, FXAM'),
});

export const X87_COMPARISONS: readonly InstructionDefinition[] = [...COMPARISONS, FTST, FXAM];
