/** Keys and prevention of access: RDPKRU and WRPKRU (SDM vol. 3A, 4.6.2), CLAC and STAC (4.6.1). */

import { sdm } from '../../state/citation.ts';
import { OFFSET, RAX, RCX, RDX } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';
import { AC } from '../flags.ts';
import { type InstructionDefinition, instruction } from '../instruction.ts';
import { CR4 } from './control-bits.ts';

function requireKeys(x: Execution, mnemonic: string): void {
  if (!(x.state.cr4 & CR4.PKE)) x.fault('#UD', `CR4.PKE is 0: there is no ${mnemonic}`);
  if (x.general(RCX, 32) !== 0n) x.fault('#GP', `${mnemonic} needs ECX = 0`, 0);
}

/** State component 9. Where XINUSE is tracked, 0 brings it into use, too: see the sources of such a processor. */
const PKRU_STATE = 0x200n;

const RDPKRU = instruction({
  mnemonic: 'RDPKRU',
  title: 'Read protection key rights for user pages',
  forms: ['NP 0F 01 EE'],
  cpuid: 'PKU',
  operation(x) {
    requireKeys(x, 'RDPKRU');
    x.state.gpr[RAX] = BigInt(x.state.doubleword(OFFSET.pkru));
    x.state.gpr[RDX] = 0n;
  },
  source: sdm('2B', '4.3, RDPKRU'),
});

const WRPKRU = instruction({
  mnemonic: 'WRPKRU',
  title: 'Write data to user page key register',
  forms: ['NP 0F 01 EF'],
  cpuid: 'PKU',
  operation(x) {
    requireKeys(x, 'WRPKRU');
    if (x.general(RDX, 32) !== 0n) x.fault('#GP', 'WRPKRU needs EDX = 0', 0);
    x.state.setDoubleword(OFFSET.pkru, Number(x.general(RAX, 32)));
    x.state.xinuse |= PKRU_STATE;
    x.state.xmodified |= PKRU_STATE;
    x.paging.changed();
  },
  source: sdm('2C', '5.3, WRPKRU'),
});

/** Above CPL 0 they are not there: #UD. */
const access = (mnemonic: string, title: string, modrm: string, value: number): InstructionDefinition => instruction({
  mnemonic,
  title,
  forms: [`NP 0F 01 ${modrm}`],
  cpuid: 'SMAP',
  operation(x) {
    if (x.cpl !== 0) x.fault('#UD', `${mnemonic} exists at CPL 0, it is ${x.cpl}`);
    x.setFlags(AC, value);
  },
  source: sdm(mnemonic === 'CLAC' ? '2A' : '2B', mnemonic === 'CLAC' ? '3.2, CLAC' : '4.3, STAC'),
});

export const PROTECTION: readonly InstructionDefinition[] = [
  RDPKRU, WRPKRU, access('CLAC', 'Clear AC flag in EFLAGS register', 'CA', 0),
  access('STAC', 'Set AC flag in EFLAGS register', 'CB', AC),
];
