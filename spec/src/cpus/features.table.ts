/**
 * CPUID feature flags that the engine knows: [leaf, sub-leaf, register, bit]. SDM vol. 2A, CPUID; AMD APM vol. 3,
 * appendix E.
 */

/**
 * Advertised though modelled in part only, because a kernel does not start without them or a processor of that kind
 * cannot lack them: MTRR and PAT (memory types have no effect), MCE and MCA (no banks), MONITOR and MONITORX (the wait
 * ends at once), IBRS_IBPB, STIBP and SSBD (nothing here is speculative).
 */
export const FEATURES = {
  FPU: [1, 0, 'edx', 0], VME: [1, 0, 'edx', 1], DE: [1, 0, 'edx', 2], PSE: [1, 0, 'edx', 3], TSC: [1, 0, 'edx', 4],
  MSR: [1, 0, 'edx', 5], PAE: [1, 0, 'edx', 6], MCE: [1, 0, 'edx', 7], CX8: [1, 0, 'edx', 8], APIC: [1, 0, 'edx', 9],
  SEP: [1, 0, 'edx', 11], MTRR: [1, 0, 'edx', 12], PGE: [1, 0, 'edx', 13], MCA: [1, 0, 'edx', 14],
  CMOV: [1, 0, 'edx', 15], PAT: [1, 0, 'edx', 16], PSE36: [1, 0, 'edx', 17], CLFSH: [1, 0, 'edx', 19],
  MMX: [1, 0, 'edx', 23], FXSR: [1, 0, 'edx', 24], SSE: [1, 0, 'edx', 25], SSE2: [1, 0, 'edx', 26],
  SSE3: [1, 0, 'ecx', 0], PCLMULQDQ: [1, 0, 'ecx', 1], MONITOR: [1, 0, 'ecx', 3], SSSE3: [1, 0, 'ecx', 9],
  FMA: [1, 0, 'ecx', 12], CX16: [1, 0, 'ecx', 13],
  PCID: [1, 0, 'ecx', 17], SSE4_1: [1, 0, 'ecx', 19], SSE4_2: [1, 0, 'ecx', 20], X2APIC: [1, 0, 'ecx', 21],
  MOVBE: [1, 0, 'ecx', 22], POPCNT: [1, 0, 'ecx', 23], TSC_DEADLINE: [1, 0, 'ecx', 24], AES: [1, 0, 'ecx', 25],
  XSAVE: [1, 0, 'ecx', 26], OSXSAVE: [1, 0, 'ecx', 27], AVX: [1, 0, 'ecx', 28], F16C: [1, 0, 'ecx', 29],
  RDRAND: [1, 0, 'ecx', 30],
  ARAT: [6, 0, 'eax', 2],
  FSGSBASE: [7, 0, 'ebx', 0], TSC_ADJUST: [7, 0, 'ebx', 1], BMI1: [7, 0, 'ebx', 3], AVX2: [7, 0, 'ebx', 5],
  FDP_EXCPTN_ONLY: [7, 0, 'ebx', 6],
  SMEP: [7, 0, 'ebx', 7], BMI2: [7, 0, 'ebx', 8], INVPCID: [7, 0, 'ebx', 10], FPCSDS: [7, 0, 'ebx', 13],
  RDSEED: [7, 0, 'ebx', 18], ADX: [7, 0, 'ebx', 19], SMAP: [7, 0, 'ebx', 20], CLFLUSHOPT: [7, 0, 'ebx', 23],
  CLWB: [7, 0, 'ebx', 24], SHA: [7, 0, 'ebx', 29],
  UMIP: [7, 0, 'ecx', 2], PKU: [7, 0, 'ecx', 3], OSPKE: [7, 0, 'ecx', 4], GFNI: [7, 0, 'ecx', 8],
  VAES: [7, 0, 'ecx', 9], VPCLMULQDQ: [7, 0, 'ecx', 10], LA57: [7, 0, 'ecx', 16],
  RDPID: [7, 0, 'ecx', 22], MOVDIRI: [7, 0, 'ecx', 27],
  SERIALIZE: [7, 0, 'edx', 14], IBRS_IBPB: [7, 0, 'edx', 26], INTEL_STIBP: [7, 0, 'edx', 27],
  ARCH_CAPABILITIES: [7, 0, 'edx', 29], INTEL_SSBD: [7, 0, 'edx', 31],
  XSAVEOPT: [0xd, 1, 'eax', 0], XSAVEC: [0xd, 1, 'eax', 1], XGETBV_ECX_1: [0xd, 1, 'eax', 2],
  XSAVES: [0xd, 1, 'eax', 3], XFD: [0xd, 1, 'eax', 4],
  SYSCALL: [0x8000_0001, 0, 'edx', 11], NX: [0x8000_0001, 0, 'edx', 20], FFXSR: [0x8000_0001, 0, 'edx', 25],
  PDPE1GB: [0x8000_0001, 0, 'edx', 26], RDTSCP: [0x8000_0001, 0, 'edx', 27], LM: [0x8000_0001, 0, 'edx', 29],
  LAHF64: [0x8000_0001, 0, 'ecx', 0], LZCNT: [0x8000_0001, 0, 'ecx', 5], SSE4A: [0x8000_0001, 0, 'ecx', 6],
  MISALIGNSSE: [0x8000_0001, 0, 'ecx', 7],
  PREFETCHW: [0x8000_0001, 0, 'ecx', 8], MONITORX: [0x8000_0001, 0, 'ecx', 29],
  InvariantTsc: [0x8000_0007, 0, 'edx', 8],
  CLZERO: [0x8000_0008, 0, 'ebx', 0], RstrFpErrPtrs: [0x8000_0008, 0, 'ebx', 2], WBNOINVD: [0x8000_0008, 0, 'ebx', 9],
  IBPB: [0x8000_0008, 0, 'ebx', 12], IBRS: [0x8000_0008, 0, 'ebx', 14], STIBP: [0x8000_0008, 0, 'ebx', 15],
  SSBD: [0x8000_0008, 0, 'ebx', 24],
  LFenceAlwaysSerializing: [0x8000_0021, 0, 'eax', 2], NullSelectClearsBase: [0x8000_0021, 0, 'eax', 6],
} as const satisfies Record<string, readonly [leaf: number, subleaf: number, register: CpuidRegister, bit: number]>;

