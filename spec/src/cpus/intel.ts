/** Intel's processors. What they have in common comes first; a profile says what is its own. */

import { inferred, measured, sdm } from '../state/citation.ts';
import { BASE_FEATURES, type Feature } from './features.table.ts';
import { type CpuProfile, type QuirkSources, type Quirks, cpuProfile } from './profile.ts';

const quirks: Quirks = {
  x87: {
    fopUpdate: 'unmasked exception',
    saveWithoutException: 'store',
    restoreWithoutException: 'load',
    canonicalFdp: false,
    transcendentals: 'through 67 bits',
    c1OfFcomi: 'kept',
    storeWithoutResult: 'leaves memory alone',
  },
  xinuse: 'tracked',
  nullSelector: 'clears base and limit',
  mxcsrMask: 0xffff,
  wordDoubleShift: 'first operand again',
  longFarPointer: 'm16:64',
  nearBranch66: '64 bits',
  holes: 'fetched to their end',
  larInLongMode: 'no LDT',
  undefinedFlags: 'skylake',
  accesses: {
    selectorPush: 'two bytes',
    selectorPop: 'whole slot',
    compares: 'source first',
    faultInRepetition: 'restores flags',
    narrowRepetition: 'keeps registers',
    wrapping: 'unknown',
    eightyBits: 'one access',
    bounds: 'both read first',
    vectorAlignment: 'after the segment',
    stateArea: 'in order',
    misalignedArea: '#GP',
    call: 'target first',
    return: 'in order',
    returnTarget: 'in full, before SS',
    farCall: 'stack of the caller',
    farReturn: 'checks first',
  },
  fastCalls: {
    syscall: '64-bit mode',
    sysenter: 'any mode',
    sysretNotCanonical: 'faults at SYSRET',
    sysretStack: 'loads SS',
    sysenterBits: 64,
  },
  debugTraps: { stackLoads: 'the first shields', betweenIterations: 'RF = 1', maskedBytes: 'every byte' },
  faultingMmxStore: 'leaves TOP at 0',
  tscAuxHigh: 'reserved',
  approximations: 'interval middles',
  dotProduct: 'by lane',
};

const pointers = sdm('1', '8.1.8');

