/**
 * Switching tasks. SDM vol. 3A, 7.3, by its steps: what can go wrong in the old task comes first and leaves it as it
 * was; from the commit point on faults belong to the new one. Callers have checked privilege (step 2).
 */

import { hex, u } from '../../numbers/bits.ts';
import { OFFSET, TR } from '../../state/fields.ts';
import { ATTRIBUTE } from '../../state/state.ts';
import type { Execution } from '../execution.ts';
import { DR6 } from '../debug/status.ts';
import { DEFINED_FLAGS, NT } from '../flags.ts';
import { type Descriptor, isNull, readDescriptor, selectorCode } from '../segmentation/descriptor.ts';
import { currentStack, pushOn } from '../segmentation/stack.ts';
import { CR0 } from '../system/control-bits.ts';
import { loadPageDirectoryBase } from '../system/page-directory-base.ts';
import { loadTaskSegments, outsideCode } from './segments.ts';
import { type TaskStateLayout, layoutOf } from './task-state-segment.ts';

export interface TaskSwitch {
  /** Names the task state segment of the new task. */
  readonly selector: number;
  /** `call` and `interrupt` nest: the new task gets a link to the old one, and NT. `return` follows that link. */
  readonly by: 'jump' | 'call' | 'interrupt' | 'return';
  /** Pushed on the new task's stack. */
  readonly errorCode?: number | undefined;
  /** EXT in the error codes of faults on the way: 1 where no instruction of the program asked for the switch. */
  readonly external?: number;
  /** Where the old task goes on. Default: after the instruction. */
  readonly returnTo?: bigint;
  /** RFLAGS as the old task will find them. Default: as they are. */
  readonly savedFlags?: number;
}

type Cause = TaskSwitch['by'];

/** The old task stays busy, and the new one gets a link to it. */
const nests = (by: Cause): boolean => by === 'call' || by === 'interrupt';

const BUSY = 2;

/** Leaves the current task and enters another: `x.next` is the new task's EIP. */
export function switchTask(x: Execution, request: TaskSwitch): void {
  const { by, external = 0 } = request;
  const task = newTask(x, request);
  const layout = layoutOf(task.attributes);
  const nested = nests(by);
  const old = x.state.segment(TR);
  requireAccess(x, task, by, external);
  if (!nested) setBusy(x, oldDescriptor(x), 0);
  saveTask(x, request.returnTo ?? x.next, (request.savedFlags ?? x.flags) & ~(by === 'return' ? NT : 0));
  if (nested) x.tables.write(task.base, 2, BigInt(old.selector));
  if (by !== 'return') setBusy(x, task.address, BUSY);
  enterTask(x, task, layout, nested, external);
  if (request.errorCode !== undefined) {
    pushOn(x, currentStack(x, external), layout.width * 8, [BigInt(request.errorCode)]);
  }
  if (outsideCode(x)) x.fault('#GP', `the new task's EIP ${hex(x.next)} is beyond the limit of its CS`, external);
}

/** The descriptor of the new task: in the GDT, available (for `return`: busy), present, and long enough. */
function newTask(x: Execution, { selector, by, external = 0 }: TaskSwitch): Descriptor {
  const mnemonic = by === 'return' ? '#TS' : '#GP';
  const code = selectorCode(selector) | external;
  const global = !isNull(selector) && (selector & 4) === 0;
  if (!global) x.fault(mnemonic, `selector ${hex(selector)} names no descriptor of the GDT`, code);
  const descriptor = readDescriptor(x, selector, { mnemonic, external });
  const { attributes, limit } = descriptor;
  const [wanted, state] = by === 'return' ? [BUSY, 'busy'] : [0, 'available'];
  const fits = (attributes & 0x15) === 1 && (attributes & BUSY) === wanted;
  if (!fits) x.fault(mnemonic, `selector ${hex(selector)} names no ${state} task state segment`, code);
  if (!(attributes & ATTRIBUTE.present)) x.fault('#NP', 'the task state segment is not present', code);
  const { leastLimit } = layoutOf(attributes);
  if (limit < leastLimit) {
    x.fault('#TS', `the limit of the task state segment is ${hex(limit)}, not ${hex(leastLimit)}`, code);
  }
  return descriptor;
}

const oldDescriptor = (x: Execution): bigint =>
  u(64, x.state.quad(OFFSET.gdtrBase) + BigInt(x.state.selector(TR) & 0xfff8));

