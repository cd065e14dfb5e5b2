/**
 * The state after power-up or RESET and after INIT, one row a field (or a run of alike fields), and what a start-up IPI
 * sets. SDM vol. 3A, table 9-1, whose columns for the P6 family and later these are; 8.4 for the start-up IPI.
 */

import { type Citation, inferred, sdm } from '../state/citation.ts';
import { MTRR_FIXED_NAMES, MTRR_VARIABLE_NAMES, SUPERVISOR_NAMES } from '../state/fields.ts';

/**
 * A value, or one for each vendor; the processor's signature (CPUID leaf 1, EAX); the negated time, which makes the
 * time-stamp counter 0.
 */
export type ResetValue = bigint | { readonly intel: bigint; readonly amd: bigint } | 'signature' | 'minus time';

export interface ResetRow {
  /** Names of fields of the state. */
  readonly fields: readonly string[];
  readonly reset: ResetValue;
  /** The bits that INIT leaves as they are, or all of them; it sets the others as RESET does. */
  readonly initKeeps: bigint | 'all' | 'none';
  /** What a person should know beside the values. */
  readonly note?: string;
  readonly source: Citation;
}

const table = sdm('3A', '9.1.1, table 9-1');
const apm = inferred(
  'AMD APM vol. 2, table 14-1, from memory; the SDM calls model-specific registers undefined after power-up and '
    + 'unchanged by INIT',
);

const numbered = (count: number, name: (n: number) => string): string[] =>
  Array.from({ length: count }, (_, n) => name(n));
const DATA_SEGMENTS = ['SS', 'DS', 'ES', 'FS', 'GS'];
const suffixed = (names: readonly string[], suffix: string): string[] => names.map((name) => `${name}.${suffix}`);

/** MSRs of supervisor components that do not begin as 0, where a processor has them. */
const SUPERVISOR_RESET: Readonly<Record<string, readonly [value: bigint, note: string]>> = {
  IA32_PM_CTL1: [1n, 'HDC_Allow_Block.'],
  IA32_LBR_DEPTH: [32n, 'The greatest depth.'],
  IA32_HWP_REQUEST: [0x8000_ff01n, 'From performance 1 to 255, balanced.'],
};

