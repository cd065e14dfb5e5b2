/**
 * The segment registers of a task that is being entered. The task is the current one already: a selector that does not
 * fit is a fault in its context, with all selectors loaded and only those before it usable. The order of the checks is
 * model-specific (SDM vol. 3A, 7.3, table 7-1, gives that of the P6 family); here it is LDTR, CS, SS, DS, ES, FS, GS.
 */

import { hex } from '../../numbers/bits.ts';
import { CS, DS, ES, FS, GS, LDTR, SS } from '../../state/fields.ts';
import { ATTRIBUTE, type Segment } from '../../state/state.ts';
import type { Execution } from '../execution.ts';
import {
  type Complaint, isCode, isConforming, isNull, markAccessed, readDescriptor, selectorCode,
} from '../segmentation/descriptor.ts';
import { loadSegment, virtual8086Segment } from '../segmentation/load.ts';

/** Selectors of a task by segment register. */
type Selectors = ReadonlyMap<number, number>;

/** Loads LDTR and the six segment registers with the selectors of a task; one that is not among them becomes null. */
export function loadTaskSegments(x: Execution, selectors: Selectors, ldt: number, external: number): void {
  const complaint: Complaint = { mnemonic: '#TS', external };
  const selectorOf = (segment: number): number => selectors.get(segment) ?? 0;
  for (const segment of [ES, CS, SS, DS, FS, GS]) makeUnusable(x, segment, selectorOf(segment));
  makeUnusable(x, LDTR, ldt);
  setLevel(x, x.addressing === 'virtual-8086' ? 3 : selectorOf(CS) & 3);
  if (!isNull(ldt)) x.state.setSegment(LDTR, localTable(x, ldt, complaint));
  x.state.setSegment(CS, codeSegment(x, selectorOf(CS), complaint));
  for (const segment of [SS, DS, ES, FS, GS]) loadSegment(x, segment, selectorOf(segment), complaint);
}

function makeUnusable(x: Execution, segment: number, selector: number): void {
  x.state.setSegment(segment, { ...x.state.segment(segment), selector, attributes: 0 });
}

/** The level is the RPL of CS before any descriptor is looked at; SS holds it. */
function setLevel(x: Execution, level: number): void {
  x.state.setSegment(SS, { ...x.state.segment(SS), attributes: level << 5 });
}

function localTable(x: Execution, selector: number, complaint: Complaint): Segment {
  const code = selectorCode(selector) | complaint.external;
  if (selector & 4) x.fault('#TS', 'the LDT of the new task is described in an LDT, not in the GDT', code);
  const { base, limit, attributes } = readDescriptor(x, selector, complaint);
  if ((attributes & 0x1f) !== 2) x.fault('#TS', `the LDT selector ${hex(selector)} of the new task names no LDT`, code);
  if (!(attributes & ATTRIBUTE.present)) x.fault('#TS', 'the LDT of the new task is not present', code);
  return { selector, base, limit, attributes };
}

function codeSegment(x: Execution, selector: number, complaint: Complaint): Segment {
  return x.addressing === 'virtual-8086' ? virtual8086Segment(selector) : protectedCode(x, selector, complaint);
}

function protectedCode(x: Execution, selector: number, complaint: Complaint): Segment {
  const code = selectorCode(selector) | complaint.external;
  if (isNull(selector)) x.fault('#TS', 'the CS of the new task is null', code);
  const descriptor = readDescriptor(x, selector, complaint);
  const { attributes, dpl, rpl } = descriptor;
  if (!isCode(attributes)) x.fault('#TS', `the CS ${hex(selector)} of the new task names no code segment`, code);
  const privileged = isConforming(attributes) ? dpl > rpl : dpl !== rpl;
  if (privileged) x.fault('#TS', `DPL ${dpl} of the new task's code segment does not fit RPL ${rpl} of CS`, code);
  if (!(attributes & ATTRIBUTE.present)) x.fault('#NP', 'the code segment of the new task is not present', code);
  return markAccessed(x, descriptor);
}

/** The new task's EIP is not in its code segment. */
export const outsideCode = (x: Execution): boolean => Number(x.next) > x.state.limit(CS);
