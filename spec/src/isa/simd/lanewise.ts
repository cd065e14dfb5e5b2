/** Operations that treat each lane alike. */

import type { Compute } from './family.ts';
import { join, split, splitSigned } from './lanes.ts';

/** Of the lanes of both sources, unsigned. */
export const lanewise = (bits: number, operate: (a: bigint, b: bigint) => bigint): Compute => ({ width, a, b }) => {
  const others = split(width, bits, b);
  return join(bits, split(width, bits, a).map((lane, n) => operate(lane, others[n]!)));
};

/** The same of signed lanes. */
export const lanewiseSigned = (bits: number, operate: (a: bigint, b: bigint) => bigint): Compute =>
  ({ width, a, b }) => {
    const others = splitSigned(width, bits, b);
    return join(bits, splitSigned(width, bits, a).map((lane, n) => operate(lane, others[n]!)));
  };

/** Each 128 bits by themselves, as most of AVX2 does; MMX registers whole. */
export const by128 = (operate: Compute): Compute => (sources) => {
  const { width, a, b, c } = sources;
  const part = Math.min(width, 128);
  const [as, bs, cs] = [a, b, c].map((value) => split(width, part, value));
  return join(part, as!.map((lane, n) => operate({ ...sources, width: part, a: lane, b: bs![n]!, c: cs![n]! })));
};

/** Bit `n` of an immediate. */
export const immediateBit = (immediate: number, n: number): boolean => ((immediate >> n) & 1) === 1;
