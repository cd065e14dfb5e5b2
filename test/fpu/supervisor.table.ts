/**
 * The supervisor state components as a person would look them up, written down a second time on purpose: size and
 * dumps of CPUID, and of each MSR its number, its place in the component, values that it takes and that it refuses.
 * SDM vol. 1, 13.5, later than 2016; vol. 3C, 36.2.7, December 2016; the rest of the MSRs from memory.
 */

import type { Random } from '../integer/random.ts';

export interface SupervisorMsr {
  readonly number: number;
  readonly name: string;
  /** A value that it takes, on a Sapphire Rapids. */
  readonly any: (random: Random) => bigint;
  /** Values that are #GP(0) there. */
  readonly refused: readonly bigint[];
}

export interface SupervisorComponent {
  readonly number: number;
  readonly name: string;
  readonly bytes: number;
  readonly msrs: readonly SupervisorMsr[];
}

const msr = (number: number, name: string, any: SupervisorMsr['any'], refused: readonly bigint[] = []): SupervisorMsr => ({ number, name, any, refused });
const bits = (mask: bigint) => (random: Random): bigint => random.value() & mask;
/** 57 bits, as a Sapphire Rapids has them. */
const linear = (aligned = 0n) => (random: Random): bigint => BigInt.asUintN(64, BigInt.asIntN(57, random.value()) & ~aligned);
const NOT_CANONICAL = [1n << 56n, 0x7fff_ffff_ffff_ffffn, 0xfe00_0000_0000_0000n];
const single = (...positions: readonly number[]): bigint[] => positions.map((position) => 1n << BigInt(position));

const traceControl = (random: Random): bigint =>
  bits(0x3fa_en | 0x0100_0000_0000_0000n)(random) | (random.pick([0n, 3n, 6n, 9n]) << 14n) | (BigInt(random.below(6)) << 19n) | (BigInt(random.below(6)) << 24n)
  | (BigInt(random.below(3)) << 32n) | (BigInt(random.below(3)) << 36n);
const control = (random: Random): bigint => linear(0xfffn)(random) | bits(0x3fn)(random) | random.pick([0n, 0x400n, 0x800n]);
const level = (n: number): SupervisorMsr => msr(0x6a4 + n, `IA32_PL${n}_SSP`, linear(3n), [...single(0, 1), ...NOT_CANONICAL]);
const recorded = (numbers: readonly number[], prefix: string): SupervisorMsr[] => [
  msr(numbers[0]!, `${prefix}_FROM_IP`, linear(), NOT_CANONICAL), msr(numbers[1]!, `${prefix}_TO_IP`, linear(), NOT_CANONICAL),
  msr(numbers[2]!, `${prefix}_INFO`, bits(~0n)),
];

export const COMPONENTS: readonly SupervisorComponent[] = [
  {
    number: 8, name: 'PT', bytes: 128, msrs: [
      msr(0x570, 'IA32_RTIT_CTL', traceControl, [...single(4, 6, 18, 23, 28, 31, 40, 48, 55, 57, 63), 1n << 14n, 2n << 14n, 0xfn << 14n, 6n << 19n, 0xfn << 24n, 3n << 32n, 0xfn << 36n]),
      msr(0x560, 'IA32_RTIT_OUTPUT_BASE', bits(0x000f_ffff_ffff_ff80n), single(0, 6, 52, 63)),
      msr(0x561, 'IA32_RTIT_OUTPUT_MASK_PTRS', (random) => random.value() | 0x7fn),
      msr(0x571, 'IA32_RTIT_STATUS', bits(0x1_ffff_0000_00f0n), single(3, 8, 31, 49, 63)),
      msr(0x572, 'IA32_RTIT_CR3_MATCH', bits(~0x1fn), single(0, 4)),
      ...['ADDR0_A', 'ADDR0_B', 'ADDR1_A', 'ADDR1_B'].map((name, n) => msr(0x580 + n, `IA32_RTIT_${name}`, linear(), NOT_CANONICAL)),
    ],
  },
  { number: 10, name: 'PASID', bytes: 8, msrs: [msr(0xd93, 'IA32_PASID', bits(0x800f_ffffn), single(20, 30, 32, 63))] },
  {
    number: 11, name: 'CET_U', bytes: 16,
    msrs: [msr(0x6a0, 'IA32_U_CET', control, [...single(6, 7, 8, 9), 0xc00n, ...NOT_CANONICAL]), level(3)],
  },
  { number: 12, name: 'CET_S', bytes: 24, msrs: [level(0), level(1), level(2)] },
  { number: 13, name: 'HDC', bytes: 8, msrs: [msr(0xdb1, 'IA32_PM_CTL1', bits(1n), single(1, 63))] },
  {
    number: 14, name: 'UINTR', bytes: 48, msrs: [
      msr(0x986, 'IA32_UINTR_HANDLER', linear(), NOT_CANONICAL), msr(0x987, 'IA32_UINTR_STACKADJUST', linear(), NOT_CANONICAL),
      msr(0x988, 'IA32_UINTR_MISC', bits(0xff_ffff_ffffn), single(40, 62)),
      msr(0x989, 'IA32_UINTR_PD', linear(0x3fn), [...single(0, 5), ...NOT_CANONICAL]), msr(0x985, 'IA32_UINTR_RR', bits(~0n)),
      msr(0x98a, 'IA32_UINTR_TT', linear(0xen), [...single(1, 2, 3), ...NOT_CANONICAL]),
    ],
  },
  {
    number: 15, name: 'LBR', bytes: 808, msrs: [
      msr(0x14ce, 'IA32_LBR_CTL', bits(0x7f_000en), single(4, 15, 23, 63)),
      msr(0x14cf, 'IA32_LBR_DEPTH', (random) => random.pick([8n, 16n, 32n]), [0n, 1n, 7n, 9n, 24n, 40n, 64n, 1n << 32n]),
      ...recorded([0x1dd, 0x1de, 0x1e0], 'IA32_LER'),
      ...Array.from({ length: 32 }, (_, n) => recorded([0x1500 + n, 0x1600 + n, 0x1200 + n], `IA32_LBR_${n}`)).flat(),
    ],
  },
  { number: 16, name: 'HWP', bytes: 8, msrs: [msr(0x774, 'IA32_HWP_REQUEST', bits(0xf800_07ff_ffff_ffffn), single(43, 58))] },
];

