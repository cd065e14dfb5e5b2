/**
 * The stack that a far call, or the delivery of an event, pushes on: the current one, or that of an inner level from
 * the task state segment. SDM vol. 3A, 5.8.5 and 7.2.1; vol. 2A, CALL.
 */

import { hex, u } from '../../numbers/bits.ts';
import { RSP, SS, TR } from '../../state/fields.ts';
import { ATTRIBUTE, type Segment } from '../../state/state.ts';
import type { Execution } from '../execution.ts';
import {
  type Descriptor, isNull, isWritableData, markAccessed, readDescriptor, requireMarkable, selectorCode,
} from './descriptor.ts';
import { layoutOf, readTaskState } from '../tasks/task-state-segment.ts';
import { outsideLimit } from './limit.ts';

export interface Stack {
  readonly segment: Segment | Descriptor;
  readonly pointer: bigint;
  /** Bits of the stack pointer; 64 knows no limit. */
  readonly width: number;
  /** The privilege level that pushes on it. */
  readonly level: number;
  /** Error code of the #SS when something does not fit. */
  readonly errorCode: number;
}

/** SS:rSP as they are. */
export const currentStack = (x: Execution, errorCode = 0): Stack => ({
  segment: x.state.segment(SS), pointer: x.state.gpr[RSP]!, width: x.stackAddressSize, level: x.cpl, errorCode,
});

/** SS:rSP as 64-bit code sees it, which knows no base and no limit, or as other code does. */
export const stackInMode = (x: Execution, wide: boolean): Stack =>
  ({ ...currentStack(x), width: wide ? 64 : x.state.attributes(SS) & ATTRIBUTE.big ? 32 : 16 });

/** The stack of the inner level `level`; `external` is the EXT bit of error codes. */
export function innerStack(x: Execution, level: number, external = 0): Stack {
  if (!x.longMode) return legacyStack(x, level, external);
  // IA-32e mode: SS becomes null, with the new level as its RPL.
  const pointer = readTaskState(x, 4 + 8 * level, 8, external);
  return { segment: nullStack(level), pointer, width: 64, level, errorCode: external };
}

/** What SS holds after a change of level in IA-32e mode. */
export const nullStack = (level: number): Segment => ({ selector: level, base: 0n, limit: 0, attributes: level << 5 });

/** SS:SP or SS:ESP of the level from a task state segment of 16 or 32 bits; a bad SS is a #TS that names it. */
function legacyStack(x: Execution, level: number, external: number): Stack {
  const { stacks, width } = layoutOf(x.state.attributes(TR));
  const both = readTaskState(x, stacks + 2 * width * level, width + 2, external);
  const pointer = u(width * 8, both);
  const selector = Number(both >> BigInt(width * 8));
  if (isNull(selector)) x.fault('#TS', 'the task state segment holds a null SS', external);
  const descriptor = readDescriptor(x, selector, { mnemonic: '#TS', external });
  const { attributes, rpl, dpl } = descriptor;
  const code = selectorCode(selector) | external;
  if (rpl !== level || dpl !== level || !isWritableData(attributes)) {
    x.fault('#TS', `the SS of level ${level} needs a writable data segment with RPL and DPL ${level}`, code);
  }
  if (!(attributes & ATTRIBUTE.present)) x.fault('#SS', 'the inner stack segment is not present', code);
  return { segment: descriptor, pointer, width: attributes & ATTRIBUTE.big ? 32 : 16, level, errorCode: code };
}

/** Linear address of the slot `depth` bytes below the top, or the #SS that a push there raises. */
function slot(x: Execution, { segment, pointer, width, errorCode }: Stack, depth: number, bytes: number): bigint {
  const offset = u(width, u(width, pointer) - BigInt(depth));
  const last = u(64, offset + BigInt(bytes - 1));
  const { attributes } = segment;
  const outside = width === 64
    ? !x.canonical(offset) || !x.canonical(last)
    : !(attributes & ATTRIBUTE.present) || outsideLimit(attributes, segment.limit, Number(offset), Number(last));
  if (outside) x.fault('#SS', `a push at ${hex(offset)} does not fit on the stack`, errorCode);
  return width === 64 ? offset : u(32, segment.base + offset);
}

/** Faults where one of `count` pushes of `size` bits would, and writes nothing. */
export function requireRoom(x: Execution, stack: Stack, size: number, count: number): void {
  const bytes = size / 8;
  // The limit is checked for all of them before a page is looked at.
  const slots = Array.from({ length: count }, (_, n) => slot(x, stack, (n + 1) * bytes, bytes));
  for (const linear of slots) portOf(x, stack).requireWritable(linear, bytes);
  if ('raw' in stack.segment) requireMarkable(x, stack.segment);
}

const portOf = (x: Execution, { level }: Stack) => (level < x.cpl ? x.supervisor : x.memory);

/** Pushes `values`, the first one first, and makes the stack the current one; nothing is written unless all fit. */
export function pushOn(x: Execution, stack: Stack, size: number, values: readonly bigint[]): void {
  const bytes = size / 8;
  const port = portOf(x, stack);
  requireRoom(x, stack, size, values.length);
  for (const [n, value] of values.entries()) port.write(slot(x, stack, (n + 1) * bytes, bytes), bytes, u(size, value));
  x.state.setSegment(SS, 'raw' in stack.segment ? markAccessed(x, stack.segment) : stack.segment);
  x.setStackPointer(u(stack.width, u(stack.width, stack.pointer) - BigInt(values.length * bytes)), stack.width);
}
