/** Half, single and double precision as lanes of a vector hold them. SDM vol. 1, 4.2.2 and 4.8. */

import type { Target } from '../float80/arithmetic.ts';
import { FLOAT16, FLOAT32, FLOAT64 } from '../float80/destinations.ts';
import { exponentOf, signOf } from '../float80/format.ts';
import { type Operand, fromFloat16, fromFloat32, fromFloat64, zero } from '../float80/operand.ts';
import type { Destination } from '../float80/round.ts';
import { indefiniteIn } from '../float80/store.ts';
import type { SimdControl } from './control.ts';
import { nanOf } from './nan.ts';

export interface Format extends Target {
  /** Bits of a lane. */
  readonly width: 16 | 32 | 64;
  readonly unpack: (bits: bigint) => Operand;
}

const format = (width: Format['width'], unpack: Format['unpack'], destination: Destination): Format => ({
  width,
  unpack,
  destination,
  indefinite: indefiniteIn(destination),
  nan: (x, y, control) => nanOf(destination, [x, y], control),
  special: (x) => (exponentOf(x) === 0 ? zeroIn(destination, signOf(x)) : destination.infinity(signOf(x))),
});

/** A zero in the destination's format. */
export const zeroIn = (to: Destination, sign: number): bigint => to.encode(sign, to.leastExponent, 0n);

/** F16C only converts it. */
export const HALF = format(16, fromFloat16, FLOAT16);
export const SINGLE = format(32, fromFloat32, FLOAT32);
export const DOUBLE = format(64, fromFloat64, FLOAT64);

/** A zero of the operand's sign, where it is denormal and MXCSR.DAZ is 1: that goes before everything else. */
export const flushed = (x: Operand, control: SimdControl): Operand =>
  x.denormal && control.denormalsAreZeros ? zero(x.sign) : x;

export const readLane = (from: Format, bits: bigint, control: SimdControl): Operand =>
  flushed(from.unpack(bits), control);
