/**
 * The x87, MMX, SSE and AVX state that an instance starts with: which of it is the instance's own, and its values.
 * Stored sets keep a seed and not the values, so a change of what `extendedState` answers needs new captures.
 */

import type { Feature } from '../../../spec/src/cpus/features.table.ts';
import type { Form } from '../../../spec/src/isa/form.ts';
import { toBytes } from '../../../spec/src/numbers/bits.ts';
import { type Random, randomFrom } from '../../integer/random.ts';
import { type Piece, XSTATE_BV_AT, YMM_AT } from '../records.ts';

/** Bits of an instance's kind: the components that begin with values of their own, and what kind of values. */
export const X87 = 1, XMM = 2, YMM = 4;
/** Elements of the vector registers: integers where neither is set. MMX: ST registers that hold packed integers. */
export const SINGLE = 8, DOUBLE = 16, PACKED = 32;

/** Chapters by the kind of state, as `--only` has them. */
export type StateChapter = 'integer' | 'x87' | 'mmx' | 'vectors' | 'areas';

const VECTOR_FEATURE = /^(SSE|SSE2|SSE3|SSSE3|SSE4.*|AVX.*|V?AES|V?PCLMULQDQ|GFNI|SHA.*|SM[34]|F16C|FMA4?|XOP|MISALIGNSSE)$/;

/** The CPUID features that a form needs: one or several. */
export const featuresOf = ({ definition }: Form): readonly Feature[] => [definition.cpuid ?? []].flat();

