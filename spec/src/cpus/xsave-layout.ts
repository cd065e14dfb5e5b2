/** Where the state components of the XSAVE feature set are in a save area, by profile. SDM vol. 1, 13.2 and 13.4. */

import { AMD_COMPONENTS, INTEL_COMPONENTS, SUPERVISOR_SIZES } from './features.table.ts';
import type { CpuProfile } from './profile.ts';

/** Components 0 and 1 are in the legacy region; here the extended ones begin. */
export const EXTENDED_REGION = 576;

/** Components that begin on 64 bytes in the compacted format: CPUID leaf 0Dh, sub-leaf i, ECX[1]. */
const ALIGNED: ReadonlySet<number> = new Set([17, 18]);
/** Components that IA32_XFD can disable: ECX[2] there. SDM vol. 1, 13.14. */
const DISABLEABLE: ReadonlySet<number> = new Set([18]);

export const bitOf = (component: number): bigint => BigInt.asUintN(64, 1n << BigInt(component));
const has = (mask: bigint, component: number): boolean => ((mask >> BigInt(component)) & 1n) === 1n;

/** A component that IA32_XSS can enable, and XCR0 cannot. */
export const isSupervisor = (cpu: CpuProfile, component: number): boolean => has(cpu.xss ?? 0n, component);

/**
 * Size and offset in the standard format of an extended component; undefined where the profile has none such.
 * Supervisor components are in the compacted format alone: the offset is 0.
 */
export function componentLayout(
  cpu: CpuProfile, component: number,
): readonly [size: number, offset: number] | undefined {
  if (isSupervisor(cpu, component)) return [SUPERVISOR_SIZES[component]!, 0];
  if (!has(cpu.xcr0, component)) return undefined;
  return (cpu.vendor === 'GenuineIntel' ? INTEL_COMPONENTS : AMD_COMPONENTS)[component];
}

/** CPUID leaf 0Dh, sub-leaf `component`, ECX: supervisor or user, its alignment, whether IA32_XFD can disable it. */
export const componentFlags = (cpu: CpuProfile, component: number): number =>
  (componentLayout(cpu, component) === undefined ? 0
    : (isSupervisor(cpu, component) ? 1 : 0) | (ALIGNED.has(component) ? 2 : 0)
      | (has(disableable(cpu), component) ? 4 : 0));

/** The bits that IA32_XFD and IA32_XFD_ERR have on this processor. */
export const disableable = (cpu: CpuProfile): bigint =>
  [...DISABLEABLE].reduce((mask, component) => mask | (cpu.features.has('XFD') ? bitOf(component) & cpu.xcr0 : 0n), 0n);

const EXTENDED = Array.from({ length: 61 }, (_, n) => n + 2);

/** Profiles do not change, and programs use few masks: each is laid out once. */
function remembered<T>(layOut: (cpu: CpuProfile, mask: bigint) => T): (cpu: CpuProfile, mask: bigint) => T {
  const known = new WeakMap<CpuProfile, Map<bigint, T>>();
  const add = (cpu: CpuProfile, mask: bigint): T => {
    const own = known.get(cpu) ?? new Map<bigint, T>(), layout = layOut(cpu, mask);
    known.set(cpu, own.set(mask, layout));
    return layout;
  };
  return (cpu, mask) => known.get(cpu)?.get(mask) ?? add(cpu, mask);
}

export interface CompactedLayout {
  readonly offsets: ReadonlyMap<number, number>;
  readonly end: number;
}

/** Bytes of an area in the standard format for the components in `mask`: never less than legacy region and header. */
export const standardBytes = remembered((cpu: CpuProfile, mask: bigint): number =>
  EXTENDED.reduce((end, component) => {
    const layout = has(mask, component) ? componentLayout(cpu, component) : undefined;
    return layout ? Math.max(end, layout[0] + layout[1]) : end;
  }, EXTENDED_REGION));

/**
 * Where each extended component begins in an area in the compacted format with this XCOMP_BV, and where the area ends:
 * one follows the other, on 64 bytes where it asks for that. SDM vol. 1, 13.4.3.
 */
export const compactedLayout = remembered((cpu: CpuProfile, xcompBv: bigint): CompactedLayout => {
  const offsets = new Map<number, number>();
  let end = EXTENDED_REGION;
  for (const component of EXTENDED) {
    const layout = has(xcompBv, component) ? componentLayout(cpu, component) : undefined;
    if (!layout) continue;
    const start = ALIGNED.has(component) ? Math.ceil(end / 64) * 64 : end;
    offsets.set(component, start);
    end = start + layout[0];
  }
  return { offsets, end };
});
