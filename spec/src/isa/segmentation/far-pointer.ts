/** A selector and an offset in memory: `m16:16`, `m16:32`, `m16:64`. SDM vol. 1, 4.3. */

import { u } from '../../numbers/bits.ts';
import type { Execution } from '../execution.ts';
import type { Instruction } from '../instruction.ts';
import type { MemoryOperand } from '../operand.ts';

/**
 * The pointer that the last operand of `i` holds: the offset, then the selector. With REX.W it has 10 bytes on Intel's
 * processors; AMD's read the same 6 bytes as without.
 */
export function readPointer(x: Execution, i: Instruction): { selector: number; offset: bigint } {
  const size = x.cpu.longFarPointer === 'm16:32' ? Math.min(i.size, 32) : i.size;
  const memory = i.operands.at(-1) as MemoryOperand;
  // Two accesses: where the selector is outside the segment, the page of the offset comes first, as on a Zen 4.
  const offset = x.load(memory, size / 8);
  const behind = { ...memory, displacement: u(memory.addressSize, memory.displacement + BigInt(size / 8)) };
  return { selector: Number(x.load(behind, 2)), offset };
}