export function chapterOf(form: Form): StateChapter {
  const { definition: { mnemonic }, operands } = form;
  const needs = (features: RegExp): boolean => featuresOf(form).some((feature) => features.test(feature));
  const written = operands.map(({ text, file }) => `${text} ${file}`).join(' ');
  if (needs(/^(XSAVE|XSAVEOPT|XSAVEC|XSAVES|FXSR)$/) && !/^X[GS]ETBV$/.test(mnemonic)) return 'areas';
  if (needs(/^FPU$/) || /ST\(/.test(written)) return 'x87';
  if (needs(/^MMX$/) || /^F?EMMS$/.test(mnemonic) || /\bmmx?\b/.test(written)) return 'mmx';
  if (needs(VECTOR_FEATURE) || /[xy]mm|vm(32|64)/.test(written)) return 'vectors';
  return 'integer';
}

/** What an instance of the form begins with; undefined where it has nothing to do with this state. */
export function stateKind(form: Form, random: Random, avx: boolean): number | undefined {
  const { mnemonic } = form.definition;
  const elements = random.chance(0.15) ? random.pick([0, SINGLE, DOUBLE]) : elementsOf(mnemonic);
  const vectors = XMM | (avx && random.chance(0.85) ? YMM : 0) | elements;
  switch (chapterOf(form)) {
    case 'integer': return undefined;
    case 'x87': return X87 | (random.chance(0.05) ? vectors | PACKED : 0);
    case 'mmx': return X87 | (random.chance(0.85) ? PACKED : 0) | (/[xy]mm|PS|PD/.test(`${form.text} ${mnemonic}`) ? vectors : 0);
    case 'areas': return random.below(8) & (avx ? 7 : 3) | elements;
    case 'vectors': return vectors | (random.chance(0.03) ? X87 : 0);
  }
}

/** By the letters that end the name of the instruction or stand before the 2 of a conversion. */
function elementsOf(mnemonic: string): number {
  if (/[PS]D$|[PS]D2|2[PS]D|[PS]D(128|256)$/.test(mnemonic)) return DOUBLE;
  return /[PS]S$|[PS]S2|2[PS]S|PSY?$|CVTPH|2PH/.test(mnemonic) ? SINGLE : 0;
}

/** The pieces of the XSAVE area, from what `randomRegisters` takes as well. */
export function extendedState(seed: number, index: number, kind: number): Piece[] {
  const random = randomFrom(Math.imul(index + 1, 0x03_0007) ^ seed ^ 0x7e57);
  const pieces: Piece[] = [{ offset: XSTATE_BV_AT, bytes: toBytes(BigInt(kind & (X87 | XMM | YMM)), 8) }];
  if (kind & X87) {
    pieces.push({ offset: 0, bytes: x87Environment(random) }, { offset: 32, bytes: x87Registers(random, (kind & PACKED) !== 0) });
  }
  if (kind & (XMM | YMM)) {
    // Without XMM registers, MXCSR alone would bring SSE state into use when the kernel saves and restores it in between.
    const control = mxcsr(random);
    if (kind & XMM) pieces.push({ offset: 24, bytes: toBytes(BigInt(control), 4) });
    const vectors = Array.from({ length: 16 }, () => vectorBytes(random, kind, 32));
    // Equal operands, and such that differ in a bit: comparisons, cancellation.
    for (let n = 1; n < 16; n++) if (random.chance(0.15)) vectors[n] = nudged(random, vectors[n - 1]!);
    if (kind & XMM) pieces.push({ offset: 160, bytes: joined(vectors.map((bytes) => bytes.subarray(0, 16))) });
    if (kind & YMM) pieces.push({ offset: YMM_AT, bytes: joined(vectors.map((bytes) => bytes.subarray(16))) });
  }
  return pieces;
}

const joined = (parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(parts));

function nudged(random: Random, bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  if (random.chance(0.6)) copy[random.below(copy.length)]! ^= 1 << random.below(8);
  return copy;
}

/** All exceptions masked most of the time; any rounding, FTZ and DAZ. The bits that every processor has. */
export function mxcsr(random: Random): number {
  const masks = random.chance(0.65) ? 0x1f80 : random.below(64) << 7;
  const zeros = (random.chance(0.25) ? 0x8000 : 0) | (random.chance(0.25) ? 0x40 : 0);
  return masks | zeros | (random.below(4) << 13) | (random.chance(0.2) ? random.below(64) : 0);
}

/** FCW, FSW, abridged tag word, FOP, FIP and FDP. */
export function x87Environment(random: Random): Uint8Array {
  const masks = random.chance(0.65) ? 0x3f : random.below(64);
  const precision = random.chance(0.5) ? 3 : random.below(4);
  const fcw = random.chance(0.05) ? random.below(0x1_0000) : 0x40 | masks | (precision << 8) | (random.below(4) << 10) | (random.chance(0.1) ? 0x1000 : 0);
  const top = random.below(8);
  // Flags of masked exceptions as a rule: with an unmasked one, what waits does nothing but raise #MF.
  const flags = random.chance(0.6) ? 0 : random.below(0x80) & (random.chance(0.8) ? fcw | 0x40 : 0xff);
  const fsw = flags | (top << 11) | (random.chance(0.5) ? random.below(0x1_0000) & 0x4700 : 0);
  // Registers in use from the top on, as programs have them; or any.
  const used = random.below(9);
  const ring = ((1 << used) - 1) << top;
  const ftw = random.chance(0.2) ? random.below(256) : (ring | (ring >> 8)) & 0xff;
  const pointer = (): bigint => (random.chance(0.3) ? 0n : random.value());
  return joined([toBytes(BigInt(fcw), 2), toBytes(BigInt(fsw), 2), toBytes(BigInt(ftw), 2), toBytes(BigInt(random.chance(0.3) ? 0 : random.below(0x800)), 2), toBytes(pointer(), 8), toBytes(pointer(), 8)]);
}

export function x87Registers(random: Random, packed: boolean): Uint8Array {
  let last = 0n;
  return joined(Array.from({ length: 8 }, () => {
    const value = packed && random.chance(0.8) ? packedRegister(random) : float80(random);
    // Now and then the neighbour again, or almost.
    const near = random.chance(0.12) ? last ^ (random.chance(0.5) ? 0n : 1n << BigInt(random.below(80))) : value;
    last = near;
    return toBytes(near, 16);
  }));
}

const packedRegister = (random: Random): bigint => (BigInt(random.chance(0.7) ? 0xffff : random.below(0x1_0000)) << 64n) | lanes(random, random.pick([8, 16, 32, 64]), 64);

const BIAS = 16383;
/** Exponents at which something begins or ends: underflow and overflow of the three formats, integers, FPREM, trigonometry. */
const EXPONENTS = [
  0, 1, 2, 0x7ffe, 0x7ffd, BIAS - 1, BIAS, BIAS + 1, BIAS - 126, BIAS - 127, BIAS - 149, BIAS - 150, BIAS + 127, BIAS + 128, BIAS - 1022, BIAS - 1023,
  BIAS - 1074, BIAS - 1075, BIAS + 1023, BIAS + 1024, BIAS + 15, BIAS + 16, BIAS + 30, BIAS + 31, BIAS + 32, BIAS + 58, BIAS + 59, BIAS + 62, BIAS + 63, BIAS + 64, BIAS - 64,
  BIAS - 63, BIAS - 32, BIAS - 2,
];

/** An 80-bit value: each of the classes of SDM vol. 1, 8.3.1 and tables 4-3 and 8-3, unsupported encodings included. */
export function float80(random: Random): bigint {
  const sign = random.chance(0.5) ? 1n << 79n : 0n;
  const number = (exponent: number, mantissa: bigint): bigint => sign | (BigInt(exponent) << 64n) | mantissa;
  const INTEGER = 1n << 63n;
  const kind = random.below(32);
  if (kind < 2) return number(0, 0n);
  if (kind < 4) return number(0, fraction(random));
  if (kind < 5) return number(0, INTEGER | fraction(random));
  if (kind < 6) return number(random.pick([1, 2, BIAS, 0x7ffe, 1 + random.below(0x7ffe)]), fraction(random));
  if (kind < 8) return number(0x7fff, INTEGER);
  if (kind < 9) return number(0x7fff, 0n);
  if (kind < 10) return number(0x7fff, fraction(random) | 1n);
  if (kind < 12) return number(0x7fff, INTEGER | (fraction(random) >> 2n) | 1n);
  if (kind < 14) return number(0x7fff, INTEGER | (1n << 62n) | (random.chance(0.3) ? 0n : fraction(random)));
  if (kind < 17) return number(BIAS + random.below(12), INTEGER | (BigInt(random.below(0x1000)) << 51n));
  if (kind < 19) return number(BIAS, INTEGER);
  const exponent = kind < 25 ? random.pick(EXPONENTS) : kind < 30 ? BIAS - 70 + random.below(140) : 1 + random.below(0x7ffe);
  return number(exponent, INTEGER | fraction(random));
}

/** Bits 62:0: any, few at the top, or around where the three precisions round. */
function fraction(random: Random): bigint {
  const any = BigInt.asUintN(63, (BigInt(random.below(2 ** 31)) << 32n) | BigInt(random.below(2 ** 32)));
  const kind = random.below(8);
  if (kind === 0) return 0n;
  if (kind === 1) return (1n << 63n) - 1n;
  if (kind === 2) return BigInt(random.below(256)) << 55n;
  if (kind > 4) return any;
  // 24 and 53 bits of 64: the half below the last of them, and one more or less.
  const dropped = random.pick([40n, 11n]);
  const tail = (1n << (dropped - 1n)) + BigInt(random.below(3) - 1);
  return BigInt.asUintN(63, ((any >> dropped) << dropped) + tail);
}

/** IEEE 754 values of either width: as bits. */
function float(random: Random, width: 32 | 64): bigint {
  const fractionBits = width === 32 ? 23n : 52n, bias = width === 32 ? 127 : 1023, top = 2 * bias + 1;
  const any = BigInt.asUintN(Number(fractionBits), (BigInt(random.below(2 ** 26)) << 26n) | BigInt(random.below(2 ** 26)));
  const number = (exponent: number, low: bigint): bigint => (random.chance(0.5) ? 1n << BigInt(width - 1) : 0n) | (BigInt(exponent) << fractionBits) | low;
  const kind = random.below(32);
  if (kind < 2) return number(0, 0n);
  if (kind < 4) return number(0, random.chance(0.3) ? random.pick([1n, (1n << fractionBits) - 1n]) : any);
  if (kind < 6) return number(top, 0n);
  if (kind < 7) return number(top, (any >> 1n) | 1n);
  if (kind < 9) return number(top, (1n << (fractionBits - 1n)) | (random.chance(0.3) ? 0n : any));
  if (kind < 11) return number(bias, 0n);
  if (kind < 14) return number(bias + random.below(10), (any >> (fractionBits - 8n)) << (fractionBits - 8n));
  if (kind < 17) return number(random.pick([1, 2, top - 1, top - 2, bias - 1, bias + 15, bias + 31, bias + 30, bias + 32, bias + 62, bias + 63, bias - 24].filter((e) => e < top)), random.chance(0.3) ? (1n << fractionBits) - 1n : any);
  if (kind < 27) return number(bias - 12 + random.below(24), any);
  return number(random.below(top + 1), any);
}

/** Integers of `width` bits side by side in `bits`, often at an edge. */
function lanes(random: Random, width: number, bits: number): bigint {
  let all = 0n;
  for (let at = 0; at < bits; at += width) all |= lane(random, width) << BigInt(at);
  return all;
}

function lane(random: Random, width: number): bigint {
  const kind = random.below(6), half = 1n << BigInt(width - 1);
  if (kind === 0) return BigInt.asUintN(width, half + BigInt(random.below(3) - 1));
  if (kind === 1) return BigInt.asUintN(width, BigInt(random.below(5) - 2));
  if (kind === 2) return BigInt.asUintN(width, BigInt(random.below(0x200) - 0x100));
  return BigInt.asUintN(width, (BigInt(random.below(2 ** 32)) << 32n) | BigInt(random.below(2 ** 32)));
}

/** `bytes` bytes of vector elements as the kind says: of one sort, or a few of another. */
export function vectorBytes(random: Random, kind: number, bytes: number): Uint8Array {
  const width = kind & SINGLE ? 32 : kind & DOUBLE ? 64 : random.pick([8, 16, 32, 64]);
  const floating = (kind & (SINGLE | DOUBLE)) !== 0;
  const element = (): bigint => (floating && random.chance(0.95) ? float(random, width as 32 | 64) : lane(random, width));
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes; at += width / 8) parts.push(toBytes(element(), width / 8));
  return joined(parts).subarray(0, bytes);
}

