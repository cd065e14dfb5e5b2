/**
 * What a load of a segment register does to its hidden part. SDM vol. 3A, 3.4.3 and 5.7; vol. 2B, MOV; vol. 3B, 20.1.1
 * for real-address mode and 20.2 for virtual-8086 mode.
 */

import { hex } from '../../numbers/bits.ts';
import { SEGMENT_NAMES, SS } from '../../state/fields.ts';
import { ATTRIBUTE, type Segment } from '../../state/state.ts';
import type { Execution } from '../execution.ts';
import {
  type Complaint, type Descriptor, PROTECTION, isCode, isConforming, isNull, isWritableData, markAccessed,
  readDescriptor,
  selectorCode,
} from './descriptor.ts';

/** Present, DPL 3, data, read/write, accessed: what virtual-8086 mode gives every segment. */
const VIRTUAL_8086_DATA = 0xf3;

/** What `selector` makes of any segment register in virtual-8086 mode. */
export const virtual8086Segment = (selector: number): Segment =>
  ({ selector, base: BigInt(selector * 16), limit: 0xffff, attributes: VIRTUAL_8086_DATA });

/**
 * Loads ES, SS, DS, FS or GS (not CS) with `selector`, or faults with nothing written but accessed bits of other loads.
 * A task switch raises #TS where an instruction raises #GP.
 */
export function loadSegment(x: Execution, segment: number, selector: number, complaint = PROTECTION): void {
  x.state.setSegment(segment, segmentFor(x, segment, selector, complaint));
}

/** The register that `selector` would leave: visible and hidden part. */
function segmentFor(x: Execution, segment: number, selector: number, complaint: Complaint): Segment {
  switch (x.addressing) {
    case 'real': return realModeSegment(x, segment, selector);
    case 'virtual-8086': return virtual8086Segment(selector);
    case 'protected': return isNull(selector)
      ? nullSegment(x, segment, selector, complaint)
      : markAccessed(x, checkedData(x, segment, selector, complaint));
  }
}

/**
 * Real-address mode: the base is the selector times 16; limit and attributes keep what they were, also what protected
 * mode had put there. That is unreal mode. Intel processors since the Pentium; SDM vol. 3A, 9.9.2 allows it. A register
 * that a null selector had made unusable is usable again, with the limit it has.
 */
export function realModeSegment(x: Execution, segment: number, selector: number): Segment {
  const before = x.state.segment(segment);
  const attributes = before.attributes | ATTRIBUTE.present | ATTRIBUTE.codeOrData;
  return { selector, base: BigInt(selector * 16), limit: before.limit, attributes };
}

/** A null selector makes the register unusable; SS takes one only in 64-bit mode outside CPL 3, with RPL = CPL. */
function nullSegment(x: Execution, segment: number, selector: number, { mnemonic, external }: Complaint): Segment {
  const allowed = segment !== SS || (x.mode === 64 && x.cpl !== 3 && (selector & 3) === x.cpl);
  if (!allowed) x.fault(mnemonic, 'a null selector cannot be loaded into SS here', external);
  const cleared = x.cpu.nullSelector === 'clears base and limit';
  return {
    selector,
    base: cleared ? 0n : x.state.base(segment),
    limit: cleared ? 0 : x.state.limit(segment),
    // Unusable, with the DPL that SS needs to go on saying the CPL.
    attributes: segment === SS ? x.cpl << 5 : 0,
  };
}

/** The checks on a data segment, or a readable code segment in DS, ES, FS and GS, in the manual's order. */
function checkedData(x: Execution, segment: number, selector: number, complaint: Complaint): Descriptor {
  const descriptor = readDescriptor(x, selector, complaint);
  const { mnemonic } = complaint;
  const { attributes, dpl, rpl } = descriptor;
  const code = selectorCode(selector) | complaint.external;
  const name = SEGMENT_NAMES[segment]!;
  const executeOnly = isCode(attributes) && !(attributes & ATTRIBUTE.writableOrReadable);
  if (!(attributes & ATTRIBUTE.codeOrData)) {
    x.fault(mnemonic, `selector ${hex(selector)} names a system segment, ${name} takes none`, code);
  }
  if (segment === SS) {
    if (rpl !== x.cpl || dpl !== x.cpl) {
      x.fault(mnemonic, `SS needs RPL and DPL of ${x.cpl}, the CPL; they are ${rpl} and ${dpl}`, code);
    }
    if (!isWritableData(attributes)) x.fault(mnemonic, 'SS needs a writable data segment', code);
  } else {
    if (executeOnly) x.fault(mnemonic, `${name} cannot hold an execute-only segment`, code);
    if (!isConforming(attributes) && (rpl > dpl || x.cpl > dpl)) {
      x.fault(mnemonic, `DPL ${dpl} of selector ${hex(selector)} is below RPL ${rpl} or CPL ${x.cpl}`, code);
    }
  }
  if (!(attributes & ATTRIBUTE.present)) {
    x.fault(segment === SS ? '#SS' : '#NP', `the segment of selector ${hex(selector)} is not present`, code);
  }
  return descriptor;
}
