/**
 * What the x87 control word says about arithmetic, and what an operation answers. SDM vol. 1, 8.1.3 to 8.1.5. SIMD
 * floating-point has the same flags and rounding modes.
 */

/** Exception flags in the status word and in MXCSR; in the same order are the masks in FCW and in MXCSR[12:7]. */
export const IE = 0x01, DE = 0x02, ZE = 0x04, OE = 0x08, UE = 0x10, PE = 0x20;

export type RoundingMode = 'nearest' | 'down' | 'up' | 'zero';

/** Bits of the significand that a result is rounded to. */
export type Precision = 11 | 24 | 53 | 64;

/** Those that the x87 has. */
export type X87Precision = Exclude<Precision, 11>;

/** What rounding depends on. */
export interface RoundingControl {
  readonly mode: RoundingMode;
  /** `IE | DE | …`: a 1 masks that exception. */
  readonly masks: number;
  /** MXCSR.FTZ: masked underflow delivers zero. The x87 has no such thing. */
  readonly flushToZero?: boolean;
}

export interface Control extends RoundingControl {
  /** Applies to add, subtract, multiply, divide and square root only. SDM vol. 1, 8.1.5.2. */
  readonly precision: X87Precision;
}

/** By rounding control, FCW[11:10] or MXCSR[14:13]. SDM vol. 1, table 4-8. */
export const MODES: readonly RoundingMode[] = ['nearest', 'down', 'up', 'zero'];
/** Precision control 01b is reserved; processors compute with 64 bits then. */
const PRECISIONS: readonly X87Precision[] = [24, 64, 53, 64];

/** Rounding control is FCW[11:10], precision control FCW[9:8], the masks FCW[5:0]. */
export const controlOf = (fcw: number): Control => ({
  mode: MODES[(fcw >> 10) & 3]!,
  precision: PRECISIONS[(fcw >> 8) & 3]!,
  masks: fcw & 0x3f,
});

export interface Outcome {
  /**
   * False where an unmasked exception keeps the destination as it was: then nothing is written, pushed or popped,
   * and `value` means nothing.
   */
  readonly written: boolean;
  /** The destination's new bit pattern. */
  readonly value: bigint;
  /** Exception flags to set in the status word or in MXCSR: `IE | DE | …`. */
  readonly flags: number;
  /** C1: 1 where the last rounding of an inexact result was away from zero. SDM vol. 1, 8.1.3.2 and 8.5.6. */
  readonly c1: number;
}

/** Each of `flags` is masked. */
export const masked = (flags: number, control: RoundingControl): boolean => (flags & ~control.masks) === 0;

/** A result that no rounding touched. */
export const exactly = (value: bigint, flags = 0): Outcome => ({ written: true, value, flags, c1: 0 });

export const unwritten = (flags: number): Outcome => ({ written: false, value: 0n, flags, c1: 0 });

/** `value` as the masked response to a fault found before computing; unmasked, nothing is written. SDM vol. 1, 8.5. */
export const response = (flag: number, value: bigint, control: RoundingControl): Outcome =>
  masked(flag, control) ? exactly(value, flag) : unwritten(flag);
