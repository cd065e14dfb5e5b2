/** Conversions among lanes' formats and integers, and rounding to integers. SDM vol. 1, 11.4.1.6 and 4.9.1. */

import { widened } from '../float80/add.ts';
import {
  DE, MODES, type Outcome, PE, type RoundingMode, exactly, masked, unwritten,
} from '../float80/control.ts';
import { UNIT_EXPONENT, integral, storeInteger, storeIntegerTruncated } from '../float80/integer.ts';
import { type Operand, fromInteger } from '../float80/operand.ts';
import { round } from '../float80/round.ts';
import { normalise } from '../float80/shift.ts';
import { u } from '../bits.ts';
import type { SimdControl } from './control.ts';
import { HALF, type Format, readLane, zeroIn } from './format.ts';
import { nanOf } from './nan.ts';

/** A finite value or a zero that nothing was done to yet, in a format. */
const finite = (to: Format, x: Operand, control: SimdControl, flags: number): Outcome =>
  x.kind === 'zero'
    ? exactly(zeroIn(to.destination, x.sign), flags)
    : round(widened(x), to.destination, control, flags);

/** CVTSI2SS and its kin: from a two's complement integer of `width` bits. */
export const fromIntegerLane = (to: Format, width: 32 | 64, x: bigint, control: SimdControl): Outcome =>
  finite(to, fromInteger(width, x), control, 0);

/**
 * CVTSS2SI and its kin; truncated, CVTTSS2SI. What does not fit, a NaN included, is an invalid operation with the
 * integer indefinite as its result. A denormal operand is no exception here.
 */
export function toIntegerLane(
  from: Format, width: 32 | 64, x: bigint, truncated: boolean, control: SimdControl,
): Outcome {
  const operand = readLane(from, x, control);
  return truncated ? storeIntegerTruncated(operand, width, control) : storeInteger(operand, width, control);
}

/** CVTPS2PD, CVTPD2PS. */
export function convertLane(from: Format, to: Format, x: bigint, control: SimdControl): Outcome {
  const operand = readLane(from, x, control);
  const nan = nanOf(to.destination, [operand], control);
  if (nan) return nan;
  const flags = operand.denormal ? DE : 0;
  if (!masked(flags, control)) return unwritten(flags);
  if (operand.kind === 'infinity') return exactly(to.destination.infinity(operand.sign), flags);
  return finite(to, operand, control, flags);
}

/** VCVTPH2PS: MXCSR.DAZ has no say, and a denormal operand is no exception. SDM vol. 2C, VCVTPH2PS. */
export function fromHalf(to: Format, x: bigint, control: SimdControl): Outcome {
  const outcome = convertLane(HALF, to, x, { ...control, denormalsAreZeros: false, masks: control.masks | DE });
  return { ...outcome, flags: outcome.flags & ~DE };
}

/** VCVTPS2PH: MXCSR.FTZ has no say. `immediate` bit 2 takes the rounding mode from MXCSR, else it is in bits 1:0. */
export const toHalf = (from: Format, x: bigint, immediate: number, control: SimdControl): Outcome =>
  convertLane(from, HALF, x, { ...control, flushToZero: false, mode: modeOf(immediate, control) });

const modeOf = (immediate: number, control: SimdControl): RoundingMode =>
  immediate & 4 ? control.mode : MODES[immediate & 3]!;

/** ROUNDxx: as `toHalf` takes its mode; bit 3 keeps the precision exception quiet. SDM vol. 2B, ROUNDPD. */
export function roundLane(format: Format, x: bigint, immediate: number, control: SimdControl): Outcome {
  const operand = readLane(format, x, control), to = format.destination;
  const nan = nanOf(to, [operand], control);
  if (nan) return nan;
  if (operand.kind === 'infinity') return exactly(to.infinity(operand.sign));
  if (operand.kind === 'zero') return exactly(zeroIn(to, operand.sign));
  if (operand.exponent >= UNIT_EXPONENT) return exactly(u(format.width, x));
  const { kept, inexact } = integral(operand, modeOf(immediate, control));
  const flags = inexact && !(immediate & 8) ? PE : 0;
  if (kept === 0n) return exactly(zeroIn(to, operand.sign), flags);
  const whole = normalise(64, UNIT_EXPONENT, kept);
  return exactly(round(widened({ ...operand, ...whole }), to, control, 0).value, flags);
}
