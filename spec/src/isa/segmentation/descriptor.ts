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
  /** The eight bytes. */
  readonly raw: bigint;
}

/** Bits 1:0 of a selector do not count: 0 to 3 are null. */
export const isNull = (selector: number): boolean => (selector & 0xfffc) === 0;

/** The error code that names a selector: without its RPL. */
export const selectorCode = (selector: number): number => selector & 0xfffc;

const KIND = ATTRIBUTE.codeOrData | ATTRIBUTE.code;
/**
 * A code segment; a data segment that can be written; a code segment that takes on its caller's level. SDM vol. 3A,
 * table 3-1.
 */
export const isCode = (attributes: number): boolean => (attributes & KIND) === KIND;
export const isWritableData = (attributes: number): boolean =>
  (attributes & (KIND | ATTRIBUTE.writableOrReadable)) === (ATTRIBUTE.codeOrData | ATTRIBUTE.writableOrReadable);
export const isConforming = (attributes: number): boolean =>
  isCode(attributes) && (attributes & ATTRIBUTE.expandDownOrConforming) !== 0;

/** What a selector that names no fitting descriptor raises, and the EXT bit of the error code. */
export interface Complaint {
  readonly mnemonic: FaultMnemonic;
  readonly external: number;
}

/** #GP for instructions that load a segment register. */
export const PROTECTION: Complaint = { mnemonic: '#GP', external: 0 };

/** The descriptor that `selector` names; beyond its table's limit, or in an LDT that is not there, is #GP(selector). */
export function readDescriptor(x: Execution, selector: number, { mnemonic, external } = PROTECTION): Descriptor {
  const descriptor = findDescriptor(x, selector);
  if (!descriptor) {
    const table = selector & 4 ? 'LDT' : 'GDT';
    x.fault(
      mnemonic, `selector ${hex(selector)} is beyond the limit of the ${table}`, selectorCode(selector) | external,
    );
  }
  return descriptor;
}

/** The same without a fault: undefined beyond the limit of the table. */
export function findDescriptor(x: Execution, selector: number): Descriptor | undefined {
  const address = locate(x, selector, 8);
  return address === undefined ? undefined : parseDescriptor(x.tables.read(address, 8), selector, address);
}

/**
 * Bytes 8 to 15 of a system descriptor of 16 bytes: bits 63:32 of an address, and a type that has to be 0. Undefined
 * where it is another one, or where they reach beyond the limit of the table. SDM vol. 3A, 3.5 and 5.8.3.1.
 */
export function findUpperHalf(x: Execution, selector: number): bigint | undefined {
  const address = locate(x, selector, 16);
  const upper = address === undefined ? undefined : x.tables.read(u(64, address + 8n), 8);
  return upper === undefined || u(5, upper >> 40n) !== 0n ? undefined : upper;
}

/** Linear address of the `bytes` bytes of the descriptor, or undefined where the table has not so many. */
function locate({ state }: Execution, selector: number, bytes: number): bigint | undefined {
  const local = (selector & 4) !== 0;
  const base = local ? state.base(LDTR) : state.quad(OFFSET.gdtrBase);
  const limit = local ? state.limit(LDTR) : state.word(OFFSET.gdtrLimit);
  const absent = local && !(state.attributes(LDTR) & ATTRIBUTE.present);
  const offset = selector & 0xfff8;
  return absent || offset + bytes - 1 > limit ? undefined : u(64, base + BigInt(offset));
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
    raw,
  };
}

/** A gate or task state segment may be used from CPL and RPL, else #GP(selector). SDM vol. 3A, 5.8.4. */
export function requireVisible(x: Execution, { selector, dpl, rpl }: Descriptor, name: string): void {
  const below = dpl < x.cpl || dpl < rpl;
  if (below) x.fault('#GP', `the ${name} has DPL ${dpl}, below CPL ${x.cpl} or RPL ${rpl}`, selectorCode(selector));
}

/** Else #NP(selector). */
export function requirePresent(x: Execution, { selector, attributes }: Descriptor, name: string): void {
  if (!(attributes & ATTRIBUTE.present)) x.fault('#NP', `the ${name} is not present`, selectorCode(selector));
}

/** Faults where marking the segment accessed would, and writes nothing. */
export function requireMarkable(x: Execution, { attributes, address }: Descriptor): void {
  if (!(attributes & ATTRIBUTE.accessed)) x.tables.requireWritable(u(64, address + 5n), 1);
}

/** Sets the accessed bit in the table, as every load of a code or data segment does. SDM vol. 3A, 3.4.5.1. */
export function markAccessed(x: Execution, descriptor: Descriptor): Segment {
  const { selector, base, limit, attributes, address } = descriptor;
  if (!(attributes & ATTRIBUTE.accessed)) {
    x.tables.write(u(64, address + 5n), 1, BigInt((attributes & 0xff) | ATTRIBUTE.accessed));
  }
  return { selector, base, limit, attributes: attributes | ATTRIBUTE.accessed };
}
