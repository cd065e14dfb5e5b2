/** CLI and STI. SDM vol. 3A, 6.8.1; on VIF, with CR4.VME or CR4.PVI, vol. 3B, 20.3.2 and 20.4. */

import { sdm } from '../../state/citation.ts';
import { OFFSET } from '../../state/fields.ts';
import { IF, VIF, VIP } from '../flags.ts';
import type { Execution } from '../execution.ts';
import { type InstructionDefinition, instruction } from '../instruction.ts';
import { CR4 } from './control-bits.ts';

/**
 * The flag that CLI and STI act on: IF where CPL <= IOPL; above it VIF, at CPL 3 with the mode's extensions on; else
 * #GP(0). Virtual-8086 mode runs at CPL 3.
 */
function interruptFlag(x: Execution, mnemonic: string): number {
  const { cpl, iopl } = x;
  const extensions = x.addressing === 'virtual-8086' ? CR4.VME : CR4.PVI;
  const virtual = cpl === 3 && (x.state.cr4 & extensions) !== 0n;
  if (cpl > iopl && !virtual) x.fault('#GP', `${mnemonic} needs CPL <= IOPL; they are ${cpl} and ${iopl}`, 0);
  return cpl > iopl ? VIF : IF;
}

const CLI = instruction({
  mnemonic: 'CLI',
  title: 'Clear interrupt flag',
  forms: ['FA'],
  operation(x) {
    x.setFlags(interruptFlag(x, 'CLI'), 0);
  },
  source: sdm('2A', '3.2, CLI'),
});

/** With IF, interrupts stay blocked until the end of the next instruction, if they were off before. */
const STI = instruction({
  mnemonic: 'STI',
  title: 'Set interrupt flag',
  forms: ['FB'],
  operation(x) {
    const flag = interruptFlag(x, 'STI');
    if (flag === VIF && x.flags & VIP) x.fault('#GP', 'VIF cannot be set while an interrupt is pending (VIP = 1)', 0);
    if (flag === IF) x.state.setByte(OFFSET.stiShadow, x.flags & IF ? 0 : 1);
    x.setFlags(flag, flag);
  },
  source: sdm('2B', '4.3, STI'),
});

export const INTERRUPT_FLAG: readonly InstructionDefinition[] = [CLI, STI];
