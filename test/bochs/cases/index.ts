/** All cases, by chapter. */

import type { BochsCase, Chapter } from '../case.ts';
import { DESCRIPTOR_CACHE_CASES } from './descriptor-caches.ts';
import { RESET_CASES } from './reset.ts';

export const CHAPTERS: readonly Chapter[] = [
  { title: 'RESET', cases: RESET_CASES },
  { title: 'descriptor caches', cases: DESCRIPTOR_CACHE_CASES },
];

export const CASES: readonly BochsCase[] = CHAPTERS.flatMap(({ cases }) => cases);
