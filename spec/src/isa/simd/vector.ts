/**
 * The shape of an instruction on MMX, XMM or YMM registers: the checks of its class, the operation, what MMX leaves.
 */

import type { Execution } from '../execution.ts';
import { type InstructionDefinition, instruction } from '../instruction.ts';
import { unchecked } from '../unchecked.ts';
import { FSW, touch } from '../x87/unit.ts';
import { reportsAlignment, requireVector, usesMmx } from './exceptions.ts';

export type VectorDefinition = InstructionDefinition & Required<Pick<InstructionDefinition, 'cpuid' | 'exceptions'>>;

/**
 * Declares an instruction on vector registers. What `exceptions` demands comes first; the operation has its own faults.
 */
export const vector = ({ operation, ...rest }: VectorDefinition): InstructionDefinition => instruction({
  ...rest,
  operation(x, i) {
    requireVector(x, i, rest.exceptions);
    if (reportsAlignment(rest.exceptions)) operation(x, i);
    else unchecked(x, () => operation(x, i));
    if (usesMmx(i)) enterMmx(x);
  },
});

/** Every MMX instruction but EMMS leaves TOP = 0 and all registers valid. SDM vol. 3A, 12.2. */
export function enterMmx(x: Execution): void {
  x.state.fsw &= ~FSW.TOP;
  x.state.ftw = 0xff;
  touch(x);
}
