/** Shuffles, unpacks, packs, blends and permutes. SDM vol. 1, 5.4.2, 5.5.1.5, 5.6.1.5, 5.8, 5.10, 14.6 and 14.7. */

import { bit, u } from '../../numbers/bits.ts';
import type { InstructionDefinition } from '../instruction.ts';
import type { Compute, Levels } from './family.ts';
import { join, saturateSigned, saturateUnsigned, split, splitSigned } from './lanes.ts';
import { by128, immediateBit } from './lanewise.ts';
import {
  FLOAT_SSE, FLOAT_SSE2, FLOAT_SSE4_1, INTEGER_SSE2, INTEGER_SSE4_1, MMX, MMX_SSSE3,
} from './levels.ts';
import { type Row, entry, rows } from './rows.ts';

/** PSHUFB: bit 7 of an index clears the byte. */
const shuffleBytes: Compute = by128(({ width, a, b }) => {
  const bytes = split(width, 8, a);
  return join(8, split(width, 8, b).map((index) =>
    (index & 0x80n ? 0n : bytes[Number(index) & (bytes.length - 1)]!)));
});

/** Field `n`, of `bits` bits, of an immediate. */
const field = (immediate: number, n: number, bits: number): number => (immediate >> (n * bits)) & ((1 << bits) - 1);

/** Four lanes, each chosen by two bits of the immediate. */
const chooseFour = (lanes: readonly bigint[], immediate: number): bigint[] =>
  [0, 1, 2, 3].map((n) => lanes[field(immediate, n, 2)]!);

const shuffleDoublewords: Compute = by128(({ a, immediate }) => join(32, chooseFour(split(128, 32, a), immediate)));
const shuffleWords: Compute = ({ a, immediate }) => join(16, chooseFour(split(64, 16, a), immediate));
const shuffleLowWords: Compute = by128(({ a, immediate }) => {
  const words = split(128, 16, a);
  return join(16, [...chooseFour(words.slice(0, 4), immediate), ...words.slice(4)]);
});
const shuffleHighWords: Compute = by128(({ a, immediate }) => {
  const words = split(128, 16, a);
  return join(16, [...words.slice(0, 4), ...chooseFour(words.slice(4), immediate)]);
});

/** PALIGNR: the sources side by side, shifted right by bytes. */
const align: Compute = by128(({ width, a, b, immediate }) =>
  u(width, (u(2 * width, a << BigInt(width)) | b) >> BigInt(8 * immediate)));

/** Two lanes of the first source, then two of the second. */
const shuffleSingles: Compute = by128(({ a, b, immediate }) => {
  const [first, second] = [a, b].map((source) => chooseFour(split(128, 32, source), immediate));
  return join(32, [first![0]!, first![1]!, second![2]!, second![3]!]);
});
/** Two bits of the immediate for each 128 bits. */
const shuffleDoubles: Compute = ({ width, a, b, immediate }) => {
  const [first, second] = [split(width, 64, a), split(width, 64, b)];
  return join(64, first.map((_, n) => (n % 2 ? second : first)[(n & ~1) + field(immediate, n, 1)]!));
};

/** The lanes of one half of both sources, by turns. */
const interleave = (bits: number, half: 'low' | 'high'): Compute => by128(({ width, a, b }) => {
  const count = width / bits / 2;
  const [first, second] = [a, b].map((source) => split(width, bits, source).slice(half === 'low' ? 0 : count));
  return join(bits, Array.from({ length: count }, (_, n) => [first![n]!, second![n]!]).flat());
});

/** Lanes of twice `bits` saturated to `bits`: those of the first source, then those of the second. */
const pack = (bits: number, saturate: (bits: number, value: bigint) => bigint): Compute =>
  by128(({ width, a, b }) =>
    join(bits, [a, b].flatMap((source) => splitSigned(width, 2 * bits, source)).map((lane) => saturate(bits, lane))));

/** A lane of the second source where `chosen` says so. */
const blend = (bits: number, chosen: (n: number, sources: Parameters<Compute>[0]) => boolean): Compute =>
  (sources) => {
    const others = split(sources.width, bits, sources.b);
    return join(bits, split(sources.width, bits, sources.a).map((lane, n) => (chosen(n, sources) ? others[n]! : lane)));
  };
const blendImmediate = (bits: number): Compute => blend(bits, (n, { immediate }) => immediateBit(immediate, n % 8));
/** By the sign of the lane of a third source. */
const blendVariable = (bits: number): Compute => blend(bits, (n, { c }) => bit(c >> BigInt(n * bits), bits - 1));

/** VPERMILPS by a vector; VPERMILPD takes bit 1 of each index. */
const permuteSingles: Compute = by128(({ a, b }) => {
  const lanes = split(128, 32, a);
  return join(32, split(128, 32, b).map((index) => lanes[Number(index & 3n)]!));
});
const permuteDoubles: Compute = by128(({ a, b }) => {
  const lanes = split(128, 64, a);
  return join(64, split(128, 64, b).map((index) => lanes[Number((index >> 1n) & 1n)]!));
});
const permuteDoublesImmediate: Compute = ({ width, a, immediate }) => {
  const lanes = split(width, 64, a);
  return join(64, lanes.map((_, n) => lanes[(n & ~1) + field(immediate, n, 1)]!));
};

