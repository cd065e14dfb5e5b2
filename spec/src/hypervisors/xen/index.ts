import {
  alwaysWide, fipWidth4, fipWidth8, fipWidthAuto, guessAndPutBack, guessByHighHalf, poisonedFip, scrubByFlags,
  unscrubbed,
  xsaveScrubbed, xsaveUnscrubbed,
} from './policies.ts';
import type { Policy } from '../policy.ts';

export * from './policies.ts';

/** All of Xen's policies here, oldest first. */
export const history: readonly Policy[] = [
  unscrubbed, alwaysWide, xsaveUnscrubbed, xsaveScrubbed, guessByHighHalf, guessAndPutBack, fipWidth8, fipWidth4,
  fipWidthAuto,
  poisonedFip, scrubByFlags,
];
