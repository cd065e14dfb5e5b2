/** Memory operands: where they point, and how ModRM, SIB and displacement say it. */

import { YMM_AT } from '../records.ts';
import { CS, type Draft, DS, ES, FS, GS, OPERANDS_AT, RBP, RSP, SS, baseOf, bytesOf, dataAddress, extentOf, stackWidth } from './draft.ts';

const NOT_CANONICAL = 0x4000_0000_0000_0000n;

/** Bytes on which the operand is aligned most of the time, where some instruction asks for it. */
function usualAlignment({ form, random }: Draft): number {
  const { mnemonic } = form.definition;
  if (random.chance(0.2)) return 1;
  if (mnemonic.startsWith('XSAVE') || mnemonic.startsWith('XRSTOR')) return 64;
  const size = form.operands.find(({ place, memory }) => place === 'rm' && memory)?.size;
  return mnemonic === 'CMPXCHG16B' || mnemonic.startsWith('FX') || size === 128 ? 16 : size === 256 ? 32 : 1;
}

/**
 * The instruction locks the bus for its memory operand. With split-lock detection a kernel makes an access across two
 * cache lines wait, under some hypervisors for ever. Linux, Documentation/arch/x86/buslock.rst.
 */
export const isLocked = ({ form, memory, wantsLock }: Draft): boolean =>
  memory && (form.definition.mnemonic === 'XCHG' || (form.definition.lock === true && wantsLock));

/** Where the operand is: `somewhere`, but on its own size where the access is locked. */
export function chooseLinear(draft: Draft, segment: number): bigint {
  const linear = somewhere(draft, segment);
  if (!isLocked(draft)) return linear;
  const size = draft.form.operands.find(({ place }) => place === 'rm')?.size;
  const bytes = BigInt((typeof size === 'number' ? size : draft.size) / 8);
  return linear - (linear % bytes);
}

/** Now and then across the end of what is mapped or can be written, outside of it, or at the limit of the segment. */
function somewhere(draft: Draft, segment: number): bigint {
  const { random, mode, addressSize } = draft;
  const usual = dataAddress(draft, OPERANDS_AT + (random.below(0x100) & -usualAlignment(draft)));
  const kind = random.below(100);
  if (kind < 4) return dataAddress(draft, 0x1000 - 1 - random.below(16));
  if (kind < 8) return dataAddress(draft, -random.below(16));
  if (kind < 10) return dataAddress(draft, -0x800 + random.below(0x700));
  if (kind < 12) return dataAddress(draft, random.chance(0.5) ? 0x1000 + random.below(16) : -0x1000 - random.below(24));
  if (kind < 13 && mode === 64 && addressSize === 64) return NOT_CANONICAL + random.value() % 0x1000n;
  if (kind < 25 && mode !== 64) {
    const { base, limit } = extentOf(draft.segments[segment]!);
    return BigInt.asUintN(32, base + BigInt(limit + 4 - random.below(14)));
  }
  return usual;
}

/** A segment override prefix, which 64-bit code takes only of FS and GS. */
export function chooseOverride(draft: Draft): number {
  const { random, mode, bases } = draft;
  if (mode === 64) return bases && random.chance(0.6) ? random.pick([FS, GS]) : random.chance(0.03) ? random.pick([ES, CS, SS, DS]) : -1;
  return random.chance(0.35) ? random.below(6) : -1;
}

export const segmentUsed = (draft: Draft, usual: number): number => {
  const counts = draft.override >= 0 && (draft.mode !== 64 || draft.override >= FS);
  return counts ? draft.override : usual;
};

/** ModRM, SIB and displacement. The draft's `linear` is where the operand is. */
export function memory(draft: Draft, reg: number): number[] {
  draft.override = chooseOverride(draft);
  const vector = draft.form.operands.map(({ text }) => /^vm(32|64)([xyz])/.exec(text)).find(Boolean);
  if (vector && draft.addressSize !== 16) return vectorIndexed(draft, reg, Number(vector[1]) as 32 | 64);
  return draft.addressSize === 16 ? memory16(draft, reg) : memory32(draft, reg);
}

function aim(draft: Draft, usualSegment: number): bigint {
  const segment = segmentUsed(draft, usualSegment);
  draft.linear = chooseLinear(draft, segment);
  return BigInt.asUintN(draft.addressSize, draft.linear - baseOf(draft, segment));
}

const signed = (draft: Draft, bits: 8 | 16 | 32): bigint => BigInt.asIntN(bits, draft.random.value() & (bits === 32 ? 0x8fff_ffffn : 0xffffn));

/** Base and index by ModRM.rm. SDM vol. 2A, table 2-1. */
const PAIRS: readonly (readonly [base: number, index: number])[] = [[3, 6], [3, 7], [5, 6], [5, 7], [6, -1], [7, -1], [5, -1], [3, -1]];