export type CpuidRegister = 'eax' | 'ebx' | 'ecx' | 'edx';
export type Feature = keyof typeof FEATURES;

/** What every 64-bit processor since 2005 has, of the features in the table. */
export const BASE_FEATURES: readonly Feature[] = [
  'FPU', 'VME', 'DE', 'PSE', 'TSC', 'MSR', 'PAE', 'MCE', 'CX8', 'APIC', 'SEP', 'MTRR', 'PGE', 'MCA', 'CMOV', 'PAT',
  'PSE36', 'CLFSH', 'MMX', 'FXSR', 'SSE', 'SSE2', 'SSE3', 'MONITOR', 'CX16', 'SYSCALL', 'NX', 'LM', 'LAHF64',
  'InvariantTsc',
];

/** The XSAVE state components of CPUID leaf 0Dh: size and standard-format offset in bytes. */
export const INTEL_COMPONENTS: Readonly<Record<number, readonly [size: number, offset: number]>> = {
  2: [256, 576], 5: [64, 1088], 6: [512, 1152], 7: [1024, 1664], 9: [8, 2688], 17: [64, 2752], 18: [8192, 2816],
};
/**
 * The same for AMD, which has no MPX and so packs them closer. Zen 4's leaf 0Dh ECX = 980h = 1408 + 1024, measured. A
 * Zen 3 leaves the same room although it has no AVX-512: PKRU at 980h on a Ryzen 9 5900X, as J. Baldwin dumped it on
 * linux-kernel, 2024-03-14.
 */
export const AMD_COMPONENTS: Readonly<Record<number, readonly [size: number, offset: number]>> = {
  2: [256, 576], 5: [64, 832], 6: [512, 896], 7: [1024, 1408], 9: [8, 2432],
};
/**
 * Bytes of each supervisor component, which has no place in the standard format: PT, PASID, CET_U, CET_S, HDC, UINTR,
 * LBR, HWP. SDM vol. 1, 13.5.6 and 13.5.8 to 13.5.13, later than 2016; leaf 0Dh of a Sapphire Rapids and an i7-12700K
 * as dumped by others, and for HDC of a Tiger Lake class part. None asks for alignment on 64 bytes there.
 */
export const SUPERVISOR_SIZES: Readonly<Record<number, number>> = {
  8: 128, 10: 8, 11: 16, 12: 24, 13: 8, 14: 48, 15: 808, 16: 8,
};
