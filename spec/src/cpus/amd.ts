/** AMD's processors. What they have in common comes first; a profile says what is its own. */

import { apm, inferred, measured, xenCommit } from '../state/citation.ts';
import { BASE_FEATURES, type Feature } from './features.table.ts';
import { type CpuProfile, type QuirkSources, type Quirks, cpuProfile } from './profile.ts';

const onZen4 = (...what: string[]) =>
  measured('an EPYC of the Zen 4 generation (family 19h, model 11h)', '2026-11', what.join('; '));

const quirks: Quirks = {
  x87: {
    fopUpdate: 'every instruction',
    saveWithoutException: 'store zero',
    restoreWithoutException: 'load',
    canonicalFdp: true,
    transcendentals: 'correctly rounded',
    c1OfFcomi: 'cleared',
    storeWithoutResult: 'asks for memory',
  },
  xinuse: 'by value',
  nullSelector: 'clears base and limit',
  mxcsrMask: 0x2ffff,
  wordDoubleShift: 'second operand again',
  longFarPointer: 'm16:32',
  nearBranch66: '16 bits',
  holes: 'fetched to the opcode',
  larInLongMode: 'LDT too',
  undefinedFlags: 'zen',
  accesses: {
    selectorPush: 'zero-extended',
    selectorPop: 'whole slot',
    compares: 'destination first but for REPE CMPSB',
    faultInRepetition: 'keeps flags',
    narrowRepetition: 'keeps registers',
    wrapping: 'faults',
    eightyBits: 'one access',
    bounds: 'both read first',
    vectorAlignment: 'after the segment',
    stateArea: 'in order',
    misalignedArea: '#GP',
    call: 'stack first',
    return: 'flags first',
    returnTarget: 'in full, before SS',
    farCall: 'stack of the target',
    farReturn: 'stack first',
  },
  fastCalls: {
    syscall: 'any mode',
    sysenter: 'outside IA-32e mode',
    sysretNotCanonical: 'faults at the target',
    sysretStack: 'loads the selector',
    sysenterBits: 32,
  },
  debugTraps: { stackLoads: 'each shields', betweenIterations: 'RF = 0', maskedBytes: 'selected bytes' },
  faultingMmxStore: 'leaves all as it was',
  tscAuxHigh: 'dropped',
  approximations: 'unknown',
  dotProduct: 'as written',
};

