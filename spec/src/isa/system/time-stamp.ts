/** The time-stamp counter: instructions executed, plus an offset that software sets. SDM vol. 3B, 17.15. */

import { u } from '../../numbers/bits.ts';
import { OFFSET } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';

export const timeStamp = (x: Execution): bigint => u(64, BigInt(x.time) + x.state.quad(OFFSET.tscOffset));

/** Moves the counter by `difference`, and IA32_TSC_ADJUST with it. SDM vol. 3B, 17.15.3. */
export function moveTimeStamp(x: Execution, difference: bigint): void {
  for (const offset of [OFFSET.tscOffset, OFFSET.tscAdjust]) {
    x.state.setQuad(offset, u(64, x.state.quad(offset) + difference));
  }
}
