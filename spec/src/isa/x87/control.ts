/** Control instructions: none of them updates the pointers that they store and load. SDM vol. 1, 8.3.12. */

import { sdm } from '../../state/citation.ts';
import type { Execution } from '../execution.ts';
import { type InstructionDefinition, instruction } from '../instruction.ts';
import type { MemoryOperand } from '../operand.ts';
import { loadX87Area, storeX87Area } from '../save-area.ts';
import { CR0 } from '../system/control-bits.ts';
import { markUntouched, markWait } from '../xsave/tracking.ts';
import {
  environmentBytes, environmentSize, initialise, loadEnvironment, loadStack, storeEnvironment, storeStack,
} from './environment.ts';
import { FSW, controlWord, raisePending, touch, withSummary, x87Instruction } from './unit.ts';

/** The fields of registers in an image: significand, then sign and exponent. */
const REGISTERS: readonly number[] = Array.from({ length: 16 }, (_, n) => (n % 2 ? 2 : 8));
/** Those of the environment: seven words. */
const words = (size: 16 | 32): readonly number[] => Array.from({ length: 7 }, () => size / 8);

const FNINIT = x87Instruction({
  mnemonic: 'FNINIT',
  title: 'Initialise floating point unit, without wait',
  forms: ['DB E3'],
  kind: 'no-wait control',
  operation(x) {
    initialise(x.state);
  },
  source: sdm('2A', '3.2, FINIT/FNINIT'),
});

const FNCLEX = x87Instruction({
  mnemonic: 'FNCLEX',
  title: 'Clear exceptions, without wait',
  forms: ['DB E2'],
  kind: 'no-wait control',
  operation(x) {
    x.state.fsw &= ~(0x3f | FSW.SF | FSW.ES | FSW.B);
    x.state.x87Written = false;
  },
  source: sdm('2A', '3.2, FCLEX/FNCLEX'),
});

/** Of the 8087 and the 287: no-operations since the 387. */
const ignored = (mnemonic: string, title: string, form: string): InstructionDefinition => x87Instruction({
  mnemonic,
  title,
  forms: [form],
  kind: 'no-wait control',
  operation() {},
  mark: markUntouched,
  source: sdm('3B', '22.18.9'),
});

function loadControl({ state }: Execution, fcw: number): void {
  state.fcw = fcw;
  state.fsw = withSummary(fcw, state.fsw);
}

const FLDCW = x87Instruction({
  mnemonic: 'FLDCW',
  title: 'Load control word',
  forms: ['D9 /5 | m2byte'],
  kind: 'control',
  marksFirst: true,
  operation(x, i) {
    loadControl(x, controlWord(Number(x.read(i.operands[0]!))));
  },
  source: sdm('2A', '3.2, FLDCW'),
});

const FNSTCW = x87Instruction({
  mnemonic: 'FNSTCW',
  title: 'Store control word, without wait',
  forms: ['D9 /7 | m2byte'],
  kind: 'no-wait control',
  mark: markUntouched,
  operation(x, i) {
    x.write(i.operands[0]!, BigInt(x.state.fcw));
  },
  source: sdm('2A', '3.2, FSTCW/FNSTCW'),
});

const FNSTSW = x87Instruction({
  mnemonic: 'FNSTSW',
  title: 'Store status word, without wait',
  forms: ['DD /7 | m2byte', 'DF E0 | AX'],
  kind: 'no-wait control',
  mark: markUntouched,
  operation(x, i) {
    x.write(i.operands[0]!, BigInt(x.state.fsw));
  },
  source: sdm('2A', '3.2, FSTSW/FNSTSW'),
});

/** Masks every exception once the environment is stored, so ES and B drop. */
const FNSTENV = x87Instruction({
  mnemonic: 'FNSTENV',
  title: 'Store x87 environment, without wait',
  forms: ['D9 /6 | m14/28byte'],
  kind: 'no-wait control',
  marksFirst: true,
  operation(x, i) {
    const memory = i.operands[0] as MemoryOperand;
    const size = environmentSize(i.size);
    storeX87Area(x, memory, storeEnvironment(x, size), words(size));
    x.state.fcw |= 0x3f;
    x.state.fsw = withSummary(x.state.fcw, x.state.fsw);
  },
  source: sdm('2A', '3.2, FSTENV/FNSTENV'),
});

