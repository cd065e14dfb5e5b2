/**
 * The registers in a 512-byte FXSAVE image, by name: what a toolstack, or a guest that looks at its own FXSAVE, reads.
 * FOP, FIP and FDP are left out: what a switch does to them has its own policies and its own verdicts. SDM vol. 1,
 * 10.5.1, table 10-2.
 */

import { fromBytes } from '../numbers/bits.ts';
import { LEGACY_BYTES } from '../isa/xsave/legacy-region.ts';

export interface LegacyField {
  readonly name: string;
  readonly offset: number;
  /** In bits. */
  readonly width: number;
}

const numbered = (count: number, field: (n: number) => LegacyField): LegacyField[] =>
  Array.from({ length: count }, (_, n) => field(n));

/** FTW is the abridged tag word: bit j is 1 when physical register Rj is not empty. */
export const LEGACY_FIELDS: readonly LegacyField[] = [
  { name: 'FCW', offset: 0, width: 16 }, { name: 'FSW', offset: 2, width: 16 }, { name: 'FTW', offset: 4, width: 8 },
  { name: 'MXCSR', offset: 24, width: 32 },
  ...numbered(8, (n) => ({ name: `ST${n}`, offset: 32 + 16 * n, width: 80 })),
  ...numbered(16, (n) => ({ name: `XMM${n}`, offset: 160 + 16 * n, width: 128 })),
];

/** The value of a field: a `number` up to 32 bits, a `bigint` beyond. */
export function legacyField(image: Uint8Array, { offset, width }: LegacyField): number | bigint {
  const value = fromBytes(image, offset, width / 8);
  return width <= 32 ? Number(value) : value;
}

/** All fields of an image by name. */
export function readLegacy(image: Uint8Array): Record<string, number | bigint> {
  if (image.length < LEGACY_BYTES) {
    throw new RangeError(`an FXSAVE image has ${LEGACY_BYTES} bytes, this one ${image.length}`);
  }
  return Object.fromEntries(LEGACY_FIELDS.map((field) => [field.name, legacyField(image, field)]));
}
