/** What user code finds around it: Linux's descriptor tables, and our own segments in the LDT. One list for both sides. */

import { toBytes } from '../../spec/src/numbers/bits.ts';

/** Where code and data are: high addresses, whose upper halves a 32-bit save loses, or low ones. */
export const PLACES = {
  high: { code: 0x2000_0000_0800n, data: 0x2000_0010_0000n },
  low: { code: 0x1000_0800n, data: 0x1010_0000n },
} as const;
export type Place = keyof typeof PLACES;

/** The code page around `code` holds nothing but HLT: in user mode that is #GP(0), which ends a record. */
export const CODE_PAGE_BYTES = 0x1000;
export const HLT = 0xf4;
/** Below the data lies a page that cannot be written; nothing is mapped below that and above the data. */
export const READ_ONLY_BYTES = 0x1000;

/** RSP, above its lower 16 bits, after an entry to code with a 16-bit stack. */
export const HIGH_OF_16_BIT_STACK = 0x5555_1234_0000n;

export const codePage = (place: Place): bigint => PLACES[place].code & ~0xfffn;

/** Selectors of user code on Linux. Data segments in 64-bit code are null. */
export const SELECTOR = { code64: 0x33, code32: 0x23, data: 0x2b } as const;

/** The global descriptor table of 64-bit Linux. The task state segment at 40h and the LDT at 50h take two entries each. */
export const GDT: readonly bigint[] = [
  0n, 0x00cf_9b00_0000_ffffn, 0x00af_9b00_0000_ffffn, 0x00cf_9300_0000_ffffn,
  0x00cf_fb00_0000_ffffn, 0x00cf_f300_0000_ffffn, 0x00af_fb00_0000_ffffn, 0n,
  0x0000_8b00_0000_4087n, 0n, 0x0000_8200_0000_0000n, 0n, 0n, 0n, 0n, 0x0040_f500_0000_0000n,
];
/** The limit of the last entry says on which CPU the task runs, which is nothing to compare. */
export const CPU_NUMBER_ENTRY = 0x78;

/** A segment of the LDT, as the modify_ldt system call takes it. */
export interface LocalSegment {
  readonly name: string;
  readonly kind: 'data' | 'expand-down' | 'code' | 'conforming';
  readonly base: bigint;
  /** Twenty bits, in pages where `pages` says so. */
  readonly limit: number;
  readonly big?: true;
  readonly pages?: true;
  /** Data that cannot be written, code that cannot be read. */
  readonly restricted?: true;
  readonly absent?: true;
}

const code = codePage('low'), { data } = PLACES.low;
const WHOLE = { limit: 0xf_ffff, pages: true } as const;

/** By index; index 0 and what is beyond the last are not there. Linux refuses a conforming segment that is present. */
export const LOCAL: readonly (LocalSegment | undefined)[] = [
  undefined,
  { name: 'code 16', kind: 'code', base: code, limit: 0xffff },
  { name: 'code 16, execute-only', kind: 'code', base: code, limit: 0xffff, restricted: true },
  { name: 'code 32', kind: 'code', base: code, ...WHOLE, big: true },
  { name: 'code 32, flat, execute-only', kind: 'code', base: 0n, ...WHOLE, big: true, restricted: true },
  { name: 'code 16, short', kind: 'code', base: code, limit: 0x806 },
  { name: 'code 32, short', kind: 'code', base: code, limit: 0x806, big: true },
  { name: 'code 32, absent', kind: 'code', base: code, ...WHOLE, big: true, absent: true },
  { name: 'conforming code 32, absent', kind: 'conforming', base: code, ...WHOLE, big: true, absent: true },
  { name: 'data', kind: 'data', base: data, limit: 0xfff },
  { name: 'data, all around', kind: 'data', base: data, ...WHOLE, big: true },
  { name: 'data, read-only', kind: 'data', base: data, limit: 0xfff, restricted: true },
  { name: 'data, short', kind: 'data', base: data, limit: 0x47f },
  { name: 'expand-down 16', kind: 'expand-down', base: data, limit: 0x47f },
  { name: 'expand-down 32', kind: 'expand-down', base: data, limit: 0x47f, big: true },
  { name: 'data, absent', kind: 'data', base: data, limit: 0xfff, absent: true },
  { name: 'data, odd base', kind: 'data', base: data + 0x403n, limit: 0xffff },
  { name: 'expand-down 32, read-only', kind: 'expand-down', base: data, limit: 0x4ff, big: true, restricted: true },
  { name: 'stack 16', kind: 'data', base: data, limit: 0xffff },
  { name: 'stack 32', kind: 'data', base: data, ...WHOLE, big: true },
  { name: 'expand-down 32, in pages', kind: 'expand-down', base: data - 0x1000n, limit: 0, pages: true, big: true },
  { name: 'data, 1 MiB in bytes', kind: 'data', base: data, limit: 0xf_ffff, big: true },
];

/** The selector of LDT entry `index`, for user code. */
export const local = (index: number): number => (index << 3) | 7;
/** The selectors of those entries that are segments of the given kinds. */
export const localSelectors = (accepts: (segment: LocalSegment) => boolean): number[] =>
  LOCAL.flatMap((segment, index) => (segment && accepts(segment) ? [local(index)] : []));

/** `struct user_desc` of Linux. */
export function userDescriptor(segment: LocalSegment, index: number): Uint8Array {
  const contents = ['data', 'expand-down', 'code', 'conforming'].indexOf(segment.kind);
  const flags = (segment.big ? 1 : 0) | (contents << 1) | (segment.restricted ? 8 : 0) | (segment.pages ? 0x10 : 0)
    | (segment.absent ? 0x20 : 0);
  return Uint8Array.of(...toBytes(BigInt(index), 4), ...toBytes(segment.base, 4), ...toBytes(BigInt(segment.limit), 4), ...toBytes(BigInt(flags), 4));
}

/** The descriptor that Linux makes of it: DPL 3, accessed. */
export function descriptorOf(segment: LocalSegment): bigint {
  const kind = ['data', 'expand-down', 'code', 'conforming'].indexOf(segment.kind);
  const attributes = 0x71 | (kind << 2) | (segment.restricted ? 0 : 2) | (segment.absent ? 0 : 0x80)
    | (segment.big ? 0x4000 : 0) | (segment.pages ? 0x8000 : 0);
  const limit = BigInt(segment.limit);
  return (limit & 0xffffn) | ((segment.base & 0xff_ffffn) << 16n) | (BigInt(attributes) << 40n) | ((limit >> 16n) << 48n) | ((segment.base >> 24n) << 56n);
}
