/** Segment descriptors and gates, from the manual's figures and not from the engine. */

/** Segment registers by number. */
export const ES = 0, CS = 1, SS = 2, DS = 3, FS = 4, GS = 5, LDTR = 6, TR = 7;

/** Flags of a descriptor, as they stand in its byte 6. */
export const GRANULAR = 0x80, BIG = 0x40, LONG = 0x20;

/** A code, data or system descriptor: access byte and flags. SDM vol. 3A, figure 3-8. */
export const segmentDescriptor = (base: number, limit: number, access: number, flags = 0): bigint =>
  BigInt(limit & 0xffff) | (BigInt(base & 0xff_ffff) << 16n) | (BigInt(access) << 40n)
  | (BigInt(((limit >> 16) & 15) | flags) << 48n) | (BigInt(base >>> 24) << 56n);

/** A call, task, interrupt or trap gate, its lower eight bytes. SDM vol. 3A, figures 5-8, 6-2 and 7-6. */
export const gate = (access: number, selector: number, offset: bigint, parameters = 0): bigint =>
  (offset & 0xffffn) | (BigInt(selector) << 16n) | (BigInt(parameters) << 32n) | (BigInt(access) << 40n)
  | (((offset >> 16n) & 0xffffn) << 48n);
