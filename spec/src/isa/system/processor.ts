/** NOP, PAUSE, HLT and CPUID. SDM vol. 1, 5.1.13 and 5.20. */

import { u } from '../../numbers/bits.ts';
import { cpuid } from '../../cpus/cpuid.ts';
import { sdm } from '../../state/citation.ts';
import { type InstructionDefinition, instruction } from '../instruction.ts';
import { CR4 } from './control-bits.ts';

const RAX = 0, RCX = 1, RDX = 2, RBX = 3;

const NOP = instruction({
  mnemonic: 'NOP',
  title: 'No operation',
  forms: ['90 | | b0', '0F 1F /0 | r/mv'],
  operation() {},
  source: sdm('2B', '4.3, NOP'),
});

const PAUSE = instruction({
  mnemonic: 'PAUSE',
  title: 'Spin loop hint',
  forms: ['F3 90 | | b0'],
  operation() {},
  source: sdm('2B', '4.3, PAUSE'),
});

const HLT = instruction({
  mnemonic: 'HLT',
  title: 'Halt',
  forms: ['F4'],
  operation(x) {
    x.requirePrivilege('HLT');
    x.state.halted = true;
  },
  source: sdm('2A', '3.2, HLT'),
});

const CPUID = instruction({
  mnemonic: 'CPUID',
  title: 'CPU identification',
  forms: ['0F A2'],
  operation(x) {
    const [leaf, subleaf] = [RAX, RCX].map((index) => Number(u(32, x.state.gpr[index]!)));
    const result = cpuid(x.cpu, leaf!, subleaf!, x.state.xcr0, (x.state.cr4 & CR4.OSXSAVE) !== 0n);
    for (const [index, value] of [[RAX, result.eax], [RBX, result.ebx], [RCX, result.ecx], [RDX, result.edx]] as const) {
      x.state.gpr[index] = u(32, BigInt(value));
    }
  },
  source: sdm('2A', '3.2, CPUID'),
});

export const PROCESSOR: readonly InstructionDefinition[] = [NOP, PAUSE, HLT, CPUID];
