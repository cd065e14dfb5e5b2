/** NaN operands: the first one is passed on, quiet or not. SDM vol. 1, 4.8.3.5 and table 4-7. */

import { IE, type Outcome, type RoundingControl, exactly, response } from '../float80/control.ts';
import { isNaN80 as isNaN } from '../float80/nan.ts';
import type { Operand } from '../float80/operand.ts';
import type { Destination } from '../float80/round.ts';
import { nanIn } from '../float80/store.ts';

/**
 * The outcome where at least one operand is a NaN, made quiet and cut to the destination's width: a signalling one
 * anywhere is an invalid operation.
 */
export function nanOf(to: Destination, operands: readonly Operand[], control: RoundingControl): Outcome | undefined {
  const nan = operands.find(isNaN);
  if (!nan) return undefined;
  const value = nanIn(to, nan);
  return operands.some(({ kind }) => kind === 'signalling NaN') ? response(IE, value, control) : exactly(value);
}

export { isNaN };
