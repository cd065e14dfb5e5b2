/** Lanes put into a vector and taken out of one. SDM vol. 1, 5.5.2, 5.10.6 and 14.6. */

import { u } from '../../numbers/bits.ts';
import type { Feature } from '../../cpus/features.table.ts';
import type { Citation } from '../../state/citation.ts';
import type { InstructionDefinition } from '../instruction.ts';
import { type Compute, encodings } from './family.ts';
import type { ExceptionClass } from './exceptions.ts';
import { insert, split } from './lanes.ts';
import { immediateBit } from './lanewise.ts';
import { entry } from './rows.ts';

/** Bits of the immediate that name a lane; the others mean nothing. */
const laneOf = (width: number, bits: number, immediate: number): number => immediate & (width / bits - 1);

const inserting = (bits: number): Compute => ({ width, a, b, immediate }) =>
  insert(bits, laneOf(width, bits, immediate), a, u(bits, b));
const extracting = (bits: number): Compute => ({ width, a, immediate }) =>
  split(width, bits, a)[laneOf(width, bits, immediate)]!;

/** INSERTPS: bits 7:6 name the lane of a register, 5:4 where it goes, 3:0 what becomes zero. */
const insertSingle: Compute = ({ a, b, immediate, i }) => {
  const lane = i.operands.at(-2)!.kind === 'memory' ? 0 : immediate >> 6;
  const inserted = insert(32, (immediate >> 4) & 3, a, split(128, 32, b)[lane]!);
  return [0, 1, 2, 3].reduce((value, n) => (immediateBit(immediate, n) ? insert(32, n, value, 0n) : value), inserted);
};

type Definition = (
  mnemonic: string, title: string, cpuid: Feature, forms: string[], compute: Compute, exceptions?: ExceptionClass,
) => InstructionDefinition;

/** VINSERTF128 and its kin have pages of their own, the others are on that of the instruction without VEX. */
const pageOf = (mnemonic: string): Citation =>
  entry(mnemonic.endsWith('128') ? mnemonic : mnemonic.replace(/^V/, ''));

const into: Definition = (mnemonic, title, cpuid, forms, compute, exceptions = 5) => encodings({
  mnemonic, title, forms, cpuid, exceptions, destructive: true, compute, source: pageOf(mnemonic),
});
const outOf: Definition = (mnemonic, title, cpuid, forms, compute, exceptions = 5) =>
  encodings({ mnemonic, title, forms, cpuid, exceptions, compute, source: pageOf(mnemonic) });

