/** Reproducible random numbers: the same seed gives the same vectors everywhere. */

export interface Random {
  /** 0 to `below` - 1. */
  below(below: number): number;
  chance(probability: number): boolean;
  pick<T>(from: readonly T[]): T;
  /** A 64-bit value, often at an edge: what flags depend on. */
  value(): bigint;
}

const EDGES = [
  0n, 1n, 2n, 0xfn, 0x10n, 0x7fn, 0x80n, 0xffn, 0x7fffn, 0x8000n, 0xffffn, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn,
  0x7fff_ffff_ffff_ffffn, 0x8000_0000_0000_0000n, 0xffff_ffff_ffff_ffffn, 0xffff_ffff_8000_0000n,
];

/** xorshift32, its seed stirred so that neighbouring seeds have nothing in common. */
export function randomFrom(seed: number): Random {
  let state = Math.imul(seed ^ 0x9e37_79b9, 0x85eb_ca6b) | 1;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  for (let n = 0; n < 4; n++) next();
  const below = (limit: number): number => Math.floor((next() / 2 ** 32) * limit);
  const wide = (): bigint => (BigInt(next()) << 32n) | BigInt(next());
  return {
    below,
    chance: (probability) => next() < probability * 2 ** 32,
    pick: (from) => from[below(from.length)]!,
    value: () => {
      const kind = below(4);
      return kind === 0 ? EDGES[below(EDGES.length)]! : kind === 1 ? BigInt(next()) : wide();
    },
  };
}

/** The registers that vector `index` starts from, unless it says otherwise. */
export function randomRegisters(seed: number, index: number, mode: 32 | 64): bigint[] {
  const random = randomFrom(Math.imul(index + 1, 0x01_0001) ^ seed);
  return Array.from({ length: 16 }, () => BigInt.asUintN(mode, random.value()));
}
