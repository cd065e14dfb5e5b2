/**
 * SHA-1 and SHA-256 in steps. SDM vol. 1, 5.18 (later editions); vol. 2, SHA1RNDS4 and the pages behind it; FIPS 180-4.
 */

import { u } from '../../numbers/bits.ts';
import type { InstructionDefinition } from '../instruction.ts';
import type { Compute, Levels } from './family.ts';
import { join, split } from './lanes.ts';
import { rows } from './rows.ts';

const SHA: Levels = { sse: 'SHA' };
/** Doublewords, the highest first: the manual calls it A, or W0. */
const highestFirst = (value: bigint): readonly [bigint, bigint, bigint, bigint] => {
  const [d, c, b, a] = split(128, 32, value);
  return [a!, b!, c!, d!];
};
const fromHighest = (lanes: readonly bigint[]): bigint => join(32, [...lanes].reverse());

const rotateLeft = (word: bigint, by: number): bigint => u(32, word << BigInt(by)) | (word >> BigInt(32 - by));
const rotateRight = (word: bigint, by: number): bigint => rotateLeft(word, 32 - by);

const choose = (b: bigint, c: bigint, d: bigint): bigint => (b & c) ^ (u(32, ~b) & d);
const parityOf = (b: bigint, c: bigint, d: bigint): bigint => b ^ c ^ d;
const majority = (b: bigint, c: bigint, d: bigint): bigint => (b & c) ^ (b & d) ^ (c & d);

/** Function and constant of each group of twenty rounds. FIPS 180-4, 4.1.1 and 4.2.1. */
const GROUPS = [
  [choose, 0x5a82_7999n], [parityOf, 0x6ed9_eba1n], [majority, 0x8f1b_bcdcn], [parityOf, 0xca62_c1d6n],
] as const;

/** Four rounds; E is added to the first word by SHA1NEXTE, and begins as zero here. */
const sha1Rounds: Compute = ({ a: state, b: words, immediate }) => {
  const [f, constant] = GROUPS[immediate & 3]!;
  const [a, b, c, d] = highestFirst(state);
  const last = highestFirst(words).reduce(([a, b, c, d, e], word) =>
    [u(32, f(b, c, d) + rotateLeft(a, 5) + word + e + constant), a, rotateLeft(b, 30), c, d] as const,
  [a, b, c, d, 0n] as readonly [bigint, bigint, bigint, bigint, bigint]);
  return fromHighest(last.slice(0, 4));
};

const sha1NextE: Compute = ({ a, b }) => {
  const [e] = highestFirst(a), [first, ...rest] = highestFirst(b);
  return fromHighest([u(32, first + rotateLeft(e, 30)), ...rest]);
};

const sha1Message1: Compute = ({ a, b }) => {
  const [w0, w1, w2, w3] = highestFirst(a), [w4, w5] = highestFirst(b);
  return fromHighest([w2 ^ w0, w3 ^ w1, w4 ^ w2, w5 ^ w3]);
};

const sha1Message2: Compute = ({ a, b }) => {
  const [a0, a1, a2, a3] = highestFirst(a), [, w13, w14, w15] = highestFirst(b);
  const w16 = rotateLeft(a0 ^ w13, 1);
  return fromHighest([w16, rotateLeft(a1 ^ w14, 1), rotateLeft(a2 ^ w15, 1), rotateLeft(a3 ^ w16, 1)]);
};

const sigma0 = (word: bigint): bigint => rotateRight(word, 7) ^ rotateRight(word, 18) ^ (word >> 3n);
const sigma1 = (word: bigint): bigint => rotateRight(word, 17) ^ rotateRight(word, 19) ^ (word >> 10n);
const sum0 = (word: bigint): bigint => rotateRight(word, 2) ^ rotateRight(word, 13) ^ rotateRight(word, 22);
const sum1 = (word: bigint): bigint => rotateRight(word, 6) ^ rotateRight(word, 11) ^ rotateRight(word, 25);

const sha256Message1: Compute = ({ a, b }) => {
  const [w3, w2, w1, w0] = highestFirst(a), [, , , w4] = highestFirst(b);
  return fromHighest([[w3, w4], [w2, w3], [w1, w2], [w0, w1]].map(([word, next]) => u(32, word! + sigma0(next!))));
};

const sha256Message2: Compute = ({ a, b }) => {
  const [a3, a2, a1, a0] = highestFirst(a), [w15, w14] = highestFirst(b);
  const w16 = u(32, a0 + sigma1(w14)), w17 = u(32, a1 + sigma1(w15));
  return fromHighest([u(32, a3 + sigma1(w17)), u(32, a2 + sigma1(w16)), w17, w16]);
};

type Eight = readonly [bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint];

/** Two rounds: C, D, G, H in the destination, A, B, E, F in the source, the words with their constants in XMM0. */
const sha256Rounds: Compute = ({ a: lower, b: upper, x }) => {
  const [a, b, e, f] = highestFirst(upper), [c, d, g, h] = highestFirst(lower);
  const words = split(128, 32, x.state.xmm(0)).slice(0, 2);
  const [a2, b2, , , e2, f2] = words.reduce(([a, b, c, d, e, f, g, h]: Eight, word): Eight => {
    const first = u(32, choose(e, f, g) + sum1(e) + word + h);
    return [u(32, first + majority(a, b, c) + sum0(a)), a, b, c, u(32, first + d), e, f, g];
  }, [a, b, c, d, e, f, g, h]);
  return fromHighest([a2, b2, e2, f2]);
};

export const SHA_FAMILY: readonly InstructionDefinition[] = [
  ...rows({ operands: 'V, H, W, imm8', exceptions: 4 }, [
    ['SHA1RNDS4', 'Perform four rounds of SHA1 operation', 'NP 0F 3A CC /r ib', SHA, sha1Rounds],
  ]),
  ...rows({ operands: 'V, H, W', exceptions: 4 }, [
    ['SHA1NEXTE', 'Calculate SHA1 state variable E after four rounds', 'NP 0F 38 C8 /r', SHA, sha1NextE],
    ['SHA1MSG1', 'Perform an intermediate calculation for SHA1 message', 'NP 0F 38 C9 /r', SHA, sha1Message1],
    ['SHA1MSG2', 'Perform a final calculation for SHA1 message', 'NP 0F 38 CA /r', SHA, sha1Message2],
    ['SHA256RNDS2', 'Perform two rounds of SHA256 operation', 'NP 0F 38 CB /r', SHA, sha256Rounds],
    ['SHA256MSG1', 'Perform an intermediate calculation for SHA256 message', 'NP 0F 38 CC /r', SHA, sha256Message1],
    ['SHA256MSG2', 'Perform a final calculation for SHA256 message', 'NP 0F 38 CD /r', SHA, sha256Message2],
  ]),
];
