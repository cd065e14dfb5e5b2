/** Far RET. SDM vol. 2B, RET; vol. 3A, 5.8.6. */

import { sdm } from '../../state/citation.ts';
import { CS } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';
import { type InstructionDefinition, instruction } from '../instruction.ts';
import { requireWithin } from './code-segment.ts';
import { realModeSegment, virtual8086Segment } from './load.ts';
import { type ReturnImage, checkReturn, commitReturn } from './return.ts';

const RETF = instruction({
  mnemonic: 'RETF',
  title: 'Return, far',
  forms: ['CB | | osz', 'CA iw | imm16 | osz'],
  operation(x, i) {
    const parameters = i.operands.length > 0 ? Number(x.read(i.operands[0]!)) : 0;
    // The selector's slot first: that both are there is checked from the top.
    const selector = x.peekSelector(i.size, i.size / 8);
    const ip = x.peek(i.size);
    const below = i.size / 4 + parameters;
    const image = { size: i.size, ip, selector, below, always: false };
    const foreign = x.addressing === 'protected' && (selector & 3) !== x.cpl;
    if (foreign && x.cpu.accesses.farReturn === 'stack first') readOuterStack(x, i.size, below);
    if (x.addressing === 'protected') commitReturn(x, checkReturn(x, image), parameters);
    else returnReal(x, image);
  },
  source: sdm('2B', '4.3, RET'),
});

/** SS, then rSP of a level that is not the current one: what they say is looked at when CS is known to be good. */
function readOuterStack(x: Execution, size: number, below: number): void {
  x.peek(size, below + size / 8);
  x.peek(size, below);
}

/** Real-address and virtual-8086 mode: no descriptor, only the limit. */
function returnReal(x: Execution, { ip, selector, below }: ReturnImage): void {
  const code = x.addressing === 'real' ? realModeSegment(x, CS, selector) : virtual8086Segment(selector);
  requireWithin(x, ip, code);
  x.release(below);
  x.state.setSegment(CS, code);
  x.next = ip;
}

export const FAR_RETURN: readonly InstructionDefinition[] = [RETF];
