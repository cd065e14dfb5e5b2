/**
 * Delivery of an interrupt or exception: through the interrupt vector table in real-address mode (SDM vol. 3B, 20.1.4),
 * through a gate of the IDT in protected and IA-32e mode (vol. 3A, 6.11 to 6.14).
 */

import { hex, u } from '../../numbers/bits.ts';
import { CS, DS, ES, FS, GS, OFFSET, RSP, SS } from '../../state/fields.ts';
import type { ExceptionKind } from '../../state/outcomes.ts';
import { ATTRIBUTE } from '../../state/state.ts';
import type { Execution } from '../execution.ts';
import { AC, IF, NT, RF, TF, VM } from '../flags.ts';
import { requireWithin } from '../segmentation/code-segment.ts';
import {
  type Descriptor, isCode, isConforming, isNull, markAccessed, readDescriptor, requireMarkable, selectorCode,
} from '../segmentation/descriptor.ts';
import { loadSegment, realModeSegment } from '../segmentation/load.ts';
import { currentStack, pushOn, requireRoom } from '../segmentation/stack.ts';
import { switchTask } from '../tasks/index.ts';
import { handlerStack } from './stack.ts';

/** `external`: an interrupt from outside, the NMI included. */
export type EventKind = ExceptionKind | 'external' | 'INT n';

export interface Event {
  readonly kind: EventKind;
  readonly vector: number;
  readonly errorCode: number | undefined;
  /** Where the handler returns to: the faulting instruction, or the one after a trap. */
  readonly returnTo: bigint;
}

/**
 * The program asked for it, by INT n, INT3 or INTO: the gate's DPL is checked, and an error on the way is not marked as
 * external. Opcode F1 is not among them. SDM vol. 3A, 6.12.1.1 and 6.13.
 */
export const isSoftware = (kind: EventKind): boolean => kind === 'INT n' || kind === 'INT3' || kind === 'INTO';

/** RFLAGS as the handler's frame has it: a fault but an instruction breakpoint saves RF = 1. SDM vol. 3B, 17.3.1.1. */
export const savedFlags = (x: Execution, kind: EventKind): number => (kind === 'fault' ? x.flags | RF : x.flags);

/** Pushes the frame and makes the handler's first instruction the next one. Faults before the first write. */
export function deliver(x: Execution, event: Event): void {
  x.observer?.event?.(event.vector, event.errorCode);
  if (x.addressing === 'real') deliverReal(x, event);
  else deliverProtected(x, event);
  x.enteredHandler();
}

function deliverReal(x: Execution, { vector, returnTo }: Event): void {
  const entry = BigInt(vector * 4);
  if (vector * 4 + 3 > x.state.word(OFFSET.idtrLimit)) {
    x.fault('#GP', `vector ${vector} is beyond the limit of the interrupt vector table`);
  }
  const pointer = x.tables.read(u(64, x.state.quad(OFFSET.idtrBase) + entry), 4);
  pushOn(x, currentStack(x), 16, [BigInt(x.flags), BigInt(x.state.selector(CS)), returnTo]);
  x.setFlags(IF | TF | AC | RF, 0);
  x.state.setSegment(CS, realModeSegment(x, CS, Number(pointer >> 16n)));
  x.next = u(16, pointer);
}

const TASK_GATE = 5;

interface Gate {
  readonly selector: number;
  readonly offset: bigint;
  readonly dpl: number;
  readonly present: boolean;
  /** Descriptor type: 5 task, 6 and 7 16-bit, Eh and Fh 32-bit (64-bit in IA-32e mode). */
  readonly type: number;
  readonly ist: number;
}

/** The gate of `vector`; beyond the limit is #GP(vector * 8 + 2 + EXT). */
function readGate(x: Execution, { vector, kind }: Event): Gate {
  const bytes = x.longMode ? 16 : 8;
  const code = gateCode(vector, kind);
  if (vector * bytes + bytes - 1 > x.state.word(OFFSET.idtrLimit)) {
    x.fault('#GP', `vector ${vector} is beyond the limit of the IDT`, code);
  }
  const raw = x.tables.read(u(64, x.state.quad(OFFSET.idtrBase) + BigInt(vector * bytes)), bytes);
  const field = (low: number, bits: number): number => Number(u(bits, raw >> BigInt(low)));
  const type = field(40, 5);
  // A 16-bit gate has no upper half of the offset; software for the 80286 leaves anything there.
  const low = BigInt(field(0, 16)) | (type & 8 ? u(32, BigInt(field(48, 16)) << 16n) : 0n);
  return {
    selector: field(16, 16),
    offset: x.longMode ? low | u(64, BigInt(field(64, 32)) << 32n) : low,
    dpl: field(45, 2), present: field(47, 1) === 1, type, ist: x.longMode ? field(32, 3) : 0,
  };
}

