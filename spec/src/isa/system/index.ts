/** Instructions that run the processor itself. SDM vol. 1, 5.20. */

import type { InstructionDefinition } from '../instruction.ts';
import { DEBUG_REGISTERS } from '../debug/registers.ts';
import { BASES } from './bases.ts';
import { CACHES } from './caches.ts';
import { CONTROL_REGISTERS } from './control-registers.ts';
import { COUNTERS } from './counters.ts';
import { FAST_CALLS } from './fast-calls.ts';
import { INTERRUPT_FLAG } from './interrupt-flag.ts';
import { MONITORS } from './monitor.ts';
import { MSRS } from './msrs.ts';
import { PROCESSOR } from './processor.ts';
import { PROTECTION } from './protection.ts';
import { RANDOM } from './random.ts';
import { TRANSLATION_LOOKASIDE_BUFFER } from './translation-lookaside-buffer.ts';

export const SYSTEM: readonly InstructionDefinition[] = [
  ...CONTROL_REGISTERS, ...DEBUG_REGISTERS, ...TRANSLATION_LOOKASIDE_BUFFER, ...MSRS, ...INTERRUPT_FLAG, ...PROCESSOR,
  ...FAST_CALLS, ...BASES,
  ...COUNTERS, ...RANDOM, ...MONITORS, ...PROTECTION, ...CACHES,
];