const sources: QuirkSources = {
  fopUpdate: onZen4('FNSTENV after FLD m64 gives FOP 505h, all exceptions masked'),
  saveWithoutException: onZen4(
    'FXSAVE, XSAVE and XSAVEOPT without a pending exception store zeros for FOP, FIP and FDP',
  ),
  restoreWithoutException: onZen4(
    'FXRSTOR64 and XRSTOR64 of such an image load FOP, FIP and FDP (CPUID 80000008h EBX[2] = 1)',
  ),
  selectors: onZen4(
    'FNSTENV gives FCS 33h and the FDS of the segment used',
    'FXRSTOR without REX.W loads both, FXRSTOR64 clears both',
  ),
  canonicalFdp: onZen4('6a3f5c4b13a533f6h is restored as 003f5c4b13a533f6h'),
  transcendentals: inferred('nothing: no measurement of the transcendental functions of this vendor was at hand'),
  c1OfFcomi: inferred('AMD APM vol. 5, FCOMI, from memory; not measured'),
  storeWithoutResult: inferred('nothing: no measurement of this vendor was at hand'),
  xinuse: onZen4(
    'XGETBV with ECX = 1: bit 0 stays 0 after FNOP, is 0 after FLDZ, FNINIT, and 1 after FLDZ, FSTP ST(0) until FNCLEX',
    'bit 1 is 1 after MOVAPS of zeros, 0 after PXOR of a register with itself',
  ),
  nullSelector: onZen4('RDGSBASE gives 0 after selectors 0 to 3 are loaded into GS'),
  mxcsrMask: onZen4('FXSAVE stores MXCSR_MASK 0002FFFFh: bit 17 is the misaligned exception mask'),
  wordDoubleShift: onZen4('SHLD and SHRD of words by more than 16 give the second operand rotated'),
  longFarPointer: onZen4(
    'far JMP, far CALL, LSS and LGS with REX.W read the selector at byte 4',
    'far CALL and far RET still have slots of 64 bits',
  ),
  nearBranch66: onZen4(
    'JMP, Jcc, CALL, RET, LOOP and JRCXZ with 66 leave bits 15:0 of RIP, CALL and RET move RSP by 2',
    'not with REX.W, and not where Jcc is not taken',
  ),
  holes: inferred('UD0 and UD1, of which a Zen 4 does not fetch the ModRM byte; other encodings were not measured'),
  larInLongMode: apm('3', 'LAR', 'Rev. 3.10, February 2005'),
  undefinedFlags: onZen4(
    'every instruction that leaves flags undefined, on random operands: npm run conformance compares all of them',
  ),
  accesses: onZen4(
    'PUSH ES in 32-bit code writes zeros above the selector',
    'CMPSD reports the address in EDI, REPE CMPSB that in ESI',
    'CALL beyond the limit of CS with a stack pointer beyond that of SS is #SS',
    'IRET whose words are absent reports RFLAGS, then CS, RIP, SS, RSP',
    'RETF to another level reads CS, RIP, SS and RSP before a bad CS is #GP',
    'accesses of a flat segment that end behind 4 GiB are #GP and #SS',
    'a far CALL from compatibility to 64-bit mode pushes at RSP without the base of SS, the other way at SS:ESP',
    'vectorAlignment, stateArea and eightyBits were not asked: they are in the order of the manual; nor was '
      + 'misalignedArea: #GP is all that AMD APM vol. 5, FXSAVE, and vol. 4, XSAVE, have, from memory',
  ),
  fastCalls: inferred('AMD APM vol. 3, SYSCALL, SYSRET, SYSENTER and SYSEXIT, from memory; AMD publication 21086: bits '
    + '1:0 of SS become 3; for the fault of SYSRET Xen 6b091fa445 (CVE-2012-0217), for SS the comment on '
    + 'X86_BUG_SYSRET_SS_ATTRS in Linux 5.10'),
  sysenter: onZen4('SYSENTER is #UD in compatibility mode'),
  stackLoads: onZen4('under TF, MOV SS, MOV SS, NOP are trapped once, behind the NOP'),
  betweenIterations: onZen4(
    'traps between iterations of REP MOVSB and REPNE SCASB, by TF and by a data breakpoint, save RF = 0',
    'that interrupts do the same is inferred',
  ),
  maskedBytes: inferred('nothing: not measured'),
  faultingMmxStore: inferred('nothing: not measured'),
  vectorFeatures: onZen4('CPUID has AES, PCLMULQDQ, F16C, FMA, AVX2, SHA, SSE4A, VAES, VPCLMULQDQ and GFNI'),
  tscAuxHigh: inferred("KVM's handling of the MSR by vendor, from memory"),
  approximations: inferred('nothing: no such processor was at hand, and its values are not published'),
  dotProduct: inferred('SDM vol. 2A, DPPS, its operation section; not measured'),
};

const asZen4 = inferred('Zen 4');

/** FXSAVE and FXRSTOR pass over FOP, FIP and FDP while no unmasked exception is pending; it has no XSAVE. */
export const amdK10: CpuProfile = cpuProfile({
  ...quirks,
  id: 'amdK10', name: 'AMD K10', vendor: 'AuthenticAMD', year: 2007, signature: 0x0010_0f42,
  features: [...BASE_FEATURES, 'POPCNT', 'LZCNT', 'PREFETCHW', 'FFXSR', 'RDTSCP', 'PDPE1GB', 'MISALIGNSSE', 'SSE4A'],
  xcr0: 0n, linearAddressBits: 48, physicalAddressBits: 48,
  x87: { ...quirks.x87, saveWithoutException: 'leave memory', restoreWithoutException: 'leave register' },
  nullSelector: 'keeps base and limit',
  undefinedFlags: 'unchanged',
  sources: {
    ...sources,
    fopUpdate: asZen4,
    saveWithoutException: inferred("Xen's comment that these processors do not save FDP, FIP and FOP then; that memory "
      + 'keeps its bytes is our reading of it'),
    restoreWithoutException: xenCommit(
      '60395c1ca9', '2006-04-26', 'the leak of FIP, FOP and FDP on AMD (CVE-2006-1056)',
    ),
    selectors: asZen4,
    canonicalFdp: asZen4,
    xinuse: inferred('nothing: without XSAVE no instruction reads it'),
    nullSelector: inferred(
      'AMD APM vol. 3, CPUID Fn8000_0021 EAX[6] (NullSelectorClearsBase), which came later; from memory',
    ),
    mxcsrMask: inferred('Zen 4; the misaligned exception mask came with this generation'),
    wordDoubleShift: asZen4,
    longFarPointer: asZen4,
    nearBranch66: asZen4,
    undefinedFlags: inferred('nothing: no measurement of this generation was at hand'),
    accesses: asZen4,
    vectorFeatures: inferred('instruction sets by generation, from memory: SSE4A came with this one, SSSE3 later'),
  },
});