/**
 * Error code of a fault on a gate: its place in the IDT, the IDT bit, and EXT unless software asked. SDM vol. 3A, 6.13.
 */
const gateCode = (vector: number, kind: EventKind): number => (vector << 3) | 2 | externalBit(kind);

/** EXT of an error code. */
const externalBit = (kind: EventKind): number => (isSoftware(kind) ? 0 : 1);

function deliverProtected(x: Execution, event: Event): void {
  const { vector, kind } = event;
  const gate = readGate(x, event);
  const code = gateCode(vector, kind);
  const types = x.longMode ? [0xe, 0xf] : [TASK_GATE, 6, 7, 0xe, 0xf];
  const isGate = types.includes(gate.type);
  if (!isGate) x.fault('#GP', `the descriptor of vector ${vector} is no gate (type ${hex(gate.type)})`, code);
  if (isSoftware(kind) && gate.dpl < x.cpl) {
    x.fault('#GP', `INT ${vector} needs a gate of DPL ${x.cpl} or more, it is ${gate.dpl}`, code);
  }
  if (!gate.present) x.fault('#NP', `the gate of vector ${vector} is not present`, code);
  if (gate.type === TASK_GATE) deliverToTask(x, event, gate);
  else deliverToHandler(x, event, gate);
}

/** Through a task gate: the interrupted task finds its flags and EIP in its task state segment. SDM vol. 3A, 6.12.2. */
function deliverToTask(x: Execution, { kind, errorCode, returnTo }: Event, { selector }: Gate): void {
  const external = externalBit(kind);
  switchTask(x, { selector, by: 'interrupt', errorCode, external, returnTo, savedFlags: savedFlags(x, kind) });
}

/** The data segment registers, as virtual-8086 mode pushes them with the frame. SDM vol. 3B, figure 20-3. */
const SAVED_SEGMENTS = [GS, FS, DS, ES] as const;

/** Through an interrupt or trap gate. SDM vol. 3A, 6.12.1; from virtual-8086 mode vol. 3B, 20.3.1. */
function deliverToHandler(x: Execution, event: Event, gate: Gate): void {
  const { kind, errorCode } = event;
  const { state } = x;
  const external = externalBit(kind);
  const virtual8086 = x.addressing === 'virtual-8086';
  const { code, level } = handlerSegment(x, gate, external);
  const stack = handlerStack(x, level, gate.ist, external);
  const selectors = virtual8086 ? SAVED_SEGMENTS.map((each) => BigInt(state.selector(each))) : [];
  const old = x.longMode || level < x.cpl ? [BigInt(state.selector(SS)), state.gpr[RSP]!] : [];
  const error = errorCode === undefined ? [] : [BigInt(errorCode)];
  const values = [
    ...selectors, ...old, BigInt(savedFlags(x, kind)), BigInt(state.selector(CS)), event.returnTo, ...error,
  ];
  const size = x.longMode ? 64 : gate.type & 8 ? 32 : 16;
  requireRoom(x, stack, size, values.length);
  requireWithin(x, gate.offset, code, external);
  requireMarkable(x, code);
  pushOn(x, stack, size, values);
  x.setFlags(TF | NT | RF | VM | (gate.type & 1 ? 0 : IF), 0);
  state.setSegment(CS, { ...markAccessed(x, code), selector: (code.selector & 0xfffc) | level });
  if (virtual8086) SAVED_SEGMENTS.forEach((each) => loadSegment(x, each, 0));
  x.next = gate.offset;
}

/** The handler's code segment, and the level it runs at: its DPL, or the current one if it is conforming. */
function handlerSegment(x: Execution, { selector }: Gate, external: number): { code: Descriptor; level: number } {
  if (isNull(selector)) x.fault('#GP', 'the gate holds a null selector', external);
  const descriptor = readDescriptor(x, selector, { mnemonic: '#GP', external });
  const code = selectorCode(selector) | external;
  const { attributes, dpl } = descriptor;
  if (!isCode(attributes) || dpl > x.cpl) {
    x.fault('#GP', `the gate's selector ${hex(selector)} names no code segment of DPL ${x.cpl} or less`, code);
  }
  if (!(attributes & ATTRIBUTE.present)) x.fault('#NP', 'the code segment of the handler is not present', code);
  if (x.longMode && (attributes & (ATTRIBUTE.long | ATTRIBUTE.big)) !== ATTRIBUTE.long) {
    x.fault('#GP', 'a handler in IA-32e mode is 64-bit code', code);
  }
  const level = isConforming(attributes) ? x.cpl : dpl;
  if (x.addressing === 'virtual-8086' && level !== 0) {
    x.fault('#GP', 'a handler for virtual-8086 mode is nonconforming code of DPL 0', code);
  }
  return { code: descriptor, level };
}
