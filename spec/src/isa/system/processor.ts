/** NOP, PAUSE, HLT and CPUID. SDM vol. 1, 5.1.13 and 5.20. */

import { u } from '../../numbers/bits.ts';
import { cpuid } from '../../cpus/cpuid.ts';
import { type Citation, sdm } from '../../state/citation.ts';
import { type InstructionDefinition, instruction } from '../instruction.ts';
import { APIC_BASE, CR4 } from './control-bits.ts';
import { reportedFeatures } from './cpuid-features.ts';
import { OFFSET, RAX, RBX, RCX, RDX } from '../../state/fields.ts';
import { monitorEnabled } from './monitor.ts';
import { LIMIT_CPUID } from './msr-writes.ts';

const NOP = instruction({
  mnemonic: 'NOP',
  title: 'No operation',
  forms: ['90 | | b0', '0F 1F /0 | r/mv'],
  operation() {},
  source: sdm('2B', '4.3, NOP'),
});

/**
 * What is left of the opcodes of the prefetches, CLDEMOTE and NOP: hints that no processor here knows, and that do
 * nothing. They are numbered from 0F 18 /0 on, `first` is that of digit 0; of the first `taken` digits others have the
 * encodings with an address, or all of them.
 */
const hintNops = (opcode: string, first: number, taken: number, source: Citation): InstructionDefinition[] =>
  [0, 1, 2, 3, 4, 5, 6, 7].filter((digit) => opcode !== '1F' || digit > 0).map((digit) => instruction({
    mnemonic: `HINTNOP${first + digit}`,
    title: 'Reserved no operation',
    forms: [`0F ${opcode} /${digit} | ${digit < taken ? 'rmv' : 'r/mv'}`],
    operation() {},
    source,
  }));
const RESERVED = sdm('2D', 'A.3, table A-3');
const HINT_NOPS = [
  ...hintNops('18', 0, 4, sdm('2D', 'A.4, table A-6, group 16')),
  ...hintNops('1C', 32, 1, RESERVED), ...hintNops('1F', 56, 0, RESERVED),
];

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

const CPUID_FAULTING = 1n;

const CPUID = instruction({
  mnemonic: 'CPUID',
  title: 'CPU identification',
  forms: ['0F A2'],
  operation(x) {
    const { state } = x;
    if (state.quad(OFFSET.miscFeaturesEnables) & CPUID_FAULTING && x.cpl !== 0) {
      x.fault('#GP', 'MISC_FEATURES_ENABLES[0] is 1: CPUID needs CPL 0', 0);
    }
    const [leaf, subleaf] = [RAX, RCX].map((index) => Number(u(32, state.gpr[index]!)));
    const result = reportedFeatures(x, leaf!, subleaf!, cpuid(x.cpu, leaf!, subleaf!, {
      ...x.placement, in64BitMode: x.mode === 64, xcr0: state.xcr0, xss: state.quad(OFFSET.xss),
      monitor: monitorEnabled(x),
      osxsave: (state.cr4 & CR4.OSXSAVE) !== 0n, ospke: (state.cr4 & CR4.PKE) !== 0n,
      apicEnabled: (state.quad(OFFSET.apicBase) & APIC_BASE.EN) !== 0n,
      limited: (state.quad(OFFSET.miscEnable) & LIMIT_CPUID) !== 0n,
    }));
    for (const [index, value] of [
      [RAX, result.eax], [RBX, result.ebx], [RCX, result.ecx], [RDX, result.edx],
    ] as const) {
      state.gpr[index] = u(32, BigInt(value));
    }
  },
  source: sdm('2A', '3.2, CPUID'),
});

export const PROCESSOR: readonly InstructionDefinition[] = [NOP, ...HINT_NOPS, PAUSE, HLT, CPUID];
