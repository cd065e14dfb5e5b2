/** What CPUID returns, computed from a profile. SDM vol. 2A, CPUID, December 2016. */

import { AMD_COMPONENTS, FEATURES, INTEL_COMPONENTS, type CpuidRegister } from './features.table.ts';
import type { CpuProfile } from './profile.ts';

export type CpuidResult = Record<CpuidRegister, number>;

/** Size and standard-format offset of an extended state component, or undefined if the profile has none of that number. */
export function componentLayout(cpu: CpuProfile, component: number): readonly [size: number, offset: number] | undefined {
  if (((cpu.xcr0 >> BigInt(component)) & 1n) === 0n) return undefined;
  // A Zen 3 has PKRU and no AVX-512, and PKRU then follows AVX state at once.
  if (cpu.vendor === 'AuthenticAMD' && component === 9 && (cpu.xcr0 & 0x80n) === 0n) return [8, 832];
  return (cpu.vendor === 'GenuineIntel' ? INTEL_COMPONENTS : AMD_COMPONENTS)[component];
}

/** Bytes that an XSAVE area in standard format needs for the components in `mask`. SDM vol. 1, 13.2. */
export function xsaveAreaSize(cpu: CpuProfile, mask: bigint): number {
  let size = 576;
  for (let component = 2; component < 63; component++) {
    const layout = (mask >> BigInt(component)) & 1n ? componentLayout(cpu, component) : undefined;
    if (layout) size = Math.max(size, layout[1] + layout[0]);
  }
  return size;
}

/**
 * CPUID for `leaf` and `subleaf`. `xcr0` is the current XCR0 and `osxsave` CR4.OSXSAVE, which two leaves reflect.
 * A basic leaf above the highest returns the highest one's data on Intel and zeros on AMD.
 */
export function cpuid(cpu: CpuProfile, leaf: number, subleaf: number, xcr0: bigint, osxsave: boolean): CpuidResult {
  const intel = cpu.vendor === 'GenuineIntel';
  const maximum = cpu.features.has('XSAVE') ? 0xd : intel ? 7 : 6;
  if (leaf < 0x8000_0000 && leaf > maximum) {
    return intel ? cpuid(cpu, maximum, subleaf, xcr0, osxsave) : { eax: 0, ebx: 0, ecx: 0, edx: 0 };
  }
  const result = featureBits(cpu, leaf, subleaf);
  if (leaf === 0 || leaf === 0x8000_0000) {
    const [ebx, edx, ecx] = vendorWords(cpu.vendor);
    const max = leaf === 0 ? maximum : 0x8000_0008;
    return leaf === 0 || !intel ? { eax: max, ebx: ebx!, ecx: ecx!, edx: edx! } : { ...result, eax: max };
  }
  if (leaf === 1) {
    result.eax = cpu.signature;
    result.ebx = 0x0001_0800; // one logical processor, CLFLUSH line of 8 quadwords
    if (osxsave) result.ecx |= 1 << 27;
  }
  if (leaf === 0xd && cpu.xcr0 !== 0n) extendedState(cpu, subleaf, xcr0, result);
  if (leaf >= 0x8000_0002 && leaf <= 0x8000_0004) return brandString(cpu.name, leaf - 0x8000_0002);
  if (leaf === 0x8000_0008) result.eax = (cpu.linearAddressBits << 8) | cpu.physicalAddressBits;
  return result;
}

function featureBits(cpu: CpuProfile, leaf: number, subleaf: number): CpuidResult {
  const result: CpuidResult = { eax: 0, ebx: 0, ecx: 0, edx: 0 };
  for (const [name, [l, sub, register, position]] of Object.entries(FEATURES)) {
    if (l !== leaf || sub !== subleaf || name === 'OSXSAVE') continue;
    if (cpu.features.has(name as keyof typeof FEATURES)) result[register] |= 1 << position;
  }
  return result;
}

function extendedState(cpu: CpuProfile, subleaf: number, xcr0: bigint, result: CpuidResult): void {
  if (subleaf === 0) {
    result.eax = Number(cpu.xcr0 & 0xffff_ffffn);
    result.edx = Number(cpu.xcr0 >> 32n);
    result.ebx = xsaveAreaSize(cpu, xcr0);
    result.ecx = xsaveAreaSize(cpu, cpu.xcr0);
  } else if (subleaf > 1) {
    [result.eax, result.ebx] = componentLayout(cpu, subleaf) ?? [0, 0];
  }
}

function vendorWords(vendor: string): number[] {
  return [0, 4, 8].map((at) => [...vendor.slice(at, at + 4)].reduce((word, c, i) => word | (c.charCodeAt(0) << (8 * i)), 0));
}

function brandString(name: string, part: number): CpuidResult {
  const text = name.padEnd(48, '\0').slice(part * 16, part * 16 + 16);
  const word = (at: number): number => [0, 1, 2, 3].reduce((value, i) => value | (text.charCodeAt(at + i) << (8 * i)), 0);
  return { eax: word(0), ebx: word(4), ecx: word(8), edx: word(12) };
}
