/** RDTSC, RDTSCP, RDPID and RDPMC. SDM vol. 3B, 17.15 and 18; vol. 1, 5.20. */

import { hex, u } from '../../numbers/bits.ts';
import { sdm } from '../../state/citation.ts';
import { OFFSET, RCX } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';
import { type InstructionDefinition, instruction } from '../instruction.ts';
import { writePair } from '../register-pair.ts';
import { CR4 } from './control-bits.ts';
import { timeStamp } from './time-stamp.ts';

function requireTimeStamp(x: Execution, mnemonic: string): void {
  if (x.state.cr4 & CR4.TSD && x.cpl !== 0) x.fault('#GP', `CR4.TSD is 1: ${mnemonic} needs CPL 0, it is ${x.cpl}`, 0);
}

const RDTSC = instruction({
  mnemonic: 'RDTSC',
  title: 'Read time-stamp counter',
  forms: ['0F 31'],
  cpuid: 'TSC',
  operation(x) {
    requireTimeStamp(x, 'RDTSC');
    writePair(x, timeStamp(x));
  },
  source: sdm('2B', '4.3, RDTSC'),
});

const RDTSCP = instruction({
  mnemonic: 'RDTSCP',
  title: 'Read time-stamp counter and processor ID',
  forms: ['0F 01 F9'],
  cpuid: 'RDTSCP',
  operation(x) {
    requireTimeStamp(x, 'RDTSCP');
    writePair(x, timeStamp(x));
    x.state.gpr[RCX] = u(32, x.state.quad(OFFSET.tscAux));
  },
  source: sdm('2B', '4.3, RDTSCP'),
});

const RDPID = instruction({
  mnemonic: 'RDPID',
  title: 'Read processor ID',
  forms: ['F3 0F C7 /7 | rm64 | o64', 'F3 0F C7 /7 | rm32 | i64'],
  cpuid: 'RDPID',
  operation(x, i) {
    x.write(i.operands[0]!, u(32, x.state.quad(OFFSET.tscAux)));
  },
  source: sdm('2B', '4.3, RDPID'),
});

/** AMD's processors have four; the Intel profiles none, which is what CPUID leaf 0Ah says. */
const RDPMC = instruction({
  mnemonic: 'RDPMC',
  title: 'Read performance-monitoring counters',
  forms: ['0F 33'],
  operation(x) {
    if (!(x.state.cr4 & CR4.PCE) && x.cpl !== 0) x.fault('#GP', `CR4.PCE is 0: RDPMC needs CPL 0, it is ${x.cpl}`, 0);
    const counter = Number(x.general(RCX, 32));
    const there = x.cpu.vendor === 'AuthenticAMD' && counter < 4;
    if (!there) x.fault('#GP', `there is no performance counter ${hex(counter)}`, 0);
    writePair(x, x.state.quad(OFFSET.perfCtr + 8 * counter));
  },
  source: sdm('2B', '4.3, RDPMC'),
});

export const COUNTERS: readonly InstructionDefinition[] = [RDTSC, RDTSCP, RDPID, RDPMC];
