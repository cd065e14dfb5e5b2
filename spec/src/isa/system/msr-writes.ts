/**
 * What WRMSR does to registers with rules of their own. SDM vol. 3C, chapter 35; AMD APM vol. 2, 3.1.7 and 3.2, from
 * memory.
 */

import { hex, u } from '../../numbers/bits.ts';
import { OFFSET } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';
import { APIC_BASE, CR0, DEBUGCTL, EFER } from './control-bits.ts';
import { requireBits } from './msr.ts';
import { moveTimeStamp, timeStamp } from './time-stamp.ts';

/** LMA follows LME and CR0.PG: what is written there has no effect. */
export function writeEfer(x: Execution, value: bigint): void {
  const { features } = x.cpu;
  const writable = (features.has('SYSCALL') ? EFER.SCE : 0n) | (features.has('LM') ? EFER.LME | EFER.LMA : 0n)
    | (features.has('NX') ? EFER.NXE : 0n) | (features.has('FFXSR') ? EFER.FFXSR : 0n);
  requireBits(x, 'IA32_EFER', value, writable);
  if ((value ^ x.state.efer) & EFER.LME && x.state.cr0 & CR0.PG) {
    x.fault('#GP', 'IA32_EFER.LME cannot change while CR0.PG is 1', 0);
  }
  x.state.efer = (value & ~EFER.LMA) | (x.state.efer & EFER.LMA);
  x.paging.changed();
}

export function writeTsc(x: Execution, value: bigint): void {
  moveTimeStamp(x, u(64, value - timeStamp(x)));
}

export function writeTscAdjust(x: Execution, value: bigint): void {
  moveTimeStamp(x, u(64, value - x.state.quad(OFFSET.tscAdjust)));
}

/** Modes of the local APIC, and which follow each other. SDM vol. 3A, 10.4.4 and 10.12.5. */
export function writeApicBase(x: Execution, value: bigint): void {
  const address = u(x.cpu.physicalAddressBits, -1n) & ~0xfffn;
  const { BSP, EXTD, EN } = APIC_BASE;
  const extended = x.cpu.features.has('X2APIC') ? EXTD : 0n;
  requireBits(x, 'IA32_APIC_BASE', value, address | EN | BSP | extended);
  const before = x.state.quad(OFFSET.apicBase) & (EN | EXTD), after = value & (EN | EXTD);
  if (after === EXTD) x.fault('#GP', 'x2APIC mode needs the local APIC enabled', 0);
  if (before === 0n && after === (EN | EXTD)) {
    x.fault('#GP', 'x2APIC mode is entered from xAPIC mode, not from a disabled local APIC', 0);
  }
  if (before === (EN | EXTD) && after === EN) {
    x.fault('#GP', 'x2APIC mode is left by disabling the local APIC, not to xAPIC mode', 0);
  }
  if (x.apic && (value ^ x.state.quad(OFFSET.apicBase)) & address) {
    x.unmodelled('moving the registers of the local APIC to another address');
  }
  x.state.setQuad(OFFSET.apicBase, value);
  if (before !== 0n && after === 0n) x.apic?.reset();
}

/** Single-stepping on branches is what there is of it. */
export function writeDebugctl(x: Execution, value: bigint): void {
  const there = x.cpu.vendor === 'GenuineIntel' ? 0xdfc3n : 0x7fn;
  requireBits(x, 'IA32_DEBUGCTL', value, there);
  if (value & DEBUGCTL.LBR) x.unmodelled('last branch records (IA32_DEBUGCTL.LBR)');
  if (value & ~(DEBUGCTL.LBR | DEBUGCTL.BTF)) {
    x.unmodelled(`bits ${hex(value & ~(DEBUGCTL.LBR | DEBUGCTL.BTF))} of IA32_DEBUGCTL`);
  }
  x.state.setQuad(OFFSET.debugctl, value);
}

export const LIMIT_CPUID = 0x40_0000n;
const MONITOR_ENABLED = 0x4_0000n, XD_DISABLE = 0x4_0000_0000n;
/** Fast strings, thermal control, SpeedStep, xTPR messages: kept, and without effect on what programs compute. */
const MISC_KEPT = 0x81_0009n;
/** What it says and cannot be told: no branch trace storage, no precise event-based sampling, counters. */
const MISC_READ_ONLY = 0x1880n;

/** Where FOP is to be kept as before the Pentium 4; no profile is of family 0Fh. SDM vol. 1, 8.1.9.1. */
const FOPCODE_COMPATIBILITY = 4n;

export function writeMiscEnable(x: Execution, value: bigint): void {
  if (value & FOPCODE_COMPATIBILITY) {
    x.fault('#GP', 'IA32_MISC_ENABLE[2], fopcode compatibility mode, is of family 0Fh alone, and reserved here', 0);
  }
  requireBits(x, 'IA32_MISC_ENABLE', value, MISC_KEPT | MISC_READ_ONLY | MONITOR_ENABLED | LIMIT_CPUID | XD_DISABLE);
  if (value & XD_DISABLE) x.unmodelled('disabling execute-disable (IA32_MISC_ENABLE[34])');
  x.state.setQuad(OFFSET.miscEnable, (value & ~MISC_READ_ONLY) | (x.state.quad(OFFSET.miscEnable) & MISC_READ_ONLY));
}

/** IgnneEm, SseDis, Wrap32Dis and IoCfgGpFault change what programs compute. */
const HWCR_UNMODELLED = 0x12_8100n;
/**
 * The rest that families 0Fh to 19h have. TscFreqSel, bit 24, says that the time-stamp counter is steady, and stays 1.
 */
const HWCR_KEPT = 0x1_4bcd_76f8n, TSC_FREQUENCY = 0x100_0000n;

export function writeHwcr(x: Execution, value: bigint): void {
  requireBits(x, 'HWCR', value, HWCR_KEPT | HWCR_UNMODELLED);
  if (value & HWCR_UNMODELLED) x.unmodelled(`bits ${hex(value & HWCR_UNMODELLED)} of HWCR`);
  x.state.setQuad(OFFSET.hwcr, value | TSC_FREQUENCY);
}

const VM_LOCK = 8n, SVM_DISABLED = 0x10n;

/** While locked, LOCK and SVMDIS keep what they are. */
export function writeVmCr(x: Execution, value: bigint): void {
  requireBits(x, 'VM_CR', value, 0x1fn);
  const before = x.state.quad(OFFSET.vmCr);
  const kept = before & VM_LOCK ? VM_LOCK | SVM_DISABLED : 0n;
  x.state.setQuad(OFFSET.vmCr, (value & ~kept) | (before & kept));
}

/** Supervisor components that the processor has: isa/xsave/supervisor.table.ts. SDM vol. 1, 13.3. */
export function writeXss(x: Execution, value: bigint): void {
  requireBits(x, 'IA32_XSS', value, x.cpu.xss ?? 0n);
  x.state.setQuad(OFFSET.xss, value);
}