function memory16(draft: Draft, reg: number): number[] {
  const { random, special } = draft;
  const rm = random.below(8), mod = random.below(3);
  const direct = mod === 0 && rm === 6;
  const [base, index] = PAIRS[rm]!;
  const offset = aim(draft, !direct && base === RBP ? SS : DS);
  if (direct) return [(reg << 3) | 6, ...bytesOf(offset, 2)];
  const displacement = mod === 0 ? 0n : signed(draft, mod === 1 ? 8 : 16);
  const indexValue = index < 0 ? 0n : random.value();
  const junk = draft.mode === 32 ? random.value() & 0xffff_0000n : 0n;
  if (index >= 0) special.set(index, BigInt.asUintN(16, indexValue) | junk);
  special.set(base, BigInt.asUintN(16, offset - displacement - indexValue) | junk);
  return [(mod << 6) | (reg << 3) | rm, ...bytesOf(displacement, mod)];
}

function memory32(draft: Draft, reg: number): number[] {
  const { random, mode, place, addressSize, rex, special } = draft;
  // Without a register, or relative to RIP, where 32 bits suffice.
  if ((mode !== 64 || place === 'low') && random.chance(0.15)) return absolute(draft, reg);
  const mod = 1 + random.below(2);
  const displacement = signed(draft, mod === 1 ? 8 : 32);
  const displacementBytes = [...bytesOf(displacement, mod === 1 ? 1 : 4)];
  const sib = random.chance(0.5);
  let base = random.below(8);
  if (!sib && base === 4) base = 3;
  // ESP above a 16-bit stack pointer is not ours to choose.
  if (base === RSP && !(rex & 1) && stackWidth(draft) === 16) base = RBP;
  const baseRegister = base | (rex & 1 ? 8 : 0);
  const usual = baseRegister === RSP || baseRegister === RBP ? SS : DS;
  if (baseRegister === RSP) return onStackPointer(draft, reg, aim(draft, usual));
  const offset = aim(draft, usual);
  const { index, scale } = sib ? chooseIndex(draft, baseRegister) : { index: 4, scale: 0 };
  const indexRegister = index | (draft.rex & 2 ? 8 : 0);
  const indexValue = sib && indexRegister !== 4 ? random.value() : 0n;
  if (sib && indexRegister !== 4) special.set(indexRegister, BigInt.asUintN(mode === 64 ? 64 : 32, indexValue));
  const value = offset - displacement - (indexValue << BigInt(scale));
  const high = mode === 64 && addressSize === 32 ? BigInt.asUintN(32, random.value()) << 32n : 0n;
  special.set(baseRegister, BigInt.asUintN(addressSize, value) | high);
  return sib
    ? [(mod << 6) | (reg << 3) | 4, (scale << 6) | (index << 3) | base, ...displacementBytes]
    : [(mod << 6) | (reg << 3) | base, ...displacementBytes];
}

/** A vector of indices in place of the index: mostly within the data, some elements now and then beyond. SDM vol. 2A, 2.3.12. */
function vectorIndexed(draft: Draft, reg: number, width: 32 | 64): number[] {
  const { random, rex, special, extended, mode } = draft;
  const base = random.pick([0, 1, 2, 3, 6, 7]), scale = random.below(4), index = random.below(8);
  const displacement = signed(draft, random.chance(0.5) ? 8 : 32), short = BigInt.asIntN(8, displacement) === displacement;
  const offset = aim(draft, DS);
  special.set(base | (rex & 1 ? 8 : 0), BigInt.asUintN(mode === 64 ? 64 : 32, BigInt.asUintN(draft.addressSize, offset - displacement)));
  const far = random.chance(0.15);
  const bytes = new Uint8Array(32);
  for (let at = 0; at < 32; at += width / 8) bytes.set(bytesOf(BigInt(far && random.chance(0.3) ? random.below(0x4000) - 0x2000 : random.below(64) - 32), width / 8), at);
  const register = index | (rex & 2 ? 8 : 0);
  extended.push({ offset: 160 + 16 * register, bytes: bytes.subarray(0, 16) }, { offset: YMM_AT + 16 * register, bytes: bytes.subarray(16) });
  return [((short ? 1 : 2) << 6) | (reg << 3) | 4, (scale << 6) | (index << 3) | base, ...bytesOf(displacement, short ? 1 : 4)];
}

/** Not the base register again, and not ESP where that is a stack of 16 bits. */
function chooseIndex(draft: Draft, baseRegister: number): { index: number; scale: number } {
  const index = draft.random.below(8), scale = draft.random.below(4);
  const register = index | (draft.rex & 2 ? 8 : 0);
  if (register !== baseRegister && register !== RSP) return { index, scale };
  draft.rex &= ~2;
  return { index: 4, scale };
}

/** RSP as a base is the stack pointer too. */
function onStackPointer(draft: Draft, reg: number, offset: bigint): number[] {
  draft.rex &= ~2;
  const width = draft.mode === 64 ? 64 : 32;
  draft.special.set(RSP, BigInt.asUintN(width, offset - 0x10n));
  return [0x44 | (reg << 3), 0x24, 0x10];
}

function absolute(draft: Draft, reg: number): number[] {
  const offset = aim(draft, DS);
  if (draft.mode !== 64) return [(reg << 3) | 5, ...bytesOf(offset, 4)];
  draft.rex &= ~2;
  // 32 bits, sign-extended: what lies higher is out of reach and somewhere else.
  const reached = BigInt.asUintN(draft.addressSize, BigInt.asIntN(32, offset));
  if (reached !== offset) draft.linear = BigInt.asUintN(64, reached);
  return [(reg << 3) | 4, 0x25, ...bytesOf(offset, 4)];
}