/** VPERM2F128: each half is one of four, or zero. */
const permuteHalves: Compute = ({ a, b, immediate }) => {
  const halves = [...split(256, 128, a), ...split(256, 128, b)];
  return join(128, [0, 1].map((n) =>
    (immediateBit(immediate, 4 * n + 3) ? 0n : halves[field(immediate, n, 4) & 3]!)));
};
/** VPERMD: the indexes are the first source. */
const permuteDoublewords: Compute = ({ a, b }) => {
  const lanes = split(256, 32, b);
  return join(32, split(256, 32, a).map((index) => lanes[Number(index & 7n)]!));
};
const permuteQuadwords: Compute = ({ a, immediate }) => join(64, chooseFour(split(256, 64, a), immediate));

const NO_MMX: Levels = INTEGER_SSE2;
const ONLY_MMX = { mmx: 'MMX' } as const;
const AVX: Levels = { avx: 'AVX', avx2: 'AVX' };
const AVX2: Levels = { avx: 'AVX2', avx2: 'AVX2' };

const UNPACK_TITLES = { low: 'Unpack low data', high: 'Unpack high data' } as const;

/** With VEX the mask is any register, and the opcode another one; the manual's page is the same. */
function blendWithRegister(
  mnemonic: string, title: string, opcode: string, levels: Levels, bits: number,
): readonly InstructionDefinition[] {
  const row: Row = [mnemonic, title, `66 0F 3A ${opcode} /r`, levels, blendVariable(bits)];
  return rows({ operands: 'V, H, W, L', exceptions: 4, w: 'W0', source: entry(mnemonic) }, [row]);
}

