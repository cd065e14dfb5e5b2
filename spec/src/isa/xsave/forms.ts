/** The shape of the family: each instruction twice, with REX.W for 64-bit pointers and without. */

import type { Citation } from '../../state/citation.ts';
import type { Feature } from '../../cpus/features.table.ts';
import { type InstructionDefinition, instruction } from '../instruction.ts';

export const withAndWithoutRexW = (
  mnemonic: string, encoding: string, cpuid: Feature, title: string, source: Citation,
  operation: InstructionDefinition['operation'],
): readonly InstructionDefinition[] => [
  instruction({
    mnemonic: `${mnemonic}64`, title, forms: [`NP REX.W + ${encoding} | m | o64`], cpuid, operation, source,
  }),
  instruction({ mnemonic, title, forms: [`NP ${encoding} | m`], cpuid, operation, source }),
];
