/**
 * The model-specific registers. SDM vol. 3C, chapter 35; AMD APM vol. 2, appendix A, and the guides to its families for
 * those of C001_0000h and above, from memory. A number that has no line here for a processor does not exist on it. Nor
 * do those that come with a bit of CPUID which no profile has: performance counters (leaf 0Ah), debug store, thermal
 * monitoring, SpeedStep, AMD's P-states.
 */

import { u } from '../../numbers/bits.ts';
import { disableable } from '../../cpus/xsave-layout.ts';
import { FS, GS, OFFSET, SEGMENT_STRIDE } from '../../state/fields.ts';
import type { LocalApic } from '../connections.ts';
import type { Execution } from '../execution.ts';
import { APIC_BASE } from './control-bits.ts';
import {
  writeApicBase, writeDebugctl, writeEfer, writeHwcr, writeMiscEnable, writeTsc, writeTscAdjust, writeVmCr, writeXss,
} from './msr-writes.ts';
import { SUPERVISOR_MSRS, hasArchitecturalRecords } from '../xsave/supervisor-registers.ts';
import { FEATURE_MSRS } from './cpuid-features.ts';
import { MEMORY_TYPE_MSRS } from './memory-types.ts';
import {
  type Msr, amd, cell, everywhere, having, intel, lacking, readOnly, requireBits, requireCanonical, series,
} from './msr.ts';
import { timeStamp } from './time-stamp.ts';

const LOW_DOUBLEWORD = 0xffff_ffffn;
const canonical = (x: Execution, value: bigint, name: string): void => requireCanonical(x, name, value);
const segmentBase = (segment: number): number => OFFSET.segments + SEGMENT_STRIDE * segment + 16;
const longMode = having('LM');

/** IA32_SYSENTER_ESP and IA32_SYSENTER_EIP: AMD keeps half of what is written. */
const sysenterAddress = (number: number, name: string, offset: number): Msr => ({
  ...cell(number, name, offset, { on: having('SEP') }),
  write(x, value) {
    const kept = u(x.cpu.fastCalls.sysenterBits, value);
    requireCanonical(x, name, kept);
    x.state.setQuad(offset, kept);
  },
});

const localApic = (x: Execution, what: string): LocalApic =>
  x.apic ?? x.unmodelled(`${what} of a machine without a local APIC`);

/** Its registers are the device's; without x2APIC mode they do not exist. SDM vol. 3A, 10.12.1.2. */
function x2apic(x: Execution): LocalApic {
  const mode = APIC_BASE.EN | APIC_BASE.EXTD;
  if ((x.state.quad(OFFSET.apicBase) & mode) !== mode) x.fault('#GP', 'the local APIC is not in x2APIC mode', 0);
  return localApic(x, 'x2APIC registers');
}
const x2apicRegister = (n: number): Msr => ({
  number: 0x800 + n, name: `x2APIC register ${(0x800 + n).toString(16)}h`, on: having('X2APIC'),
  read: (x) => x2apic(x).readMsr(0x800 + n),
  write: (x, value) => x2apic(x).writeMsr(0x800 + n, value),
});

/** IA32_TSC_DEADLINE is the device's too. */
const TSC_DEADLINE: Msr = {
  number: 0x6e0, name: 'IA32_TSC_DEADLINE', on: having('TSC_DEADLINE'),
  read: (x) => localApic(x, 'IA32_TSC_DEADLINE').readMsr(0x6e0),
  write: (x, value) => localApic(x, 'IA32_TSC_DEADLINE').writeMsr(0x6e0, value),
};

const speculation = having('IBRS_IBPB', 'IBRS');
/** IBRS, STIBP and SSBD: there is nothing to control, as nothing is speculative. */
const SPECULATION: readonly Msr[] = [
  cell(0x48, 'IA32_SPEC_CTRL', OFFSET.specCtrl, { on: speculation, writable: 7n }),
  {
    number: 0x49, name: 'IA32_PRED_CMD', on: having('IBRS_IBPB', 'IBPB'), read: undefined,
    write: (x, value) => requireBits(x, 'IA32_PRED_CMD', value, 1n),
  },
  readOnly(
    0x10a, 'IA32_ARCH_CAPABILITIES', (x) => x.cpu.msrs?.IA32_ARCH_CAPABILITIES ?? 0n, having('ARCH_CAPABILITIES'),
  ),
];

