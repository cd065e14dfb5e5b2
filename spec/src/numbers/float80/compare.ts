/** FCOM, FUCOM and their kin: FCOMI, FICOM, FTST (a comparison with +0). SDM vol. 1, 8.3.6. */

import { int } from '../bits.ts';
import { type Control, DE, IE, type RoundingControl, masked } from './control.ts';
import { isNaN80 } from './nan.ts';
import { type Operand, type Source, operand } from './operand.ts';

export type Relation = 'less' | 'equal' | 'greater' | 'unordered';

export interface Comparison {
  /**
   * Of the first operand to the second. The condition codes, or the flags, are set to it in any case: SDM vol. 2, FCOM
   * says that an unmasked invalid operation does not set them, but Zen 4 was measured to, and Bochs does.
   */
  readonly relation: Relation;
  readonly flags: number;
  /** False where an unmasked exception keeps FCOMP and its kin from popping. */
  readonly pops: boolean;
}

/** −1, 0 or 1. An infinity has the greatest exponent and a zero the least, so magnitudes compare field by field. */
function magnitudeOrder(x: Operand, y: Operand): number {
  if (x.exponent !== y.exponent) return x.exponent < y.exponent ? -1 : 1;
  return x.significand < y.significand ? -1 : x.significand > y.significand ? 1 : 0;
}

/** As `magnitudeOrder`, with signs; zeros are equal whatever theirs. */
function order(x: Operand, y: Operand): number {
  if (x.kind === 'zero' && y.kind === 'zero') return 0;
  if (x.sign !== y.sign) return x.sign === 1 ? -1 : 1;
  return x.sign === 1 ? int(0 - magnitudeOrder(x, y)) : magnitudeOrder(x, y);
}

const RELATIONS: readonly Relation[] = ['less', 'equal', 'greater'];

/** `quietIsInvalid`: any NaN is an invalid operation, not only a signalling one. */
export function relate(
  first: Source, second: Source, control: RoundingControl, quietIsInvalid: boolean,
): Comparison {
  const x = operand(first), y = operand(second);
  const unsupported = x.kind === 'unsupported' || y.kind === 'unsupported';
  const signalling = x.kind === 'signalling NaN' || y.kind === 'signalling NaN';
  const nan = isNaN80(x) || isNaN80(y);
  if (unsupported || nan) {
    const flags = unsupported || signalling || quietIsInvalid ? IE : 0;
    return { relation: 'unordered', flags, pops: masked(flags, control) };
  }
  const flags = x.denormal || y.denormal ? DE : 0;
  return { relation: RELATIONS[order(x, y) + 1]!, flags, pops: masked(flags, control) };
}

/** FCOM: any NaN is an invalid operation. */
export const compare = (x: Source, y: Source, control: Control): Comparison => relate(x, y, control, true);

/** FUCOM: only a signalling NaN is. */
export const compareUnordered = (x: Source, y: Source, control: Control): Comparison => relate(x, y, control, false);