const zenFeatures: readonly Feature[] = [
  ...BASE_FEATURES, 'SSSE3', 'SSE4_1', 'SSE4_2', 'POPCNT', 'MOVBE', 'XSAVE', 'AVX', 'XSAVEOPT', 'XSAVEC',
  'XGETBV_ECX_1', 'XSAVES', 'BMI1', 'BMI2', 'LZCNT', 'ADX', 'CLFLUSHOPT', 'CLWB', 'PREFETCHW', 'FSGSBASE', 'SMEP',
  'SMAP', 'RDTSCP', 'PCID', 'INVPCID', 'PDPE1GB', 'FFXSR', 'MISALIGNSSE', 'RstrFpErrPtrs', 'RDRAND', 'RDSEED', 'UMIP',
  'RDPID', 'MONITORX', 'CLZERO', 'WBNOINVD', 'ARAT', 'X2APIC', 'IBPB', 'IBRS', 'STIBP', 'SSBD',
  'LFenceAlwaysSerializing', 'NullSelectClearsBase', 'PCLMULQDQ', 'AES', 'F16C', 'FMA', 'AVX2', 'SHA', 'SSE4A', 'VAES',
  'VPCLMULQDQ',
];

/**
 * CPUID 80000008h EBX[2] (RstrFpErrPtrs) = 1: restores always load the pointers, saves store zeros without an
 * exception.
 */
export const zen3: CpuProfile = cpuProfile({
  ...quirks,
  id: 'zen3', name: 'AMD Zen 3', vendor: 'AuthenticAMD', year: 2020, signature: 0x00a2_0f10,
  features: [...zenFeatures, 'PKU'],
  xcr0: 0x207n, linearAddressBits: 48, physicalAddressBits: 48,
  // CET_U, CET_S.
  xss: 0x1800n,
  sources: {
    ...sources,
    xss: inferred('CPUID leaf 0Dh of a Ryzen 9 5900X: ECX 1800h in sub-leaf 1, PKRU at 980h, in a message of John '
      + 'Baldwin to linux-kernel, 2024-03-14'),
    undefinedFlags: asZen4,
    vectorFeatures: inferred('Zen 4, measured; that GFNI came with it is from memory'),
    generation: inferred('Zen 4, measured; that Zen 3 has RstrFpErrPtrs too is from memory'),
  },
});

/**
 * As Zen 3, with 57-bit linear addresses and AVX-512 state. Its x87 and XINUSE behaviour was measured, in a virtual
 * machine that offers no protection keys: the profile is of what could be measured.
 */
export const zen4: CpuProfile = cpuProfile({
  ...quirks,
  id: 'zen4', name: 'AMD Zen 4', vendor: 'AuthenticAMD', year: 2022, signature: 0x00a1_0f11,
  features: [...zenFeatures, 'LA57', 'GFNI'],
  xcr0: 0xe7n, linearAddressBits: 57, physicalAddressBits: 52,
  // CET_U, CET_S.
  xss: 0x1800n,
  sources: { ...sources, xss: onZen4('CPUID leaf 0Dh, sub-leaf 1: ECX 1800h, EBX 9A8h = 980h + 16 + 24') },
});