const COMMON: readonly Msr[] = [
  readOnly(0, 'IA32_P5_MC_ADDR', 0n),
  readOnly(1, 'IA32_P5_MC_TYPE', 0n),
  { number: 0x10, name: 'IA32_TIME_STAMP_COUNTER', on: having('TSC'), read: timeStamp, write: writeTsc },
  {
    number: 0x3b, name: 'IA32_TSC_ADJUST', on: having('TSC_ADJUST'),
    read: (x) => x.state.quad(OFFSET.tscAdjust), write: writeTscAdjust,
  },
  {
    number: 0x1b, name: 'IA32_APIC_BASE', on: having('APIC'), read: (x) => x.state.quad(OFFSET.apicBase),
    write: writeApicBase,
  },
  // No banks, so no registers of banks either. SDM vol. 3B, 15.3.1.
  readOnly(0x179, 'IA32_MCG_CAP', 0n, having('MCA')),
  cell(0x17a, 'IA32_MCG_STATUS', OFFSET.mcgStatus, { on: having('MCA'), writable: 7n }),
  cell(0x174, 'IA32_SYSENTER_CS', OFFSET.sysenterCs, { on: having('SEP'), writable: LOW_DOUBLEWORD }),
  sysenterAddress(0x175, 'IA32_SYSENTER_ESP', OFFSET.sysenterEsp),
  sysenterAddress(0x176, 'IA32_SYSENTER_EIP', OFFSET.sysenterEip),
  {
    number: 0x1d9, name: 'IA32_DEBUGCTL', on: everywhere, read: (x) => x.state.quad(OFFSET.debugctl),
    write: writeDebugctl,
  },
  { number: 0xda0, name: 'IA32_XSS', on: having('XSAVES'), read: (x) => x.state.quad(OFFSET.xss), write: writeXss },
  cell(0x1c4, 'IA32_XFD', OFFSET.xfd, { on: having('XFD'), writable: disableable }),
  cell(0x1c5, 'IA32_XFD_ERR', OFFSET.xfdErr, { on: having('XFD'), writable: disableable }),
  TSC_DEADLINE, ...series(0x100, x2apicRegister),
  {
    number: 0xc000_0080, name: 'IA32_EFER', on: having('SYSCALL', 'LM', 'NX'), read: (x) => x.state.efer,
    write: writeEfer,
  },
  cell(0xc000_0081, 'IA32_STAR', OFFSET.star, { on: having('SYSCALL') }),
  cell(0xc000_0082, 'IA32_LSTAR', OFFSET.lstar, { on: longMode, check: canonical }),
  cell(0xc000_0083, 'IA32_CSTAR', OFFSET.cstar, { on: longMode, check: canonical }),
  cell(0xc000_0084, 'IA32_FMASK', OFFSET.fmask, { on: longMode, writable: LOW_DOUBLEWORD }),
  cell(0xc000_0100, 'IA32_FS_BASE', segmentBase(FS), { on: longMode, check: canonical }),
  cell(0xc000_0101, 'IA32_GS_BASE', segmentBase(GS), { on: longMode, check: canonical }),
  cell(0xc000_0102, 'IA32_KERNEL_GS_BASE', OFFSET.kernelGsBase, { on: longMode, check: canonical }),
  {
    ...cell(0xc000_0103, 'IA32_TSC_AUX', OFFSET.tscAux, { on: having('RDTSCP', 'RDPID') }),
    write(x, value) {
      if (x.cpu.tscAuxHigh === 'reserved') requireBits(x, 'IA32_TSC_AUX', value, LOW_DOUBLEWORD);
      x.state.setQuad(OFFSET.tscAux, u(32, value));
    },
  },
];

/** Ratio of 10 to a bus of 100 MHz, and faulting of CPUID (bit 31). */
const PLATFORM_INFO = 0x8000_0a00n;

/** Last branch records as they were before the architecture had them. */
const withOldRecords: Msr['on'] = (cpu) => intel(cpu) && !hasArchitecturalRecords(cpu);