/** What a memory operand of the form holds, or undefined: then it is what the image has there. */
export function memoryOperand(form: Form, kind: number, random: Random): Uint8Array | undefined {
  const operand = form.operands.find(({ place, memory }) => place === 'rm' && memory);
  if (!operand || random.chance(0.05)) return undefined;
  const chapter = chapterOf(form), { mnemonic } = form.definition;
  if (/^V?LDMXCSR$/.test(mnemonic)) return toBytes(BigInt(random.chance(0.8) ? mxcsr(random) : random.below(2 ** 32)), 4);
  if (mnemonic.startsWith('FXRSTOR')) return fxsaveImage(random);
  if (/^XSAVE|^XRSTOR/.test(mnemonic)) return xsaveArea(random, mnemonic.startsWith('XRSTOR'));
  if (/^(FLDENV|FRSTOR|FLDCW)$/.test(mnemonic)) return undefined;
  const bytes = typeof operand.size === 'number' ? operand.size / 8 : 0;
  if (bytes === 0) return undefined;
  if (chapter !== 'x87') return vectorBytes(random, kind, bytes);
  if (operand.text === 'm80bcd') return random.chance(0.15) ? undefined : decimal(random);
  if (operand.text === 'm80fp') return toBytes(float80(random), 10);
  if (/^m(32|64)fp$/.test(operand.text)) return toBytes(float(random, operand.size as 32 | 64), bytes);
  return toBytes(lane(random, 8 * bytes), bytes);
}

