/** Segment descriptors as they stand in the GDT and the LDT. SDM vol. 3A, 3.4.5 and 3.5. */

import { hex, u } from '../../numbers/bits.ts';
import { LDTR, OFFSET } from '../../state/fields.ts';
import type { FaultMnemonic } from '../../state/outcomes.ts';
import { ATTRIBUTE, type Segment } from '../../state/state.ts';
import type { Execution } from '../execution.ts';

export interface Descriptor extends Segment {
  /** Linear address of the descriptor. */
  readonly address: bigint;
  readonly dpl: number;
  /** Requested privilege level: bits 1:0 of the selector. */
  readonly rpl: number;
}

/** Bits 1:0 of a selector do not count: 0 to 3 are null. */
export const isNull = (selector: number): boolean => (selector & 0xfffc) === 0;

/** The error code that names a selector: without its RPL. */
export const selectorCode = (selector: number): number => selector & 0xfffc;

const KIND = ATTRIBUTE.codeOrData | ATTRIBUTE.code;
/** A code segment; a data segment that can be written; a code segment that takes on its caller's level. SDM vol. 3A, table 3-1. */
export const isCode = (attributes: number): boolean => (attributes & KIND) === KIND;
export const isWritableData = (attributes: number): boolean =>
  (attributes & (KIND | ATTRIBUTE.writableOrReadable)) === (ATTRIBUTE.codeOrData | ATTRIBUTE.writableOrReadable);
export const isConforming = (attributes: number): boolean => isCode(attributes) && (attributes & ATTRIBUTE.expandDownOrConforming) !== 0;

/** What a selector that names no fitting descriptor raises, and the EXT bit of the error code. */
export interface Complaint {
  readonly mnemonic: FaultMnemonic;
  readonly external: number;
}

/** #GP for instructions that load a segment register. */
export const PROTECTION: Complaint = { mnemonic: '#GP', external: 0 };

/** The descriptor that `selector` names; beyond its table's limit, or in an LDT that is not there, is #GP(selector). */
export function readDescriptor(x: Execution, selector: number, { mnemonic, external } = PROTECTION): Descriptor {
  const { state } = x;
  const local = (selector & 4) !== 0;
  const [base, limit] = local ? [state.base(LDTR), state.limit(LDTR)] : [state.quad(OFFSET.gdtrBase), state.word(OFFSET.gdtrLimit)];
  const absent = local && !(state.attributes(LDTR) & ATTRIBUTE.present);
  const offset = selector & 0xfff8;
  if (absent || offset + 7 > limit) {
    x.fault(mnemonic, `selector ${hex(selector)} is beyond the limit of the ${local ? 'LDT' : 'GDT'}`, selectorCode(selector) | external);
  }
  const address = u(64, base + BigInt(offset));
  return parseDescriptor(x.tables.read(address, 8), selector, address);
}

/** The eight bytes of a code, data or system descriptor, with the limit scaled by G. */
export function parseDescriptor(raw: bigint, selector: number, address: bigint): Descriptor {
  const field = (low: number, bits: number): number => Number(u(bits, raw >> BigInt(low)));
  const attributes = field(40, 16) & 0xf0ff;
  const limit = field(0, 16) | (field(48, 4) << 16);
  return {
    selector, address, attributes,
    base: u(32, BigInt(field(16, 24)) | u(32, BigInt(field(56, 8)) << 24n)),
    limit: attributes & ATTRIBUTE.granular ? ((limit << 12) | 0xfff) >>> 0 : limit,
    dpl: (attributes >> 5) & 3,
    rpl: selector & 3,
  };
}

/** Sets the accessed bit in the table, as every load of a code or data segment does. SDM vol. 3A, 3.4.5.1. */
export function markAccessed(x: Execution, descriptor: Descriptor): Segment {
  const { selector, base, limit, attributes, address } = descriptor;
  if (!(attributes & ATTRIBUTE.accessed)) x.tables.write(u(64, address + 5n), 1, BigInt((attributes & 0xff) | ATTRIBUTE.accessed));
  return { selector, base, limit, attributes: attributes | ATTRIBUTE.accessed };
}
