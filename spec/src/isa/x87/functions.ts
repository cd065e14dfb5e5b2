/** What computes on the top of the stack alone: basic arithmetic, remainders, scaling, and transcendental functions. */

import {
  type Control, type Manner, type Outcome, type Source, arctangentOfQuotient, classify, cos, exponentialMinusOne,
  exponentialOutOfRange, extract, loadInteger, logarithmOf1PlusOutOfRange, remainder, remainderToNearest,
  roundToInteger, scale, sin, squareRoot, tan, timesLogarithm, timesLogarithmOf1Plus,
} from '../../numbers/float80.ts';
import { sdm } from '../../state/citation.ts';
import type { State } from '../../state/state.ts';
import type { Execution } from '../execution.ts';
import type { InstructionDefinition } from '../instruction.ts';
import { FSW, control, isEmpty, pop, push, setSt, signal, st, stOperand, underflow, x87Instruction } from './unit.ts';

/** An outcome with what it makes of the condition codes beside C1. */
interface Result extends Outcome {
  /** Those that are 1. */
  readonly conditions?: number;
  /** Of C0 and C3, those that it says something of: the others stay as they are. */
  readonly defined?: number;
}

/** `cleared`: C2, of the instructions that it means something to, whatever comes of them. */
function report(state: State, { flags, c1, conditions = 0, defined = 0 }: Result, cleared: number): void {
  signal(state, flags, c1);
  state.fsw = (state.fsw & ~(cleared | defined)) | conditions;
}

/** Operands of which the manual does not say what comes of them. */
type IsOpen = (x: Source) => boolean;
const NEVER: IsOpen = () => false;

function markOpen(x: Execution, mnemonic: string, isOpen: IsOpen): void {
  if (isEmpty(x.state, 0) || !isOpen(st(x.state, 0))) return;
  x.leavesOpen(`the result of ${mnemonic} with an operand out of its range`, sdm('2A', `3.2, ${mnemonic}`));
}

const mannerOf = (x: Execution): Manner => x.cpu.x87.transcendentals;

/** ST(0) := f(ST(0)). */
const unary = (
  mnemonic: string, title: string, form: string,
  compute: (x: Source, control: Control, manner: Manner) => Result, cleared = 0, isOpen: IsOpen = NEVER,
): InstructionDefinition => x87Instruction({
  mnemonic,
  title,
  forms: [form],
  kind: 'arithmetic',
  operation(x) {
    markOpen(x, mnemonic, isOpen);
    const result = isEmpty(x.state, 0) ? underflow(x.state)
      : compute(stOperand(x.state, 0), control(x.state), mannerOf(x));
    report(x.state, result, cleared);
    if (result.written) setSt(x.state, 0, result.value);
  },
  source: sdm('2A', `3.2, ${mnemonic}`),
});

/** ST(0) := f(ST(0), ST(1)), or ST(1) := the same, and a pop. */
const binary = (
  mnemonic: string, title: string, form: string, pops: boolean,
  compute: (x: Source, y: Source, control: Control, manner: Manner) => Result, cleared = 0, isOpen: IsOpen = NEVER,
): InstructionDefinition => x87Instruction({
  mnemonic,
  title,
  forms: [form],
  kind: 'arithmetic',
  operation(x) {
    markOpen(x, mnemonic, isOpen);
    const missing = isEmpty(x.state, 0) || isEmpty(x.state, 1);
    const result = missing ? underflow(x.state)
      : compute(stOperand(x.state, 0), stOperand(x.state, 1), control(x.state), mannerOf(x));
    report(x.state, result, cleared);
    if (result.written) setSt(x.state, pops ? 1 : 0, result.value);
    if (result.written && pops) pop(x.state);
  },
  source: sdm('2A', `3.2, ${mnemonic}`),
});

/** Two results: one in the place of ST(0), one pushed upon it. */
interface Pair {
  readonly below: Result;
  readonly above: bigint;
}

/**
 * A full register above the top is a stack overflow, an empty top an underflow; masked, both results are indefinite.
 */
