/** The one shape of all arithmetic: faults found before computing, in the manual's order; the result; its rounding. */

import {
  type Control, DE, IE, type Outcome, type RoundingControl, type X87Precision, ZE, exactly, masked, response, unwritten,
} from './control.ts';
import { REGISTER } from './destinations.ts';
import { REAL_INDEFINITE, type Float80, pack } from './format.ts';
import { nanOutcome } from './nan.ts';
import { type Operand, type Source, operand } from './operand.ts';
import { type Destination, type Unrounded, round } from './round.ts';

/** What is special about one operation; its operands are zero, finite or infinite by then. */
interface Rules {
  /** The invalid operations of SDM vol. 1, table 8-10. */
  readonly invalid: (x: Operand, y: Operand) => boolean;
  /** The result's sign and size where the operands divide a finite number by zero. */
  readonly zeroDivide?: (x: Operand, y: Operand) => Float80 | undefined;
  /** Results that need no rounding: zeros and infinities. */
  readonly special: (x: Operand, y: Operand, control: RoundingControl) => Float80 | undefined;
}

/** One whose exact result is rounded to the target's format. */
export interface Operation extends Rules {
  readonly compute: (x: Operand, y: Operand) => Unrounded;
}

/** One of the x87 unit alone, that may round by itself: the functions, whose exact result has no end. */
export interface X87Operation extends Rules {
  readonly compute: (x: Operand, y: Operand, control: Control, flags: number) => Unrounded | Outcome;
}

/** What is special about where a result goes: the x87's registers, or a format of SIMD floating-point. */
export interface Target {
  /** The outcome that NaN operands decide; absent where there are none. */
  readonly nan: (x: Operand, y: Operand, control: RoundingControl) => Outcome | undefined;
  /** The QNaN that is the masked response to an invalid operation. */
  readonly indefinite: bigint;
  /** A zero or an infinity, in the target's format. */
  readonly special: (x: Float80) => bigint;
  readonly destination: Destination;
}

const x87 = (precision: X87Precision): Target =>
  ({ nan: nanOutcome, indefinite: REAL_INDEFINITE, special: (x) => x, destination: REGISTER[precision] });
const X87: Readonly<Record<X87Precision, Target>> = { 24: x87(24), 53: x87(53), 64: x87(64) };

/** In the order of SDM vol. 1, 4.9.2: NaNs, other invalid operations and zero divide, denormal operands, rounding. */
function respond(
  target: Target, rules: Rules, x: Operand, y: Operand, control: RoundingControl,
  compute: (flags: number) => Unrounded | Outcome,
): Outcome {
  const nan = target.nan(x, y, control);
  if (nan) return nan;
  if (rules.invalid(x, y)) return response(IE, target.indefinite, control);
  const quotient = rules.zeroDivide?.(x, y);
  if (quotient !== undefined) return response(ZE, target.special(quotient), control);
  const flags = x.denormal || y.denormal ? DE : 0;
  if (!masked(flags, control)) return unwritten(flags);
  const special = rules.special(x, y, control);
  if (special !== undefined) return exactly(target.special(special), flags);
  const result = compute(flags);
  return 'written' in result ? result : round(result, target.destination, control, flags);
}

export const performIn = (
  target: Target, operation: Operation, x: Operand, y: Operand, control: RoundingControl,
): Outcome => respond(target, operation, x, y, control, () => operation.compute(x, y));

export function perform(operation: X87Operation, first: Source, second: Source, control: Control): Outcome {
  const x = operand(first), y = operand(second);
  return respond(X87[control.precision], operation, x, y, control, (flags) => operation.compute(x, y, control, flags));
}

export const zeroOf = (sign: number): Float80 => pack(sign, 0, 0n);
export const infinityOf = (sign: number): Float80 => pack(sign, 0x7fff, 0x8000_0000_0000_0000n);
