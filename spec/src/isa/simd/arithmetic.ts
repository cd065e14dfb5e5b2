/** Integer arithmetic on vectors. SDM vol. 1, 5.4.3, 5.6.3, 5.8 and 5.10. */

import { s, u } from '../../numbers/bits.ts';
import type { InstructionDefinition } from '../instruction.ts';
import type { Compute } from './family.ts';
import { join, saturateSigned, saturateUnsigned, split, splitSigned } from './lanes.ts';
import { by128, lanewise, lanewiseSigned } from './lanewise.ts';
import { INTEGER_SSE4_1, MMX, MMX_SSE, MMX_SSE2, MMX_SSSE3, SCALAR_SSE4_1 } from './levels.ts';
import { rows } from './rows.ts';

const add = (bits: number): Compute => lanewise(bits, (a, b) => u(bits, a + b));
const subtract = (bits: number): Compute => lanewise(bits, (a, b) => u(bits, a - b));
const addSigned = (bits: number): Compute => lanewiseSigned(bits, (a, b) => saturateSigned(bits, s(64, a + b)));
const addUnsigned = (bits: number): Compute => lanewise(bits, (a, b) => saturateUnsigned(bits, s(64, a + b)));
const subtractSigned = (bits: number): Compute => lanewiseSigned(bits, (a, b) => saturateSigned(bits, s(64, a - b)));
const subtractUnsigned = (bits: number): Compute => lanewise(bits, (a, b) => saturateUnsigned(bits, s(64, a - b)));
const minimum = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const maximum = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const average = (bits: number): Compute => lanewise(bits, (a, b) => s(64, a + b + 1n) >> 1n);

/** The product of the lanes, from bit `from` on. */
const multiply = (bits: number, from: number): Compute =>
  lanewiseSigned(bits, (a, b) => u(bits, s(2 * bits, a * b) >> BigInt(from)));
const multiplyHighUnsigned: Compute = lanewise(16, (a, b) => u(32, a * b) >> 16n);
/** PMULUDQ and PMULDQ: of the low doubleword of each quadword. */
const multiplyEven: Compute = lanewise(64, (a, b) => u(64, u(32, a) * u(32, b)));
const multiplyEvenSigned: Compute = lanewise(64, (a, b) => u(64, s(32, a) * s(32, b)));
/** PMULHRSW: bits 30:15 of the product, rounded. */
const multiplyRounded: Compute = lanewiseSigned(16, (a, b) => u(16, s(32, (s(32, a * b) >> 14n) + 1n) >> 1n));

/** Pairs of neighbours. */
const pairs = (lanes: readonly bigint[]): readonly (readonly [bigint, bigint])[] =>
  Array.from({ length: lanes.length / 2 }, (_, n) => [lanes[2 * n]!, lanes[2 * n + 1]!] as const);

const multiplyAdd: Compute = ({ width, a, b }) => {
  const others = splitSigned(width, 16, b);
  const products = splitSigned(width, 16, a).map((lane, n) => s(32, lane * others[n]!));
  return join(32, pairs(products).map(([low, high]) => u(32, low + high)));
};

/** PMADDUBSW: unsigned bytes of the first source by signed ones of the second. */
const multiplyAddBytes: Compute = ({ width, a, b }) => {
  const others = splitSigned(width, 8, b);
  const products = split(width, 8, a).map((lane, n) => s(32, lane * others[n]!));
  return join(16, pairs(products).map(([low, high]) => saturateSigned(16, s(32, low + high))));
};

/** Neighbours of the first source, then those of the second. */
const horizontal = (bits: number, operate: (low: bigint, high: bigint) => bigint): Compute =>
  by128(({ width, a, b }) => join(bits, [a, b].flatMap((source) =>
    pairs(splitSigned(width, bits, source)).map(([low, high]) => operate(low, high)))));

const absolute = (bits: number): Compute => ({ width, a }) =>
  join(bits, splitSigned(width, bits, a).map((lane) => u(bits, lane < 0n ? -lane : lane)));
const sign = (bits: number): Compute =>
  lanewiseSigned(bits, (a, b) => (b < 0n ? u(bits, -a) : b === 0n ? 0n : u(bits, a)));

const difference = (a: bigint, b: bigint): bigint => s(64, a > b ? a - b : b - a);
const sum = (lanes: readonly bigint[]): bigint => lanes.reduce((total, lane) => u(64, total + lane), 0n);

/** PSADBW: of each eight bytes. */
const sumOfDifferences: Compute = lanewise(64, (a, b) => {
  const others = split(64, 8, b);
  return sum(split(64, 8, a).map((lane, n) => difference(lane, others[n]!)));
});

