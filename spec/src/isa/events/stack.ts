/** The stack that a handler gets: of its level, or by IST. SDM vol. 3A, 6.12.1 and 6.14.2 to 6.14.5. */

import { hex } from '../../numbers/bits.ts';
import type { Execution } from '../execution.ts';
import { type Stack, currentStack, innerStack, nullStack } from '../segmentation/stack.ts';
import { readTaskState } from '../tasks/task-state-segment.ts';

/** The stack for a handler at `level`, with the interrupt stack table entry of its gate (0: none). */
export function handlerStack(x: Execution, level: number, ist: number, external: number): Stack {
  const usual = level < x.cpl && !ist ? innerStack(x, level, external) : currentStack(x, external);
  return x.longMode ? longModeStack(x, { ...usual, level }, ist) : usual;
}

/** IA-32e mode: IST wins over the level's RSP, SS becomes null on a change of level, RSP is aligned on 16 bytes. */
function longModeStack(x: Execution, usual: Stack, ist: number): Stack {
  const { level, errorCode } = usual;
  const pointer = ist ? readTaskState(x, 0x1c + 8 * ist, 8, errorCode) : usual.pointer;
  if (!x.canonical(pointer)) x.fault('#SS', `the stack pointer ${hex(pointer)} is not canonical`, errorCode);
  return { ...usual, segment: level < x.cpl ? nullStack(level) : usual.segment, pointer: pointer & ~0xfn, width: 64 };
}
