/** INT n and IRET. SDM vol. 2A, INT n/INTO/INT 3 and IRET/IRETD/IRETQ. */

import { hex, isCanonical, u } from '../../numbers/bits.ts';
import { sdm } from '../../state/citation.ts';
import { CS, DS, ES, FS, GS, OFFSET, SS } from '../../state/fields.ts';
import { ATTRIBUTE, type Segment } from '../../state/state.ts';
import type { Execution } from '../execution.ts';
import { NT, VM } from '../flags.ts';
import { type InstructionDefinition, instruction } from '../instruction.ts';
import { isCode, isConforming, isNull, isWritableData, markAccessed, readDescriptor, selectorCode } from '../segmentation/descriptor.ts';
import { realModeSegment } from '../segmentation/load.ts';
import { switchTask } from '../tasks/index.ts';
import { readTaskState } from '../tasks/task-state-segment.ts';
import { deliver } from './deliver.ts';
import { loadFlags, popped } from './return.ts';
import { redirect, redirected, requireIopl3, returnInVirtual8086, returnToVirtual8086 } from './virtual-8086.ts';

const INT = instruction({
  mnemonic: 'INT',
  title: 'Call to interrupt procedure',
  forms: ['CD ib | imm8'],
  operation(x, i) {
    const vector = Number(x.read(i.operands[0]!));
    if (redirected(x, vector)) redirect(x, vector);
    else throughGate(x, vector);
  },
  source: sdm('2A', '3.2, INT n/INTO/INT 3'),
});

function throughGate(x: Execution, vector: number): void {
  requireIopl3(x, `INT ${vector}`);
  deliver(x, { kind: 'INT n', vector, errorCode: undefined, returnTo: x.next });
}

const returning = (mnemonic: string, form: string, size: number): InstructionDefinition => instruction({
  mnemonic,
  title: 'Interrupt return',
  forms: [form],
  operation(x) {
    // Also where it faults. SDM vol. 3A, 6.7.1: NMIs are unmasked before the handler of that fault is invoked.
    x.state.setByte(OFFSET.nmiBlocking, 0);
    if (x.addressing === 'real') returnReal(x, size);
    else if (x.addressing === 'virtual-8086') returnInVirtual8086(x, size);
    else if (x.flags & NT) returnToTask(x);
    else returnProtected(x, size);
  },
  source: sdm('2A', '3.2, IRET/IRETD/IRETQ'),
});

function returnReal(x: Execution, size: number): void {
  const [ip, cs, flags] = popped(x, size, 3) as [bigint, bigint, bigint];
  const code = realModeSegment(x, CS, Number(u(16, cs)));
  if (Number(u(32, ip)) > code.limit) x.fault('#GP', 'the return address is beyond the limit of CS');
  x.release(3 * (size / 8));
  loadFlags(x, size, Number(u(32, flags)));
  x.state.setSegment(CS, code);
  x.next = u(size === 16 ? 16 : 32, ip);
}

/** The task that the current one is nested in goes on. SDM vol. 3A, 7.4. */
function returnToTask(x: Execution): void {
  if (x.longMode) x.fault('#GP', 'IRET with NT = 1 in IA-32e mode, which has no task switches', 0);
  switchTask(x, { selector: Number(readTaskState(x, 0, 2, 0)), by: 'return' });
}

/** What RFLAGS in the image says: into virtual-8086 mode, which only CPL 0 can enter, or to protected mode. */
function returnProtected(x: Execution, size: number): void {
  const flags = Number(u(32, popped(x, size, 3)[2]!));
  if (flags & VM && x.cpl === 0 && !x.longMode) returnToVirtual8086(x);
  else returnToSegment(x, size, flags);
}

