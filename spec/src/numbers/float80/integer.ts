/** FIST, FISTP, FISTTP and FRNDINT. */

import { int, signBit, u } from '../bits.ts';
import {
  type Control, type Outcome, type RoundingControl, type RoundingMode, DE, IE, PE, exactly, masked, response, unwritten,
} from './control.ts';
import { BIAS, pack } from './format.ts';
import { nanOutcome } from './nan.ts';
import { type Operand, type Source, operand, toFloat80 } from './operand.ts';
import { type RoundedBits, dropBits } from './round.ts';
import { normalise, shiftRightSticky } from './shift.ts';

/** Exponent of the values whose last bit is worth 1: these and larger ones are integers already. */
export const UNIT_EXPONENT = BIAS + 63;

/** The magnitude of a zero or finite value below 2^64, as an integer. */
export function integral(x: Operand, mode: RoundingMode): RoundedBits {
  const fixed = shiftRightSticky(u(128, x.significand << 64n), int(UNIT_EXPONENT - x.exponent));
  return dropBits(x.sign, fixed, 64, mode);
}

/** Two's complement in `width` bits; out of range, the integer indefinite: the least value. SDM vol. 1, 8.2.1. */
function convert(source: Source, width: 16 | 32 | 64, mode: RoundingMode, control: RoundingControl): Outcome {
  const x = operand(source), least = signBit(width);
  const number = x.kind === 'zero' || x.kind === 'finite';
  if (!number || x.exponent > UNIT_EXPONENT) return response(IE, least, control);
  const { kept, inexact, up } = integral(x, mode);
  const fits = x.sign === 1 ? kept <= least : kept < least;
  if (!fits) return response(IE, least, control);
  const value = u(width, x.sign === 1 ? u(width, -kept) : kept);
  return { written: true, value, flags: inexact ? PE : 0, c1: up ? 1 : 0 };
}

/** FIST and FISTP. */
export const storeInteger = (x: Source, width: 16 | 32 | 64, control: RoundingControl): Outcome =>
  convert(x, width, control.mode, control);

/** FISTTP. */
export const storeIntegerTruncated = (x: Source, width: 16 | 32 | 64, control: RoundingControl): Outcome =>
  convert(x, width, 'zero', control);

/** FRNDINT. Precision control has no say here. */
export function roundToInteger(source: Source, control: Control): Outcome {
  const x = operand(source);
  const nan = nanOutcome(x, x, control);
  if (nan) return nan;
  const flags = x.denormal ? DE : 0;
  if (!masked(flags, control)) return unwritten(flags);
  if (x.kind !== 'finite' || x.exponent >= UNIT_EXPONENT) return exactly(toFloat80(x), flags);
  const { kept, inexact, up } = integral(x, control.mode);
  const whole = kept === 0n ? { exponent: 0, significand: 0n } : normalise(64, UNIT_EXPONENT, kept);
  const value = pack(x.sign, whole.exponent, whole.significand);
  return { written: true, value, flags: inexact ? flags | PE : flags, c1: up ? 1 : 0 };
}