const sources: QuirkSources = {
  fopUpdate: sdm('1', '8.1.9'),
  saveWithoutException: pointers,
  restoreWithoutException: pointers,
  canonicalFdp: measured(
    'a Sapphire Rapids class Xeon', '2026-11', 'FXRSTOR64 keeps all 64 bits of FDP and sign-extends FIP from bit 56',
  ),
  transcendentals: measured(
    'a Sapphire Rapids class Xeon', '2026-11', 'each function, in all rounding modes: test/x87/README.md',
  ),
  c1OfFcomi: measured('a Sapphire Rapids class Xeon', '2026-11', 'FCOMI, FCOMIP, FUCOMI and FUCOMIP leave C1 alone'),
  storeWithoutResult: measured(
    'a Sapphire Rapids class Xeon', '2026-11',
    'FST, FIST and FBSTP with an unmasked exception raise neither #PF nor #GP',
  ),
  stackDetails: measured(
    'a Sapphire Rapids class Xeon', '2026-11', 'FFREE clears C1, FLD of an empty register onto a full stack is an '
      + 'underflow, FWAIT and LDMXCSR bring their component into use, FNSTCW and FNSTSW do not',
  ),
  xinuse: measured(
    'a Sapphire Rapids class Xeon', '2026-11',
    'FNOP, FWAIT and FLDCW 037Fh set XINUSE[0], FNINIT does not clear it, FNSTCW, FNSTSW, FNENI, FNDISI and FNSETPM '
      + 'leave it; LDMXCSR sets XINUSE[1]; registers 8 to 15 are tracked apart (isa/xsave/tracking.ts); '
      + 'instructions of 256 bits with an XMM destination set XINUSE[2], VZEROUPPER clears it in 32-bit code, too',
  ),
  xinuseOfPkru: inferred('messages of Thomas Gleixner, 2021-06-11, and of Dave Hansen of Intel, 2021-06-16, to '
    + 'linux-kernel: WRPKRU of 0 leaves XINUSE[9] at 1 on Intel, and clears it on AMD'),
  nullSelector: inferred(
    'common practice of kernels, which rely on it; the SDM leaves the hidden part of a null segment open',
  ),
  mxcsrMask: sdm('1', '11.6.6'),
  wordDoubleShift: inferred('comments in VirtualBox 7.0, IEMAllAImplC.cpp, on an i9-10980XE (Cascade Lake)'),
  longFarPointer: sdm('2A', '3.2, JMP and LDS/LES/LFS/LGS/LSS'),
  nearBranch66: sdm('1', '6.3.7'),
  holes: measured(
    'a Sapphire Rapids class Xeon', '2026-11', 'all 627,884 encodings of one to three opcode bytes without prefix, '
      + 'with 66, F3, F2 and with VEX, by digit of ModRM, that the engine does not decode, before the end of a page, '
      + 'in 64 and in 32-bit code; that other Intel processors do the same is inferred',
  ),
  larInLongMode: sdm('2A', '3.2, LAR, table 3-52'),
  undefinedFlags: inferred('comments in VirtualBox 7.0, IEMAllAImplC.cpp, on a Core i7-6700K (Skylake) and an '
    + 'i9-10980XE (Cascade Lake); for AAM and AAD the column P6 of sandpile.org/x86/flags.htm; the CF of SHL and SHR '
    + 'beyond the width is taken to be 0, and other Intel processors to do the same; AAA, AAS, DAA, DAS and BEXTR are '
    + 'not known and leave the flags'),
  accesses: inferred('SDM vol. 2, PUSH, CMPS, CALL, IRET and REP: the order of their operation sections; not measured'),
  fastCalls: sdm('2B', '4.3, SYSCALL, SYSENTER, SYSEXIT and SYSRET'),
  stackLoads: sdm('3A', '6.8.3'),
  betweenIterations: sdm('3B', '17.3.1.1'),
  xinuseAfterFault: measured(
    'a Sapphire Rapids class Xeon', '2026-11', 'XSTATE_BV as a tracer reads it after #PF, #GP and #AC: XINUSE[0] is 1 '
      + 'after FST, FIST, FISTTP, FBSTP, FBLD, FLDCW, FLDENV, FRSTOR, FNSTENV, FNSAVE and MASKMOVQ, 0 after FLD, FILD, '
      + 'FADD, FCOM, FICOM, FNSTCW, FNSTSW, MOVD, MOVQ and MOVNTQ; XINUSE[2] is 1 after a gather of 256 bits whose '
      + 'first element faults; that XMODIFIED[0] goes with it is inferred',
  ),
  maskedBytes: measured(
    'a Sapphire Rapids class Xeon', '2026-11', 'a breakpoint of one byte at each of the operand, four masks: each is '
      + 'met; VPMASKMOVD meets those on elements that are selected',
  ),
  faultingMmxStore: measured(
    'a Sapphire Rapids class Xeon', '2026-11', 'MOVQ, MOVD and MOVNTQ that raise #PF, #GP or #AC leave TOP = 0, the '
      + 'tags and XINUSE[0]; MASKMOVQ leaves all registers valid, too, and XINUSE[0] = 1; what reads memory leaves all',
  ),
  tscAuxHigh: inferred("KVM's handling of the MSR by vendor, from memory"),
  approximations: inferred('an Emerald Rapids, measured; that Intel has kept the values since SSE is from memory, as '
    + 'is that the table in Bochs, which is of another of its processors, begins with the same ones'),
  dotProduct: inferred('an Emerald Rapids, measured'),
  msrs: inferred('dumps of such processors, from memory'),
  vectorFeatures: inferred('instruction sets by generation, from memory: AES, PCLMULQDQ and F16C by Ivy Bridge, AVX2 '
    + 'and FMA with Haswell'),
};

const deprecation = inferred('Xen 10f9691500, which tests CPUID leaf 7 for it; that Ivy Bridge lacks the bit and '
  + 'Haswell '
  + 'has it is from memory');

const ivyBridgeFeatures: readonly Feature[] = [
  ...BASE_FEATURES, 'SSSE3', 'SSE4_1', 'SSE4_2', 'POPCNT', 'XSAVE', 'AVX', 'XSAVEOPT', 'FSGSBASE', 'SMEP', 'RDTSCP',
  'PCID', 'RDRAND', 'ARAT', 'X2APIC', 'TSC_DEADLINE', 'PCLMULQDQ', 'AES', 'F16C',
];

/** The last client generation that keeps FCS and FDS. */
export const ivyBridge: CpuProfile = cpuProfile({
  ...quirks,
  id: 'ivyBridge', name: 'Ivy Bridge', vendor: 'GenuineIntel', year: 2012, signature: 0x0003_06a9,
  features: ivyBridgeFeatures,
  xcr0: 7n, linearAddressBits: 48, physicalAddressBits: 36,
  sources: { ...sources, FPCSDS: deprecation },
});