export const INSERTS: readonly InstructionDefinition[] = [
  into('PINSRB', 'Insert byte', 'SSE4_1', [
    '66 0F 3A 20 /r ib | xmm, r32/m8, imm8', '66 REX.W + 0F 3A 20 /r ib | xmm, r64/m8, imm8 | o64',
  ], inserting(8)),
  into('VPINSRB', 'Insert byte', 'AVX', [
    'VEX.128.66.0F3A.W0 20 /r ib | xmm, vvvvxmm, r32/m8, imm8',
    'VEX.128.66.0F3A.W1 20 /r ib | xmm, vvvvxmm, r64/m8, imm8 | o64',
  ], inserting(8)),
  into('PINSRW', 'Insert word', 'SSE', [
    'NP 0F C4 /r ib | mm, r32/m16, imm8', 'NP REX.W + 0F C4 /r ib | mm, r64/m16, imm8 | o64',
  ], inserting(16), 'MMX'),
  into('PINSRW', 'Insert word', 'SSE2', [
    '66 0F C4 /r ib | xmm, r32/m16, imm8', '66 REX.W + 0F C4 /r ib | xmm, r64/m16, imm8 | o64',
  ], inserting(16)),
  into('VPINSRW', 'Insert word', 'AVX', [
    'VEX.128.66.0F.W0 C4 /r ib | xmm, vvvvxmm, r32/m16, imm8',
    'VEX.128.66.0F.W1 C4 /r ib | xmm, vvvvxmm, r64/m16, imm8 | o64',
  ], inserting(16)),
  into('PINSRD', 'Insert doubleword', 'SSE4_1', ['66 0F 3A 22 /r ib | xmm, r/m32, imm8'], inserting(32)),
  into('PINSRQ', 'Insert quadword', 'SSE4_1', ['66 REX.W + 0F 3A 22 /r ib | xmm, r/m64, imm8 | o64'], inserting(64)),
  into('VPINSRD', 'Insert doubleword', 'AVX', [
    'VEX.128.66.0F3A.W0 22 /r ib | xmm, vvvvxmm, r/m32, imm8',
  ], inserting(32)),
  into('VPINSRQ', 'Insert quadword', 'AVX', [
    'VEX.128.66.0F3A.W1 22 /r ib | xmm, vvvvxmm, r/m64, imm8 | o64',
  ], inserting(64)),
  into('INSERTPS', 'Insert scalar single', 'SSE4_1', ['66 0F 3A 21 /r ib | xmm, xmm/m32, imm8'], insertSingle),
  into('VINSERTPS', 'Insert scalar single', 'AVX', [
    'VEX.128.66.0F3A.WIG 21 /r ib | xmm, vvvvxmm, xmm/m32, imm8',
  ], insertSingle),
  into('VINSERTF128', 'Insert 128 bits of floating point', 'AVX', [
    'VEX.256.66.0F3A.W0 18 /r ib | ymm, vvvvymm, xmm/m128, imm8',
  ], inserting(128), 6),
  into('VINSERTI128', 'Insert 128 bits of integers', 'AVX2', [
    'VEX.256.66.0F3A.W0 38 /r ib | ymm, vvvvymm, xmm/m128, imm8',
  ], inserting(128), 6),

  outOf('PEXTRB', 'Extract byte', 'SSE4_1', [
    '66 0F 3A 14 /r ib | r32/m8, xmm, imm8', '66 REX.W + 0F 3A 14 /r ib | r64/m8, xmm, imm8 | o64',
  ], extracting(8)),
  outOf('VPEXTRB', 'Extract byte', 'AVX', [
    'VEX.128.66.0F3A.W0 14 /r ib | r32/m8, xmm, imm8', 'VEX.128.66.0F3A.W1 14 /r ib | r64/m8, xmm, imm8 | o64',
  ], extracting(8)),
  outOf('PEXTRW', 'Extract word', 'SSE', [
    'NP 0F C5 /r ib | r32, rmmm, imm8', 'NP REX.W + 0F C5 /r ib | r64, rmmm, imm8 | o64',
  ], extracting(16), 'MMX'),
  outOf('PEXTRW', 'Extract word', 'SSE2', [
    '66 0F C5 /r ib | r32, rmxmm, imm8', '66 REX.W + 0F C5 /r ib | r64, rmxmm, imm8 | o64',
  ], extracting(16)),
  outOf('VPEXTRW', 'Extract word', 'AVX', [
    'VEX.128.66.0F.W0 C5 /r ib | r32, rmxmm, imm8', 'VEX.128.66.0F.W1 C5 /r ib | r64, rmxmm, imm8 | o64',
  ], extracting(16)),
  outOf('PEXTRW', 'Extract word', 'SSE4_1', [
    '66 0F 3A 15 /r ib | r32/m16, xmm, imm8', '66 REX.W + 0F 3A 15 /r ib | r64/m16, xmm, imm8 | o64',
  ], extracting(16)),
  outOf('VPEXTRW', 'Extract word', 'AVX', [
    'VEX.128.66.0F3A.W0 15 /r ib | r32/m16, xmm, imm8', 'VEX.128.66.0F3A.W1 15 /r ib | r64/m16, xmm, imm8 | o64',
  ], extracting(16)),
  outOf('PEXTRD', 'Extract doubleword', 'SSE4_1', ['66 0F 3A 16 /r ib | r/m32, xmm, imm8'], extracting(32)),
  outOf('PEXTRQ', 'Extract quadword', 'SSE4_1', ['66 REX.W + 0F 3A 16 /r ib | r/m64, xmm, imm8 | o64'], extracting(64)),
  outOf('VPEXTRD', 'Extract doubleword', 'AVX', ['VEX.128.66.0F3A.W0 16 /r ib | r/m32, xmm, imm8'], extracting(32)),
  outOf('VPEXTRQ', 'Extract quadword', 'AVX', ['VEX.128.66.0F3A.W1 16 /r ib | r/m64, xmm, imm8 | o64'], extracting(64)),
  outOf('EXTRACTPS', 'Extract packed single', 'SSE4_1', [
    '66 0F 3A 17 /r ib | r/m32, xmm, imm8', '66 REX.W + 0F 3A 17 /r ib | r64/m32, xmm, imm8 | o64',
  ], extracting(32)),
  outOf('VEXTRACTPS', 'Extract packed single', 'AVX', [
    'VEX.128.66.0F3A.W0 17 /r ib | r/m32, xmm, imm8', 'VEX.128.66.0F3A.W1 17 /r ib | r64/m32, xmm, imm8 | o64',
  ], extracting(32)),
  outOf('VEXTRACTF128', 'Extract 128 bits of floating point', 'AVX', [
    'VEX.256.66.0F3A.W0 19 /r ib | xmm/m128, ymm, imm8',
  ], extracting(128), 6),
  outOf('VEXTRACTI128', 'Extract 128 bits of integers', 'AVX2', [
    'VEX.256.66.0F3A.W0 39 /r ib | xmm/m128, ymm, imm8',
  ], extracting(128), 6),
];
