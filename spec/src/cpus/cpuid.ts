/** What CPUID returns, computed from a profile. SDM vol. 2A, CPUID, December 2016; AMD APM vol. 3, appendix E. */

import { FEATURES, type CpuidRegister, type Feature } from './features.table.ts';
import type { CpuProfile } from './profile.ts';
import { compactedLayout, componentFlags, componentLayout, standardBytes } from './xsave-layout.ts';

export type CpuidResult = Record<CpuidRegister, number>;

/** What CPUID reflects beside the processor's kind. */
export interface CpuidInputs {
  /** In 64-bit mode: elsewhere Intel's processors have no SYSCALL, and say so. */
  readonly in64BitMode: boolean;
  readonly xcr0: bigint;
  /** IA32_XSS. */
  readonly xss: bigint;
  /** CR4.OSXSAVE and CR4.PKE. */
  readonly osxsave: boolean;
  readonly ospke: boolean;
  /** IA32_APIC_BASE[11]: without it, the APIC bit is 0. */
  readonly apicEnabled: boolean;
  /** MONITOR and MWAIT are switched on, and not by IA32_MISC_ENABLE or HWCR off. */
  readonly monitor: boolean;
  /** IA32_MISC_ENABLE[22]: no basic leaf above 2. */
  readonly limited: boolean;
  readonly apicId: number;
  readonly processors: number;
  /** Of the time-stamp counter. */
  readonly frequency: number;
}

/** Highest basic leaf. */
function maximumBasic(cpu: CpuProfile, limited: boolean): number {
  if (limited) return 2;
  if (cpu.crystal !== undefined) return 0x16;
  return cpu.features.has('XSAVE') ? 0xd : cpu.vendor === 'GenuineIntel' ? 7 : 6;
}

/** Highest extended leaf. */
const maximumExtended = (cpu: CpuProfile): number =>
  (cpu.features.has('NullSelectClearsBase') ? 0x8000_0021 : 0x8000_0008);

/**
 * CPUID for `leaf` and `subleaf`. A leaf that is not there returns the highest basic one's data on Intel and zeros on
 * AMD.
 */
export function cpuid(cpu: CpuProfile, leaf: number, subleaf: number, inputs: CpuidInputs): CpuidResult {
  const basic = maximumBasic(cpu, inputs.limited);
  const there = leaf >= 0x8000_0000 ? leaf <= maximumExtended(cpu) : leaf <= basic;
  if (!there) return cpu.vendor === 'GenuineIntel' ? cpuid(cpu, basic, subleaf, inputs) : zeros();
  const result = featureBits(cpu, leaf, subleaf);
  return leaf >= 0x8000_0000 ? extendedLeaf(cpu, leaf, inputs, result) : basicLeaf(cpu, leaf, subleaf, inputs, result);
}

const zeros = (): CpuidResult => ({ eax: 0, ebx: 0, ecx: 0, edx: 0 });

/** Bits of a processor's features that depend on its state: `basicLeaf` sets them. */
const DYNAMIC: ReadonlySet<Feature> = new Set(['OSXSAVE', 'OSPKE']);

/** Leaves that ECX divides; the others have one answer, whatever ECX holds. */
const DIVIDED: ReadonlySet<number> = new Set([4, 7, 0xb, 0xd]);

type Place = (typeof FEATURES)[Feature];

function featureBits(cpu: CpuProfile, leaf: number, subleaf: number): CpuidResult {
  const result = zeros();
  for (const [name, [l, sub, register, position]] of Object.entries(FEATURES) as [Feature, Place][]) {
    if (l !== leaf || (DIVIDED.has(leaf) && sub !== subleaf) || DYNAMIC.has(name)) continue;
    if (cpu.features.has(name)) result[register] |= 1 << position;
  }
  return result;
}

/**
 * Leaves 2 and 4 describe caches: no descriptor, no cache, as memory here has none. Leaf 5: MWAIT reaches no
 * power-saving state, so kernels idle by HLT. Leaf 0Ah: no performance counters.
 */
function basicLeaf(
  cpu: CpuProfile, leaf: number, subleaf: number, inputs: CpuidInputs, result: CpuidResult,
): CpuidResult {
  switch (leaf) {
    case 0: return vendor(cpu, maximumBasic(cpu, inputs.limited));
    case 1: return identity(cpu, inputs, result);
    case 2: return { ...result, eax: 1 };
    case 5: return cpu.features.has('MONITOR') ? { eax: LINE, ebx: LINE, ecx: 3, edx: 0 } : result;
    case 7: return subleaf === 0 && inputs.ospke ? { ...result, ecx: result.ecx | 0x10 } : result;
    case 0xb: return cpu.features.has('XSAVE') || cpu.vendor === 'GenuineIntel' ? topology(subleaf, inputs) : result;
    case 0xd: return cpu.xcr0 === 0n ? result : extendedState(cpu, subleaf, inputs, result);
    case 0x15: return { eax: 1, ebx: Math.round(inputs.frequency / cpu.crystal!), ecx: cpu.crystal!, edx: 0 };
    case 0x16:
      return { eax: Math.round(inputs.frequency / 1e6), ebx: Math.round(inputs.frequency / 1e6), ecx: 100, edx: 0 };
    default: return result;
  }
}