/** MPSADBW: bits 2:0 of the immediate for the lower 128 bits, 5:3 for the upper ones. */
const blockDifferences: Compute = ({ width, a, b, immediate }) => {
  const others = split(width, 128, b);
  return join(128, split(width, 128, a).map((lane, n) => {
    const control = immediate >> (3 * n);
    const bytes = split(128, 8, lane), block = split(128, 8, others[n]!).slice(4 * (control & 3));
    const from = control & 4;
    return join(16, Array.from({ length: 8 }, (_, word) =>
      sum([0, 1, 2, 3].map((byte) => difference(bytes[from + word + byte]!, block[byte]!)))));
  }));
};

/** PHMINPOSUW: the least word, and above it where it is. */
const leastWord: Compute = ({ a }) => {
  const words = split(128, 16, a);
  const least = words.reduce(minimum);
  return least | (BigInt(words.indexOf(least)) << 16n & 0x70000n);
};

export const VECTOR_ARITHMETIC: readonly InstructionDefinition[] = [
  ...rows({ operands: 'V, H, W', exceptions: 4 }, [
    ['PADDB', 'Add packed byte integers', '66 0F FC /r', MMX, add(8)],
    ['PADDW', 'Add packed word integers', '66 0F FD /r', MMX, add(16)],
    ['PADDD', 'Add packed doubleword integers', '66 0F FE /r', MMX, add(32)],
    ['PADDQ', 'Add packed quadword integers', '66 0F D4 /r', MMX_SSE2, add(64)],
    ['PADDSB', 'Add packed signed bytes with signed saturation', '66 0F EC /r', MMX, addSigned(8)],
    ['PADDSW', 'Add packed signed words with signed saturation', '66 0F ED /r', MMX, addSigned(16)],
    ['PADDUSB', 'Add packed unsigned bytes with unsigned saturation', '66 0F DC /r', MMX, addUnsigned(8)],
    ['PADDUSW', 'Add packed unsigned words with unsigned saturation', '66 0F DD /r', MMX, addUnsigned(16)],
    ['PSUBB', 'Subtract packed byte integers', '66 0F F8 /r', MMX, subtract(8)],
    ['PSUBW', 'Subtract packed word integers', '66 0F F9 /r', MMX, subtract(16)],
    ['PSUBD', 'Subtract packed doubleword integers', '66 0F FA /r', MMX, subtract(32)],
    ['PSUBQ', 'Subtract packed quadword integers', '66 0F FB /r', MMX_SSE2, subtract(64)],
    ['PSUBSB', 'Subtract packed signed bytes with signed saturation', '66 0F E8 /r', MMX, subtractSigned(8)],
    ['PSUBSW', 'Subtract packed signed words with signed saturation', '66 0F E9 /r', MMX, subtractSigned(16)],
    ['PSUBUSB', 'Subtract packed unsigned bytes with unsigned saturation', '66 0F D8 /r', MMX, subtractUnsigned(8)],
    ['PSUBUSW', 'Subtract packed unsigned words with unsigned saturation', '66 0F D9 /r', MMX, subtractUnsigned(16)],
    ['PMULLW', 'Multiply packed words and store low result', '66 0F D5 /r', MMX, multiply(16, 0)],
    ['PMULHW', 'Multiply packed words and store high result', '66 0F E5 /r', MMX, multiply(16, 16)],
    ['PMULHUW', 'Multiply packed unsigned words and store high result', '66 0F E4 /r', MMX_SSE, multiplyHighUnsigned],
    ['PMULUDQ', 'Multiply packed unsigned doublewords', '66 0F F4 /r', MMX_SSE2, multiplyEven],
    ['PMADDWD', 'Multiply and add packed integers', '66 0F F5 /r', MMX, multiplyAdd],
    ['PAVGB', 'Average packed bytes', '66 0F E0 /r', MMX_SSE, average(8)],
    ['PAVGW', 'Average packed words', '66 0F E3 /r', MMX_SSE, average(16)],
    ['PMINUB', 'Minimum of packed unsigned bytes', '66 0F DA /r', MMX_SSE, lanewise(8, minimum)],
    ['PMAXUB', 'Maximum of packed unsigned bytes', '66 0F DE /r', MMX_SSE, lanewise(8, maximum)],
    ['PMINSW', 'Minimum of packed signed words', '66 0F EA /r', MMX_SSE, lanewiseSigned(16, minimum)],
    ['PMAXSW', 'Maximum of packed signed words', '66 0F EE /r', MMX_SSE, lanewiseSigned(16, maximum)],
    ['PSADBW', 'Sum of absolute differences', '66 0F F6 /r', MMX_SSE, sumOfDifferences],
    ['PHADDW', 'Packed horizontal add of words', '66 0F 38 01 /r', MMX_SSSE3, horizontal(16, (a, b) => u(16, a + b))],
    [
      'PHADDD', 'Packed horizontal add of doublewords', '66 0F 38 02 /r', MMX_SSSE3,
      horizontal(32, (a, b) => u(32, a + b)),
    ],
    [
      'PHADDSW', 'Packed horizontal add and saturate', '66 0F 38 03 /r', MMX_SSSE3,
      horizontal(16, (a, b) => saturateSigned(16, s(64, a + b))),
    ],
    ['PMADDUBSW', 'Multiply and add packed signed and unsigned bytes', '66 0F 38 04 /r', MMX_SSSE3, multiplyAddBytes],
    [
      'PHSUBW', 'Packed horizontal subtract of words', '66 0F 38 05 /r', MMX_SSSE3,
      horizontal(16, (a, b) => u(16, a - b)),
    ],
    [
      'PHSUBD', 'Packed horizontal subtract of doublewords', '66 0F 38 06 /r', MMX_SSSE3,
      horizontal(32, (a, b) => u(32, a - b)),
    ],
    [
      'PHSUBSW', 'Packed horizontal subtract and saturate', '66 0F 38 07 /r', MMX_SSSE3,
      horizontal(16, (a, b) => saturateSigned(16, s(64, a - b))),
    ],
    ['PSIGNB', 'Packed sign of bytes', '66 0F 38 08 /r', MMX_SSSE3, sign(8)],
    ['PSIGNW', 'Packed sign of words', '66 0F 38 09 /r', MMX_SSSE3, sign(16)],
    ['PSIGND', 'Packed sign of doublewords', '66 0F 38 0A /r', MMX_SSSE3, sign(32)],
    ['PMULHRSW', 'Packed multiply high with round and scale', '66 0F 38 0B /r', MMX_SSSE3, multiplyRounded],
    ['PMULDQ', 'Multiply packed signed doublewords', '66 0F 38 28 /r', INTEGER_SSE4_1, multiplyEvenSigned],
    ['PMULLD', 'Multiply packed doublewords and store low result', '66 0F 38 40 /r', INTEGER_SSE4_1, multiply(32, 0)],
    ['PMINSB', 'Minimum of packed signed bytes', '66 0F 38 38 /r', INTEGER_SSE4_1, lanewiseSigned(8, minimum)],
    ['PMINSD', 'Minimum of packed signed doublewords', '66 0F 38 39 /r', INTEGER_SSE4_1, lanewiseSigned(32, minimum)],
    ['PMINUW', 'Minimum of packed unsigned words', '66 0F 38 3A /r', INTEGER_SSE4_1, lanewise(16, minimum)],
    ['PMINUD', 'Minimum of packed unsigned doublewords', '66 0F 38 3B /r', INTEGER_SSE4_1, lanewise(32, minimum)],
    ['PMAXSB', 'Maximum of packed signed bytes', '66 0F 38 3C /r', INTEGER_SSE4_1, lanewiseSigned(8, maximum)],
    ['PMAXSD', 'Maximum of packed signed doublewords', '66 0F 38 3D /r', INTEGER_SSE4_1, lanewiseSigned(32, maximum)],
    ['PMAXUW', 'Maximum of packed unsigned words', '66 0F 38 3E /r', INTEGER_SSE4_1, lanewise(16, maximum)],
    ['PMAXUD', 'Maximum of packed unsigned doublewords', '66 0F 38 3F /r', INTEGER_SSE4_1, lanewise(32, maximum)],
  ]),
  ...rows({ operands: 'V, H, W, imm8', exceptions: 4 }, [
    ['MPSADBW', 'Multiple packed sums of absolute differences', '66 0F 3A 42 /r ib', INTEGER_SSE4_1, blockDifferences],
  ]),
  ...rows({ operands: 'V, W', exceptions: 4 }, [
    ['PABSB', 'Packed absolute value of bytes', '66 0F 38 1C /r', MMX_SSSE3, absolute(8)],
    ['PABSW', 'Packed absolute value of words', '66 0F 38 1D /r', MMX_SSSE3, absolute(16)],
    ['PABSD', 'Packed absolute value of doublewords', '66 0F 38 1E /r', MMX_SSSE3, absolute(32)],
    ['PHMINPOSUW', 'Packed horizontal word minimum', '66 0F 38 41 /r', SCALAR_SSE4_1, leastWord],
  ]),
];
