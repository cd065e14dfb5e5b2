/** The limit check on an access, and what it is around 4 GiB. SDM vol. 3A, 5.3. */

import { u } from '../../numbers/bits.ts';
import { ATTRIBUTE } from '../../state/state.ts';
import type { Mode } from '../instruction.ts';

/** Bytes `first` to `last` are not all inside a segment with these attributes and this limit, its type as it is. */
export function outsideLimit(attributes: number, limit: number, first: number, last: number): boolean {
  const { code, expandDownOrConforming } = ATTRIBUTE;
  const expandDown = (attributes & (code | expandDownOrConforming)) === expandDownOrConforming;
  const top = attributes & ATTRIBUTE.big ? 0xffff_ffff : 0xffff;
  return expandDown ? first <= limit || last > top : last > limit;
}

/** The access begins within the 4 GiB of an expand-up segment without a limit and ends behind them. */
export const wrapsAround = (attributes: number, limit: number, last: number): boolean =>
  last > 0xffff_ffff && limit === 0xffff_ffff && !outsideLimit(attributes, limit, 0xffff_ffff, 0xffff_ffff);

/** The linear address `bytes` bytes behind another: outside 64-bit mode 0 follows 4 GiB. */
export const further = (mode: Mode, linear: bigint, bytes: number): bigint =>
  u(mode === 64 ? 64 : 32, linear + BigInt(bytes));

/** What is not known of other processors. SDM vol. 3A, 5.3. */
export const wrapUnknown = (name: string): string =>
  'an access that begins below 4 GiB in a flat segment and ends above: a Sapphire Rapids class Xeon goes on at 0, '
    + `a Zen 4 raises #GP or #SS, ${name} was not measured`;
