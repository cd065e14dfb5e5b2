/** Carry-less multiplication and bytes of Galois fields: PCLMULQDQ and GFNI. SDM vol. 1, 12.13.4. */

import { int } from '../../numbers/bits.ts';
import { invertByte, multiplyBytes, multiplyCarryless, parity } from '../../numbers/polynomials.ts';
import { laterSdm } from '../../state/citation.ts';
import type { InstructionDefinition } from '../instruction.ts';
import type { Compute, Levels } from './family.ts';
import { join, split } from './lanes.ts';
import { by128, immediateBit } from './lanewise.ts';
import { rows } from './rows.ts';

/** The quadwords that bits 0 and 4 of the immediate name. */
const multiplyQuadwords: Compute = by128(({ a, b, immediate }) => {
  const [first, second] = [split(128, 64, a)[immediate & 1]!, split(128, 64, b)[immediateBit(immediate, 4) ? 1 : 0]!];
  return multiplyCarryless(64, first, second);
});

const multiplyEach: Compute = ({ width, a, b }) => {
  const others = split(width, 8, b);
  return join(8, split(width, 8, a).map((byte, n) => BigInt(multiplyBytes(Number(byte), Number(others[n]!)))));
};

/** Each row of the matrix times the byte, the first for the highest bit; then the immediate is added. */
const transform = (matrix: readonly number[], byte: number, constant: number): bigint =>
  BigInt(matrix.reduce((sum, row) => int(2 * sum) | parity(row & byte), 0) ^ constant);

/** Eight bytes by the matrix of their quadword in the second source. */
const affine = (prepare: (byte: number) => number): Compute => ({ width, a, b, immediate }) => {
  const matrices = split(width, 64, b).map((matrix) => split(64, 8, matrix).map(Number));
  return join(8, split(width, 8, a).map((byte, n) => transform(matrices[n >> 3]!, prepare(Number(byte)), immediate)));
};

const CARRYLESS: Levels = { sse: 'PCLMULQDQ', avx: ['PCLMULQDQ', 'AVX'] };
const CARRYLESS_256: Levels = { avx2: ['VPCLMULQDQ', 'AVX'] };
const GFNI: Levels = { sse: 'GFNI', avx: ['GFNI', 'AVX'], avx2: ['GFNI', 'AVX'] };

export const FIELDS: readonly InstructionDefinition[] = [
  ...rows({ operands: 'V, H, W, imm8', exceptions: 4 }, [
    ['PCLMULQDQ', 'Carry-less multiplication quadword', '66 0F 3A 44 /r ib', CARRYLESS, multiplyQuadwords],
  ]),
  ...rows({ operands: 'V, H, W, imm8', exceptions: 4, source: laterSdm('2B', '4.3, PCLMULQDQ') }, [
    ['PCLMULQDQ', 'Carry-less multiplication quadword', '66 0F 3A 44 /r ib', CARRYLESS_256, multiplyQuadwords],
  ]),
  ...rows({ operands: 'V, H, W', exceptions: 4, w: 'W0', source: laterSdm('2A', '3.2, GF2P8MULB') }, [
    ['GF2P8MULB', 'Galois field multiply bytes', '66 0F 38 CF /r', GFNI, multiplyEach],
  ]),
  ...rows({ operands: 'V, H, W, imm8', exceptions: 4, w: 'W1', source: laterSdm('2A', '3.2, GF2P8AFFINEQB') }, [
    ['GF2P8AFFINEQB', 'Galois field affine transformation', '66 0F 3A CE /r ib', GFNI, affine((byte) => byte)],
    [
      'GF2P8AFFINEINVQB', 'Galois field affine transformation inverse', '66 0F 3A CF /r ib', GFNI, affine(invertByte),
    ],
  ]),
];
