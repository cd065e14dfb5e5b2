/** A record of a few instructions, run on the engine: what tests of single findings have in common. */

import { type CpuProfile, assemble, cpus } from 'hidden-state';
import { PLACES, local } from './environment.ts';
import { Model } from './model.ts';
import type { RunRecord, RunResult } from './records.ts';

export const IMAGE = { data: new Uint8Array(0x1000).fill(0x11) };
const { data } = PLACES.low;
export const FLAT_32 = [0x2b, 0x23, 0x2b, 0x2b, 0, 0];
/** By number: 0 is RAX, 4 RSP, 5 RBP, 6 RSI, 7 RDI. */
type Registers = Readonly<Record<number, bigint>>;

export interface Case { mode?: 16 | 32 | 64; segments?: readonly number[]; registers?: Registers; rflags?: number; pieces?: RunRecord['pieces']; cpu?: CpuProfile }

export function run(text: string, { mode = 32, segments = mode === 64 ? undefined : FLAT_32, registers = {}, rflags = 0x202, pieces = [], cpu = cpus.zen4 }: Case = {}): RunResult {
  const gpr = Array.from({ length: 16 }, (_, n) => registers[n] ?? (n === 4 ? data + 0x800n : 0n));
  const inLdt = segments && segments[1]! & 4;
  const record: RunRecord = {
    mode, place: 'low', code: assemble(text, { mode }).bytes, gpr, rflags, pieces, ...(segments ? { segments } : {}), ...(inLdt ? { ip: 0x800n } : {}),
  };
  return new Model(cpu, IMAGE).run(record);
}
/** Offset of the data where no 32-bit code has anything mapped. */
export const absent = 0x400n;
export const DATA_16 = local(9), STACK_16 = local(18), CODE_16 = local(1);
export const IN_16 = [DATA_16, CODE_16, STACK_16, DATA_16, 0, 0];
