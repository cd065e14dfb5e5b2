/**
 * The shape of a model-specific register, and the kinds of which most are. What RESET leaves in them is with the other
 * registers, in machine/reset.table.ts. SDM vol. 2B, RDMSR; vol. 2C, WRMSR.
 */

import { hex, isCanonical } from '../../numbers/bits.ts';
import type { Feature } from '../../cpus/features.table.ts';
import type { CpuProfile } from '../../cpus/profile.ts';
import type { Execution } from '../execution.ts';

export interface Msr {
  readonly number: number;
  /** As the manual has it. */
  readonly name: string;
  /** Processors that have it; for others it does not exist, and access is #GP(0). */
  readonly on: (cpu: CpuProfile) => boolean;
  /** Absent where it cannot be read. */
  readonly read: ((x: Execution) => bigint) | undefined;
  /** Faults before it writes. Absent where it cannot be written. */
  readonly write: ((x: Execution, value: bigint) => void) | undefined;
}

type On = Msr['on'];
export const everywhere: On = () => true;
export const intel: On = (cpu) => cpu.vendor === 'GenuineIntel';
export const amd: On = (cpu) => cpu.vendor === 'AuthenticAMD';
export const having = (...features: readonly Feature[]): On =>
  (cpu) => features.some((feature) => cpu.features.has(feature));

/** Raises #GP(0) when `value` sets a bit outside `mask`. */
export function requireBits(x: Execution, name: string, value: bigint, mask: bigint): void {
  if (value & ~mask) x.fault('#GP', `bits ${hex(value & ~mask)} of ${name} are reserved`, 0);
}

/** Raises #GP(0) for a value that is no linear address of this processor, whatever CR4.LA57 says. */
export function requireCanonical(x: Execution, name: string, value: bigint): void {
  if (!isCanonical(value, x.cpu.linearAddressBits)) {
    x.fault('#GP', `${hex(value)}, written to ${name}, is not canonical`, 0);
  }
}

const ALL = 0xffff_ffff_ffff_ffffn;

interface CellOptions {
  readonly on?: On;
  /** Bits that can be 1; others are reserved. */
  readonly writable?: bigint | ((cpu: CpuProfile) => bigint);
  /** Further rules, before the write. */
  readonly check?: (x: Execution, value: bigint, name: string) => void;
}

/** A register that keeps what is written to it, in the state area. */
export function cell(number: number, name: string, offset: number, options: CellOptions = {}): Msr {
  const { on = everywhere, writable = ALL, check } = options;
  return {
    number, name, on,
    read: (x) => x.state.quad(offset),
    write(x, value) {
      requireBits(x, name, value, typeof writable === 'bigint' ? writable : writable(x.cpu));
      check?.(x, value, name);
      x.state.setQuad(offset, value);
    },
  };
}

/** A register that says something about the processor and cannot be written. */
export const readOnly = (
  number: number, name: string, value: bigint | ((x: Execution) => bigint), on: On = everywhere,
): Msr =>
  ({ number, name, on, read: typeof value === 'bigint' ? () => value : value, write: undefined });

/** A register that the processor has and the engine does not. */
export const lacking = (number: number, name: string, on: On): Msr => ({
  number, name, on,
  read: (x) => x.unmodelled(`reading ${name} (MSR ${hex(number)})`),
  write: (x) => x.unmodelled(`writing ${name} (MSR ${hex(number)})`),
});

/** `count` registers with consecutive numbers. */
export const series = <T>(count: number, make: (n: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => make(n));
