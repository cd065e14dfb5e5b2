/** Shifts of lanes, and of whole vectors by bytes. SDM vol. 1, 5.4.5 and 5.6.3. */

import { s, u } from '../../numbers/bits.ts';
import type { InstructionDefinition } from '../instruction.ts';
import type { Compute, Levels } from './family.ts';
import { join, split } from './lanes.ts';
import { by128, lanewise } from './lanewise.ts';
import { INTEGER_SSE2, MMX } from './levels.ts';
import { type Row, rows } from './rows.ts';

/** One lane by `count`, which may be anything. */
type Shift = (bits: number, lane: bigint, count: bigint) => bigint;

const left: Shift = (bits, lane, count) => (count < BigInt(bits) ? u(bits, lane << count) : 0n);
const right: Shift = (bits, lane, count) => (count < BigInt(bits) ? lane >> count : 0n);
/** A count beyond the width fills the lane with its sign. */
const rightSigned: Shift = (bits, lane, count) =>
  u(bits, s(bits, lane) >> (count < BigInt(bits) ? count : BigInt(bits - 1)));

/** All lanes by the low 64 bits of the second source. */
const byVector = (bits: number, shift: Shift): Compute => ({ width, a, b }) =>
  join(bits, split(width, bits, a).map((lane) => shift(bits, lane, u(64, b))));
const byImmediate = (bits: number, shift: Shift): Compute => ({ width, a, immediate }) =>
  join(bits, split(width, bits, a).map((lane) => shift(bits, lane, BigInt(immediate))));
/** Each lane by the second source's. */
const byLane = (bits: number, shift: Shift): Compute => lanewise(bits, (lane, count) => shift(bits, lane, count));

const bytesLeft: Compute = by128(({ a, immediate }) => left(128, a, BigInt(8 * immediate)));
const bytesRight: Compute = by128(({ a, immediate }) => right(128, a, BigInt(8 * immediate)));

const VARIABLE: Levels = { avx: 'AVX2', avx2: 'AVX2' };

/** mnemonic, title, opcode of the count in a vector, opcode and digit of that in the instruction, lanes, operation */
type Counted = readonly [string, string, string, string, number, Shift];
const COUNTED: readonly Counted[] = [
  ['PSLLW', 'Shift packed words left logical', 'F1', '71 /6', 16, left],
  ['PSLLD', 'Shift packed doublewords left logical', 'F2', '72 /6', 32, left],
  ['PSLLQ', 'Shift packed quadwords left logical', 'F3', '73 /6', 64, left],
  ['PSRLW', 'Shift packed words right logical', 'D1', '71 /2', 16, right],
  ['PSRLD', 'Shift packed doublewords right logical', 'D2', '72 /2', 32, right],
  ['PSRLQ', 'Shift packed quadwords right logical', 'D3', '73 /2', 64, right],
  ['PSRAW', 'Shift packed words right arithmetic', 'E1', '71 /4', 16, rightSigned],
  ['PSRAD', 'Shift packed doublewords right arithmetic', 'E2', '72 /4', 32, rightSigned],
];

export const VECTOR_SHIFTS: readonly InstructionDefinition[] = [
  ...rows({ operands: 'V, H, Wdq', exceptions: 4 }, COUNTED.map(([mnemonic, title, opcode, , bits, shift]): Row =>
    [mnemonic, title, `66 0F ${opcode} /r`, MMX, byVector(bits, shift)])),
  ...rows({ operands: 'H, U, imm8', exceptions: 7 }, [
    ...COUNTED.map(([mnemonic, title, , opcode, bits, shift]): Row =>
      [mnemonic, title, `66 0F ${opcode} ib`, MMX, byImmediate(bits, shift)]),
    ['PSLLDQ', 'Shift double quadword left logical', '66 0F 73 /7 ib', INTEGER_SSE2, bytesLeft],
    ['PSRLDQ', 'Shift double quadword right logical', '66 0F 73 /3 ib', INTEGER_SSE2, bytesRight],
  ]),
  ...rows({ operands: 'V, H, W', exceptions: 4, w: 'W0' }, [
    ['PSLLVD', 'Variable shift left logical of doublewords', '66 0F 38 47 /r', VARIABLE, byLane(32, left)],
    ['PSRLVD', 'Variable shift right logical of doublewords', '66 0F 38 45 /r', VARIABLE, byLane(32, right)],
    ['PSRAVD', 'Variable shift right arithmetic of doublewords', '66 0F 38 46 /r', VARIABLE, byLane(32, rightSigned)],
  ]),
  ...rows({ operands: 'V, H, W', exceptions: 4, w: 'W1' }, [
    ['PSLLVQ', 'Variable shift left logical of quadwords', '66 0F 38 47 /r', VARIABLE, byLane(64, left)],
    ['PSRLVQ', 'Variable shift right logical of quadwords', '66 0F 38 45 /r', VARIABLE, byLane(64, right)],
  ]),
];
