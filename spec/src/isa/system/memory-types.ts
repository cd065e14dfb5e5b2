/**
 * IA32_PAT and the MTRRs. SDM vol. 3A, 11.11 and 11.12. They keep what is written, by the rules; memory types have no
 * effect here, where nothing is cached.
 */

import { u } from '../../numbers/bits.ts';
import type { CpuProfile } from '../../cpus/profile.ts';
import { OFFSET, VARIABLE_MTRRS } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';
import { type Msr, cell, having, readOnly, series } from './msr.ts';

/** Uncacheable, write-combining, write-through, write-protected, write-back. */
const TYPES: ReadonlySet<bigint> = new Set([0n, 1n, 4n, 5n, 6n]);
const UNCACHED = 7n;

/** Each of the eight bytes of `value` is the number of a memory type. */
function requireTypes(x: Execution, value: bigint, name: string, also?: bigint): void {
  for (let at = 0n; at < 64n; at += 8n) {
    const type = u(8, value >> at);
    if (!TYPES.has(type) && type !== also) x.fault('#GP', `${type} is no memory type, in ${name}`, 0);
  }
}

const requireType = (x: Execution, value: bigint, name: string): void => requireTypes(x, u(8, value), name);

/** Bits 11:0 of an address register that mean something, and the bits of a page's address. */
const physical = (low: bigint) => (cpu: CpuProfile): bigint => (u(cpu.physicalAddressBits, -1n) & ~0xfffn) | low;

const on = having('MTRR');
/** Fixed-range registers are there, write-combining is a type. */
const CAPABILITIES = 0x500n | BigInt(VARIABLE_MTRRS);
const FIXED = [[0x250, '64K_00000'], [0x258, '16K_80000'], [0x259, '16K_A0000'],
  ...series(8, (n) => [0x268 + n, `4K_${(0xc0000 + 0x8000 * n).toString(16).toUpperCase()}`] as const)] as const;

export const MEMORY_TYPE_MSRS: readonly Msr[] = [
  cell(0x277, 'IA32_PAT', OFFSET.pat, {
    on: having('PAT'), check: (x, value, name) => requireTypes(x, value, name, UNCACHED),
  }),
  readOnly(0xfe, 'IA32_MTRRCAP', CAPABILITIES, on),
  cell(0x2ff, 'IA32_MTRR_DEF_TYPE', OFFSET.mtrrDefType, { on, writable: 0xcffn, check: requireType }),
  ...FIXED.map(([number, range], n) =>
    cell(number, `IA32_MTRR_FIX${range}`, OFFSET.mtrrFixed + 8 * n, { on, check: requireTypes })),
  ...series(VARIABLE_MTRRS, (n) => [
    cell(
      0x200 + 2 * n, `IA32_MTRR_PHYSBASE${n}`, OFFSET.mtrrVariable + 16 * n,
      { on, writable: physical(0xffn), check: requireType },
    ),
    cell(0x201 + 2 * n, `IA32_MTRR_PHYSMASK${n}`, OFFSET.mtrrVariable + 16 * n + 8, { on, writable: physical(0x800n) }),
  ]).flat(),
];
