/** Loads, stores, constants and stack management. SDM vol. 1, 8.3.3 and 8.3.4. */

import {
  type Constant, type Outcome, isDecimal, loadConstant, loadDecimal, loadFloat32, loadFloat64, loadInteger,
  storeDecimal, storeFloat32, storeFloat64, storeInteger, storeIntegerTruncated,
} from '../../numbers/float80.ts';
import { u } from '../../numbers/bits.ts';
import { sdm } from '../../state/citation.ts';
import type { Execution } from '../execution.ts';
import { CF, PF, ZF } from '../flags.ts';
import type { Instruction, InstructionDefinition } from '../instruction.ts';
import type { MemoryOperand } from '../operand.ts';
import {
  FSW, control, indexOf, isEmpty, moveTop, physical, pop, pushOutcome, setSt, signal, st, underflow, x87Instruction,
} from './unit.ts';

const exact = (value: bigint): Outcome => ({ written: true, value, flags: 0, c1: 0 });
const memoryOf = (i: Instruction): MemoryOperand => i.operands[0] as MemoryOperand;

/** The accesses to a memory operand, in their order: the profile says whether 80 bits are one or two. */
function accessesOf(x: Execution, operand: MemoryOperand): readonly MemoryOperand[] {
  if (operand.size !== 80 || x.cpu.accesses.eightyBits === 'one access') return [operand];
  return [{ ...operand, size: 64 }, { ...operand, size: 16, displacement: u(64, operand.displacement + 8n) }];
}

const loadOperand = (x: Execution, operand: MemoryOperand): bigint =>
  accessesOf(x, operand).reduce((value, part, n) => value | u(80, x.read(part) << BigInt(64 * n)), 0n);

/** What the first access has stored stays where the second faults. */
function storeOperand(x: Execution, operand: MemoryOperand, value: bigint): void {
  accessesOf(x, operand).forEach((part, n) => { x.write(part, u(part.size, value >> BigInt(64 * n))); });
}

