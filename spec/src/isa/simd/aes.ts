/** AES: rounds on a state of 16 bytes, columns of four. SDM vol. 1, 12.13; FIPS 197. */

import { int, u } from '../../numbers/bits.ts';
import { once } from '../../numbers/once.ts';
import { invertByte, multiplyBytes } from '../../numbers/polynomials.ts';
import { laterSdm } from '../../state/citation.ts';
import type { InstructionDefinition } from '../instruction.ts';
import type { Compute, Levels } from './family.ts';
import { join, split } from './lanes.ts';
import { by128 } from './lanewise.ts';
import { type Row, rows } from './rows.ts';

/** SubBytes: the inverse, then an affine transformation. FIPS 197, 5.1.1. */
const sBox = once((): Bytes => Array.from({ length: 256 }, (_, byte) => {
  const inverse = invertByte(byte);
  const rotated = (by: number): number => ((inverse << by) | (inverse >> (8 - by))) & 0xff;
  return 0x63 ^ inverse ^ rotated(1) ^ rotated(2) ^ rotated(3) ^ rotated(4);
}));
const inverseSBox = once((): Bytes => sBox().map((_, byte) => sBox().indexOf(byte)));

/** Bytes of the state, column by column. */
type Bytes = readonly number[];
const bytesOf = (value: bigint): number[] => split(128, 8, value).map(Number);
const valueOf = (bytes: Bytes): bigint => join(8, bytes.map(BigInt));

const substitute = (box: Bytes, bytes: Bytes): number[] => bytes.map((byte) => box[byte]!);

/** Row `r` goes `r` columns to the left, or back to the right. */
const shiftRows = (bytes: Bytes, direction: 1 | -1): number[] =>
  bytes.map((_, n) => bytes[(n + int(4 * direction) * (n % 4)) & 15]!);

/** Each column times a polynomial. FIPS 197, 5.1.3 and 5.3.3. */
const mixColumns = (bytes: Bytes, factors: Bytes): number[] =>
  bytes.map((_, n) => factors.reduce((sum, factor, k) =>
    sum ^ multiplyBytes(factor, bytes[(n & ~3) + ((n + k) & 3)]!), 0));
const MIX: Bytes = [2, 3, 1, 1];
const UNMIX: Bytes = [14, 11, 13, 9];

const encryptLast: Compute = by128(({ a, b }) => valueOf(substitute(sBox(), shiftRows(bytesOf(a), 1))) ^ b);
const encrypt: Compute = by128(({ a, b }) =>
  valueOf(mixColumns(substitute(sBox(), shiftRows(bytesOf(a), 1)), MIX)) ^ b);
const decryptLast: Compute = by128(({ a, b }) => valueOf(substitute(inverseSBox(), shiftRows(bytesOf(a), -1))) ^ b);
const decrypt: Compute = by128(({ a, b }) =>
  valueOf(mixColumns(substitute(inverseSBox(), shiftRows(bytesOf(a), -1)), UNMIX)) ^ b);
const unmix: Compute = ({ a }) => valueOf(mixColumns(bytesOf(a), UNMIX));

const rotateWord = (word: bigint): bigint => (word >> 8n) | u(32, word << 24n);

/** AESKEYGENASSIST: doublewords 1 and 3 through the S-box, and the same rotated with the round constant. */
const assist: Compute = ({ a, immediate }) => {
  const [, x1, , x3] = split(128, 32, valueOf(substitute(sBox(), bytesOf(a))));
  const constant = BigInt(immediate);
  return join(32, [x1!, rotateWord(x1!) ^ constant, x3!, rotateWord(x3!) ^ constant]);
};

/** AVX beside AES for 128 bits; VAES brought 256. */
const AES: Levels = { sse: 'AES', avx: ['AES', 'AVX'] };
const VAES: Levels = { avx2: ['VAES', 'AVX'] };

const rounds = (levels: Levels): readonly Row[] => [
  ['AESENC', 'Perform one round of an AES encryption flow', '66 0F 38 DC /r', levels, encrypt],
  ['AESENCLAST', 'Perform last round of an AES encryption flow', '66 0F 38 DD /r', levels, encryptLast],
  ['AESDEC', 'Perform one round of an AES decryption flow', '66 0F 38 DE /r', levels, decrypt],
  ['AESDECLAST', 'Perform last round of an AES decryption flow', '66 0F 38 DF /r', levels, decryptLast],
];

export const AES_FAMILY: readonly InstructionDefinition[] = [
  ...rows({ operands: 'V, H, W', exceptions: 4 }, rounds(AES)),
  ...rows({ operands: 'V, H, W', exceptions: 4, source: laterSdm('2A', '3.2, AESENC to AESDECLAST') }, rounds(VAES)),
  ...rows({ operands: 'V, W', exceptions: 4 }, [
    ['AESIMC', 'Perform the AES InvMixColumn transformation', '66 0F 38 DB /r', AES, unmix],
  ]),
  ...rows({ operands: 'V, W, imm8', exceptions: 4 }, [
    ['AESKEYGENASSIST', 'AES round key generation assist', '66 0F 3A DF /r ib', AES, assist],
  ]),
];
