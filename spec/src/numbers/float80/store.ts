/** FST and FSTP to single and double precision. SDM vol. 1, 4.8.3 to 4.9; vol. 2, FST. */

import { u } from '../bits.ts';
import { widened } from './add.ts';
import { type Control, IE, type Outcome, PE, exactly, response } from './control.ts';
import { FLOAT32, FLOAT64 } from './destinations.ts';
import { quieted } from './nan.ts';
import { type Operand, type Source, operand } from './operand.ts';
import { type Destination, round } from './round.ts';

/** The NaN's fraction cut to the format's width: the destination's infinity with those bits set. */
export function nanIn(to: Destination, x: Operand): bigint {
  const fraction = u(63, quieted(x).significand) >> BigInt(64 - to.precision);
  return to.infinity(x.sign) | fraction;
}

/** The format's real indefinite: negative, with only the quiet bit set. */
export const indefiniteIn = (to: Destination): bigint => to.infinity(1) | u(64, 1n << BigInt(to.precision - 2));

/** A denormal operand is no exception here: the least double extended-precision denormal simply underflows. */
function store(source: Source, to: Destination, control: Control): Outcome {
  const x = operand(source);
  switch (x.kind) {
    case 'unsupported': return response(IE, indefiniteIn(to), control);
    case 'signalling NaN': return response(IE, nanIn(to, x), control);
    case 'quiet NaN': return exactly(nanIn(to, x));
    case 'infinity': return exactly(to.infinity(x.sign));
    case 'zero': return exactly(to.encode(x.sign, to.leastExponent, 0n));
    case 'finite': {
      const outcome = round(widened(x), to, control, 0);
      // What is not stored is not rounded either: unlike SIMD, the x87 leaves PE alone. Measured on Zen 4.
      return outcome.written ? outcome : { ...outcome, flags: outcome.flags & ~PE };
    }
  }
}

export const storeFloat32 = (x: Source, control: Control): Outcome => store(x, FLOAT32, control);
export const storeFloat64 = (x: Source, control: Control): Outcome => store(x, FLOAT64, control);
