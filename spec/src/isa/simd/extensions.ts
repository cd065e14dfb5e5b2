/** Lanes that become wider, and lanes that fill a vector: PMOVSX, PMOVZX, broadcasts. SDM vol. 1, 5.10.7 and 14.6. */

import { s, u } from '../../numbers/bits.ts';
import type { InstructionDefinition } from '../instruction.ts';
import { type Compute, encodings } from './family.ts';
import { join, split } from './lanes.ts';
import { INTEGER_SSE4_1 } from './levels.ts';
import { type Row, entry, rows } from './rows.ts';

const extend = (from: number, to: number, signed: boolean): Compute => ({ width, a }) =>
  join(to, split(256, from, a).slice(0, width / to).map((lane) => (signed ? u(to, s(from, lane)) : lane)));

/** letters, bits before and after, low digit of the opcode */
const WIDENINGS = [
  ['BW', 8, 16, 0], ['BD', 8, 32, 1], ['BQ', 8, 64, 2], ['WD', 16, 32, 3], ['WQ', 16, 64, 4], ['DQ', 32, 64, 5],
] as const;

const widening = (part: 2 | 4 | 8): readonly InstructionDefinition[] => rows(
  { operands: `V, W/${part}`, exceptions: 5 },
  WIDENINGS.filter(([, from, to]) => to / from === part).flatMap(([letters, from, to, digit]): Row[] => [
    [
      `PMOVSX${letters}`, 'Packed move with sign extend', `66 0F 38 2${digit} /r`, INTEGER_SSE4_1,
      extend(from, to, true),
    ],
    [
      `PMOVZX${letters}`, 'Packed move with zero extend', `66 0F 38 3${digit} /r`, INTEGER_SSE4_1,
      extend(from, to, false),
    ],
  ]),
);

const broadcast = (bits: number): Compute => ({ width, a }) =>
  join(bits, Array.from({ length: width / bits }, () => u(bits, a)));

/** One form each: memory came with AVX, registers with AVX2. */
const broadcasting = (
  mnemonic: string, title: string, bits: number, cpuid: 'AVX' | 'AVX2', forms: string[],
): InstructionDefinition =>
  encodings({ mnemonic, title, forms, cpuid, exceptions: 6, compute: broadcast(bits), source: entry(mnemonic) });

const integers = (letter: string, opcode: number, bits: number): InstructionDefinition =>
  broadcasting(`VPBROADCAST${letter}`, 'Broadcast integer from vector', bits, 'AVX2', [
    `VEX.128.66.0F38.W0 ${opcode} /r | xmm, xmm/m${bits}`, `VEX.256.66.0F38.W0 ${opcode} /r | ymm, xmm/m${bits}`,
  ]);

export const EXTENSIONS: readonly InstructionDefinition[] = [
  ...widening(2), ...widening(4), ...widening(8),
  broadcasting('VBROADCASTSS', 'Broadcast single', 32, 'AVX', [
    'VEX.128.66.0F38.W0 18 /r | xmm, m32', 'VEX.256.66.0F38.W0 18 /r | ymm, m32',
  ]),
  broadcasting('VBROADCASTSS', 'Broadcast single', 32, 'AVX2', [
    'VEX.128.66.0F38.W0 18 /r | xmm, rmxmm', 'VEX.256.66.0F38.W0 18 /r | ymm, rmxmm',
  ]),
  broadcasting('VBROADCASTSD', 'Broadcast double', 64, 'AVX', ['VEX.256.66.0F38.W0 19 /r | ymm, m64']),
  broadcasting('VBROADCASTSD', 'Broadcast double', 64, 'AVX2', ['VEX.256.66.0F38.W0 19 /r | ymm, rmxmm']),
  broadcasting('VBROADCASTF128', 'Broadcast 128 bits of floating point', 128, 'AVX', [
    'VEX.256.66.0F38.W0 1A /r | ymm, m128',
  ]),
  broadcasting('VBROADCASTI128', 'Broadcast 128 bits of integers', 128, 'AVX2', [
    'VEX.256.66.0F38.W0 5A /r | ymm, m128',
  ]),
  integers('B', 78, 8), integers('W', 79, 16), integers('D', 58, 32), integers('Q', 59, 64),
];
