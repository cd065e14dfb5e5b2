/** The limit check on an access. SDM vol. 3A, 5.3. */

import { ATTRIBUTE } from '../../state/state.ts';

/** Bytes `first` to `last` are not all inside a segment with these attributes and this limit, its type as it is. */
export function outsideLimit(attributes: number, limit: number, first: number, last: number): boolean {
  const { code, expandDownOrConforming } = ATTRIBUTE;
  const expandDown = (attributes & (code | expandDownOrConforming)) === expandDownOrConforming;
  const top = attributes & ATTRIBUTE.big ? 0xffff_ffff : 0xffff;
  return expandDown ? first <= limit || last > top : last > limit;
}

/** The access ends behind the 4 GiB of a flat segment: with a base, the limit check is that of any other segment. */
export const wrapsAround = (attributes: number, base: bigint, limit: number, last: number): boolean =>
  last > 0xffff_ffff && limit === 0xffff_ffff && base === 0n
  && !outsideLimit(attributes, limit, 0xffff_ffff, 0xffff_ffff);
