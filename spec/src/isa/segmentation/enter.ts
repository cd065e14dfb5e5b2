/** The end of a far JMP or CALL that stays at its level. SDM vol. 2A, CALL and JMP. */

import { CS, RSP } from '../../state/fields.ts';
import type { Segment } from '../../state/state.ts';
import type { Execution } from '../execution.ts';
import { requireWithin, stackPointerFor } from './code-segment.ts';
import { type Descriptor, markAccessed, requireMarkable } from './descriptor.ts';
import { type Stack, pushOn, requireRoom } from './stack.ts';

/** How control goes: a call pushes where it came from, and may enter an inner level. */
export type Transfer = 'jump' | 'call';

export interface Entry {
  readonly kind: Transfer;
  /** Bits of what is pushed: each value has a slot, also the selector. */
  readonly size: number;
  readonly stack: Stack;
  readonly code: Segment | Descriptor;
  readonly offset: bigint;
}

/** Room for the return address comes first, then the target, then the writes. The RPL of CS is always the CPL. */
export function enter(x: Execution, { kind, size, stack, code, offset }: Entry): void {
  const values = kind === 'call' ? [BigInt(x.state.selector(CS)), x.next] : [];
  const described = 'raw' in code ? code : undefined;
  const selector = described ? (code.selector & 0xfffc) | x.cpl : code.selector;
  requireRoom(x, stack, size, values.length);
  requireWithin(x, offset, code);
  if (described) requireMarkable(x, described);
  pushOn(x, stack, size, values);
  x.state.gpr[RSP] = stackPointerFor(x, code.attributes);
  x.state.setSegment(CS, { ...(described ? markAccessed(x, described) : code), selector });
  x.next = offset;
}