const pushing = (
  mnemonic: string, title: string, form: string,
  compute: (x: Source, control: Control, manner: Manner) => Pair, cleared = 0,
): InstructionDefinition => x87Instruction({
  mnemonic,
  title,
  forms: [form],
  kind: 'arithmetic',
  operation(x) {
    const absent = underflow(x.state);
    const full = !isEmpty(x.state, 7), missing = isEmpty(x.state, 0);
    const { below, above } = missing ? { below: absent, above: absent.value }
      : full ? { below: { ...absent, c1: 1 }, above: absent.value }
      : compute(stOperand(x.state, 0), control(x.state), mannerOf(x));
    report(x.state, below, cleared);
    if (below.written) setSt(x.state, 0, below.value), push(x.state, above);
  },
  source: sdm('2A', `3.2, ${mnemonic}`),
});

/** C2 says that the argument was out of range. */
const inRange = (compute: typeof sin) => (x: Source, control: Control, manner: Manner): Result => {
  const outcome = compute(x, control, manner);
  return { ...outcome, conditions: outcome.outOfRange ? FSW.C2 : 0 };
};

/** C2 says that the reduction is to go on; C0, C3 and C1 are bits 2, 1 and 0 of the quotient. */
const reducing = (compute: typeof remainder) => (x: Source, y: Source, control: Control): Result => {
  const { quotient, ...outcome } = compute(x, y, control);
  if (quotient === undefined) return outcome;
  const conditions = (quotient & 4 ? FSW.C0 : 0) | (quotient & 2 ? FSW.C3 : 0) | (outcome.complete ? 0 : FSW.C2);
  return { ...outcome, c1: quotient & 1, conditions, defined: FSW.C0 | FSW.C3 };
};

/** What FPTAN pushes after a NaN is the same once more. */
const isNaN = (value: bigint): boolean => /NaN/.test(classify(value));
const ONE = loadInteger(16, 1n);

export const X87_FUNCTIONS: readonly InstructionDefinition[] = [
  unary('FSQRT', 'Square root', 'D9 FA', squareRoot),
  unary('FRNDINT', 'Round to integer', 'D9 FC', roundToInteger),
  binary('FSCALE', 'Scale', 'D9 FD', false, scale),
  binary('FPREM', 'Partial remainder', 'D9 F8', false, reducing(remainder), FSW.C2),
  binary('FPREM1', 'Partial remainder', 'D9 F5', false, reducing(remainderToNearest), FSW.C2),
  pushing('FXTRACT', 'Extract exponent and significand', 'D9 F4', (x, controls) => {
    const { exponent, ...significand } = extract(x, controls);
    return { below: { ...significand, value: exponent }, above: significand.value };
  }),
  unary('F2XM1', 'Compute 2^x − 1', 'D9 F0', exponentialMinusOne, 0, exponentialOutOfRange),
  binary('FYL2X', 'Compute y · log2 x', 'D9 F1', true, timesLogarithm),
  binary('FYL2XP1', 'Compute y · log2 (x + 1)', 'D9 F9', true, timesLogarithmOf1Plus, 0,
    logarithmOf1PlusOutOfRange),
  binary('FPATAN', 'Partial arctangent', 'D9 F3', true, arctangentOfQuotient),
  unary('FSIN', 'Sine', 'D9 FE', inRange(sin), FSW.C2),
  unary('FCOS', 'Cosine', 'D9 FF', inRange(cos), FSW.C2),
  pushing('FPTAN', 'Partial tangent', 'D9 F2', (x, controls, manner) => {
    const below = inRange(tan)(x, controls, manner);
    return { below, above: isNaN(below.value) ? below.value : ONE };
  }, FSW.C2),
  pushing('FSINCOS', 'Sine and cosine', 'D9 FB', (x, controls, manner) => {
    const below = inRange(sin)(x, controls, manner), above = cos(x, controls, manner);
    return { below: { ...below, flags: below.flags | above.flags, c1: above.c1 }, above: above.value };
  }, FSW.C2),
];
