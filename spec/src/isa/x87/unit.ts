/**
 * The x87 unit: register stack, status word, exceptions, and the pointers to the last instruction. SDM vol. 1,
 * chapter 8.
 */

import { type Operand, type Outcome, REAL_INDEFINITE, controlOf, fromParts } from '../../numbers/float80.ts';
import { u } from '../../numbers/bits.ts';
import { CS, OFFSET } from '../../state/fields.ts';
import type { State } from '../../state/state.ts';
import type { Execution } from '../execution.ts';
import { type Instruction, type InstructionDefinition, instruction } from '../instruction.ts';
import type { RegisterOperand } from '../operand.ts';
import { CR0 } from '../system/control-bits.ts';
import { IN_USE, use } from '../xsave/tracking.ts';

/** Bits of the status word. SDM vol. 1, figure 8-4. */
export const FSW = {
  IE: 1, DE: 2, ZE: 4, OE: 8, UE: 0x10, PE: 0x20, SF: 0x40, ES: 0x80, C0: 0x100, C1: 0x200, C2: 0x400, TOP: 0x3800,
  C3: 0x4000, B: 0x8000,
} as const;

const topOf = (fsw: number): number => (fsw >> 11) & 7;

/**
 * Whether an exception is flagged that the control word does not mask: the state of ES, whatever the loaded bit says.
 */
export const pending = (fcw: number, fsw: number): boolean => (fsw & ~fcw & 0x3f) !== 0;

/** FSW with ES and B as they follow from the flags and masks. */
export const withSummary = (fcw: number, fsw: number): number =>
  pending(fcw, fsw) ? fsw | FSW.ES | FSW.B : fsw & ~(FSW.ES | FSW.B);

/**
 * FCW keeps bits 5:0 and 12:8; bit 6 reads as 1. SDM vol. 1, 8.1.5; FLDCW of 0 and FFFFh gives 0040h and 1F7Fh on
 * silicon.
 */
export const controlWord = (value: number): number => (value & 0x1f3f) | 0x40;

/** Physical register number of ST(i). */
export const physical = (state: State, i: number): number => (topOf(state.fsw) + i) & 7;
export const isEmpty = (state: State, i: number): boolean => ((state.ftw >> physical(state, i)) & 1) === 0;
export const st = (state: State, i: number): bigint => state.x87(physical(state, i));

/** ST(i) taken apart: what arithmetic computes with. */
export function stOperand(state: State, i: number): Operand {
  const register = physical(state, i);
  return fromParts(state.x87SignAndExponent(register), state.x87Significand(register));
}

/** The i of an operand ST(i). */
export const indexOf = (i: Instruction, n = 0): number => (i.operands[n] as RegisterOperand).index;

export function setSt(state: State, i: number, value: bigint): void {
  const register = physical(state, i);
  state.setX87(register, value);
  state.ftw |= 1 << register;
  state.x87Written = true;
}

export function pop(state: State): void {
  state.ftw &= ~(1 << topOf(state.fsw));
  moveTop(state, 1);
}

export function push(state: State, value: bigint): void {
  moveTop(state, -1);
  setSt(state, 0, value);
}

export function moveTop(state: State, by: number): void {
  state.fsw = (state.fsw & ~FSW.TOP) | (((topOf(state.fsw) + by) & 7) << 11);
}

/**
 * Sets exception flags and C1, and ES and B with them. C0, C2 and C3, which the manual leaves undefined after most
 * instructions, stay as they are: so they do on a Zen 4 and on a Sapphire Rapids.
 */
export function signal(state: State, flags: number, c1: number): void {
  state.fsw = withSummary(state.fcw, (state.fsw & ~FSW.C1) | flags | (c1 ? FSW.C1 : 0));
}

/** What a stack underflow delivers: #IS, C1 = 0, and the real indefinite where #IA is masked. SDM vol. 1, 8.5.1.1. */
export const underflow = (state: State): Outcome =>
  ({ written: (state.fcw & FSW.IE) !== 0, value: REAL_INDEFINITE, flags: FSW.IE | FSW.SF, c1: 0 });

/** Pushes an outcome; a full stack is #IS with C1 = 1, and pushes the real indefinite where #IA is masked. */
export function pushOutcome(state: State, outcome: Outcome): void {
  // FLD of an empty register onto a full stack: the underflow is what counts, C1 = 0. Measured on Zen 4.
  const full = !isEmpty(state, 7) && !(outcome.flags & FSW.SF);
  const masked = (state.fcw & FSW.IE) !== 0;
  signal(state, full ? FSW.IE | FSW.SF : outcome.flags, full ? 1 : outcome.c1);
  if (full ? masked : outcome.written) push(state, full ? REAL_INDEFINITE : outcome.value);
}

