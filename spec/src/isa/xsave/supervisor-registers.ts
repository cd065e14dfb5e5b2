/** The MSRs of the supervisor components, by RDMSR and WRMSR. Their rules are in supervisor.table.ts. */

import { bitOf } from '../../cpus/xsave-layout.ts';
import type { CpuProfile } from '../../cpus/profile.ts';
import { LBR_ENTRIES, fieldNamed } from '../../state/fields.ts';
import type { State } from '../../state/state.ts';
import type { Execution } from '../execution.ts';
import { type Msr, lacking, requireBits } from '../system/msr.ts';
import {
  CET_BESIDE, type RegisterRow, type RegisterRules, SUPERVISOR_TABLE, TRACE_ENABLE,
} from './supervisor.table.ts';

export interface SupervisorRegister {
  readonly number: number;
  readonly name: string;
  /** In the state area. */
  readonly offset: number;
  readonly rules: RegisterRules;
}

export const resolve = ([number, name, rules = {}]: RegisterRow): SupervisorRegister =>
  ({ number, name, offset: fieldNamed(name).offset, rules });

/** #GP(0) for a value that the register does not take, whichever instruction brings it. */
export function requireSupported(x: Execution, { name, rules }: SupervisorRegister, value: bigint): void {
  const { writable, ignored = 0n, ones = 0n, check } = rules;
  if (writable !== undefined) {
    requireBits(x, name, value, (typeof writable === 'bigint' ? writable : writable(x.cpu)) | ignored | ones);
  }
  check?.(x, value, name);
}

/** The point where what the engine lacks would begin. */
export function requireModelled(x: Execution, { rules: { starts } }: SupervisorRegister, value: bigint): void {
  if (starts && value & starts[0]) x.unmodelled(starts[1]);
}

export const readRegister = (state: State, { offset, rules: { ones = 0n } }: SupervisorRegister): bigint =>
  state.quad(offset) | ones;

export function setRegister(state: State, { offset, rules }: SupervisorRegister, value: bigint): void {
  state.setQuad(offset, value & ~(rules.ignored ?? 0n));
}

const DEPTH = fieldNamed('IA32_LBR_DEPTH').offset, FIRST_ENTRY = fieldNamed('IA32_LBR_0_FROM_IP').offset;
const TRACE_CONTROL = fieldNamed('IA32_RTIT_CTL').offset;
/** FROM_IP, TO_IP and INFO. */
export const ENTRY_BYTES = 24;

export const recordDepth = (state: State): bigint => state.quad(DEPTH);
export const clearRecords = (state: State): void => {
  state.bytes.fill(0, FIRST_ENTRY, FIRST_ENTRY + ENTRY_BYTES * LBR_ENTRIES);
};
export const isTracing = (state: State): boolean => (state.quad(TRACE_CONTROL) & TRACE_ENABLE) !== 0n;
export const stopTracing = (state: State): void =>
  state.setQuad(TRACE_CONTROL, state.quad(TRACE_CONTROL) & ~TRACE_ENABLE);

const has = (components: bigint): Msr['on'] => (cpu: CpuProfile) => ((cpu.xss ?? 0n) & components) !== 0n;

/** As it is without rules of its own; `guard` comes before all others, `after` after the write. */
function supervisorMsr(
  row: RegisterRow, components: bigint,
  { guard, after }: { guard?: (x: Execution) => void; after?: (x: Execution) => void } = {},
): Msr {
  const register = resolve(row);
  return {
    number: register.number, name: register.name, on: has(components),
    read(x) {
      guard?.(x);
      return readRegister(x.state, register);
    },
    write(x, value) {
      guard?.(x);
      requireSupported(x, register, value);
      requireModelled(x, register, value);
      setRegister(x.state, register, value);
      x.state.xmodified |= components;
      after?.(x);
    },
  };
}

const PT = 8, HDC = 13, LBR = 15, HWP = 16;
const CET = bitOf(11) | bitOf(12);

/** Written while it traces: #GP. SDM vol. 3C, 36.2.7.1, December 2016. */
const whileNotTracing = (msr: Msr): Msr => ({
  ...msr,
  write(x, value) {
    if (isTracing(x.state)) x.fault('#GP', `${msr.name} cannot change while IA32_RTIT_CTL.TraceEn is 1`, 0);
    msr.write!(x, value);
  },
});

/** Entries beyond the depth do not exist. SDM vol. 4, table 2-2. */
const withinDepth = (entry: number, name: string) => (x: Execution): void => {
  if (BigInt(entry) >= recordDepth(x.state)) x.fault('#GP', `${name} is beyond IA32_LBR_DEPTH`, 0);
};

const ENABLE = fieldNamed('IA32_PM_ENABLE').offset;
/** Other MSRs of hardware-controlled performance do not exist before it is enabled. SDM vol. 3B, 14.4.2. */
function whileEnabled(x: Execution): void {
  if (!(x.state.quad(ENABLE) & 1n)) x.fault('#GP', 'IA32_PM_ENABLE.HWP_ENABLE is 0', 0);
}

function msrOf(component: number, row: RegisterRow): Msr {
  const [, name] = row, bit = bitOf(component);
  if (component === PT) return whileNotTracing(supervisorMsr(row, bit));
  if (component === HWP) return supervisorMsr(row, bit, { guard: whileEnabled });
  const entry = /^IA32_LBR_(\d+)_/.exec(name)?.[1];
  if (entry) return supervisorMsr(row, bit, { guard: withinDepth(Number(entry), name) });
  // Whatever is written, the entries are gone.
  return name === 'IA32_LBR_DEPTH' ? supervisorMsr(row, bit, { after: ({ state }) => clearRecords(state) })
    : supervisorMsr(row, bit);
}

/** A register that the engine lacks, and that is not there before hardware controls performance. */
const lackingHwp = (number: number, name: string): Msr => {
  const msr = lacking(number, name, has(bitOf(HWP)));
  return {
    ...msr,
    read(x) {
      whileEnabled(x);
      return msr.read!(x);
    },
    write(x, value) {
      whileEnabled(x);
      msr.write!(x, value);
    },
  };
};

export const SUPERVISOR_MSRS: readonly Msr[] = [
  ...SUPERVISOR_TABLE.flatMap(({ number, registers }) => registers.map((row) => msrOf(number, row))),
  // Nothing saves these: they are no component's, and modify none.
  ...CET_BESIDE.map((row) => ({ ...supervisorMsr(row, 0n), on: has(CET) })),
  lacking(0xdb0, 'IA32_PKG_HDC_CTL', has(bitOf(HDC))), lacking(0xdb2, 'IA32_THREAD_STALL', has(bitOf(HDC))),
  {
    // Once set it stays. What it does is a matter of frequency, of which the machine has one.
    number: 0x770, name: 'IA32_PM_ENABLE', on: has(bitOf(HWP)), read: (x) => x.state.quad(ENABLE),
    write(x, value) {
      requireBits(x, 'IA32_PM_ENABLE', value, 1n);
      x.state.setQuad(ENABLE, x.state.quad(ENABLE) | value);
    },
  },
  lackingHwp(0x771, 'IA32_HWP_CAPABILITIES'), lacking(0x773, 'IA32_HWP_INTERRUPT', has(bitOf(HWP))),
  lackingHwp(0x777, 'IA32_HWP_STATUS'),
];

/** Those whose numbers were other registers' on processors before. */
export const hasArchitecturalRecords = has(bitOf(LBR));