/** Bytes that MONITOR watches, and that CLFLUSH flushes. */
const LINE = 64;

function identity(cpu: CpuProfile, inputs: CpuidInputs, result: CpuidResult): CpuidResult {
  const { apicId, processors, monitor, osxsave, apicEnabled } = inputs;
  return {
    eax: cpu.signature,
    ebx: ((apicId & 0xff) << 24) | (1 << (16 + idBits(processors))) | ((LINE / 8) << 8),
    ecx: (result.ecx & (monitor ? -1 : ~8)) | (osxsave ? 1 << 27 : 0),
    // Bit 28, HTT: the number of processors in EBX means something.
    edx: (result.edx & (apicEnabled ? -1 : ~0x200)) | (processors > 1 ? 1 << 28 : 0),
  };
}

/** Bits of an APIC identifier that tell `processors` processors apart. */
const idBits = (processors: number): number => Math.ceil(Math.log2(processors));

/** One thread a core, all cores in one package. */
function topology(level: number, { apicId, processors }: CpuidInputs): CpuidResult {
  const [shift, count, type] = level === 0 ? [0, 1, 1] : level === 1 ? [idBits(processors), processors, 2] : [0, 0, 0];
  return { eax: shift!, ebx: count!, ecx: (type! << 8) | (level & 0xff), edx: apicId };
}

function extendedLeaf(
  cpu: CpuProfile, leaf: number, { processors, in64BitMode }: CpuidInputs, result: CpuidResult,
): CpuidResult {
  const amd = cpu.vendor === 'AuthenticAMD';
  switch (leaf) {
    case 0x8000_0000: return amd ? vendor(cpu, maximumExtended(cpu)) : { ...result, eax: maximumExtended(cpu) };
    case 0x8000_0001:
      return amd
        ? amdIdentity(cpu, processors, result)
        : { ...result, edx: result.edx & (in64BitMode ? -1 : ~SYSCALL) };
    case 0x8000_0002: case 0x8000_0003: case 0x8000_0004: return brandString(cpu.name, leaf - 0x8000_0002);
    case 0x8000_0008: return {
      ...result, eax: (cpu.linearAddressBits << 8) | cpu.physicalAddressBits,
      ecx: amd ? (idBits(processors) << 12) | (processors - 1) : 0,
    };
    default: return result;
  }
}

const SYSCALL = 1 << 11;

/** Bits of leaf 1 EDX that AMD repeats in leaf 80000001h. */
const REPEATED = 0x0183_f3ff;

function amdIdentity(cpu: CpuProfile, processors: number, result: CpuidResult): CpuidResult {
  const repeated = featureBits(cpu, 1, 0).edx & REPEATED;
  // CmpLegacy: several cores.
  return { eax: cpu.signature, ebx: 0, ecx: result.ecx | (processors > 1 ? 2 : 0), edx: result.edx | repeated };
}

function extendedState(
  cpu: CpuProfile, subleaf: number, { xcr0, xss }: CpuidInputs, result: CpuidResult,
): CpuidResult {
  if (subleaf > 1) {
    const [size, offset] = componentLayout(cpu, subleaf) ?? [0, 0];
    return { ...result, eax: size, ebx: offset, ecx: componentFlags(cpu, subleaf) };
  }
  if (subleaf === 1) {
    const supervisor = cpu.xss ?? 0n;
    return {
      ...result, ebx: cpu.features.has('XSAVEC') ? compactedLayout(cpu, xcr0 | xss).end : 0,
      ecx: Number(supervisor & 0xffff_ffffn), edx: Number(supervisor >> 32n),
    };
  }
  return {
    eax: Number(cpu.xcr0 & 0xffff_ffffn), ebx: standardBytes(cpu, xcr0), ecx: standardBytes(cpu, cpu.xcr0),
    edx: Number(cpu.xcr0 >> 32n),
  };
}

function vendor(cpu: CpuProfile, maximum: number): CpuidResult {
  const [ebx, edx, ecx] = [0, 4, 8].map((at) =>
    [...cpu.vendor.slice(at, at + 4)].reduce((word, c, i) => word | (c.charCodeAt(0) << (8 * i)), 0));
  return { eax: maximum, ebx: ebx!, ecx: ecx!, edx: edx! };
}

function brandString(name: string, part: number): CpuidResult {
  const text = name.padEnd(48, '\0').slice(part * 16, part * 16 + 16);
  const word = (at: number): number =>
    [0, 1, 2, 3].reduce((value, i) => value | (text.charCodeAt(at + i) << (8 * i)), 0);
  return { eax: word(0), ebx: word(4), ecx: word(8), edx: word(12) };
}