export const control = (state: State) => controlOf(state.fcw);

/** What kind of x87 instruction a declaration is, which decides the checks before it and the pointers after it. */
export type Kind =
  /** Waits for pending exceptions; updates FIP, FCS and, as the profile says, FDP, FDS and FOP. */
  | 'arithmetic'
  /** Waits; leaves the pointers alone (FLDCW, FLDENV, FRSTOR). */
  | 'control'
  /** Neither (FNINIT, FNCLEX, FNSTCW, FNSTSW, FNSTENV, FNSAVE). */
  | 'no-wait control';

type X87Definition = InstructionDefinition & {
  kind: Kind;
  /** What it notes for the XSAVE family; `touch` where nothing is said. */
  mark?: (x: Execution) => void;
  /** Where XINUSE is tracked, it brings x87 state into use before its operand may fault. */
  marksFirst?: boolean;
};

/** A number, not a bigint: every x87 instruction looks at it. */
const EM_OR_TS = Number(CR0.EM | CR0.TS);

/** Declares an x87 instruction: the checks in the manual's order, the operation, then the pointers. */
export const x87Instruction = (
  { kind, operation, mark = touch, marksFirst = false, ...rest }: X87Definition,
): InstructionDefinition => instruction({
  cpuid: 'FPU',
  ...rest,
  operation(x, i) {
    if (x.state.doubleword(OFFSET.cr0) & EM_OR_TS) x.fault('#NM', 'CR0.EM or CR0.TS is 1');
    if (kind !== 'no-wait control') raisePending(x);
    const address = kind === 'arithmetic' ? operandAddress(x, i) : undefined;
    if (marksFirst && x.cpu.xinuse === 'tracked') mark(x);
    operation(x, i);
    mark(x);
    if (kind === 'arithmetic') recordPointers(x, i, address);
  },
});

/** FERR# follows ES where CR0.NE is 0, at the end of the instruction. SDM vol. 1, 8.7.2; vol. 3B, 22.18.6.7. */
export function driveFerr(x: Execution): void {
  x.coprocessor?.drive((x.state.fsw & FSW.ES) !== 0 && !(x.state.cr0 & CR0.NE));
}

/**
 * What every waiting instruction does first where an unmasked exception is pending: #MF; or, with CR0.NE = 0, it waits
 * for the interrupt that FERR# raises, unless IGNNE# tells it to go on. SDM vol. 1, 8.7.
 */
export function raisePending(x: Execution): void {
  if (!(x.state.fsw & FSW.ES)) return;
  if (!(x.state.cr0 & CR0.NE)) return waitForInterrupt(x);
  x.fault(
    '#MF', `an unmasked x87 exception is pending (FSW ${x.state.fsw.toString(16)}h, FCW ${x.state.fcw.toString(16)}h)`,
  );
}

function waitForInterrupt(x: Execution): void {
  if (!x.coprocessor) {
    x.unmodelled(
      'reporting an x87 exception through FERR# (CR0.NE = 0) in a machine without a board, where it leads nowhere',
    );
  }
  driveFerr(x);
  if (!x.coprocessor.ignored) x.stall();
}

/** The x87 state is in use and modified, for the XSAVE family: any x87 instruction does it. */
export function touch(x: Execution): void {
  use(x.state, 0, IN_USE.x87);
  driveFerr(x);
}

interface DataPointer { offset: bigint; selector: number }

function operandAddress(x: Execution, i: Instruction): DataPointer | undefined {
  const memory = i.operands.find((operand) => operand.kind === 'memory');
  if (memory?.kind !== 'memory') return undefined;
  return { offset: x.offset(memory), selector: x.state.selector(memory.segment) };
}

/**
 * FIP and FCS follow every non-control instruction; FDP and FDS its memory operand, if it has one; FOP its opcode.
 * CPUID.7.0:EBX[6] restricts FDP and FDS, and `fopUpdate` FOP, to instructions that incur an unmasked exception;
 * CPUID.7.0:EBX[13] makes FCS and FDS zero. SDM vol. 1, 8.1.8 and 8.1.9.
 */
function recordPointers(x: Execution, i: Instruction, data: DataPointer | undefined): void {
  const { state, cpu } = x;
  const unmasked = pending(state.fcw, state.fsw);
  const selectors = !cpu.features.has('FPCSDS');
  state.fip = x.ip;
  state.fcs = selectors ? state.selector(CS) : 0;
  if (data && (unmasked || !cpu.features.has('FDP_EXCPTN_ONLY'))) {
    state.fdp = u(64, data.offset);
    state.fds = selectors ? data.selector : 0;
  }
  if (unmasked || cpu.x87.fopUpdate === 'every instruction') state.fop = i.x87Opcode;
}
