/** FMA: a product and a sum with one rounding. SDM vol. 1, 14.5.1 and tables 14-16 and 14-17. */

import { addUnrounded, cancels, negated, widened } from '../float80/add.ts';
import { DE, IE, type Outcome, exactly, masked, response, unwritten } from '../float80/control.ts';
import { multiplied, product } from '../float80/multiply.ts';
import type { Operand } from '../float80/operand.ts';
import { type Unrounded, round } from '../float80/round.ts';
import type { SimdControl } from './control.ts';
import { type Format, readLane, zeroIn } from './format.ts';
import { nanOf } from './nan.ts';

export interface Signs {
  /** The product is negated: FNMADD and FNMSUB. */
  readonly negateProduct: boolean;
  /** The third operand is negated: FMSUB and FNMSUB. */
  readonly negateAddend: boolean;
}

/** `±(x × y) ± z`. A NaN among them is passed on in this order. */
export function fusedMultiplyAdd(
  format: Format, multiplicand: bigint, multiplier: bigint, addend: bigint, signs: Signs, control: SimdControl,
): Outcome {
  const x = readLane(format, multiplicand, control), y = readLane(format, multiplier, control);
  const third = readLane(format, addend, control);
  const nan = nanOf(format.destination, [x, y, third], control);
  if (nan) return nan;
  const z = signs.negateAddend ? negated(third) : third;
  const sign = x.sign ^ y.sign ^ (signs.negateProduct ? 1 : 0);
  const infinite = x.kind === 'infinity' || y.kind === 'infinity';
  if (product.invalid(x, y) || (infinite && z.kind === 'infinity' && z.sign !== sign)) {
    return response(IE, format.indefinite, control);
  }
  const flags = x.denormal || y.denormal || z.denormal ? DE : 0;
  if (!masked(flags, control)) return unwritten(flags);
  if (infinite || z.kind === 'infinity') return exactly(format.destination.infinity(infinite ? sign : z.sign), flags);
  const total = x.kind === 'zero' || y.kind === 'zero'
    ? addToZero(sign, z, control)
    : addTo(productOf(x, y, sign), z, control);
  return typeof total === 'number'
    ? exactly(zeroIn(format.destination, total), flags)
    : round(total, format.destination, control, flags);
}

const productOf = (x: Operand, y: Operand, sign: number): Unrounded => ({ ...multiplied(x, y), sign });

/** The sign of a sum that cancels out: a number where the result is a zero. */
const cancelled = (control: SimdControl): number => (control.mode === 'down' ? 1 : 0);

const addToZero = (sign: number, z: Operand, control: SimdControl): Unrounded | number => {
  if (z.kind !== 'zero') return widened(z);
  return z.sign === sign ? sign : cancelled(control);
};

function addTo(x: Unrounded, z: Operand, control: SimdControl): Unrounded | number {
  if (z.kind === 'zero') return x;
  const y = widened(z);
  return cancels(x, y) ? cancelled(control) : addUnrounded(x, y);
}
