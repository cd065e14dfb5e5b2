/** Comparing a guest after a world switch with the same guest on bare metal. */

import type { MemoryDifference } from '../machine/memory/difference.ts';
import { type FieldDifference, differences } from '../state/state.ts';
import { hex } from '../numbers/bits.ts';
import type { Difference, FieldValue } from './verdict.ts';

const valueOf = (width: number, value: bigint): FieldValue => (width <= 32 ? Number(value) : value);

/** `FIP[63:32]` where the low half agrees, else the field's own name. */
function labelOf({ field, before, after }: FieldDifference): string {
  return field.width === 64 && BigInt.asUintN(32, before) === BigInt.asUintN(32, after)
    ? `${field.name}[63:32]`
    : field.name;
}

/** A field's difference as data, of kind `lost`. */
export const asDifference = (difference: FieldDifference): Difference => ({
  field: difference.field.name,
  label: labelOf(difference),
  width: difference.field.width,
  bareMetal: valueOf(difference.field.width, difference.before),
  underPolicy: valueOf(difference.field.width, difference.after),
  kind: 'lost',
});

/**
 * Differences in registers, and in those bytes of the guest's memory that were written, as data, all of kind `lost`.
 * Tracking state is no value and left out.
 */
export function guestDifferences(
  bareMetal: Uint8Array, underPolicy: Uint8Array, written: readonly MemoryDifference[],
): Difference[] {
  const fields = differences(bareMetal, underPolicy).map(asDifference);
  const memory = written.map(({ linear, before, after }): Difference => ({
    field: 'memory', label: `memory at ${hex(linear)}`, width: 8, bareMetal: before[0]!, underPolicy: after[0]!,
    kind: 'lost',
  }));
  return [...fields, ...memory];
}

/** Marks as `leaked` what another neighbour would have changed. */
export function markLeaks(differences: readonly Difference[], withOtherNeighbour: readonly Difference[]): Difference[] {
  const other = new Map(withOtherNeighbour.map((difference) => [difference.label, difference.underPolicy]));
  return differences.map((difference) => ({
    ...difference,
    kind: other.has(difference.label) && other.get(difference.label) === difference.underPolicy ? 'lost' : 'leaked',
  }));
}
