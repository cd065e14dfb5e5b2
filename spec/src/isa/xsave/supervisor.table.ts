/**
 * The supervisor state components: which MSRs each consists of, in the order of memory, and which values an MSR takes.
 * WRMSR and XRSTORS refuse the same ones. SDM vol. 1, 13.5.6 and 13.5.8 to 13.5.13 of an edition later than 2016, as
 * transcribed in a public repository, but where something else is said.
 */

import { u } from '../../numbers/bits.ts';
import type { CpuProfile } from '../../cpus/profile.ts';
import { LBR_ENTRIES } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';
import { intel, requireCanonical, series } from '../system/msr.ts';

export interface RegisterRules {
  /** Bits that can be 1; others are reserved. All of them where nothing is said. */
  readonly writable?: bigint | ((cpu: CpuProfile) => bigint);
  /** Bits that are taken as 0, whatever is written. */
  readonly ignored?: bigint;
  /** Bits that are read as 1. */
  readonly ones?: bigint;
  /** Further values that are #GP(0). */
  readonly check?: (x: Execution, value: bigint, name: string) => void;
  /** Bits that would start something that is not modelled, and what. */
  readonly starts?: readonly [bits: bigint, what: string];
  /** In the initial configuration; 0 where nothing is said. */
  readonly initial?: bigint;
}

/** Number, name of the MSR and of the field of the state, rules. */
export type RegisterRow = readonly [number: number, name: string, rules?: RegisterRules];

const canonical = (x: Execution, value: bigint, name: string): void => requireCanonical(x, name, value);

/** IA32_RTIT_CTL.TraceEn. */
export const TRACE_ENABLE = 1n;
/**
 * What a Golden Cove core has of IA32_RTIT_CTL: all but FabricEn, PwrEvtEn, EventEn, DisTNT and more than two ranges of
 * addresses. CPUID leaf 14h of an i7-12700K as dumped by others: EBX 5Fh, ECX 7, and in sub-leaf 1 EAX 0249_0002h and
 * EBX 003F_003Fh, which are the encodings of the fields.
 */
const TRACE_CONTROL = 0x0100_00ff_0f7b_ffafn;
const TRACE_ENCODINGS: readonly (readonly [field: string, shift: bigint, encodings: bigint])[] = [
  ['MTCFreq', 14n, 0x249n], ['CycThresh', 19n, 0x3fn], ['PSBFreq', 24n, 0x3fn],
  // Unused, filter, TraceStop.
  ['ADDR0_CFG', 32n, 7n], ['ADDR1_CFG', 36n, 7n],
];

/** An encoding that is reserved is #GP. SDM vol. 3C, 36.2.7.1 and 36.2.7.2, December 2016. */
function checkTraceControl(x: Execution, value: bigint, name: string): void {
  for (const [field, shift, encodings] of TRACE_ENCODINGS) {
    const encoding = (value >> shift) & 0xfn;
    if (!((encodings >> encoding) & 1n)) x.fault('#GP', `${name}.${field} ${encoding} is a reserved encoding`, 0);
  }
}

/** SDM vol. 3C, 36.2.7, December 2016; bits 7:6 of the status came later and are from memory. */
const PT: readonly RegisterRow[] = [
  [0x570, 'IA32_RTIT_CTL', {
    writable: TRACE_CONTROL, check: checkTraceControl, starts: [TRACE_ENABLE, 'tracing (IA32_RTIT_CTL.TraceEn)'],
  }],
  [0x560, 'IA32_RTIT_OUTPUT_BASE', { writable: (cpu) => u(cpu.physicalAddressBits, -1n) & ~0x7fn }],
  // The table says that the lower bits are forced to 1, 13.6 of vol. 1 that all of it is 0 initially.
  [0x561, 'IA32_RTIT_OUTPUT_MASK_PTRS', { ignored: 0x7fn, ones: 0x7fn }],
  // FilterEn, ContextEn and TriggerEn are the processor's, and 0 while it does not trace.
  [0x571, 'IA32_RTIT_STATUS', { writable: 0x1_ffff_0000_00f7n, ignored: 7n }],
  [0x572, 'IA32_RTIT_CR3_MATCH', { writable: ~0x1fn }],
  ...['ADDR0_A', 'ADDR0_B', 'ADDR1_A', 'ADDR1_B'].map(
    (name, n): RegisterRow => [0x580 + n, `IA32_RTIT_${name}`, { check: canonical }],
  ),
];

/** The identifier, and bit 31: it is valid. SDM vol. 4, table 2-2, from memory. */
const PASID: readonly RegisterRow[] = [[0xd93, 'IA32_PASID', { writable: 0x800f_ffffn }]];

/** SUPPRESS and TRACKER of IA32_U_CET and IA32_S_CET cannot both be 1. */
const SUPPRESSED_AND_TRACKED = 0xc00n;

