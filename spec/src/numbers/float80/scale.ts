/** FSCALE and FXTRACT. SDM vol. 2A, 3.2, FSCALE and FXTRACT. */

import { int, u } from '../bits.ts';
import { type X87Operation, infinityOf, perform, zeroOf } from './arithmetic.ts';
import { type Control, OE, type Outcome, PE, UE, exactly, masked } from './control.ts';
import { REGISTER } from './destinations.ts';
import { BIAS, type Float80, GREATEST_EXPONENT, pack } from './format.ts';
import { loadInteger } from './load.ts';
import { type Operand, type Source, operand, toFloat80 } from './operand.ts';
import { TRAPPED_EXPONENT_ADJUSTMENT, round } from './round.ts';

/** Enough to bring any value out of range. */
const FARTHEST = 0x1_0000;

/** The integer part, and not more than has an effect. */
function truncated({ sign, exponent, significand }: Operand): number {
  const shift = int(BIAS + 63 - exponent);
  const magnitude = shift > 63 ? 0 : shift < 47 ? FARTHEST : Math.min(FARTHEST, Number(significand >> BigInt(shift)));
  return sign === 1 ? -magnitude : magnitude;
}

const FARTHEST_TRAPPED = int(GREATEST_EXPONENT - 1 + TRAPPED_EXPONENT_ADJUSTMENT);

const scaling: X87Operation = {
  invalid: (x, y) => y.kind === 'infinity' && x.kind === (y.sign === 1 ? 'infinity' : 'zero'),
  special(x, y) {
    if (x.kind !== 'finite') return toFloat80(x);
    return y.kind !== 'infinity' ? undefined : y.sign === 1 ? zeroOf(x.sign) : infinityOf(x.sign);
  },
  compute(x, y, control, flags) {
    const exponent = int(x.exponent + (y.kind === 'zero' ? 0 : truncated(y)));
    const value = { sign: x.sign, exponent, significand: u(128, x.significand << 64n) };
    // Unmasked, what is out of range even when scaled back is an infinity or a zero. SDM vol. 1, 8.5.4 and 8.5.5.
    const overflows = !masked(OE, control) && exponent > FARTHEST_TRAPPED;
    const underflows = !masked(UE, control) && exponent <= -TRAPPED_EXPONENT_ADJUSTMENT;
    if (overflows) return { ...exactly(infinityOf(x.sign), flags | OE | PE), c1: 1 };
    if (underflows) return exactly(zeroOf(x.sign), flags | UE | PE);
    // Scaled by zero, a denormal operand is handed back, and is no underflow even where that is not masked.
    const masks = y.kind === 'zero' ? control.masks | UE : control.masks;
    return round(value, REGISTER[64], { ...control, masks }, flags);
  },
};

/** `x` times 2 to the power of the integer part of `y`. */
export const scale = (x: Source, y: Source, control: Control): Outcome => perform(scaling, x, y, control);

export interface Extracted extends Outcome {
  /** The exponent as a number; `value` is the significand, with the sign. */
  readonly exponent: Float80;
}

/** A value as an exponent and a significand from 1 to 2. Zero is a zero divide, with an exponent of −∞. */
export function extract(source: Source, control: Control): Extracted {
  const x = operand(source);
  const significand: X87Operation = {
    invalid: () => false,
    zeroDivide: () => (x.kind === 'zero' ? zeroOf(x.sign) : undefined),
    special: () => (x.kind === 'infinity' ? infinityOf(x.sign) : pack(x.sign, BIAS, x.significand)),
    compute: () => ({ sign: 0, exponent: 0, significand: 0n }),
  };
  const outcome = perform(significand, x, x, control);
  const exponent = x.kind === 'zero' ? infinityOf(1) : x.kind === 'infinity' ? infinityOf(0)
    : x.kind === 'finite' ? loadInteger(32, u(32, BigInt(int(x.exponent - BIAS)))) : outcome.value;
  return { ...outcome, exponent };
}
