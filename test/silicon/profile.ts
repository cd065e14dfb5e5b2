/** The CPU profile for a processor, by what CPUID says. */

import { type CpuProfile, cpus } from 'hidden-state';
import { FEATURES, type Feature } from '../../spec/src/cpus/features.table.ts';
import type { CpuidLeaf } from './records.ts';

const PROFILES = Object.values(cpus) as CpuProfile[];

interface Signature { readonly family: number; readonly model: number }

/** Family and model of CPUID leaf 01h EAX. AMD APM vol. 3, CPUID Fn0000_0001. */
const signatureOf = (eax: number): Signature =>
  ({ family: ((eax >> 8) & 15) + ((eax >> 20) & 255), model: ((eax >> 4) & 15) | ((eax >> 12) & 0xf0) });

const leafOf = (cpuid: readonly CpuidLeaf[], leaf: number, subleaf: number): CpuidLeaf | undefined =>
  cpuid.find((row) => row.leaf === leaf && row.subleaf === subleaf);

function vendorOf(cpuid: readonly CpuidLeaf[]): string {
  const { ebx, edx, ecx } = leafOf(cpuid, 0, 0)!;
  return [ebx, edx, ecx].map((word) => String.fromCharCode(...[0, 8, 16, 24].map((shift) => (word >> shift) & 0xff))).join('');
}

export function processorName(cpuid: readonly CpuidLeaf[]): string {
  const { eax } = leafOf(cpuid, 1, 0)!;
  const { family, model } = signatureOf(eax);
  return `${vendorOf(cpuid)}, family ${family}, model ${model}, stepping ${eax & 15}`;
}

/** Whether the processor has a feature; undefined where the leaf was not read. */
export function hasFeature(cpuid: readonly CpuidLeaf[], feature: Feature): boolean | undefined {
  const [leaf, subleaf, register, bit] = FEATURES[feature];
  const row = leafOf(cpuid, leaf, subleaf);
  return row && ((row[register] >>> bit) & 1) === 1;
}

/** Whether the kernel has given programs the YMM registers. */
export const hasAvx = (cpuid: readonly CpuidLeaf[]): boolean => hasFeature(cpuid, 'AVX') === true && hasFeature(cpuid, 'OSXSAVE') === true;

/** The profile of this vendor, family and model, or else the one of the same vendor that is nearest to it. */
export function profileFor(cpuid: readonly CpuidLeaf[]): { cpu: CpuProfile; exact: boolean } {
  const wanted = signatureOf(leafOf(cpuid, 1, 0)!.eax);
  const vendor = vendorOf(cpuid);
  const distance = (cpu: CpuProfile): number => {
    const { family, model } = signatureOf(cpu.signature);
    return (cpu.vendor === vendor ? 0 : 1e6) + 1e3 * Math.abs(family - wanted.family) + Math.abs(model - wanted.model);
  };
  const cpu = PROFILES.reduce((best, each) => (distance(each) < distance(best) ? each : best));
  return { cpu, exact: distance(cpu) === 0 };
}
