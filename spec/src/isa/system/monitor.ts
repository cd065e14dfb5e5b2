/**
 * MONITOR and MWAIT, MONITORX and MWAITX. SDM vol. 3A, 8.10.2 and 8.10.4. The architecture lets MWAIT end for any
 * reason, so software looks at memory again in any case; here it ends at once, always.
 */

import { hex } from '../../numbers/bits.ts';
import { apm, sdm } from '../../state/citation.ts';
import { OFFSET, RAX, RCX } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';
import { type Instruction, type InstructionDefinition, instruction } from '../instruction.ts';

const MISC_MONITOR = 0x4_0000n, HWCR_DISABLE = 0x200n, HWCR_USER = 0x400n;

/** CPUID's bit, which IA32_MISC_ENABLE[18] or AMD's HWCR.MonMwaitDis can take away. */
export function monitorEnabled(x: Execution): boolean {
  if (!x.cpu.features.has('MONITOR')) return false;
  if (x.cpu.vendor === 'AuthenticAMD') return !(x.state.quad(OFFSET.hwcr) & HWCR_DISABLE);
  return (x.state.quad(OFFSET.miscEnable) & MISC_MONITOR) !== 0n;
}

/** CPL 0 only, unless HWCR.MonMwaitUserEn says otherwise. Above it the instruction is not there: #UD. */
function requireMonitor(x: Execution, mnemonic: string): void {
  const user = x.cpu.vendor === 'AuthenticAMD' && (x.state.quad(OFFSET.hwcr) & HWCR_USER) !== 0n;
  if (!monitorEnabled(x)) x.fault('#UD', `${mnemonic} is switched off`);
  if (x.cpl !== 0 && !user) x.fault('#UD', `${mnemonic} exists at CPL 0, it is ${x.cpl}`);
}

/** Reads a byte at rAX, as the manual has it; extensions in ECX are not defined. */
function watch(x: Execution, i: Instruction): void {
  const extensions = x.general(RCX, 32);
  if (extensions !== 0n) x.fault('#GP', `ECX = ${hex(extensions)} asks for extensions that do not exist`, 0);
  const linear = x.linear(x.sourceSegment(i), x.general(RAX, i.addressSize), 1, false);
  x.memory.read(linear, 1);
}

/** The extensions in ECX that exist are those of `known`. */
function wait(x: Execution, known: bigint): void {
  const extensions = x.general(RCX, 32);
  if (extensions & ~known) x.fault('#GP', `ECX = ${hex(extensions)} asks for extensions that do not exist`, 0);
}

const MONITOR = instruction({
  mnemonic: 'MONITOR',
  title: 'Set up monitor address',
  forms: ['NP 0F 01 C8 | | asz'],
  operation(x, i) {
    requireMonitor(x, 'MONITOR');
    watch(x, i);
  },
  source: sdm('2B', '4.3, MONITOR'),
});

/** ECX[0]: interrupts end the wait even while IF is 0. */
const MWAIT = instruction({
  mnemonic: 'MWAIT',
  title: 'Monitor wait',
  forms: ['NP 0F 01 C9'],
  operation(x) {
    requireMonitor(x, 'MWAIT');
    wait(x, 1n);
  },
  source: sdm('2B', '4.3, MWAIT'),
});

/** At any privilege level. */
const MONITORX = instruction({
  mnemonic: 'MONITORX',
  title: 'Set up monitor address',
  forms: ['NP 0F 01 FA | | asz'],
  cpuid: 'MONITORX',
  operation: watch,
  source: apm('3', 'MONITORX'),
});

/** ECX[1]: EBX is the longest time to wait. */
const MWAITX = instruction({
  mnemonic: 'MWAITX',
  title: 'Monitor wait with timeout',
  forms: ['NP 0F 01 FB'],
  cpuid: 'MONITORX',
  operation(x) {
    wait(x, 3n);
  },
  source: apm('3', 'MWAITX'),
});

export const MONITORS: readonly InstructionDefinition[] = [MONITOR, MWAIT, MONITORX, MWAITX];
