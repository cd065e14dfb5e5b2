/** The stack that a handler gets: from the task state segment on the way to an inner level, or by IST. SDM vol. 3A, 6.12.1 and 6.14.2 to 6.14.5. */

import { hex, isCanonical, u } from '../../numbers/bits.ts';
import { SS, TR } from '../../state/fields.ts';
import { ATTRIBUTE, type Segment } from '../../state/state.ts';
import type { Execution } from '../execution.ts';
import { isNull, isWritableData, markAccessed, readDescriptor, selectorCode } from '../segmentation/descriptor.ts';

export interface Stack {
  readonly segment: Segment;
  readonly pointer: bigint;
  /** The privilege level that pushes on it. */
  readonly level: number;
}

/** The stack for a handler at `level`, with the interrupt stack table entry of its gate (0: none). */
export function handlerStack(x: Execution, level: number, ist: number, external: number): Stack {
  const current: Stack = {
    segment: x.state.segment(SS),
    pointer: x.state.gpr[4]!,
    level,
  };
  if (x.longMode) return longModeStack(x, current, level, ist, external);
  return level < x.cpl ? innerStack(x, level, external) : current;
}

/** IA-32e mode: IST wins over the level's RSP, SS becomes null on a change of level, RSP is aligned on 16 bytes. */
function longModeStack(x: Execution, current: Stack, level: number, ist: number, external: number): Stack {
  const inner = level < x.cpl;
  const pointer = ist ? fromTss(x, 0x1c + 8 * ist, 8) : inner ? fromTss(x, 4 + 8 * level, 8) : current.pointer;
  if (!isCanonical(pointer, 48)) x.fault('#SS', `the stack pointer ${hex(pointer)} of the task state segment is not canonical`, external);
  const segment = inner ? { selector: level, base: 0n, limit: 0, attributes: level << 5 } : current.segment;
  return { segment, pointer: pointer & ~0xfn, level };
}

/** Protected mode: SS:ESP of the level, with the checks on SS, each a #TS that names it. */
function innerStack(x: Execution, level: number, external: number): Stack {
  if ((x.state.attributes(TR) & 0xd) !== 9) x.unmodelled('a stack switch through a 16-bit task state segment');
  const pointer = fromTss(x, 4 + 8 * level, 4);
  const selector = Number(fromTss(x, 8 + 8 * level, 2));
  if (isNull(selector)) x.fault('#TS', 'the task state segment holds a null SS', external);
  const descriptor = readDescriptor(x, selector);
  const code = selectorCode(selector) | external;
  if (descriptor.rpl !== level || descriptor.dpl !== level || !isWritableData(descriptor.attributes)) {
    x.fault('#TS', `the SS of level ${level} needs a writable data segment with RPL and DPL ${level}`, code);
  }
  if (!(descriptor.attributes & ATTRIBUTE.present)) x.fault('#SS', 'the stack segment of the task state segment is not present', code);
  return { segment: markAccessed(x, descriptor), pointer, level };
}

/** A field of the task state segment; beyond its limit is #TS(TR). */
function fromTss(x: Execution, offset: number, bytes: number): bigint {
  if (offset + bytes - 1 > x.state.limit(TR)) {
    x.fault('#TS', `byte ${offset} is beyond the limit of the task state segment`, selectorCode(x.state.selector(TR)));
  }
  return x.tables.read(u(64, x.state.base(TR) + BigInt(offset)), bytes);
}

/** Pushes `values`, the first one first, on `stack` and makes it the current one; nothing is written unless all fit. */
export function pushOn(x: Execution, { segment, pointer, level }: Stack, size: number, values: readonly bigint[]): void {
  const width = x.longMode ? 64 : segment.attributes & ATTRIBUTE.big ? 32 : 16;
  const bytes = size / 8;
  const port = level < 3 ? x.supervisor : x.memory;
  const bottom = u(width, pointer - BigInt(bytes * values.length));
  const last = Number(bottom) + bytes * values.length - 1;
  if (!x.longMode && last > segment.limit) x.fault('#SS', 'the frame does not fit on the new stack', selectorCode(segment.selector));
  const linear = x.longMode ? bottom : u(32, segment.base + bottom);
  port.requireWritable(linear, bytes * values.length);
  for (const [n, value] of values.entries()) {
    port.write(u(64, linear + BigInt(bytes * (values.length - 1 - n))), bytes, u(size, value));
  }
  x.state.setSegment(SS, segment);
  x.state.gpr[4] = width === 16 ? (x.state.gpr[4]! & ~0xffffn) | bottom : bottom;
}
