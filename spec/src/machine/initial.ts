/**
 * The state in which an operating system's kernel code finds the processor: where a program starts unless told
 * otherwise.
 */

import { u } from '../numbers/bits.ts';
import type { CpuProfile } from '../cpus/profile.ts';
import type { Mode } from '../isa/instruction.ts';
import { APIC_BASE, CR0, CR4, EFER } from '../isa/system/control-bits.ts';
import { USUAL_COMPONENTS } from '../isa/xsave/components.ts';
import { CS, DS, ES, FS, GS, OFFSET, SS } from '../state/fields.ts';
import { FLAT, State, WAIT_FOR_SIPI, flatSegment } from '../state/state.ts';
import { RESET_TABLE, type ResetValue, STARTUP_TABLE } from './reset.table.ts';

/** Selectors of 64-bit and of 32-bit Windows kernels, from memory: real-looking values for FCS and FDS to hold. */
const KERNEL_SELECTORS: Readonly<Record<32 | 64, Readonly<Record<number, number>>>> = {
  64: { [CS]: 0x10, [SS]: 0x18, [DS]: 0x2b, [ES]: 0x2b, [FS]: 0x53, [GS]: 0x2b },
  32: { [CS]: 0x08, [SS]: 0x10, [DS]: 0x23, [ES]: 0x23, [FS]: 0x30, [GS]: 0x00 },
};

/** CR0 as 64-bit kernels run with it: paging, write protection, alignment mask, native x87 exceptions. */
const KERNEL_CR0 = CR0.PG | CR0.AM | CR0.WP | CR0.NE | CR0.ET | CR0.MP | CR0.PE;

/** What a kernel finds as RESET left it. */
const KEPT: ReadonlySet<string> = new Set([
  'RFLAGS', 'DR6', 'DR7', 'IA32_PAT', 'IA32_APIC_BASE', 'MXCSR', 'IA32_MISC_ENABLE', 'IA32_FEATURE_CONTROL', 'HWCR',
  'VM_CR', 'IA32_PM_CTL1', 'IA32_LBR_DEPTH', 'IA32_HWP_REQUEST',
]);
const KEPT_FROM_RESET = RESET_TABLE.flatMap(({ fields, reset: value }) =>
  fields.filter((field) => KEPT.has(field)).map((field) => [field, value] as const));

/**
 * Kernel mode (CPL 0), flat segments, FPU in its initial configuration, XCR0 with x87, SSE and AVX state.
 */
export function kernelState(cpu: CpuProfile, mode: Mode): State {
  if (mode === 16) return realModeState(cpu);
  const state = new State();
  const xsave = cpu.features.has('XSAVE');
  state.cr0 = KERNEL_CR0;
  state.cr4 = CR4.PAE | CR4.PGE | CR4.OSFXSR | CR4.OSXMMEXCPT | (xsave ? CR4.OSXSAVE : 0n);
  state.efer = EFER.NXE | (mode === 64 ? EFER.SCE | EFER.LME | EFER.LMA : 0n);
  state.setByte(OFFSET.flatMapping, 1);
  state.xcr0 = xsave ? cpu.xcr0 & USUAL_COMPONENTS : 1n;
  for (const [index, selector] of Object.entries(KERNEL_SELECTORS[mode])) {
    const segment = Number(index);
    const data = selector & 3 ? FLAT.data3 : selector === 0 ? 0 : FLAT.data;
    const attributes = segment !== CS ? data : mode === 64 ? FLAT.code64 : FLAT.code32;
    state.setSegment(segment, flatSegment(selector, attributes));
  }
  state.fcw = 0x37f;
  for (const [field, value] of KEPT_FROM_RESET) state.set(field, valueOf(value, cpu, 0));
  return state;
}

/**
 * Real-address mode as firmware leaves it to a boot sector: the state after RESET, with the caches on, all selectors
 * and general-purpose registers 0, and the x87 unit initialised.
 */
export function realModeState(cpu: CpuProfile): State {
  const state = new State();
  reset(state, cpu, 0);
  state.cr0 = CR0.ET;
  state.setSegment(CS, state.segment(DS));
  state.rip = 0n;
  state.gpr.fill(0n);
  state.fcw = 0x37f;
  state.ftw = 0;
  state.xinuse = 0n;
  return state;
}

/**
 * Power-up or RESET, at `time`. A processor whose IA32_APIC_BASE.BSP was cleared before stays without it and waits for
 * a start-up IPI.
 */
export function reset(state: State, cpu: CpuProfile, time: number): void {
  const before = state.quad(OFFSET.apicBase);
  for (const row of RESET_TABLE) for (const field of row.fields) state.set(field, valueOf(row.reset, cpu, time));
  if (before !== 0n && !(before & APIC_BASE.BSP)) {
    state.setQuad(OFFSET.apicBase, state.quad(OFFSET.apicBase) & ~APIC_BASE.BSP);
  }
  afterInit(state);
}

/** INIT: as RESET, but for what it keeps. */
export function init(state: State, cpu: CpuProfile): void {
  for (const { fields, reset: value, initKeeps } of RESET_TABLE) {
    if (initKeeps === 'all') continue;
    const keeps = initKeeps === 'none' ? 0n : initKeeps;
    for (const field of fields) {
      state.set(field, (BigInt(state.get(field)) & keeps) | (valueOf(value, cpu, 0) & ~keeps));
    }
  }
  afterInit(state);
}

/** A start-up IPI with `vector`: the processor begins at V000h in real-address mode. */
export function startup(state: State, vector: number): void {
  for (const { field, perVector } of STARTUP_TABLE) state.set(field, u(64, perVector * BigInt(vector)));
  state.activity = 0;
}

function afterInit(state: State): void {
  if (!(state.quad(OFFSET.apicBase) & APIC_BASE.BSP)) state.activity = WAIT_FOR_SIPI;
}

function valueOf(value: ResetValue, cpu: CpuProfile, time: number): bigint {
  if (value === 'signature') return BigInt(cpu.signature);
  if (value === 'minus time') return -BigInt(time);
  return typeof value === 'bigint' ? value : cpu.vendor === 'GenuineIntel' ? value.intel : value.amd;
}