/** Eighteen digits and a sign; now and then one that is none. */
export function decimal(random: Random): Uint8Array {
  const digits = Uint8Array.from({ length: 9 }, () => (random.below(10) << 4) | random.below(10));
  if (random.chance(0.1)) digits[random.below(9)] = random.below(256);
  if (random.chance(0.15)) digits.fill(0);
  return Uint8Array.of(...digits, (random.chance(0.5) ? 0x80 : 0) | (random.chance(0.1) ? random.below(0x80) : 0));
}

/** The header of an XSAVE area, and for XRSTOR what is before it: either format, now and then with something wrong. */
function xsaveArea(random: Random, restored: boolean): Uint8Array {
  const area = new Uint8Array(576);
  if (restored) area.set(fxsaveImage(random));
  const components = (): bigint => BigInt(random.chance(0.8) ? random.below(8) : random.below(256) & 0xe7);
  const xstateBv = random.chance(0.95) ? components() : components() | (1n << BigInt(random.below(64)));
  const compacted = (1n << 63n) | components() | (random.chance(0.9) ? xstateBv : 0n);
  area.set(toBytes(xstateBv, 8), XSTATE_BV_AT);
  if (random.chance(0.3)) area.set(toBytes(BigInt.asUintN(64, compacted), 8), XSTATE_BV_AT + 8);
  else if (random.chance(0.04)) area[XSTATE_BV_AT + 8 + random.below(8)] = 1 << random.below(8);
  if (random.chance(0.1)) area[XSTATE_BV_AT + 16 + random.below(48)] = 1;
  return area;
}

/** An image for FXRSTOR, its MXCSR mostly without reserved bits. */
export function fxsaveImage(random: Random): Uint8Array {
  const image = new Uint8Array(416);
  image.set(x87Environment(random), 0);
  image.set(toBytes(BigInt(random.chance(0.9) ? mxcsr(random) : random.below(2 ** 32)), 4), 24);
  image.set(x87Registers(random, false), 32);
  image.set(vectorBytes(random, SINGLE, 256), 160);
  return image;
}
