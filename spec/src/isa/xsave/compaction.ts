/** The compacted format: components follow one another in the order of XCOMP_BV. SDM vol. 1, 13.4.3. */

import { int, u } from '../../numbers/bits.ts';
import { HEADER_END, areaBytes } from './area.ts';
import { COMPONENTS, type Component } from './components.ts';

/** XCOMP_BV[63]: the area is in the compacted format. */
export const COMPACTED = u(64, 1n << 63n);

const has = (mask: bigint, { number }: Component): boolean => ((mask >> BigInt(number)) & 1n) === 1n;

/**
 * Where each component begins in an area with this XCOMP_BV, and where the area ends. No component here asks for
 * alignment.
 */
export function compactedLayout(xcompBv: bigint): {
  readonly offsets: ReadonlyMap<number, number>;
  readonly end: number;
} {
  const offsets = new Map<number, number>();
  let end = HEADER_END;
  for (const component of COMPONENTS) {
    // Components 0 and 1 have their places in the legacy region.
    offsets.set(component.number, component.number < 2 ? component.offset : end);
    if (component.number >= 2 && has(xcompBv, component)) end = int(end) + int(component.size);
  }
  return { offsets, end };
}

/** An image in the compacted format as the standard format has it: what the components load from. */
export function expanded(image: Uint8Array, xcompBv: bigint): Uint8Array {
  const standard = new Uint8Array(areaBytes(u(63, xcompBv)));
  standard.set(image.subarray(0, HEADER_END));
  const { offsets } = compactedLayout(xcompBv);
  for (const component of COMPONENTS) {
    const from = offsets.get(component.number)!;
    if (component.number >= 2 && has(xcompBv, component)) {
      standard.set(image.subarray(from, int(from) + int(component.size)), component.offset);
    }
  }
  return standard;
}