/**
 * Control of CET: shadow stacks (bits 1:0), and tracking of indirect branches on Intel's processors, with a bitmap at
 * bits 63:12. SDM vol. 4, table 2-2, from memory; test/bochs has the same refused by Bochs. AMD has no tracking: CPUID
 * leaf 7, EDX[20] = 0 on a Zen 4, measured.
 */
const CET_CONTROL: RegisterRules = {
  writable: (cpu) => (intel(cpu) ? ~0x3c0n : 3n),
  check(x, value, name) {
    canonical(x, value, name);
    if ((value & SUPPRESSED_AND_TRACKED) === SUPPRESSED_AND_TRACKED) {
      x.fault('#GP', `${name} has both SUPPRESS and TRACKER`, 0);
    }
  },
};
const shadowStack = (level: number): RegisterRow =>
  [0x6a4 + level, `IA32_PL${level}_SSP`, { writable: ~3n, check: canonical }];
const CET_U: readonly RegisterRow[] = [[0x6a0, 'IA32_U_CET', CET_CONTROL], shadowStack(3)];
const CET_S: readonly RegisterRow[] = series(3, shadowStack);

/** HDC_Allow_Block; nothing comes of it while IA32_PKG_HDC_CTL, which is lacking, is 0. */
const HDC: readonly RegisterRow[] = [[0xdb1, 'IA32_PM_CTL1', { writable: 1n, initial: 1n }]];

/** UINV, the vector of notifications, in IA32_UINTR_MISC. */
export const NOTIFICATION_VECTOR = 0xff_0000_0000n;
const UINTR: readonly RegisterRow[] = [
  [0x986, 'IA32_UINTR_HANDLER', { check: canonical }], [0x987, 'IA32_UINTR_STACKADJUST', { check: canonical }],
  [0x988, 'IA32_UINTR_MISC', { writable: 0xff_ffff_ffffn }],
  [0x989, 'IA32_UINTR_PD', { writable: ~0x3fn, check: canonical }], [0x985, 'IA32_UINTR_RR'],
  [0x98a, 'IA32_UINTR_TT', { writable: ~0xen, check: canonical }],
];

/** Depths that a Golden Cove core has: CPUID leaf 1Ch of an i7-12700K as dumped by others, EAX[7:0] = 0Bh. */
const DEPTHS: readonly bigint[] = [8n, 16n, 32n];
/** Bits that some depth has; the others are reserved. */
export const DEPTH_BITS = DEPTHS.reduce((mask, depth) => mask | depth, 0n);

/** FROM_IP and TO_IP are canonical, INFO[55:16] undefined, and can be written. SDM vol. 4, table 2-2, from memory. */
const recorded = (first: readonly [from: number, to: number, info: number], prefix: string): RegisterRow[] => [
  [first[0], `${prefix}_FROM_IP`, { check: canonical }], [first[1], `${prefix}_TO_IP`, { check: canonical }],
  [first[2], `${prefix}_INFO`],
];
const LBR: readonly RegisterRow[] = [
  [0x14ce, 'IA32_LBR_CTL', {
    writable: 0x7f_000fn, starts: [1n, 'last branch records (IA32_LBR_CTL.LBREn)'],
  }],
  [0x14cf, 'IA32_LBR_DEPTH', {
    check(x, value, name) {
      if (!DEPTHS.includes(value)) x.fault('#GP', `${name} cannot be ${value}, but ${DEPTHS.join(', ')}`, 0);
    },
  }],
  ...recorded([0x1dd, 0x1de, 0x1e0], 'IA32_LER'),
  ...series(LBR_ENTRIES, (n) => recorded([0x1500 + n, 0x1600 + n, 0x1200 + n], `IA32_LBR_${n}`)).flat(),
];

/** Bits 58:43 are reserved. SDM vol. 4, table 2-2, from memory. */
const HWP: readonly RegisterRow[] = [[0x774, 'IA32_HWP_REQUEST', {
  writable: 0xf800_07ff_ffff_ffffn, initial: 0x8000_ff01n,
}]];

export interface SupervisorRow {
  readonly number: number;
  readonly name: string;
  readonly registers: readonly RegisterRow[];
}

export const SUPERVISOR_TABLE: readonly SupervisorRow[] = [
  { number: 8, name: 'PT', registers: PT }, { number: 10, name: 'PASID', registers: PASID },
  { number: 11, name: 'CET_U', registers: CET_U }, { number: 12, name: 'CET_S', registers: CET_S },
  { number: 13, name: 'HDC', registers: HDC }, { number: 14, name: 'UINTR', registers: UINTR },
  { number: 15, name: 'LBR', registers: LBR }, { number: 16, name: 'HWP', registers: HWP },
];

/** MSRs that come with CET and are in no component. SDM vol. 1, 13.5.9. */
export const CET_BESIDE: readonly RegisterRow[] = [
  [0x6a2, 'IA32_S_CET', CET_CONTROL], [0x6a8, 'IA32_INTERRUPT_SSP_TABLE_ADDR', { check: canonical }],
];
