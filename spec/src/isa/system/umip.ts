/**
 * User-mode instruction prevention: SGDT, SIDT, SLDT, SMSW and STR are #GP(0) above CPL 0. SDM vol. 3A, 2.5, CR4.UMIP.
 */

import type { Execution } from '../execution.ts';
import { CR4 } from './control-bits.ts';

/** Comes after the #UD of real-address and virtual-8086 mode, before any access to memory. */
export function preventInUserMode(x: Execution, mnemonic: string): void {
  if (x.state.cr4 & CR4.UMIP && x.cpl !== 0) {
    x.fault('#GP', `CR4.UMIP is 1: ${mnemonic} needs CPL 0, it is ${x.cpl}`, 0);
  }
}
