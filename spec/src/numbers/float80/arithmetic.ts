/** The one shape of all arithmetic: faults found before computing, in the manual's order; the result; its rounding. */

import { type Control, DE, IE, type Outcome, ZE, exactly, masked, response, unwritten } from './control.ts';
import { REGISTER } from './destinations.ts';
import { REAL_INDEFINITE, type Float80, pack } from './format.ts';
import { nanOutcome } from './nan.ts';
import { type Operand, type Source, operand } from './operand.ts';
import { type Unrounded, round } from './round.ts';

/** What is special about one operation; its operands are zero, finite or infinite by then. */
export interface Operation {
  /** The invalid operations of SDM vol. 1, table 8-10. */
  readonly invalid: (x: Operand, y: Operand) => boolean;
  /** The result's sign and size where the operands divide a finite number by zero. */
  readonly zeroDivide?: (x: Operand, y: Operand) => Float80 | undefined;
  /** Results that need no rounding: zeros and infinities. */
  readonly special: (x: Operand, y: Operand, control: Control) => Float80 | undefined;
  readonly compute: (x: Operand, y: Operand) => Unrounded;
}

/** In the order of SDM vol. 1, 4.9.2: NaNs, other invalid operations and zero divide, denormal operands, rounding. */
export function perform(operation: Operation, first: Source, second: Source, control: Control): Outcome {
  const x = operand(first), y = operand(second);
  const nan = nanOutcome(x, y, control);
  if (nan) return nan;
  if (operation.invalid(x, y)) return response(IE, REAL_INDEFINITE, control);
  const quotient = operation.zeroDivide?.(x, y);
  if (quotient !== undefined) return response(ZE, quotient, control);
  const flags = x.denormal || y.denormal ? DE : 0;
  if (!masked(flags, control)) return unwritten(flags);
  const special = operation.special(x, y, control);
  if (special !== undefined) return exactly(special, flags);
  return round(operation.compute(x, y), REGISTER[control.precision], control, flags);
}

export const zeroOf = (sign: number): Float80 => pack(sign, 0, 0n);
export const infinityOf = (sign: number): Float80 => pack(sign, 0x7fff, 0x8000_0000_0000_0000n);
