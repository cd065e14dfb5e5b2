/** FLD from memory, FILD. An 80-bit load copies the pattern and raises nothing. SDM vol. 2, FLD and FILD. */

import { type Control, DE, IE, type Outcome, exactly, response } from './control.ts';
import type { Float80 } from './format.ts';
import { quieted } from './nan.ts';
import { type Operand, fromFloat32, fromFloat64, fromInteger, toFloat80 } from './operand.ts';

/**
 * A denormal is pushed in normalised form even where the denormal-operand exception is unmasked: SDM vol. 1, 8.5.2
 * has TOP unchanged then, but Zen 4 was measured to push, and Bochs does.
 */
function load(x: Operand, control: Control): Outcome {
  if (x.kind === 'signalling NaN') return response(IE, toFloat80(quieted(x)), control);
  return exactly(toFloat80(x), x.denormal ? DE : 0);
}

export const loadFloat32 = (x: bigint, control: Control): Outcome => load(fromFloat32(x), control);
export const loadFloat64 = (x: bigint, control: Control): Outcome => load(fromFloat64(x), control);

/** A two's complement integer of `width` bits, 16, 32 or 64. */
export const loadInteger = (width: 16 | 32 | 64, x: bigint): Float80 => toFloat80(fromInteger(width, x));
