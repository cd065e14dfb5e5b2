/** All cases, by chapter. */

import type { BochsCase, Chapter } from '../case.ts';
import { COPROCESSOR_ERROR } from './coprocessor-error.ts';
import { DEBUG_CASES } from './debug.ts';
import { DESCRIPTOR_CACHE_CASES } from './descriptor-caches.ts';
import { FLAGS_CASES } from './flags.ts';
import { FPU_CASES } from './fpu.ts';
import { GATE_CASES } from './gates.ts';
import { INIT_CASES } from './init.ts';
import { LONG_MODE_CASES } from './long-mode.ts';
import { PAGING_CASES } from './paging.ts';
import { RESET_CASES } from './reset.ts';
import { SUPERVISOR_CASES } from './supervisor.ts';
import { TASK_FAULT_CASES } from './task-faults.ts';
import { TASK_CASES } from './tasks.ts';
import { VIRTUAL_8086_CASES } from './virtual-8086.ts';

export const CHAPTERS: readonly Chapter[] = [
  { title: 'RESET and INIT', cases: [...RESET_CASES, ...INIT_CASES] },
  { title: 'descriptor caches', cases: DESCRIPTOR_CACHE_CASES },
  { title: 'flags', cases: FLAGS_CASES },
  { title: 'x87 exceptions outside of the processor', cases: [COPROCESSOR_ERROR] },
  { title: 'what a task switch checks', cases: TASK_FAULT_CASES },
  { title: 'gates', cases: GATE_CASES },
  { title: 'tasks', cases: TASK_CASES },
  { title: 'virtual-8086 mode', cases: VIRTUAL_8086_CASES },
  { title: 'debug exceptions', cases: DEBUG_CASES },
  { title: 'x87 pointers', cases: FPU_CASES },
  { title: 'supervisor state', cases: SUPERVISOR_CASES },
  { title: 'paging', cases: PAGING_CASES },
  { title: 'IA-32e mode', cases: LONG_MODE_CASES },
];

export const CASES: readonly BochsCase[] = CHAPTERS.flatMap(({ cases }) => cases);
