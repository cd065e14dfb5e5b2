/** The stack that a handler gets: from the task state segment on the way to an inner level, or by IST. SDM vol. 3A, 6.12.1 and 6.14.2 to 6.14.5. */

import { hex, isCanonical, u } from '../../numbers/bits.ts';
import { SS, TR } from '../../state/fields.ts';
import { ATTRIBUTE, type Segment } from '../../state/state.ts';
import type { Execution } from '../execution.ts';
import { isNull, isWritableData, markAccessed, readDescriptor, selectorCode } from '../segmentation/descriptor.ts';
import { outsideLimit } from '../segmentation/limit.ts';
import { layoutOf, readTaskState } from '../tasks/task-state-segment.ts';

export interface Stack {
  readonly segment: Segment;
  readonly pointer: bigint;
  /** The privilege level that pushes on it. */
  readonly level: number;
}

/** SS:RSP as it is. */
export const currentStack = (x: Execution): Stack => ({ segment: x.state.segment(SS), pointer: x.state.gpr[4]!, level: x.cpl });

/** The stack for a handler at `level`, with the interrupt stack table entry of its gate (0: none). */
export function handlerStack(x: Execution, level: number, ist: number, external: number): Stack {
  if (x.longMode) return longModeStack(x, level, ist, external);
  return level < x.cpl ? innerStack(x, level, external) : currentStack(x);
}

/** IA-32e mode: IST wins over the level's RSP, SS becomes null on a change of level, RSP is aligned on 16 bytes. */
function longModeStack(x: Execution, level: number, ist: number, external: number): Stack {
  const current = currentStack(x);
  const inner = level < x.cpl;
  const pointer = ist ? readTaskState(x, 0x1c + 8 * ist, 8, external) : inner ? readTaskState(x, 4 + 8 * level, 8, external) : current.pointer;
  if (!isCanonical(pointer, 48)) x.fault('#SS', `the stack pointer ${hex(pointer)} of the task state segment is not canonical`, external);
  const segment = inner ? { selector: level, base: 0n, limit: 0, attributes: level << 5 } : current.segment;
  return { segment, pointer: pointer & ~0xfn, level };
}

/** Protected mode: SS:ESP of the level, with the checks on SS, each a #TS that names it. */
export function innerStack(x: Execution, level: number, external: number): Stack {
  const { stacks, width } = layoutOf(x.state.attributes(TR));
  const at = stacks + 2 * width * level;
  const both = readTaskState(x, at, width + 2, external);
  const pointer = u(width * 8, both);
  const selector = Number(both >> BigInt(width * 8));
  if (isNull(selector)) x.fault('#TS', 'the task state segment holds a null SS', external);
  const descriptor = readDescriptor(x, selector, { mnemonic: '#TS', external });
  const code = selectorCode(selector) | external;
  if (descriptor.rpl !== level || descriptor.dpl !== level || !isWritableData(descriptor.attributes)) {
    x.fault('#TS', `the SS of level ${level} needs a writable data segment with RPL and DPL ${level}`, code);
  }
  if (!(descriptor.attributes & ATTRIBUTE.present)) x.fault('#SS', 'the stack segment of the task state segment is not present', code);
  return { segment: markAccessed(x, descriptor), pointer, level };
}

/** Room for pushes that has been found, and not yet used. */
export interface Frame {
  readonly stack: Stack;
  readonly size: number;
  /** Linear address of each push, the first one first. */
  readonly slots: readonly bigint[];
  /** Width of the stack pointer, and its value when all is pushed. */
  readonly width: number;
  readonly pointer: bigint;
}

/** The places of `count` pushes of `size` bits on `stack`: a fault where one of them would be, #SS(`errorCode`) beyond the limit. */
export function requireRoom(x: Execution, stack: Stack, size: number, count: number, errorCode: number): Frame {
  const { segment, level } = stack;
  const width = x.longMode ? 64 : segment.attributes & ATTRIBUTE.big ? 32 : 16;
  const bytes = size / 8;
  const port = level < 3 ? x.supervisor : x.memory;
  const pointerAfter = (pushes: number): bigint => u(width, u(width, stack.pointer) - BigInt(pushes * bytes));
  const slots = Array.from({ length: count }, (_, n) => {
    const offset = pointerAfter(n + 1), first = Number(offset);
    const usable = x.longMode || (segment.attributes & ATTRIBUTE.present && !outsideLimit(segment.attributes, segment.limit, first, first + bytes - 1));
    if (!usable) x.fault('#SS', `the frame does not fit on the stack: ${bytes} bytes at ${hex(offset)}`, errorCode);
    const linear = x.longMode ? offset : u(32, segment.base + offset);
    port.requireWritable(linear, bytes);
    return linear;
  });
  return { stack, size, slots, width, pointer: pointerAfter(count) };
}

/** Pushes `values`, the first one first, and makes the frame's stack the current one. */
export function pushFrame(x: Execution, { stack, size, slots, width, pointer }: Frame, values: readonly bigint[]): void {
  const port = stack.level < 3 ? x.supervisor : x.memory;
  values.forEach((value, n) => port.write(slots[n]!, size / 8, u(size, value)));
  x.state.setSegment(SS, stack.segment);
  x.state.gpr[4] = width === 16 ? (x.state.gpr[4]! & ~0xffffn) | pointer : pointer;
}

/** Pushes `values`, the first one first, on `stack` and makes it the current one; nothing is written unless all fit. */
export function pushOn(x: Execution, stack: Stack, size: number, values: readonly bigint[], errorCode: number): void {
  pushFrame(x, requireRoom(x, stack, size, values.length, errorCode), values);
}
