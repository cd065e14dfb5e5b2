/** RDMSR and WRMSR. SDM vol. 3C, chapter 35. */

import { hex } from '../../numbers/bits.ts';
import type { CpuProfile } from '../../cpus/profile.ts';
import { sdm } from '../../state/citation.ts';
import { RCX } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';
import { type InstructionDefinition, instruction } from '../instruction.ts';
import { readPair, writePair } from '../register-pair.ts';
import type { Msr } from './msr.ts';
import { MSR_TABLE } from './msrs.table.ts';

const byNumber = new Map<number, Msr[]>();
for (const msr of MSR_TABLE) byNumber.set(msr.number, [...(byNumber.get(msr.number) ?? []), msr]);

/** The MSR of this number on `cpu`, if it has one. */
export const msrOf = (cpu: CpuProfile, number: number): Msr | undefined =>
  byNumber.get(number)?.find(({ on }) => on(cpu));

/** The register that ECX names. One that this processor lacks is #GP(0). */
function named(x: Execution, mnemonic: string): Msr {
  x.requirePrivilege(mnemonic);
  const number = Number(x.general(RCX, 32));
  return msrOf(x.cpu, number) ?? x.fault('#GP', `${x.cpu.name} has no MSR ${hex(number)}`, 0);
}

const RDMSR = instruction({
  mnemonic: 'RDMSR',
  title: 'Read from model specific register',
  forms: ['0F 32'],
  cpuid: 'MSR',
  operation(x) {
    const { name, read } = named(x, 'RDMSR');
    writePair(x, read ? read(x) : x.fault('#GP', `${name} cannot be read`, 0));
  },
  source: sdm('2B', '4.3, RDMSR'),
});

const WRMSR = instruction({
  mnemonic: 'WRMSR',
  title: 'Write to model specific register',
  forms: ['0F 30'],
  cpuid: 'MSR',
  operation(x) {
    const { name, write } = named(x, 'WRMSR');
    const value = readPair(x);
    if (write) write(x, value);
    else x.fault('#GP', `${name} is read-only`, 0);
  },
  source: sdm('2C', '5.3, WRMSR'),
});

export const MSRS: readonly InstructionDefinition[] = [RDMSR, WRMSR];
