/**
 * Caching hints, fences, non-temporal stores. There are no caches here: what remains are the faults. SDM vol. 1, 5.6.4.
 */

import type { Feature } from '../cpus/features.table.ts';
import { type Citation, apm, laterSdm, sdm } from '../state/citation.ts';
import { type InstructionDefinition, instruction } from './instruction.ts';
import type { MemoryOperand } from './operand.ts';

/** Checked as a load of a byte, but allowed in an execute-only segment too. SDM vol. 2A, CLFLUSH. */
const flush = (mnemonic: string, title: string, form: string, cpuid: Feature): InstructionDefinition => instruction({
  mnemonic,
  title,
  forms: [`${form} | m8`],
  cpuid,
  operation(x, i) {
    const operand = i.operands[0] as MemoryOperand;
    x.memory.read(x.linear(operand.segment, x.offset(operand), 1, false, true), 1);
  },
  source: sdm('2A', `3.2, ${mnemonic}`),
});

/** Never faults, whatever the address. */
const prefetch = (
  mnemonic: string, form: string, source: Citation, ...more: string[]
): InstructionDefinition => instruction({
  mnemonic,
  title: 'Prefetch data into caches',
  forms: [form, ...more].map((encoding) => `${encoding} | m8`),
  operation() {},
  source,
});

/** ModRM.rm does not matter. */
const fence = (
  mnemonic: string, title: string, modrm: number, cpuid: Feature, source: Citation,
): InstructionDefinition =>
  instruction({
    mnemonic,
    title,
    forms: Array.from({ length: 8 }, (_, rm) => `NP 0F AE ${(modrm | rm).toString(16).toUpperCase()}`),
    cpuid,
    operation() {},
    source,
  });

const MOVNTI = instruction({
  mnemonic: 'MOVNTI',
  title: 'Store doubleword using non-temporal hint',
  forms: ['NP 0F C3 /r | my, ry'],
  cpuid: 'SSE2',
  operation(x, i) {
    x.write(i.operands[0]!, x.read(i.operands[1]!));
  },
  source: sdm('2B', '4.3, MOVNTI'),
});

/**
 * Opcodes kept for hints, which do nothing on a processor that does not know them: no fault, no access. On a Sapphire
 * Rapids class Xeon 0F 18 to 0F 1F with each ModRM byte and each of no prefix, 66, F3, F2 and REX.W leave registers as
 * they were and do not fault, addresses that are not canonical included; AMD APM vol. 3, appendix A, has 0F 19 to 0F 1F
 * as NOP, from memory.
 */
const RESERVED = sdm('2D', 'A.3, table A-3, Reserved-NOP');

const RESERVEDNOP = instruction({
  mnemonic: 'NOP',
  title: 'Reserved no operation',
  forms: ['19', '1A', '1B', '1D', '1E'].map((opcode) => `0F ${opcode} /r | r/mv, rv`),
  operation() {},
  source: RESERVED,
});

/** A hint that does nothing where it is not known either: there is no need to look for its CPUID bit. */
const CLDEMOTE = instruction({
  mnemonic: 'CLDEMOTE',
  title: 'Cache line demote',
  forms: ['NP 0F 1C /0 | m8'],
  operation() {},
  source: laterSdm('2A', '3.2, CLDEMOTE'),
});

/** Later manuals' landing pads of indirect branches; reserved no-operations where that is not enabled. */
const endbr = (mnemonic: string, modrm: string): InstructionDefinition => instruction({
  mnemonic,
  title: 'Terminate an indirect branch',
  forms: [`F3 0F 1E ${modrm}`],
  operation() {},
  source: RESERVED,
});

/**
 * Shadow stacks are not enabled in any profile: reading their pointer then does nothing. Xen 4.17 asks this way whether
 * they are.
 */
const readShadowStackPointer = (mnemonic: string, form: string): InstructionDefinition => instruction({
  mnemonic,
  title: 'Read shadow stack pointer',
  forms: [form],
  operation() {},
  source: RESERVED,
});

const MOVDIRI = instruction({
  mnemonic: 'MOVDIRI',
  title: 'Move doubleword as direct store',
  forms: ['NP 0F 38 F9 /r | m32, r32', 'NP REX.W + 0F 38 F9 /r | m64, r64'],
  cpuid: 'MOVDIRI',
  operation(x, i) {
    x.write(i.operands[0]!, x.read(i.operands[1]!));
  },
  source: laterSdm('2B', '4.3, MOVDIRI'),
});

const HINT = sdm('2B', '4.3, PREFETCHh');

export const CACHE_CONTROL: readonly InstructionDefinition[] = [
  flush('CLFLUSH', 'Flush cache line', 'NP 0F AE /7', 'CLFSH'),
  flush('CLFLUSHOPT', 'Flush cache line optimized', '66 0F AE /7', 'CLFLUSHOPT'),
  flush('CLWB', 'Cache line write back', '66 0F AE /6', 'CLWB'),
  prefetch('PREFETCHNTA', '0F 18 /0', HINT), prefetch('PREFETCHT0', '0F 18 /1', HINT),
  prefetch('PREFETCHT1', '0F 18 /2', HINT), prefetch('PREFETCHT2', '0F 18 /3', HINT),
  prefetch('PREFETCHW', '0F 0D /1', sdm('2B', '4.3, PREFETCHW'), '0F 0D /3'),
  prefetch('PREFETCHWT1', '0F 0D /2', sdm('2B', '4.3, PREFETCHWT1')),
  prefetch('PREFETCH', '0F 0D /0', apm('3', 'PREFETCH, PREFETCHW'), '0F 0D /4', '0F 0D /5', '0F 0D /6', '0F 0D /7'),
  MOVDIRI,
  fence('LFENCE', 'Load fence', 0xe8, 'SSE2', sdm('2A', '3.2, LFENCE')),
  fence('MFENCE', 'Memory fence', 0xf0, 'SSE2', sdm('2B', '4.3, MFENCE')),
  fence('SFENCE', 'Store fence', 0xf8, 'SSE', sdm('2B', '4.3, SFENCE')),
  MOVNTI, RESERVEDNOP, CLDEMOTE, endbr('ENDBR64', 'FA'), endbr('ENDBR32', 'FB'),
  readShadowStackPointer('RDSSPD', 'F3 0F 1E /1 | rm32'),
  readShadowStackPointer('RDSSPQ', 'F3 REX.W + 0F 1E /1 | rm64'),
];