const FLD = x87Instruction({
  mnemonic: 'FLD',
  title: 'Load floating point value',
  forms: ['D9 /0 | m32fp', 'DD /0 | m64fp', 'DB /5 | m80fp'],
  kind: 'arithmetic',
  operation(x, i) {
    const { size } = memoryOf(i);
    const bits = loadOperand(x, memoryOf(i));
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

const FBLD = x87Instruction({
  mnemonic: 'FBLD',
  title: 'Load binary coded decimal',
  forms: ['DF /4 | m80bcd'],
  kind: 'arithmetic',
  marksFirst: true,
  operation(x, i) {
    const digits = loadOperand(x, memoryOf(i));
    if (!isDecimal(digits)) x.leavesOpen('the value of decimal digits above 9', sdm('2A', '3.2, FBLD'));
    pushOutcome(x.state, exact(loadDecimal(digits)));
  },
  source: sdm('2A', '3.2, FBLD'),
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
  marksFirst: true,
  operation(x, i) {
    const memory = memoryOf(i);
    const outcome = isEmpty(x.state, 0)
      ? { ...underflow(x.state), value: INDEFINITE[`${mnemonic[1] === 'I' ? 'int' : 'fp'}${memory.size}`]! }
      : convert(x, memory.size);
    const asks = x.cpu.x87.storeWithoutResult === 'asks for memory';
    if (outcome.written) storeOperand(x, memory, outcome.value);
    else if (asks) x.requireStorable(memory, memory.size / 8);
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
const asTruncated = (x: Execution, size: number): Outcome =>
  storeIntegerTruncated(st(x.state, 0), size as 16 | 32 | 64, control(x.state));
const asDecimal = (x: Execution): Outcome => storeDecimal(st(x.state, 0), control(x.state));

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
  {
    ...storing(
      'FISTTP', 'Store integer with truncation and pop', ['DF /1 | m16int', 'DB /1 | m32int', 'DD /1 | m64int'], true,
      asTruncated, sdm('2A', '3.2, FISTTP'),
    ),
    cpuid: 'SSE3',
  },
  storing('FBSTP', 'Store BCD integer and pop', ['DF /6 | m80bcd'], true, asDecimal, sdm('2A', '3.2, FBSTP')),
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

/**
 * An encoding that the opcode map leaves blank. FSTP, but that an empty ST(0) is popped without a word and not copied:
 * measured on a Sapphire Rapids, as are all second encodings here.
 */
const FSTPNCE = x87Instruction({
  mnemonic: 'FSTPNCE',
  title: 'Copy to register and pop, no check for empty',
  forms: ['D9 D8+i | ST(i)'],
  kind: 'arithmetic',
  operation(x, i) {
    if (!isEmpty(x.state, 0)) setSt(x.state, indexOf(i), st(x.state, 0));
    x.state.fsw &= ~FSW.C1;
    pop(x.state);
  },
  source: sdm('2D', 'A.5.2, table A-10'),
});

const FXCH = x87Instruction({
  mnemonic: 'FXCH',
  title: 'Exchange register contents',
  forms: ['D9 C8+i | ST(0), ST(i)', 'DD C8+i | ST(0), ST(i)', 'DF C8+i | ST(0), ST(i)'],
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
  mnemonic: string, title: string, form: string, value: bigint | Constant,
): InstructionDefinition => x87Instruction({
  mnemonic,
  title,
  forms: [form],
  kind: 'arithmetic',
  operation(x) {
    pushOutcome(x.state, typeof value === 'bigint' ? exact(value) : loadConstant(value, control(x.state)));
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

/** FFREE and a pop: an encoding that the opcode map leaves blank. */
const FFREEP = x87Instruction({
  mnemonic: 'FFREEP',
  title: 'Free floating point register and pop',
  forms: ['DF C0+i | ST(i)'],
  kind: 'arithmetic',
  operation(x, i) {
    x.state.ftw &= ~(1 << physical(x.state, indexOf(i)));
    x.state.fsw &= ~FSW.C1;
    pop(x.state);
  },
  source: sdm('2D', 'A.5.2, table A-22'),
});

const turning = (mnemonic: string, title: string, form: string, by: number): InstructionDefinition => x87Instruction({
  mnemonic,
  title,
  forms: [form],
  kind: 'arithmetic',
  operation(x) {
    moveTop(x.state, by);
    x.state.fsw &= ~FSW.C1;
  },
  source: sdm('2A', `3.2, ${mnemonic}`),
});

/** Copies ST(i) where a condition on the flags is true. Both registers have to be full in any case. */
const conditional = (
  mnemonic: string, title: string, form: string, mask: number, wanted: boolean,
): InstructionDefinition => x87Instruction({
  mnemonic,
  title,
  forms: [form],
  cpuid: 'CMOV',
  kind: 'arithmetic',
  operation(x, i) {
    const other = indexOf(i, 1);
    const moves = wanted ? (x.readFlags(mask) & mask) !== 0 : (x.readFlags(mask) & mask) === 0;
    const missing = isEmpty(x.state, 0) || isEmpty(x.state, other);
    const outcome = missing ? underflow(x.state) : exact(st(x.state, other));
    signal(x.state, outcome.flags, missing ? 0 : x.state.fsw & FSW.C1);
    if (outcome.written && (missing || moves)) setSt(x.state, 0, outcome.value);
  },
  source: sdm('2A', '3.2, FCMOVcc'),
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
  FLD, FLD_REGISTER, FILD, FBLD, ...STORES,
  copying('FST', ['DD D0+i | ST(i)'], false),
  copying('FSTP', ['DD D8+i | ST(i)', 'DF D0+i | ST(i)', 'DF D8+i | ST(i)'], true),
  FSTPNCE, FXCH, FFREE, FFREEP, FNOP,
  turning('FDECSTP', 'Decrement stack-top pointer', 'D9 F6', -1),
  turning('FINCSTP', 'Increment stack-top pointer', 'D9 F7', 1),
  conditional('FCMOVB', 'Move if below', 'DA C0+i | ST(0), ST(i)', CF, true),
  conditional('FCMOVE', 'Move if equal', 'DA C8+i | ST(0), ST(i)', ZF, true),
  conditional('FCMOVBE', 'Move if below or equal', 'DA D0+i | ST(0), ST(i)', CF | ZF, true),
  conditional('FCMOVU', 'Move if unordered', 'DA D8+i | ST(0), ST(i)', PF, true),
  conditional('FCMOVNB', 'Move if not below', 'DB C0+i | ST(0), ST(i)', CF, false),
  conditional('FCMOVNE', 'Move if not equal', 'DB C8+i | ST(0), ST(i)', ZF, false),
  conditional('FCMOVNBE', 'Move if not below or equal', 'DB D0+i | ST(0), ST(i)', CF | ZF, false),
  conditional('FCMOVNU', 'Move if not unordered', 'DB D8+i | ST(0), ST(i)', PF, false),
  changingSign('FCHS', 'Change sign', 'D9 E0', (value) => value ^ SIGN),
  changingSign('FABS', 'Absolute value', 'D9 E1', (value) => value & ~SIGN),
  constant('FLD1', 'Load constant +1.0', 'D9 E8', 0x3fff_8000_0000_0000_0000n),
  constant('FLDL2T', 'Load constant log2 10', 'D9 E9', 'log2 10'),
  constant('FLDL2E', 'Load constant log2 e', 'D9 EA', 'log2 e'),
  constant('FLDPI', 'Load constant π', 'D9 EB', 'π'),
  constant('FLDLG2', 'Load constant log10 2', 'D9 EC', 'log10 2'),
  constant('FLDLN2', 'Load constant ln 2', 'D9 ED', 'ln 2'),
  constant('FLDZ', 'Load constant +0.0', 'D9 EE', 0n),
];
