/** All cases, by chapter. */

import type { BochsCase, Chapter } from '../case.ts';
import { DESCRIPTOR_CACHE_CASES } from './descriptor-caches.ts';
import { FLAGS_CASES } from './flags.ts';
import { RESET_CASES } from './reset.ts';
import { TASK_FAULT_CASES } from './task-faults.ts';

export const CHAPTERS: readonly Chapter[] = [
  { title: 'RESET', cases: RESET_CASES },
  { title: 'descriptor caches', cases: DESCRIPTOR_CACHE_CASES },
  { title: 'flags', cases: FLAGS_CASES },
  { title: 'what a task switch checks', cases: TASK_FAULT_CASES },
];

export const CASES: readonly BochsCase[] = CHAPTERS.flatMap(({ cases }) => cases);