export const RESET_TABLE: readonly ResetRow[] = [
  { fields: ['RFLAGS'], reset: 2n, initKeeps: 'none', source: table },
  { fields: ['RIP'], reset: 0xfff0n, initKeeps: 'none', source: table },
  { fields: ['CR0'], reset: 0x6000_0010n, initKeeps: 0x6000_0000n, note: 'INIT keeps CD and NW.', source: table },
  { fields: ['CR2', 'CR3', 'CR4'], reset: 0n, initKeeps: 'none', source: table },
  {
    fields: ['CR8'], reset: 0n, initKeeps: 'none', note: 'The task priority of the local APIC.',
    source: sdm('3A', '10.4.7.1'),
  },
  { fields: ['CS'], reset: 0xf000n, initKeeps: 'none', source: table },
  {
    fields: ['CS.base'], reset: 0xffff_0000n, initKeeps: 'none',
    note: 'Not the selector times 16: the first instruction is at FFFFFFF0h.', source: sdm('3A', '9.1.4'),
  },
  { fields: DATA_SEGMENTS, reset: 0n, initKeeps: 'none', source: table },
  { fields: suffixed(DATA_SEGMENTS, 'base'), reset: 0n, initKeeps: 'none', source: table },
  { fields: suffixed(['CS', ...DATA_SEGMENTS], 'limit'), reset: 0xffffn, initKeeps: 'none', source: table },
  {
    fields: suffixed(['CS', ...DATA_SEGMENTS], 'attributes'), reset: 0x93n, initKeeps: 'none',
    note: 'Present, read/write, accessed.', source: table,
  },
  { fields: ['RDX'], reset: 'signature', initKeeps: 'none', source: table },
  {
    fields: ['RAX', 'RCX', 'RBX', 'RSP', 'RBP', 'RSI', 'RDI', ...numbered(8, (n) => `R${n + 8}`)],
    reset: 0n, initKeeps: 'none', note: 'EAX is 0 also where a self-test has passed.', source: table,
  },
  { fields: ['GDTR.base', 'IDTR.base'], reset: 0n, initKeeps: 'none', source: table },
  { fields: ['GDTR.limit', 'IDTR.limit'], reset: 0xffffn, initKeeps: 'none', source: table },
  { fields: ['LDTR', 'TR', 'LDTR.base', 'TR.base'], reset: 0n, initKeeps: 'none', source: table },
  { fields: ['LDTR.limit', 'TR.limit'], reset: 0xffffn, initKeeps: 'none', source: table },
  {
    fields: ['LDTR.attributes'], reset: 0x82n, initKeeps: 'none', note: 'Present, read/write: the type of an LDT.',
    source: table,
  },
  {
    fields: ['TR.attributes'], reset: 0x8bn, initKeeps: 'none', note: 'A busy 32-bit task state segment.',
    source: inferred('Bochs 2.7; the SDM says present and read/write, which is no type of a task state segment'),
  },
  { fields: numbered(4, (n) => `DR${n}`), reset: 0n, initKeeps: 'none', source: table },
  { fields: ['DR6'], reset: 0xffff_0ff0n, initKeeps: 'none', source: table },
  { fields: ['DR7'], reset: 0x400n, initKeeps: 'none', source: table },
  { fields: numbered(8, (n) => `R${n}`), reset: 0n, initKeeps: 'all', note: 'ST(0) to ST(7) are +0.0.', source: table },
  { fields: ['FCW'], reset: 0x40n, initKeeps: 'all', source: table },
  { fields: ['FSW'], reset: 0n, initKeeps: 'all', source: table },
  {
    fields: ['FTW'], reset: 0xffn, initKeeps: 'all',
    note: 'The tag word is 5555h: no register is empty, each holds zero.', source: table,
  },
  { fields: ['FOP', 'FIP', 'FCS', 'FDP', 'FDS'], reset: 0n, initKeeps: 'all', source: table },
  {
    fields: [
      ...numbered(16, (n) => `XMM${n}`), ...numbered(16, (n) => `YMM${n}[255:128]`),
      ...numbered(16, (n) => `ZMM${n}[511:256]`), ...numbered(16, (n) => `ZMM${n + 16}`),
      ...numbered(8, (n) => `K${n}`),
    ],
    reset: 0n, initKeeps: 'all', source: table,
  },
  {
    fields: ['TILECFG', ...numbered(8, (n) => `TMM${n}`), 'IA32_XFD', 'IA32_XFD_ERR'], reset: 0n, initKeeps: 'all',
    source: inferred('SDM vol. 1, 13.6 and 13.14: initial after RESET; that INIT keeps it is as for other such state'),
  },
  { fields: ['MXCSR'], reset: 0x1f80n, initKeeps: 'all', source: table },
  { fields: ['XCR0'], reset: 1n, initKeeps: 'all', source: sdm('3A', '2.6') },
  {
    fields: ['XINUSE'], reset: 1n, initKeeps: 'all', note: 'FCW is not as FNINIT leaves it.', source: sdm('1', '13.6'),
  },
  {
    fields: ['XINUSE of registers 8 to 15'], reset: 0n, initKeeps: 'all',
    source: inferred('SDM vol. 1, 13.6: SSE, AVX and AVX-512 state are in their initial configuration'),
  },
  { fields: ['PKRU'], reset: 0n, initKeeps: 'all', source: apm },
  {
    fields: ['TSC offset'], reset: 'minus time', initKeeps: 'all', note: 'The time-stamp counter is 0.', source: table,
  },
  {
    fields: ['IA32_APIC_BASE'], reset: 0xfee0_0900n, initKeeps: 'all',
    note: 'Enabled; BSP (bit 8) is 1 on the processor that boots, and RESET keeps what the board has wired.',
    source: sdm('3A', '10.4.3 and 10.4.4'),
  },
  { fields: ['IA32_PAT'], reset: 0x0007_0406_0007_0406n, initKeeps: 'all', source: sdm('3A', '11.12.4') },
  { fields: ['IA32_EFER'], reset: 0n, initKeeps: 'none', source: apm },
  {
    fields: [
      'IA32_STAR', 'IA32_LSTAR', 'IA32_CSTAR', 'IA32_FMASK', 'IA32_KERNEL_GS_BASE', 'IA32_TSC_AUX', 'IA32_SYSENTER_CS',
      'IA32_SYSENTER_ESP', 'IA32_SYSENTER_EIP',
    ],
    reset: 0n, initKeeps: 'all', source: apm,
  },
  {
    fields: ['IA32_MISC_ENABLE'], reset: { intel: 0x4_1801n, amd: 0n }, initKeeps: 'all',
    note: 'Fast strings and MONITOR; no branch trace storage, no precise event-based sampling.',
    source: sdm('3C', '35.1, table 35-2'),
  },
  {
    fields: ['IA32_FEATURE_CONTROL'], reset: { intel: 1n, amd: 0n }, initKeeps: 'all',
    note: 'Locked, without VMX: what firmware leaves where virtualisation is switched off.',
    source: inferred('the profiles, which have no VMX'),
  },
  {
    fields: ['HWCR'], reset: { intel: 0n, amd: 0x100_0000n }, initKeeps: 'all',
    note: 'TscFreqSel: the time-stamp counter is steady.',
    source: inferred('the profiles, which say so by CPUID'),
  },
  {
    fields: ['VM_CR'], reset: { intel: 0n, amd: 0x18n }, initKeeps: 'all', note: 'Locked, without SVM.',
    source: inferred('the profiles, which have no SVM'),
  },
  {
    fields: [
      'IA32_TSC_ADJUST', 'MISC_FEATURES_ENABLES', 'IA32_MCG_STATUS', 'IA32_SPEC_CTRL', 'changed CPUID features',
      'changed structured CPUID features', 'changed extended CPUID features', 'SYSCFG', 'TOP_MEM', 'TOP_MEM2', 'NB_CFG',
      'MMIO_CFG_BASE', 'Interrupt pending message', 'LS_CFG', 'DC_CFG', 'DE_CFG', 'BU_CFG2',
      ...numbered(4, (n) => `PerfEvtSel${n}`), ...numbered(4, (n) => `PerfCtr${n}`),
    ],
    reset: 0n, initKeeps: 'all', source: apm,
  },
  {
    fields: ['IA32_MTRR_DEF_TYPE', ...MTRR_FIXED_NAMES, ...MTRR_VARIABLE_NAMES], reset: 0n, initKeeps: 'all',
    note: 'The SDM leaves all but the enable bits of IA32_MTRR_DEF_TYPE undefined.', source: sdm('3A', '11.11.5'),
  },
  { fields: ['IA32_XSS'], reset: 0n, initKeeps: 'all', source: sdm('1', '13.3') },
  {
    fields: [...SUPERVISOR_NAMES.filter((name) => !(name in SUPERVISOR_RESET)), 'UIF'], reset: 0n, initKeeps: 'all',
    note: 'Supervisor state of the XSAVE feature set, and what comes with it.',
    source: inferred('SDM vol. 1, 13.6, of an edition later than 2016: the initial configurations; that INIT keeps '
      + 'them is as for other such state, from memory'),
  },
  ...Object.entries(SUPERVISOR_RESET).map(([name, [intel, note]]): ResetRow => ({
    fields: [name], reset: { intel, amd: 0n }, initKeeps: 'all', note,
    source: inferred('SDM vol. 1, 13.6, of an edition later than 2016; for IA32_LBR_DEPTH SDM vol. 3B, from memory'),
  })),
  { fields: ['IA32_DEBUGCTL'], reset: 0n, initKeeps: 'none', source: sdm('3B', '17.4.1') },
  {
    fields: [
      'blocking by MOV SS', 'blocking by STI', 'blocking by NMI', 'pending NMI', 'pending debug exceptions',
      'between iterations', 'activity state',
    ],
    reset: 0n, initKeeps: 'none', note: 'Where BSP is 0, the activity state is then wait-for-SIPI.',
    source: sdm('3A', '8.4'),
  },
  {
    fields: [
      'undefined RFLAGS bits', 'RFLAGS before the repetition', 'PDPTE0', 'PDPTE1', 'PDPTE2', 'PDPTE3', 'VMX non-root',
      'flat mapping',
    ],
    reset: 0n, initKeeps: 'none', source: inferred('there is nothing left that they could tell of'),
  },
  {
    fields: [
      'x87 registers written', 'XMM registers written', 'XRSTOR_INFO.valid', 'XRSTOR_INFO.CPL',
      'XRSTOR_INFO.VMX non-root',
      'XRSTOR_INFO.linear address', 'XRSTOR_INFO.XCOMP_BV', 'XMODIFIED',
      'XMODIFIED of registers 8 to 15',
    ],
    reset: 0n, initKeeps: 'all', source: sdm('1', '13.6'),
  },
];

/** What a start-up IPI with vector V sets, as factors of V. SDM vol. 3A, 8.4.3 and 8.4.4. */
export const STARTUP_TABLE: readonly { readonly field: string; readonly perVector: bigint }[] = [
  { field: 'CS', perVector: 0x100n },
  { field: 'CS.base', perVector: 0x1000n },
  { field: 'RIP', perVector: 0n },
];
