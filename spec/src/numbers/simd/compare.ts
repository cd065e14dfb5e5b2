/** CMPxx, COMISx, UCOMISx, MIN and MAX of a lane. */

import { u } from '../bits.ts';
import { type Comparison, type Relation, relate } from '../float80/compare.ts';
import { type Outcome, exactly } from '../float80/control.ts';
import type { Operand } from '../float80/operand.ts';
import type { Binary } from './arithmetic.ts';
import type { SimdControl } from './control.ts';
import { type Format, readLane, zeroIn } from './format.ts';

/** COMISx: any NaN is an invalid operation. UCOMISx: only a signalling one is. */
export const compareLanes = (
  format: Format, x: bigint, y: bigint, quietIsInvalid: boolean, control: SimdControl,
): Comparison => relate(readLane(format, x, control), readLane(format, y, control), control, quietIsInvalid);

const RELATION_BITS: Readonly<Record<Relation, number>> = { less: 1, equal: 2, greater: 4, unordered: 8 };

/** Relations for which predicates 0 to 15 are true: EQ, LT, LE, UNORD, NEQ, NLT, NLE, ORD; then EQ_UQ to TRUE. */
const PREDICATES: readonly number[] = [2, 1, 3, 8, 13, 14, 12, 7, 10, 9, 11, 0, 5, 6, 4, 15];

/** Predicates 0 to 15 to which any NaN is an invalid operation. Those of 16 to 31 are the others. */
const SIGNALLING = 0b0110_0110_0110_0110;

/** CMPxx: all ones or all zeros. `predicate` is the low five bits of the immediate. SDM vol. 2A, table 3-1. */
export function compareTo(format: Format, x: bigint, y: bigint, predicate: number, control: SimdControl): Outcome {
  const signalling = ((SIGNALLING >> (predicate & 15)) & 1) !== predicate >> 4;
  const { relation, flags } = compareLanes(format, x, y, signalling, control);
  const holds = (PREDICATES[predicate & 15]! & RELATION_BITS[relation]) !== 0;
  return exactly(holds ? u(format.width, -1n) : 0n, flags);
}

/**
 * The second operand where one is a NaN, which is an invalid operation even if quiet, and where both are zeros. It is
 * passed on as it is. SDM vol. 2B, MINPS.
 */
const extreme = (wanted: Relation): Binary => (format, x, y, control) => {
  const first = readLane(format, x, control), second = readLane(format, y, control);
  const { relation, flags } = relate(first, second, control, true);
  return exactly(relation === wanted ? valueOf(format, first, x) : valueOf(format, second, y), flags);
};

/** The lane as it was, but for what MXCSR.DAZ has made a zero. */
const valueOf = (format: Format, x: Operand, bits: bigint): bigint =>
  x.kind === 'zero' ? zeroIn(format.destination, x.sign) : bits;

export const minimum = extreme('less');
export const maximum = extreme('greater');
