/** Where the components of an area are, in either format. SDM vol. 1, 13.4.2 and 13.4.3. */

import { u } from '../../numbers/bits.ts';
import type { CpuProfile } from '../../cpus/profile.ts';
import { compactedLayout, componentLayout, standardBytes } from '../../cpus/xsave-layout.ts';

/** XCOMP_BV[63]: the area is in the compacted format. */
export const COMPACTED = u(64, 1n << 63n);

export interface AreaLayout {
  readonly end: number;
  /** Where a component begins: the legacy region for components 0 and 1, which have their places in it. */
  readonly start: (component: number) => number;
}

/** The layout of an area with this XCOMP_BV, as far as the components of `mask` reach. */
export function areaLayout(cpu: CpuProfile, xcompBv: bigint, mask: bigint): AreaLayout {
  if (xcompBv & COMPACTED) {
    const wanted = u(63, xcompBv) & mask;
    const { offsets, end } = compactedLayout(cpu, u(wanted.toString(2).length, xcompBv));
    return { end, start: (component) => offsets.get(component) ?? 0 };
  }
  return {
    end: standardBytes(cpu, mask), start: (component) => (component < 2 ? 0 : componentLayout(cpu, component)![1]),
  };
}
