/** Instructions that run the processor itself. SDM vol. 1, 5.20. */

import type { InstructionDefinition } from '../instruction.ts';
import { DEBUG_REGISTERS } from '../debug/registers.ts';
import { CONTROL_REGISTERS } from './control-registers.ts';
import { INTERRUPT_FLAG } from './interrupt-flag.ts';
import { MSRS } from './msrs.ts';
import { PROCESSOR } from './processor.ts';
import { TRANSLATION_LOOKASIDE_BUFFER } from './translation-lookaside-buffer.ts';

export const SYSTEM: readonly InstructionDefinition[] = [
  ...CONTROL_REGISTERS, ...DEBUG_REGISTERS, ...TRANSLATION_LOOKASIDE_BUFFER, ...MSRS, ...INTERRUPT_FLAG, ...PROCESSOR,
];
