/** The lanes of a vector, and the exceptions of all of them together. */

import { int, u } from '../bits.ts';
import { DE, IE, type Outcome, ZE, masked } from '../float80/control.ts';
import { COUNT } from '../float80/shift.ts';
import type { SimdControl } from './control.ts';

/** What is found before computing; overflow, underflow and precision are found after it. */
const PRE_COMPUTATION = IE | DE | ZE;

export interface VectorOutcome {
  /** Means nothing where `trapped`: then the destination stays as it was. */
  readonly value: bigint;
  /** Exception flags to set in MXCSR. */
  readonly flags: number;
  /** An unmasked exception: #XM, or #UD without CR4.OSXMMEXCPT. */
  readonly trapped: boolean;
}

/**
 * An unmasked exception of any lane keeps the whole destination. Where it was found before computing, nothing is
 * computed in any lane: only flags of that kind are set, for all lanes. SDM vol. 1, 11.5.1 and 11.5.3.
 */
export function together(value: bigint, flags: number, control: SimdControl): VectorOutcome {
  const before = flags & PRE_COMPUTATION;
  if (!masked(before, control)) return { value, flags: before, trapped: true };
  return { value, flags, trapped: !masked(flags, control) };
}

/** Lane `n` of lanes of `width` bits. */
export const lane = (vector: bigint, width: number, n: number): bigint => u(width, vector >> COUNT[width * n]!);

/** `count` lanes of `width` bits; `of` answers for lane `n`. */
export function eachLane(
  count: number, width: number, control: SimdControl, of: (n: number) => Outcome,
): VectorOutcome {
  let value = 0n, flags = 0;
  for (let n = 0; n < count; n++) {
    const outcome = of(n);
    value |= u(int(width * (n + 1)), u(width, outcome.value) << COUNT[width * n]!);
    flags |= outcome.flags;
  }
  return together(value, flags, control);
}