export const SHUFFLES: readonly InstructionDefinition[] = [
  ...rows({ operands: 'V, H, W', exceptions: 4 }, [
    ['PSHUFB', 'Packed shuffle bytes', '66 0F 38 00 /r', MMX_SSSE3, shuffleBytes],
    ['PACKSSWB', 'Pack words with signed saturation', '66 0F 63 /r', MMX, pack(8, saturateSigned)],
    ['PACKSSDW', 'Pack doublewords with signed saturation', '66 0F 6B /r', MMX, pack(16, saturateSigned)],
    ['PACKUSWB', 'Pack words with unsigned saturation', '66 0F 67 /r', MMX, pack(8, saturateUnsigned)],
    [
      'PACKUSDW', 'Pack doublewords with unsigned saturation', '66 0F 38 2B /r', INTEGER_SSE4_1,
      pack(16, saturateUnsigned),
    ],
    ['UNPCKLPS', 'Unpack and interleave low packed single', 'NP 0F 14 /r', FLOAT_SSE, interleave(32, 'low')],
    ['UNPCKHPS', 'Unpack and interleave high packed single', 'NP 0F 15 /r', FLOAT_SSE, interleave(32, 'high')],
    ['UNPCKLPD', 'Unpack and interleave low packed double', '66 0F 14 /r', FLOAT_SSE2, interleave(64, 'low')],
    ['UNPCKHPD', 'Unpack and interleave high packed double', '66 0F 15 /r', FLOAT_SSE2, interleave(64, 'high')],
    ['PUNPCKLBW', UNPACK_TITLES.low, '66 0F 60 /r', NO_MMX, interleave(8, 'low')],
    ['PUNPCKLWD', UNPACK_TITLES.low, '66 0F 61 /r', NO_MMX, interleave(16, 'low')],
    ['PUNPCKLDQ', UNPACK_TITLES.low, '66 0F 62 /r', NO_MMX, interleave(32, 'low')],
    ['PUNPCKLQDQ', UNPACK_TITLES.low, '66 0F 6C /r', NO_MMX, interleave(64, 'low')],
    ['PUNPCKHBW', UNPACK_TITLES.high, '66 0F 68 /r', MMX, interleave(8, 'high')],
    ['PUNPCKHWD', UNPACK_TITLES.high, '66 0F 69 /r', MMX, interleave(16, 'high')],
    ['PUNPCKHDQ', UNPACK_TITLES.high, '66 0F 6A /r', MMX, interleave(32, 'high')],
    ['PUNPCKHQDQ', UNPACK_TITLES.high, '66 0F 6D /r', NO_MMX, interleave(64, 'high')],
  ]),
  // Of an MMX register the lower half is enough, and no more than that is read.
  ...rows({ operands: 'V, H, W32', exceptions: 'MMX' }, [
    ['PUNPCKLBW', UNPACK_TITLES.low, '66 0F 60 /r', ONLY_MMX, interleave(8, 'low')],
    ['PUNPCKLWD', UNPACK_TITLES.low, '66 0F 61 /r', ONLY_MMX, interleave(16, 'low')],
    ['PUNPCKLDQ', UNPACK_TITLES.low, '66 0F 62 /r', ONLY_MMX, interleave(32, 'low')],
  ]),
  ...rows({ operands: 'V, W, imm8', exceptions: 4 }, [
    ['PSHUFD', 'Shuffle packed doublewords', '66 0F 70 /r ib', INTEGER_SSE2, shuffleDoublewords],
    ['PSHUFHW', 'Shuffle packed high words', 'F3 0F 70 /r ib', INTEGER_SSE2, shuffleHighWords],
    ['PSHUFLW', 'Shuffle packed low words', 'F2 0F 70 /r ib', INTEGER_SSE2, shuffleLowWords],
    ['PSHUFW', 'Shuffle packed words', 'NP 0F 70 /r ib', { mmx: 'SSE' }, shuffleWords],
  ]),
  ...rows({ operands: 'V, H, W, imm8', exceptions: 4 }, [
    ['PALIGNR', 'Packed align right', '66 0F 3A 0F /r ib', MMX_SSSE3, align],
    ['SHUFPS', 'Shuffle packed single', 'NP 0F C6 /r ib', FLOAT_SSE, shuffleSingles],
    ['SHUFPD', 'Shuffle packed double', '66 0F C6 /r ib', FLOAT_SSE2, shuffleDoubles],
    ['PBLENDW', 'Blend packed words', '66 0F 3A 0E /r ib', INTEGER_SSE4_1, blendImmediate(16)],
    ['BLENDPS', 'Blend packed single', '66 0F 3A 0C /r ib', FLOAT_SSE4_1, blendImmediate(32)],
    ['BLENDPD', 'Blend packed double', '66 0F 3A 0D /r ib', FLOAT_SSE4_1, blendImmediate(64)],
  ]),
  ...rows({ operands: 'V, H, W, L', exceptions: 4 }, [
    ['PBLENDVB', 'Variable blend of packed bytes', '66 0F 38 10 /r', { sse: 'SSE4_1' }, blendVariable(8)],
    ['BLENDVPS', 'Variable blend of packed single', '66 0F 38 14 /r', { sse: 'SSE4_1' }, blendVariable(32)],
    ['BLENDVPD', 'Variable blend of packed double', '66 0F 38 15 /r', { sse: 'SSE4_1' }, blendVariable(64)],
  ]),
  ...blendWithRegister('PBLENDVB', 'Variable blend of packed bytes', '4C', { avx: 'AVX', avx2: 'AVX2' }, 8),
  ...blendWithRegister('BLENDVPS', 'Variable blend of packed single', '4A', AVX, 32),
  ...blendWithRegister('BLENDVPD', 'Variable blend of packed double', '4B', AVX, 64),
  ...rows({ operands: 'V, H, W, imm8', exceptions: 4, w: 'W0' }, [
    ['PBLENDD', 'Blend packed doublewords', '66 0F 3A 02 /r ib', AVX2, blendImmediate(32)],
  ]),
  ...rows({ operands: 'V, H, W', exceptions: 4, w: 'W0' }, [
    ['PERMILPS', 'Permute in-lane single', '66 0F 38 0C /r', AVX, permuteSingles],
    ['PERMILPD', 'Permute in-lane double', '66 0F 38 0D /r', AVX, permuteDoubles],
    ['PERMD', 'Permute packed doublewords', '66 0F 38 36 /r', { avx2: 'AVX2' }, permuteDoublewords],
    ['PERMPS', 'Permute packed single', '66 0F 38 16 /r', { avx2: 'AVX2' }, permuteDoublewords],
  ]),
  ...rows({ operands: 'V, W, imm8', exceptions: 4, w: 'W0' }, [
    ['PERMILPS', 'Permute in-lane single', '66 0F 3A 04 /r ib', AVX, shuffleDoublewords],
    ['PERMILPD', 'Permute in-lane double', '66 0F 3A 05 /r ib', AVX, permuteDoublesImmediate],
  ]),
  ...rows({ operands: 'V, W, imm8', exceptions: 4, w: 'W1' }, [
    ['PERMQ', 'Permute packed quadwords', '66 0F 3A 00 /r ib', { avx2: 'AVX2' }, permuteQuadwords],
    ['PERMPD', 'Permute packed double', '66 0F 3A 01 /r ib', { avx2: 'AVX2' }, permuteQuadwords],
  ]),
  ...rows({ operands: 'V, H, W, imm8', exceptions: 6, w: 'W0' }, [
    ['PERM2F128', 'Permute floating-point halves', '66 0F 3A 06 /r ib', { avx2: 'AVX' }, permuteHalves],
    ['PERM2I128', 'Permute integer halves', '66 0F 3A 46 /r ib', { avx2: 'AVX2' }, permuteHalves],
  ]),
];
