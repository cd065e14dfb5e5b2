/** Loads, stores, constants and stack management. SDM vol. 1, 8.3.3 and 8.3.4. */

import {
  type Outcome, loadFloat32, loadFloat64, loadInteger, storeFloat32, storeFloat64, storeInteger,
} from '../../numbers/float80.ts';
import { sdm } from '../../state/citation.ts';
import type { Execution } from '../execution.ts';
import type { Instruction, InstructionDefinition } from '../instruction.ts';
import type { MemoryOperand, RegisterOperand } from '../operand.ts';
import {
  FSW, control, isEmpty, physical, pop, pushOutcome, setSt, signal, st, underflow, x87Instruction,
} from './unit.ts';

const exact = (value: bigint): Outcome => ({ written: true, value, flags: 0, c1: 0 });
const memoryOf = (i: Instruction): MemoryOperand => i.operands[0] as MemoryOperand;
const indexOf = (i: Instruction, n = 0): number => (i.operands[n] as RegisterOperand).index;

const FLD = x87Instruction({
  mnemonic: 'FLD',
  title: 'Load floating point value',
  forms: ['D9 /0 | m32fp', 'DD /0 | m64fp', 'DB /5 | m80fp'],
  kind: 'arithmetic',
  operation(x, i) {
    const { size } = memoryOf(i);
    const bits = x.load(memoryOf(i), size / 8);
    pushOutcome(x.state, size === 80 ? exact(bits) : (size === 32 ? loadFloat32 : loadFloat64)(bits, control(x.state)));
  },
  source: sdm('2A', '3.2, FLD'),
});

const FLD_REGISTER = x87Instruction({
  mnemonic: 'FLD',
  title: 'Load floating point value',
  forms: ['D9 C0+i | ST(i)'],
  kind: 'arithmetic',
  operation(x, i) {
    pushOutcome(x.state, isEmpty(x.state, indexOf(i)) ? underflow(x.state) : exact(st(x.state, indexOf(i))));
  },
  source: sdm('2A', '3.2, FLD'),
});

const FILD = x87Instruction({
  mnemonic: 'FILD',
  title: 'Load integer',
  forms: ['DF /0 | m16int', 'DB /0 | m32int', 'DF /5 | m64int'],
  kind: 'arithmetic',
  operation(x, i) {
    const size = memoryOf(i).size as 16 | 32 | 64;
    pushOutcome(x.state, exact(loadInteger(size, x.load(memoryOf(i), size / 8))));
  },
  source: sdm('2A', '3.2, FILD'),
});

/** Stores ST(0) to memory; where an unmasked exception leaves no result, neither memory nor the stack changes. */
const storing = (
  mnemonic: string, title: string, forms: string[], pops: boolean, convert: (x: Execution, size: number) => Outcome,
  source: InstructionDefinition['source'],
): InstructionDefinition => x87Instruction({
  mnemonic,
  title,
  forms,
  kind: 'arithmetic',
  operation(x, i) {
    const memory = memoryOf(i);
    x.requireStorable(memory, memory.size / 8);
    const outcome = isEmpty(x.state, 0)
      ? { ...underflow(x.state), value: INDEFINITE[`${mnemonic[1] === 'I' ? 'int' : 'fp'}${memory.size}`]! }
      : convert(x, memory.size);
    if (outcome.written) x.store(memory, memory.size / 8, outcome.value);
    signal(x.state, outcome.flags, outcome.c1);
    if (pops && outcome.written) pop(x.state);
  },
  source,
});

/** The indefinite values by destination. SDM vol. 1, 4.2.2 and 8.2, table 4-3. */
const INDEFINITE: Readonly<Record<string, bigint>> = {
  fp32: 0xffc0_0000n, fp64: 0xfff8_0000_0000_0000n, fp80: 0xffff_c000_0000_0000_0000n,
  int16: 0x8000n, int32: 0x8000_0000n, int64: 0x8000_0000_0000_0000n,
};

const asFloat = (x: Execution, size: number): Outcome =>
  size === 80 ? exact(st(x.state, 0)) : (size === 32 ? storeFloat32 : storeFloat64)(st(x.state, 0), control(x.state));
const asInteger = (x: Execution, size: number): Outcome =>
  storeInteger(st(x.state, 0), size as 16 | 32 | 64, control(x.state));

