/** CLI and STI. SDM vol. 3A, 6.8.1. */

import { sdm } from '../../state/citation.ts';
import { OFFSET } from '../../state/fields.ts';
import { IF } from '../flags.ts';
import type { Execution } from '../execution.ts';
import { type InstructionDefinition, instruction } from '../instruction.ts';

/** CLI and STI need CPL <= IOPL; the virtual interrupt flag of VME and PVI is not modelled. */
function requireIopl(x: Execution, mnemonic: string): void {
  const iopl = (x.flags >> 12) & 3;
  if (x.addressing === 'virtual-8086' && iopl < 3) x.fault('#GP', `${mnemonic} in virtual-8086 mode needs IOPL 3, it is ${iopl}`, 0);
  if (x.cpl > iopl) x.fault('#GP', `${mnemonic} needs CPL <= IOPL; they are ${x.cpl} and ${iopl}`, 0);
}

const CLI = instruction({
  mnemonic: 'CLI',
  title: 'Clear interrupt flag',
  forms: ['FA'],
  operation(x) {
    requireIopl(x, 'CLI');
    x.setFlags(IF, 0);
  },
  source: sdm('2A', '3.2, CLI'),
});

/** Interrupts stay blocked until the end of the next instruction, if they were off before. */
const STI = instruction({
  mnemonic: 'STI',
  title: 'Set interrupt flag',
  forms: ['FB'],
  operation(x) {
    requireIopl(x, 'STI');
    x.state.setByte(OFFSET.stiShadow, x.flags & IF ? 0 : 1);
    x.setFlags(IF, IF);
  },
  source: sdm('2B', '4.3, STI'),
});

export const INTERRUPT_FLAG: readonly InstructionDefinition[] = [CLI, STI];
