/** The four x87 pointers as values, and memory images that ask for them: what the search over restores works with. */

import { toBytes } from '../numbers/bits.ts';
import type { CpuProfile } from '../cpus/profile.ts';
import type { State } from '../state/state.ts';

export interface Pointers {
  fip: bigint;
  fcs: number;
  fdp: bigint;
  fds: number;
}

/**
 * What a 64-bit Windows kernel leaves: every part of each is distinct from zero, but for the selectors on a processor
 * that deprecates them (CPUID.7.0:EBX[13]), where there is nothing to bring back.
 */
export const wantedPointers = (cpu: CpuProfile): Pointers => {
  const selectors = !cpu.features.has('FPCSDS');
  return {
    fip: 0xffff_f803_1234_5010n, fcs: selectors ? 0x10 : 0, fdp: 0xffff_f803_5678_9020n, fds: selectors ? 0x2b : 0,
  };
};

export const pointersOf = ({ fip, fcs, fdp, fds }: State): Pointers => ({ fip, fcs, fdp, fds });

/**
 * Images that hold the wanted pointers, each in one form: `wide` (REX.W), `narrow`, the 28-byte environment with eight
 * empty registers behind it, and one whose XSTATE_BV is 0.
 */
export function images(base: bigint, wanted: Pointers): {
  symbols: Record<string, bigint>;
  contents: Map<bigint, Uint8Array>;
} {
  const symbols = { wide: base, narrow: base + 0x1000n, environment: base + 0x2000n, initial: base + 0x3000n };
  const contents = new Map<bigint, Uint8Array>();
  const area = (xstateBv: number): Uint8Array => {
    const bytes = new Uint8Array(1024);
    bytes.set([0x7f, 0x03], 0);
    bytes.set([0x80, 0x1f], 24);
    bytes[512] = xstateBv;
    return bytes;
  };
  const wide = area(1), narrow = area(1), environment = new Uint8Array(108);
  wide.set(toBytes(wanted.fip, 8), 8);
  wide.set(toBytes(wanted.fdp, 8), 16);
  narrow.set([...toBytes(wanted.fip, 4), ...toBytes(BigInt(wanted.fcs), 2)], 8);
  narrow.set([...toBytes(wanted.fdp, 4), ...toBytes(BigInt(wanted.fds), 2)], 16);
  environment.set([0x7f, 0x03], 0);
  environment.set([0xff, 0xff], 8);
  environment.set([...toBytes(wanted.fip, 4), ...toBytes(BigInt(wanted.fcs), 2)], 12);
  environment.set([...toBytes(wanted.fdp, 4), ...toBytes(BigInt(wanted.fds), 2)], 20);
  contents.set(symbols.wide, wide).set(symbols.narrow, narrow).set(
    symbols.environment, environment,
  ).set(symbols.initial, area(0));
  return { symbols, contents };
}