const STORES: readonly InstructionDefinition[] = [
  storing(
    'FST', 'Store floating point value', ['D9 /2 | m32fp', 'DD /2 | m64fp'], false, asFloat, sdm('2A', '3.2, FST/FSTP'),
  ),
  storing(
    'FSTP', 'Store floating point value and pop', ['D9 /3 | m32fp', 'DD /3 | m64fp', 'DB /7 | m80fp'], true, asFloat,
    sdm('2A', '3.2, FST/FSTP'),
  ),
  storing(
    'FIST', 'Store integer', ['DF /2 | m16int', 'DB /2 | m32int'], false, asInteger, sdm('2A', '3.2, FIST/FISTP'),
  ),
  storing(
    'FISTP', 'Store integer and pop', ['DF /3 | m16int', 'DB /3 | m32int', 'DF /7 | m64int'], true, asInteger,
    sdm('2A', '3.2, FIST/FISTP'),
  ),
];

const copying = (mnemonic: string, forms: string[], pops: boolean): InstructionDefinition => x87Instruction({
  mnemonic,
  title: pops ? 'Copy to register and pop' : 'Copy to register',
  forms,
  kind: 'arithmetic',
  operation(x, i) {
    const outcome = isEmpty(x.state, 0) ? underflow(x.state) : exact(st(x.state, 0));
    signal(x.state, outcome.flags, outcome.c1);
    if (outcome.written) setSt(x.state, indexOf(i), outcome.value);
    if (pops && outcome.written) pop(x.state);
  },
  source: sdm('2A', '3.2, FST/FSTP'),
});

const FXCH = x87Instruction({
  mnemonic: 'FXCH',
  title: 'Exchange register contents',
  forms: ['D9 C8+i | ST(0), ST(i)'],
  kind: 'arithmetic',
  operation(x, i) {
    const other = indexOf(i, 1);
    const missing = isEmpty(x.state, 0) || isEmpty(x.state, other);
    const absent = underflow(x.state);
    const valueOf = (index: number): bigint => (isEmpty(x.state, index) ? absent.value : st(x.state, index));
    const [top, register] = [valueOf(0), valueOf(other)];
    signal(x.state, missing ? absent.flags : 0, 0);
    // An exchange renames registers, which XINUSE's tracking does not take for a write.
    const { x87Written } = x.state;
    if (!missing || absent.written) setSt(x.state, 0, register), setSt(x.state, other, top);
    x.state.x87Written = x87Written;
  },
  source: sdm('2A', '3.2, FXCH'),
});

const SIGN = 1n << 79n;
const changingSign = (
  mnemonic: string, title: string, form: string, change: (value: bigint) => bigint,
): InstructionDefinition => x87Instruction({
  mnemonic,
  title,
  forms: [form],
  kind: 'arithmetic',
  operation(x) {
    const outcome = isEmpty(x.state, 0) ? underflow(x.state) : exact(change(st(x.state, 0)));
    signal(x.state, outcome.flags, 0);
    if (outcome.written) setSt(x.state, 0, outcome.value);
  },
  source: sdm('2A', `3.2, ${mnemonic}`),
});

const constant = (
  mnemonic: string, title: string, form: string, value: bigint,
): InstructionDefinition => x87Instruction({
  mnemonic,
  title,
  forms: [form],
  kind: 'arithmetic',
  operation(x) {
    pushOutcome(x.state, exact(value));
  },
  source: sdm('2A', '3.2, FLD1/FLDL2T/FLDL2E/FLDPI/FLDLG2/FLDLN2/FLDZ'),
});

const FFREE = x87Instruction({
  mnemonic: 'FFREE',
  title: 'Free floating point register',
  forms: ['DD C0+i | ST(i)'],
  kind: 'arithmetic',
  operation(x, i) {
    x.state.ftw &= ~(1 << physical(x.state, indexOf(i)));
    // The manual leaves C0 to C3 undefined; Zen 4 clears C1 and keeps the others.
    x.state.fsw &= ~FSW.C1;
  },
  source: sdm('2A', '3.2, FFREE'),
});

const FNOP = x87Instruction({
  mnemonic: 'FNOP',
  title: 'No operation',
  forms: ['D9 D0'],
  kind: 'arithmetic',
  operation() {},
  source: sdm('2A', '3.2, FNOP'),
});

export const X87_DATA_TRANSFER: readonly InstructionDefinition[] = [
  FLD, FLD_REGISTER, FILD, ...STORES,
  copying('FST', ['DD D0+i | ST(i)'], false), copying('FSTP', ['DD D8+i | ST(i)'], true),
  FXCH, FFREE, FNOP,
  changingSign('FCHS', 'Change sign', 'D9 E0', (value) => value ^ SIGN),
  changingSign('FABS', 'Absolute value', 'D9 E1', (value) => value & ~SIGN),
  constant('FLD1', 'Load constant +1.0', 'D9 E8', 0x3fff_8000_0000_0000_0000n),
  constant('FLDZ', 'Load constant +0.0', 'D9 EE', 0n),
];