const INTEL: readonly Msr[] = [
  readOnly(0x17, 'IA32_PLATFORM_ID', 0n, intel),
  {
    ...cell(0x3a, 'IA32_FEATURE_CONTROL', OFFSET.featureControl, { on: intel }),
    write: (x) => x.fault('#GP', 'IA32_FEATURE_CONTROL is locked', 0),
  },
  {
    number: 0x79, name: 'IA32_BIOS_UPDT_TRIG', on: intel, read: undefined,
    write: (x) => x.unmodelled('loading a microcode update'),
  },
  // Software writes 0 and executes CPUID, which puts the revision there: 0, as no update is loaded.
  { ...readOnly(0x8b, 'IA32_BIOS_SIGN_ID', 0n, intel), write() {} },
  readOnly(0xce, 'MSR_PLATFORM_INFO', PLATFORM_INFO, intel),
  cell(0x140, 'MISC_FEATURES_ENABLES', OFFSET.miscFeaturesEnables, { on: intel, writable: 1n }),
  {
    number: 0x1a0, name: 'IA32_MISC_ENABLE', on: intel, read: (x) => x.state.quad(OFFSET.miscEnable),
    write: writeMiscEnable,
  },
  lacking(0xe2, 'MSR_PKG_CST_CONFIG_CONTROL', intel),
  lacking(0x1a2, 'MSR_TEMPERATURE_TARGET', intel),
  lacking(0x1a4, 'MSR_MISC_FEATURE_CONTROL', intel),
  lacking(0x1a6, 'MSR_OFFCORE_RSP_0', intel),
  lacking(0x1a7, 'MSR_OFFCORE_RSP_1', intel),
  lacking(0x1ad, 'MSR_TURBO_RATIO_LIMIT', intel),
  lacking(0x1c8, 'MSR_LBR_SELECT', intel),
  lacking(0x1c9, 'MSR_LASTBRANCH_TOS', intel),
  lacking(0x1dd, 'MSR_LER_FROM_LIP', withOldRecords),
  lacking(0x1de, 'MSR_LER_TO_LIP', withOldRecords),
  lacking(0x1fc, 'MSR_POWER_CTL', intel),
  lacking(0x606, 'MSR_RAPL_POWER_UNIT', intel),
];

/** An event selector: counting (EN, bit 22) is what is missing. */
const eventSelect = (n: number): Msr => cell(0xc001_0000 + n, `PerfEvtSel${n}`, OFFSET.perfEvtSel + 8 * n, {
  on: amd,
  check: (x, value, name) => { if (value & 0x40_0000n) x.unmodelled(`counting performance events (${name}.EN)`); },
});

/** Address bits of a boundary of 8 MiB. */
const TOP_OF_MEMORY = 0x000f_ffff_ff80_0000n;

const AMD: readonly Msr[] = [
  readOnly(0x8b, 'PATCH_LEVEL', 0n, amd),
  ...series(4, eventSelect),
  ...series(
    4, (n) => cell(0xc001_0004 + n, `PerfCtr${n}`, OFFSET.perfCtr + 8 * n, { on: amd, writable: 0xffff_ffff_ffffn }),
  ),
  cell(0xc001_0010, 'SYSCFG', OFFSET.syscfg, { on: amd, writable: 0x7c_0000n }),
  { number: 0xc001_0015, name: 'HWCR', on: amd, read: (x) => x.state.quad(OFFSET.hwcr), write: writeHwcr },
  cell(0xc001_001a, 'TOP_MEM', OFFSET.topMem, { on: amd, writable: TOP_OF_MEMORY }),
  cell(0xc001_001d, 'TOP_MEM2', OFFSET.topMem2, { on: amd, writable: TOP_OF_MEMORY }),
  cell(0xc001_001f, 'NB_CFG', OFFSET.nbCfg, { on: amd }),
  cell(0xc001_0055, 'Interrupt pending message', OFFSET.intPending, { on: amd }),
  cell(0xc001_0058, 'MMIO_CFG_BASE', OFFSET.mmioCfgBase, {
    on: amd,
    check: (x, value, name) => { if (value & 1n) x.unmodelled(`PCI configuration space in memory (${name}.Enable)`); },
  }),
  // Where system management mode has its memory: nowhere.
  readOnly(0xc001_0112, 'SMM_ADDR', 0n, amd),
  readOnly(0xc001_0113, 'SMM_MASK', 0n, amd),
  { number: 0xc001_0114, name: 'VM_CR', on: amd, read: (x) => x.state.quad(OFFSET.vmCr), write: writeVmCr },
  cell(0xc001_1020, 'LS_CFG', OFFSET.lsCfg, { on: amd }),
  cell(0xc001_1022, 'DC_CFG', OFFSET.dcCfg, { on: amd }),
  cell(0xc001_1029, 'DE_CFG', OFFSET.deCfg, { on: amd }),
  cell(0xc001_102a, 'BU_CFG2', OFFSET.buCfg2, { on: amd }),
  ...series(4, (n) => lacking(0xc001_0016 + n, `IORR ${n}`, amd)),
  ...series(6, (n) => lacking(0xc001_0030 + n, `processor name ${n}`, amd)),
  lacking(0xc001_0111, 'SMM_BASE', amd),
  lacking(0xc001_0117, 'VM_HSAVE_PA', amd),
];

export const MSR_TABLE: readonly Msr[] = [
  ...COMMON, ...SPECULATION, ...MEMORY_TYPE_MSRS, ...INTEL, ...AMD, ...FEATURE_MSRS,
  ...SUPERVISOR_MSRS,
];