/** What is saved: from EIP to the last selector. */
const savedBytes = ({ instructionPointer, selectors }: TaskStateLayout): number =>
  selectors.at(-1)![1] + 2 - instructionPointer;

/** All that will be read and written can be (step 5): a page fault must leave the old task as it was. */
function requireAccess(x: Execution, task: Descriptor, by: Cause, external: number): void {
  const { selector, base, limit, attributes } = x.state.segment(TR);
  const old = layoutOf(attributes);
  if (old.instructionPointer + savedBytes(old) - 1 > limit) {
    x.fault('#TS', 'the current task state segment is too short to hold the task', selectorCode(selector) | external);
  }
  x.tables.readBytes(task.base, layoutOf(task.attributes).leastLimit + 1);
  x.tables.requireWritable(u(64, base + BigInt(old.instructionPointer)), savedBytes(old));
  if (by !== 'return') x.tables.requireWritable(u(64, task.address + 5n), 1);
  if (nests(by)) x.tables.requireWritable(task.base, 2);
  else x.tables.requireWritable(u(64, oldDescriptor(x) + 5n), 1);
}

function setBusy(x: Execution, descriptor: bigint, busy: number): void {
  const type = u(64, descriptor + 5n);
  x.tables.write(type, 1, BigInt((Number(x.tables.read(type, 1)) & ~BUSY) | busy));
}

/** EIP, EFLAGS, the general-purpose registers and the selectors go to the current task state segment (step 8). */
function saveTask(x: Execution, eip: bigint, flags: number): void {
  const layout = layoutOf(x.state.attributes(TR));
  const base = x.state.base(TR);
  const bits = layout.width * 8;
  const store = (offset: number, bytes: number, value: bigint): void =>
    x.tables.write(u(64, base + BigInt(offset)), bytes, value);
  const values = [eip, BigInt(flags), ...x.state.gpr.subarray(0, 8)];
  values.forEach((value, n) => store(layout.instructionPointer + n * layout.width, layout.width, u(bits, value)));
  layout.selectors.forEach(([segment, offset]) => store(offset, 2, BigInt(x.state.selector(segment))));
}

/** Loads TR, CR3, EFLAGS, EIP, registers and segments (steps 9 to 13): from here on the new task is the current one. */
function enterTask(x: Execution, task: Descriptor, layout: TaskStateLayout, nested: boolean, external: number): void {
  const { selector, base, limit, attributes } = task;
  const field = (offset: number, bytes: number): bigint => x.tables.read(u(64, base + BigInt(offset)), bytes);
  const [eip, flags, ...registers] = Array.from({ length: 10 }, (_, n) =>
    field(layout.instructionPointer + n * layout.width, layout.width)) as [bigint, bigint, ...bigint[]];
  const selectors = new Map(layout.selectors.map(([segment, offset]) => [segment, Number(field(offset, 2))]));
  const ldt = Number(field(layout.ldt, 2));
  // SDM vol. 3B, 17.3.1.5.
  const trap = layout.debugTrap !== undefined && field(layout.debugTrap, 2) & 1n ? DR6.BT : 0n;
  const { state } = x;
  const cr3 = layout.pageDirectoryBase === undefined ? state.quad(OFFSET.cr3) : field(layout.pageDirectoryBase, 4);
  state.setSegment(TR, { selector, base, limit, attributes: attributes | BUSY });
  state.cr0 |= CR0.TS;
  state.setQuad(OFFSET.dr7, state.quad(OFFSET.dr7) & ~LOCAL_BREAKPOINTS);
  // The manual leaves the upper halves open with a 16-bit segment ("modified and not maintained"); Bochs sets them.
  registers.forEach((value, n) => {
    state.gpr[n] = layout.width === 2 ? value | 0xffff_0000n : value;
  });
  x.setFlags(DEFINED_FLAGS, Number(flags) | (nested ? NT : 0));
  x.enteredHandler();
  // A fault from here on returns to the new task.
  x.inNewTask = true;
  x.next = state.rip = eip;
  // Only a new value loads the PDPTEs and invalidates translations. SDM vol. 3A, 4.4.1 and 4.10.4.1.
  if (state.cr0 & CR0.PG && state.quad(OFFSET.cr3) !== cr3) loadPageDirectoryBase(x, cr3);
  loadTaskSegments(x, selectors, ldt, external);
  state.setQuad(OFFSET.pendingDebug, state.quad(OFFSET.pendingDebug) | trap);
}

/** L0 to L3 and LE of DR7. SDM vol. 3B, 17.2.4. */
const LOCAL_BREAKPOINTS = 0x155n;
