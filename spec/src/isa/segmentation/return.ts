/**
 * Returns to the same or an outer level: what far RET and IRET have in common. SDM vol. 2A, IRET; vol. 2B, RET;
 * vol. 3A, 5.8.6.
 */

import { hex, u } from '../../numbers/bits.ts';
import { CS, DS, ES, FS, GS, RSP, SS } from '../../state/fields.ts';
import { ATTRIBUTE, type Segment } from '../../state/state.ts';
import type { Execution } from '../execution.ts';
import { is64Bit, isLongAndBig, requireWithin, stackPointerFor } from './code-segment.ts';
import {
  type Descriptor, isCode, isConforming, isNull, isWritableData, markAccessed, readDescriptor, requireMarkable,
  requirePresent, selectorCode,
} from './descriptor.ts';
import { nullStack } from './stack.ts';

/** What the instruction finds on the stack. */
export interface ReturnImage {
  /** Operand size. */
  readonly size: number;
  readonly ip: bigint;
  readonly selector: number;
  /** Bytes of the image below SS:rSP of the outer level: what a return to the same level releases. */
  readonly below: number;
  /** SS:rSP is popped whatever the level: IRET in 64-bit mode. */
  readonly always: boolean;
}

/** A return that has passed all checks. */
export interface Return {
  readonly code: Descriptor;
  readonly ip: bigint;
  /** The level that it returns to. */
  readonly level: number;
  readonly below: number;
  readonly stack: { readonly segment: Segment | Descriptor; readonly pointer: bigint } | undefined;
}

/** The checks, in the manual's order. Nothing is written. */
export function checkReturn(x: Execution, { size, ip, selector, below, always }: ReturnImage): Return {
  const code = returnSegment(x, selector);
  const level = selector & 3;
  const outer = level > x.cpl;
  const withStack = always || outer;
  const late = x.cpu.accesses.returnTarget === 'in 32 bits, after SS';
  const target = late && !is64Bit(x, code.attributes) ? u(32, ip) : ip;
  // To an outer level SS comes before the target, to the same one, by the manual, the target before SS.
  if (!outer && !late) requireWithin(x, target, code);
  const stack = withStack ? popStack(x, size, below, level, code) : undefined;
  if (outer || late) requireWithin(x, target, code);
  requireMarkable(x, code);
  if (stack && 'raw' in stack.segment) requireMarkable(x, stack.segment);
  return { code, ip: target, level, below, stack };
}

/** SS:rSP of the image: which of the two is read first, the profile says. */
function popStack(x: Execution, size: number, below: number, level: number, code: Segment): Return['stack'] {
  const selectorFirst = x.cpu.accesses.return === 'flags and CS first';
  const early = selectorFirst ? x.peekSelector(size, below + size / 8) : undefined;
  const pointer = x.peek(size, below);
  return { pointer, segment: returnStack(x, early ?? x.peekSelector(size, below + size / 8), level, code) };
}

/** Loads CS and rIP, SS and rSP; `parameters` bytes are released on the stack that is returned to. */
export function commitReturn(x: Execution, { code, ip, level, below, stack }: Return, parameters = 0): void {
  const outer = level > x.cpl;
  if (stack) {
    const { segment } = stack;
    const width = is64Bit(x, code.attributes) ? 64 : segment.attributes & ATTRIBUTE.big ? 32 : 16;
    x.setStackPointer(u(width, u(width, stack.pointer) + BigInt(parameters)), width);
    x.state.setSegment(SS, 'raw' in segment ? markAccessed(x, segment) : segment);
  } else x.release(below);
  x.state.gpr[RSP] = stackPointerFor(x, code.attributes);
  x.state.setSegment(CS, markAccessed(x, code));
  if (outer) dropInnerSegments(x, level);
  x.next = ip;
}

/** CS of the image: a code segment whose level is the RPL, not an inner one. */
function returnSegment(x: Execution, selector: number): Descriptor {
  const code = selectorCode(selector);
  if (isNull(selector)) x.fault('#GP', 'the return selector is null', 0);
  const descriptor = readDescriptor(x, selector);
  const { attributes, dpl, rpl } = descriptor;
  if (!isCode(attributes)) x.fault('#GP', `selector ${hex(selector)} names no code segment`, code);
  if (isLongAndBig(x, attributes)) x.fault('#GP', 'a code segment cannot have both L and D', code);
  if (rpl < x.cpl) x.fault('#GP', `a return cannot lead to an inner level: RPL ${rpl}, CPL ${x.cpl}`, code);
  const unfit = isConforming(attributes) ? dpl > rpl : dpl !== rpl;
  if (unfit) x.fault('#GP', `DPL ${dpl} of the code segment does not fit RPL ${rpl}`, code);
  requirePresent(x, descriptor, 'code segment');
  return descriptor;
}

/** SS of the image, for `level`; null is allowed on the way to 64-bit code that is not at level 3. */
function returnStack(x: Execution, selector: number, level: number, code: Segment): Segment | Descriptor {
  const errorCode = selectorCode(selector);
  if (isNull(selector)) {
    const allowed = is64Bit(x, code.attributes) && level !== 3 && (selector & 3) === level;
    if (!allowed) x.fault('#GP', 'a null SS cannot be returned to here', 0);
    return nullStack(level);
  }
  const descriptor = readDescriptor(x, selector);
  if (descriptor.rpl !== level || descriptor.dpl !== level || !isWritableData(descriptor.attributes)) {
    x.fault('#GP', `SS needs a writable data segment with RPL and DPL ${level}`, errorCode);
  }
  if (!(descriptor.attributes & ATTRIBUTE.present)) x.fault('#SS', 'the stack segment is not present', errorCode);
  return descriptor;
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