/** To the same or an outer level; in 64-bit mode SS:RSP are popped even at the same one. */
function returnToSegment(x: Execution, size: number, flags: number): void {
  const [ip, cs] = popped(x, size, 2) as [bigint, bigint];
  const selector = Number(u(16, cs));
  const code = returnSegment(x, selector);
  const level = selector & 3;
  const outer = level > x.cpl;
  const to64 = x.longMode && (code.attributes & ATTRIBUTE.long) !== 0;
  const outside = to64 ? !isCanonical(ip, 48) : Number(u(32, ip)) > code.limit;
  if (outside) x.fault('#GP', 'the return address is outside its code segment', 0);
  const withStack = outer || x.mode === 64;
  const [pointer, ss] = withStack ? popped(x, size, 5).slice(3) as [bigint, bigint] : [0n, 0n];
  const stack = withStack ? returnStack(x, Number(u(16, ss)), level, to64) : undefined;
  const width = x.stackAddressSize;
  loadFlags(x, size, flags);
  if (stack) x.state.gpr[4] = to64 ? pointer : u(stack.attributes & ATTRIBUTE.big ? 32 : 16, pointer);
  else x.release(3 * (size / 8), width);
  if (stack) x.state.setSegment(SS, stack);
  x.state.setSegment(CS, code);
  if (outer) dropInnerSegments(x, level);
  x.next = u(size === 16 ? 16 : to64 ? 64 : 32, ip);
}

/** CS of the image: a code segment whose level is the RPL, not an inner one. SDM vol. 2A, IRET, and vol. 3A, 5.8.6. */
function returnSegment(x: Execution, selector: number): Segment {
  const code = selectorCode(selector);
  if (isNull(selector)) x.fault('#GP', 'the return selector is null', 0);
  const descriptor = readDescriptor(x, selector);
  const { attributes, dpl, rpl } = descriptor;
  if (!isCode(attributes)) x.fault('#GP', `selector ${hex(selector)} names no code segment`, code);
  if (rpl < x.cpl) x.fault('#GP', `IRET cannot return to an inner level: RPL ${rpl}, CPL ${x.cpl}`, code);
  if (isConforming(attributes) ? dpl > rpl : dpl !== rpl) x.fault('#GP', `DPL ${dpl} of the code segment does not fit RPL ${rpl}`, code);
  if (x.longMode && (attributes & ATTRIBUTE.long) && (attributes & ATTRIBUTE.big)) x.fault('#GP', 'a code segment cannot have both L and D', code);
  if (!(attributes & ATTRIBUTE.present)) x.fault('#NP', 'the code segment is not present', code);
  return { ...markAccessed(x, descriptor), selector };
}

/** SS of the image, for `level`; null is allowed on the way to 64-bit code that is not at level 3. */
function returnStack(x: Execution, selector: number, level: number, to64: boolean): Segment {
  const code = selectorCode(selector);
  if (isNull(selector)) {
    if (!to64 || level === 3 || (selector & 3) !== level) x.fault('#GP', 'IRET cannot load a null SS here', 0);
    return { selector, base: 0n, limit: 0, attributes: level << 5 };
  }
  const descriptor = readDescriptor(x, selector);
  if (descriptor.rpl !== level || descriptor.dpl !== level || !isWritableData(descriptor.attributes)) {
    x.fault('#GP', `SS needs a writable data segment with RPL and DPL ${level}`, code);
  }
  if (!(descriptor.attributes & ATTRIBUTE.present)) x.fault('#SS', 'the stack segment is not present', code);
  return markAccessed(x, descriptor);
}

/** Data segments that the outer level may not use become null. SDM vol. 3A, 5.8.6. */
function dropInnerSegments(x: Execution, level: number): void {
  for (const segment of [ES, DS, FS, GS]) {
    const attributes = x.state.attributes(segment);
    if (((attributes >> 5) & 3) < level && attributes & ATTRIBUTE.present && !isConforming(attributes)) {
      x.state.setSegment(segment, { selector: 0, base: x.state.base(segment), limit: 0, attributes: 0 });
    }
  }
}

export const EVENTS: readonly InstructionDefinition[] = [
  INT, returning('IRET', 'CF | | s16', 16), returning('IRETD', 'CF | | s32', 32), returning('IRETQ', 'REX.W + CF', 64),
];