const FLDENV = x87Instruction({
  mnemonic: 'FLDENV',
  title: 'Load x87 environment',
  forms: ['D9 /4 | m14/28byte'],
  kind: 'control',
  marksFirst: true,
  operation(x, i) {
    const memory = i.operands[0] as MemoryOperand;
    const size = environmentSize(i.size);
    loadControl(x, loadEnvironment(x, size, loadX87Area(x, memory, environmentBytes(size), size / 8)));
  },
  source: sdm('2A', '3.2, FLDENV'),
});

/** Stores environment and registers, then does what FNINIT does. */
const FNSAVE = x87Instruction({
  mnemonic: 'FNSAVE',
  title: 'Store x87 state, without wait',
  forms: ['DD /6 | m94/108byte'],
  kind: 'no-wait control',
  marksFirst: true,
  operation(x, i) {
    const memory = i.operands[0] as MemoryOperand;
    const size = environmentSize(i.size);
    const stored = Uint8Array.of(...storeEnvironment(x, size), ...storeStack(x.state));
    storeX87Area(x, memory, stored, [...words(size), ...REGISTERS]);
    initialise(x.state);
  },
  source: sdm('2A', '3.2, FSAVE/FNSAVE'),
});

const FRSTOR = x87Instruction({
  mnemonic: 'FRSTOR',
  title: 'Restore x87 state',
  forms: ['DD /4 | m94/108byte'],
  kind: 'control',
  marksFirst: true,
  operation(x, i) {
    const memory = i.operands[0] as MemoryOperand;
    const size = environmentSize(i.size);
    const bytes = environmentBytes(size);
    const field = loadX87Area(x, memory, bytes + 80, size / 8);
    const fcw = loadEnvironment(x, size, field);
    loadStack(x.state, bytes, field);
    loadControl(x, fcw);
  },
  source: sdm('2A', '3.2, FRSTOR'),
});

/** Waits, and does nothing else; #NM needs both CR0.MP and CR0.TS. */
const FWAIT = instruction({
  mnemonic: 'FWAIT',
  aliases: ['WAIT'],
  title: 'Wait for pending x87 exceptions',
  forms: ['9B'],
  cpuid: 'FPU',
  operation(x) {
    if ((x.state.cr0 & (CR0.MP | CR0.TS)) === (CR0.MP | CR0.TS)) x.fault('#NM', 'CR0.MP and CR0.TS are 1');
    raisePending(x);
    markWait(x);
  },
  source: sdm('2C', '5.3, WAIT/FWAIT'),
});

/** Empties the register stack and sets TOP to 0; the pointers stay. SDM vol. 3A, 12.2, table 12-1. */
const EMMS = instruction({
  mnemonic: 'EMMS',
  title: 'Empty MMX technology state',
  forms: ['NP 0F 77'],
  cpuid: 'MMX',
  operation(x) {
    if (x.state.cr0 & CR0.EM) x.fault('#UD', 'CR0.EM is 1');
    if (x.state.cr0 & CR0.TS) x.fault('#NM', 'CR0.TS is 1');
    raisePending(x);
    x.state.ftw = 0;
    x.state.fsw &= ~FSW.TOP;
    touch(x);
  },
  source: sdm('2A', '3.2, EMMS'),
});

export const X87_CONTROL: readonly InstructionDefinition[] = [
  FNINIT, FNCLEX,
  ignored('FNENI', 'Enable interrupts, without wait', 'DB E0'),
  ignored('FNDISI', 'Disable interrupts, without wait', 'DB E1'),
  ignored('FNSETPM', 'Set protected mode, without wait', 'DB E4'),
  FLDCW, FNSTCW, FNSTSW, FNSTENV, FLDENV, FNSAVE, FRSTOR, FWAIT, EMMS,
];
