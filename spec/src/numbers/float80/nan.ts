/** NaN operands: SDM vol. 1, 4.8.3.5 and table 4-7. */

import { IE, type Outcome, type RoundingControl, exactly, response } from './control.ts';
import { QUIET_BIT, REAL_INDEFINITE } from './format.ts';
import { type Operand, toFloat80 } from './operand.ts';

export const isNaN80 = (x: Operand): boolean => x.kind === 'quiet NaN' || x.kind === 'signalling NaN';

/** A signalling NaN becomes quiet by setting the most significant bit of its fraction. */
export const quieted = (x: Operand): Operand => ({ ...x, kind: 'quiet NaN', significand: x.significand | QUIET_BIT });

/** Of two NaNs of one kind the one with the larger significand; of equal ones the positive. */
function larger(x: Operand, y: Operand): Operand {
  if (x.significand !== y.significand) return x.significand > y.significand ? x : y;
  return x.sign < y.sign ? x : y;
}

/** The NaN that an operation passes on where at least one operand is one: a quiet one before a signalling one. */
function propagated(x: Operand, y: Operand): Operand {
  if (!isNaN80(y)) return x;
  if (!isNaN80(x)) return y;
  return x.kind === y.kind ? larger(x, y) : x.kind === 'quiet NaN' ? x : y;
}

/**
 * The outcome that the operands' encodings alone decide, in the order of SDM vol. 1, 4.9.2: an unsupported encoding,
 * a signalling NaN, a quiet NaN. Absent where both are numbers.
 */
export function nanOutcome(x: Operand, y: Operand, control: RoundingControl): Outcome | undefined {
  if (x.kind === 'unsupported' || y.kind === 'unsupported') return response(IE, REAL_INDEFINITE, control);
  if (!isNaN80(x) && !isNaN80(y)) return undefined;
  const value = toFloat80(quieted(propagated(x, y)));
  const signalling = x.kind === 'signalling NaN' || y.kind === 'signalling NaN';
  return signalling ? response(IE, value, control) : exactly(value);
}
