/** VZEROUPPER and VZEROALL. SDM vol. 1, 14.3. */

import { sdm } from '../../state/citation.ts';
import type { Execution } from '../execution.ts';
import type { InstructionDefinition } from '../instruction.ts';
import { SSE, UPPER, putOutOfUse } from '../xsave/tracking.ts';
import { vector } from './vector.ts';

/** Registers 8 to 15 are reached in 64-bit mode alone. */
const REGISTERS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] as const;
const reached = (x: Execution, index: number): boolean => index < 8 || x.mode === 64;

/**
 * State that is all zero is in its initial configuration, and the processor knows it: a Sapphire Rapids class Xeon,
 * asked by XGETBV with ECX = 1, has XINUSE[2] and XINUSE[6] = 0 after VZEROUPPER, and XINUSE[1], too, after VZEROALL.
 */
export const ZEROING: readonly InstructionDefinition[] = [
  vector({
    mnemonic: 'VZEROUPPER',
    title: 'Zero upper bits of YMM registers',
    forms: ['VEX.128.0F.WIG 77'],
    cpuid: 'AVX',
    exceptions: 8,
    operation(x) {
      for (const index of REGISTERS) if (reached(x, index)) x.state.clearVector(index, 16);
      putOutOfUse(x, UPPER);
    },
    source: sdm('2C', '5.3, VZEROUPPER'),
  }),
  vector({
    mnemonic: 'VZEROALL',
    title: 'Zero all YMM registers',
    forms: ['VEX.256.0F.WIG 77'],
    cpuid: 'AVX',
    exceptions: 8,
    operation(x) {
      for (const index of REGISTERS) {
        if (reached(x, index)) {
          x.state.clearVector(index, 0);
          x.state.xmmWritten &= ~(1 << index);
        }
      }
      putOutOfUse(x, SSE | UPPER);
    },
    source: sdm('2C', '5.3, VZEROALL'),
  }),
];