const haswellFeatures: readonly Feature[] = [
  ...ivyBridgeFeatures, 'FPCSDS', 'MOVBE', 'BMI1', 'BMI2', 'LZCNT', 'TSC_ADJUST', 'INVPCID', 'PDPE1GB',
  'AVX2', 'FMA',
];

/** CPUID.7.0:EBX[13] = 1: FCS and FDS are deprecated and always stored as 0. */
export const haswell: CpuProfile = cpuProfile({
  ...quirks,
  id: 'haswell', name: 'Haswell', vendor: 'GenuineIntel', year: 2013, signature: 0x0003_06c3,
  features: haswellFeatures,
  xcr0: 7n, linearAddressBits: 48, physicalAddressBits: 39,
  sources: { ...sources, FPCSDS: deprecation },
});

/** The core of Sapphire Rapids, in the generation after it. */
const emeraldRapids = 'an Emerald Rapids class Xeon (family 6, model CFh)';

/** CPUID.7.0:EBX[6] = 1 as well: FDP is loaded only by an instruction that incurs an unmasked exception. */
export const sapphireRapids: CpuProfile = cpuProfile({
  ...quirks,
  id: 'sapphireRapids', name: 'Sapphire Rapids', vendor: 'GenuineIntel', year: 2023, signature: 0x0008_06f8,
  features: [
    ...haswellFeatures, 'FDP_EXCPTN_ONLY', 'LA57', 'SMAP', 'ADX', 'CLFLUSHOPT', 'CLWB', 'PREFETCHW', 'XSAVEC',
    'XGETBV_ECX_1', 'XSAVES', 'XFD', 'RDSEED', 'UMIP', 'PKU', 'RDPID', 'MOVDIRI', 'SERIALIZE', 'WBNOINVD', 'IBRS_IBPB',
    'INTEL_STIBP', 'INTEL_SSBD', 'ARCH_CAPABILITIES', 'SHA', 'GFNI', 'VAES', 'VPCLMULQDQ',
  ],
  xcr0: 0x602e7n, linearAddressBits: 57, physicalAddressBits: 52,
  // RDCL_NO, IBRS_ALL, SKIP_L1DFL_VMENTRY, MDS_NO, IF_PSCHANGE_MC_NO, TAA_NO.
  msrs: { IA32_ARCH_CAPABILITIES: 0x16bn },
  undefinedFlags: 'sapphire rapids',
  // Only this one was asked; the profiles before it keep what the SDM's operation sections suggest.
  accesses: {
    ...quirks.accesses,
    selectorPop: 'two bytes', compares: 'destination first', narrowRepetition: 'cuts registers', wrapping: 'wraps',
    eightyBits: '8 bytes and then 2', bounds: 'lower one first', call: 'stack first', return: 'flags and CS first',
    returnTarget: 'in 32 bits, after SS', farCall: 'stack of the target', vectorAlignment: 'before the segment',
    stateArea: 'ends first', misalignedArea: '#AC for its first four bytes',
  },
  // PT, PASID, CET_U, CET_S, UINTR, LBR.
  xss: 0xdd00n,
  crystal: 25_000_000,
  sources: {
    ...sources,
    undefinedFlags: measured(
      'a Sapphire Rapids class Xeon', '2026-11', 'npm run conformance compares all of them, on random operands',
    ),
    accesses: measured(
      'a Sapphire Rapids class Xeon', '2026-11',
      'npm run conformance: CR2 and the event where several would fault; what wraps with memory mapped on both sides '
        + 'of 4 GiB and of 64 KiB: test/silicon/disagreements.ends.test.ts',
    ),
    xss: inferred('CPUID leaf 0Dh, sub-leaf 1 of an Intel host with AMX: ECX DD00h, in a message of Yang Zhong of '
      + 'Intel to qemu-devel, 2022-03-22; the virtual machine on such a processor that was at hand has 0 there'),
    FPCSDS: deprecation,
    approximations: measured(
      emeraldRapids, '2026-11', 'RCPSS and RSQRTSS of all 2^32 operands are the rule, without an exception',
    ),
    dotProduct: measured(emeraldRapids, '2026-11', 'DPPS and DPPD of operands with several NaNs: 37,000 vectors'),
    vectorFeatures: measured(
      'a Sapphire Rapids class Xeon', '2026-11', 'CPUID has what Haswell has, and SHA, GFNI, VAES and VPCLMULQDQ',
    ),
    FDP_EXCPTN_ONLY: measured('a Sapphire Rapids class Xeon', '2026-11', 'masked #Z by FDIV m64 leaves FDP = 0'),
    crystal: inferred('Linux 5.10, native_calibrate_tsc: 25 MHz for server parts, from memory'),
  },
});