/** MSRs of CET that are in no component. */
export const BESIDE: readonly SupervisorMsr[] = [
  msr(0x6a2, 'IA32_S_CET', control, [...single(6, 7, 8, 9), 0xc00n, ...NOT_CANONICAL]), msr(0x6a8, 'IA32_INTERRUPT_SSP_TABLE_ADDR', linear(), NOT_CANONICAL),
];

/** Initial configurations, where not all is 0. SDM vol. 1, 13.6. */
export const INITIAL: Readonly<Record<string, bigint>> = { IA32_PM_CTL1: 1n, IA32_HWP_REQUEST: 0x8000_ff01n };

type Registers = readonly [eax: number, ebx: number, ecx: number, edx: number];
export interface LeafDump {
  readonly from: string;
  readonly xcr0: bigint;
  readonly xss: bigint;
  readonly leaves: Readonly<Record<number, Registers>>;
}

/**
 * CPUID leaf 0Dh as others dumped it. XCR0 and IA32_XSS are not in the dumps: all of XCR0 fits each EBX of sub-leaf 0, and the
 * IA32_XSS that are given fit EBX of sub-leaf 1.
 */
export const DUMPS = {
  sapphireRapids: {
    from: 'an Intel host with AMX: Yang Zhong to qemu-devel, 2022-03-22', xcr0: 0x6_02e7n, xss: 0x8000n,
    leaves: {
      0: [0x6_02e7, 0x2b00, 0x2b00, 0], 1: [0x1f, 0x2d00, 0xdd00, 0], 2: [0x100, 0x240, 0, 0], 5: [0x40, 0x440, 0, 0], 6: [0x200, 0x480, 0, 0],
      7: [0x400, 0x680, 0, 0], 8: [0x80, 0, 1, 0], 9: [8, 0xa80, 0, 0], 10: [8, 0, 1, 0], 11: [0x10, 0, 1, 0], 12: [0x18, 0, 1, 0], 13: [0, 0, 0, 0],
      14: [0x30, 0, 1, 0], 15: [0x328, 0, 1, 0], 16: [0, 0, 0, 0], 17: [0x40, 0xac0, 2, 0], 18: [0x2000, 0xb00, 6, 0],
    },
  },
  zen3: {
    from: 'a Ryzen 9 5900X: John Baldwin to linux-kernel, 2024-03-14', xcr0: 0x207n, xss: 0n,
    leaves: {
      0: [0x207, 0x988, 0x988, 0], 1: [0xf, 0x348, 0x1800, 0], 2: [0x100, 0x240, 0, 0], 9: [8, 0x980, 0, 0], 10: [0, 0, 0, 0], 11: [0x10, 0, 1, 0],
      12: [0x18, 0, 1, 0],
    },
  },
} as const satisfies Readonly<Record<string, LeafDump>>;
