/** EDX:EAX, in which instructions of the system take and give 64 bits. Bits 63:32 of RAX and RDX become 0. */

import { u } from '../numbers/bits.ts';
import { RAX, RDX } from '../state/fields.ts';
import type { Execution } from './execution.ts';

export const readPair = ({ state }: Execution): bigint => u(64, state.gpr[RDX]! << 32n) | u(32, state.gpr[RAX]!);

export function writePair({ state }: Execution, value: bigint): void {
  state.gpr[RAX] = u(32, value);
  state.gpr[RDX] = value >> 32n;
}
