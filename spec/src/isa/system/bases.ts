/** The bases of FS and GS without descriptors: RDFSBASE and its kin, SWAPGS. SDM vol. 3A, 2.8.2 and 5.8.8. */

import { hex } from '../../numbers/bits.ts';
import { sdm } from '../../state/citation.ts';
import { FS, GS, OFFSET } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';
import { type InstructionDefinition, instruction } from '../instruction.ts';
import { CR4 } from './control-bits.ts';

const requireEnabled = (x: Execution, mnemonic: string): void => {
  if (!(x.state.cr4 & CR4.FSGSBASE)) x.fault('#UD', `CR4.FSGSBASE is 0: there is no ${mnemonic}`);
};

/** Without REX.W, bits 31:0. */
const reading = (mnemonic: string, digit: number, segment: number): InstructionDefinition => instruction({
  mnemonic,
  title: 'Read FS/GS segment base',
  forms: [`F3 0F AE /${digit} | rmy | o64`],
  cpuid: 'FSGSBASE',
  operation(x, i) {
    requireEnabled(x, mnemonic);
    x.write(i.operands[0]!, x.state.base(segment));
  },
  source: sdm('2B', '4.3, RDFSBASE/RDGSBASE'),
});

const writing = (mnemonic: string, digit: number, segment: number): InstructionDefinition => instruction({
  mnemonic,
  title: 'Write FS/GS segment base',
  forms: [`F3 0F AE /${digit} | rmy | o64`],
  cpuid: 'FSGSBASE',
  operation(x, i) {
    requireEnabled(x, mnemonic);
    const value = x.read(i.operands[0]!);
    // By the current width of addresses, unlike WRMSR: measured on an AMD Zen 4, where CR4.LA57 is 0.
    if (!x.canonical(value)) x.fault('#GP', `${hex(value)}, written by ${mnemonic}, is not canonical`, 0);
    x.state.setBase(segment, value);
  },
  source: sdm('2C', '5.3, WRFSBASE/WRGSBASE'),
});

const SWAPGS = instruction({
  mnemonic: 'SWAPGS',
  title: 'Swap GS base register',
  forms: ['0F 01 F8 | | o64'],
  cpuid: 'LM',
  operation(x) {
    x.requirePrivilege('SWAPGS');
    const user = x.state.base(GS);
    x.state.setBase(GS, x.state.quad(OFFSET.kernelGsBase));
    x.state.setQuad(OFFSET.kernelGsBase, user);
  },
  source: sdm('2B', '4.3, SWAPGS'),
});

export const BASES: readonly InstructionDefinition[] = [
  reading('RDFSBASE', 0, FS), reading('RDGSBASE', 1, GS), writing('WRFSBASE', 2, FS), writing('WRGSBASE', 3, GS),
  SWAPGS,
];
