/**
 * Rounding, overflow and underflow, for x87 registers, for memory and for SIMD floating-point. SDM vol. 1, 4.8.4, 8.5.4
 * to 8.5.6 and 11.5.2.
 */

import { int, u } from '../bits.ts';
import {
  type Outcome, type Precision, type RoundingControl, type RoundingMode, OE, PE, UE, exactly, masked, unwritten,
} from './control.ts';
import { COUNT, POWER, normalise, shiftRightSticky } from './shift.ts';

/** A nonzero finite value before rounding: 128-bit significand, bit 127 set, bit 0 sticky; exponent biased by 3FFFh. */
export interface Unrounded {
  readonly sign: number;
  readonly exponent: number;
  readonly significand: bigint;
}

/** A nonzero value of 128 bits, with its top bit set. */
export function normalised(sign: number, exponent: number, significand: bigint): Unrounded {
  const normal = normalise(128, exponent, significand);
  return { sign, exponent: normal.exponent, significand: normal.significand };
}

/** Where a result goes: the exponents it can hold, the bits it is rounded to, its encodings. */
export interface Destination {
  readonly precision: Precision;
  /** Biased by 3FFFh. */
  readonly leastExponent: number;
  readonly greatestExponent: number;
  /**
   * Memory, as an XMM register, is left as it was on unmasked overflow and underflow; an x87 register gets the result
   * scaled by 2^±24576.
   */
  readonly memory: boolean;
  /** `significand` has `precision` bits; where its top bit is 0, the value is denormal or zero. */
  readonly encode: (sign: number, exponent: number, significand: bigint) => bigint;
  readonly infinity: (sign: number) => bigint;
}

/** SDM vol. 1, 8.5.4 and 8.5.5: brings the exponent of a trapped result back to the middle of the range. */
export const TRAPPED_EXPONENT_ADJUSTMENT = 24576;

export interface RoundedBits {
  /** What is left above the dropped bits; a carry may make it one bit longer. */
  readonly kept: bigint;
  readonly inexact: boolean;
  /** The magnitude was increased. */
  readonly up: boolean;
}

/** Drops the low `count` bits of a 128-bit significand, 1 to 127, in the given mode. SDM vol. 1, table 4-8. */
export function dropBits(sign: number, significand: bigint, count: number, mode: RoundingMode): RoundedBits {
  const kept = significand >> COUNT[count]!;
  const rest = u(count, significand), half = POWER[count - 1]!;
  const inexact = rest !== 0n;
  const up =
    mode === 'nearest' ? rest > half || (rest === half && u(1, kept) === 1n)
    : mode === 'up' ? inexact && sign === 0
    : mode === 'down' ? inexact && sign === 1
    : false;
  return { kept: up ? u(128, kept + 1n) : kept, inexact, up };
}

interface Rounded {
  readonly exponent: number;
  readonly significand: bigint;
  readonly inexact: boolean;
  readonly up: boolean;
}

/** As if the exponent were unbounded: `significand` has exactly `precision` bits. */
function roundUnbounded(x: Unrounded, precision: Precision, mode: RoundingMode): Rounded {
  const { kept, inexact, up } = dropBits(x.sign, x.significand, int(128 - precision), mode);
  const carry = up && kept === POWER[precision];
  return { exponent: carry ? int(x.exponent + 1) : x.exponent, significand: carry ? kept >> 1n : kept, inexact, up };
}

/** Rounds `x` into its destination. `flags` are those that computing it has raised so far. */
export function round(x: Unrounded, to: Destination, control: RoundingControl, flags: number): Outcome {
  const rounded = roundUnbounded(x, to.precision, control.mode);
  // Tininess is detected after rounding as if the exponent were unbounded. SDM vol. 1, 4.9.1.5.
  if (rounded.exponent < to.leastExponent) return underflow(x, rounded, to, control, flags);
  if (rounded.exponent > to.greatestExponent) return overflow(x.sign, rounded, to, control, flags);
  return deliver(x.sign, rounded, to, flags);
}

function deliver(sign: number, rounded: Rounded, to: Destination, flags: number): Outcome {
  const value = to.encode(sign, rounded.exponent, rounded.significand);
  return { written: true, value, flags: rounded.inexact ? flags | PE : flags, c1: rounded.up ? 1 : 0 };
}

/** Masked, underflow is signalled only where the denormal result is also inexact; unmasked, wherever it is tiny. */
function underflow(x: Unrounded, rounded: Rounded, to: Destination, control: RoundingControl, flags: number): Outcome {
  if (!masked(UE, control)) return trapped(x.sign, rounded, TRAPPED_EXPONENT_ADJUSTMENT, to, flags | UE);
  // Flush-to-zero takes every tiny result, an exact one too. SDM vol. 1, 10.2.3.3.
  if (control.flushToZero) return exactly(to.encode(x.sign, to.leastExponent, 0n), flags | UE | PE);
  const denormal = shiftRightSticky(x.significand, int(to.leastExponent - x.exponent));
  const { kept, inexact, up } = dropBits(x.sign, denormal, int(128 - to.precision), control.mode);
  const result = { exponent: to.leastExponent, significand: kept, inexact, up };
  return deliver(x.sign, result, to, inexact ? flags | UE : flags);
}

/** Masked, the result is infinity or the greatest finite value, as the rounding mode has it. SDM vol. 1, table 4-10. */
function overflow(sign: number, rounded: Rounded, to: Destination, control: RoundingControl, flags: number): Outcome {
  if (!masked(OE, control)) return trapped(sign, rounded, -TRAPPED_EXPONENT_ADJUSTMENT, to, flags | OE);
  const away = control.mode === 'nearest' || control.mode === (sign === 0 ? 'up' : 'down');
  const greatest = u(64, POWER[to.precision]! - 1n);
  const value = away ? to.infinity(sign) : to.encode(sign, to.greatestExponent, greatest);
  return { written: true, value, flags: flags | OE | PE, c1: away ? 1 : 0 };
}

function trapped(sign: number, rounded: Rounded, adjustment: number, to: Destination, flags: number): Outcome {
  if (to.memory) return unwritten(rounded.inexact ? flags | PE : flags);
  return deliver(sign, { ...rounded, exponent: int(rounded.exponent + adjustment) }, to, flags);
}
