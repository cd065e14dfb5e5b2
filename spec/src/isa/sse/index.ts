/** The few SSE instructions that save areas need to be told apart: moves, PXOR, MXCSR. SDM vol. 1, 5.5 and 5.6. */

import { sdm } from '../../state/citation.ts';
import type { Execution } from '../execution.ts';
import { type Instruction, type InstructionDefinition, instruction } from '../instruction.ts';
import type { RegisterOperand } from '../operand.ts';
import { CR0, CR4 } from '../system/control-bits.ts';

/** #UD with CR0.EM or without CR4.OSFXSR, #NM with CR0.TS. SDM vol. 3A, table 2-3 and 13.1. */
function requireSse(x: Execution): void {
  if (x.state.cr0 & CR0.EM) x.fault('#UD', 'CR0.EM is 1');
  if (!(x.state.cr4 & CR4.OSFXSR)) x.fault('#UD', 'CR4.OSFXSR is 0');
  if (x.state.cr0 & CR0.TS) x.fault('#NM', 'CR0.TS is 1');
}

function requireAligned(x: Execution, i: Instruction): void {
  for (const operand of i.operands) {
    if (operand.kind === 'memory' && x.linear(operand.segment, x.offset(operand), 16, false) & 15n) {
      x.fault('#GP', 'the memory operand is not aligned on 16 bytes', 0);
    }
  }
}

const moving = (
  mnemonic: string, title: string, forms: string[], aligned: boolean, source: InstructionDefinition['source'],
): InstructionDefinition => instruction({
  mnemonic,
  title,
  forms,
  cpuid: 'SSE',
  operation(x, i) {
    requireSse(x);
    if (aligned) requireAligned(x, i);
    x.write(i.operands[0]!, x.read(i.operands[1]!));
  },
  source,
});

const MXCSR_MM = 1 << 17;

/** PXOR of a register with itself: processors take it as an order to write zero, and track it. */
const isZeroingIdiom = ({ operands: [a, b] }: Instruction): boolean =>
  a?.kind === 'register' && b?.kind === 'register' && a.index === b.index;

const PXOR = instruction({
  mnemonic: 'PXOR',
  title: 'Logical exclusive or',
  forms: ['66 0F EF /r | xmm, xmm/m128'],
  cpuid: 'SSE2',
  operation(x, i) {
    requireSse(x);
    // AMD's misaligned SSE mode, MXCSR.MM: only moves whose name says aligned check then.
    if (!(x.state.mxcsr & MXCSR_MM)) requireAligned(x, i);
    x.write(i.operands[0]!, x.read(i.operands[0]!) ^ x.read(i.operands[1]!));
    if (isZeroingIdiom(i)) x.state.xmmWritten &= ~(1 << (i.operands[0] as RegisterOperand).index);
  },
  source: sdm('2B', '4.3, PXOR'),
});

const LDMXCSR = instruction({
  mnemonic: 'LDMXCSR',
  title: 'Load MXCSR register',
  forms: ['NP 0F AE /2 | m32'],
  cpuid: 'SSE',
  operation(x, i) {
    requireSse(x);
    const value = Number(x.read(i.operands[0]!));
    if (value & ~x.cpu.mxcsrMask) x.fault('#GP', 'a reserved bit of MXCSR', 0);
    x.state.mxcsr = value;
  },
  source: sdm('2A', '3.2, LDMXCSR'),
});

const STMXCSR = instruction({
  mnemonic: 'STMXCSR',
  title: 'Store MXCSR register',
  forms: ['NP 0F AE /3 | m32'],
  cpuid: 'SSE',
  operation(x, i) {
    requireSse(x);
    x.write(i.operands[0]!, BigInt(x.state.mxcsr));
  },
  source: sdm('2B', '4.3, STMXCSR'),
});

export const SSE: readonly InstructionDefinition[] = [
  moving(
    'MOVUPS', 'Move unaligned packed single', ['NP 0F 10 /r | xmm, xmm/m128', 'NP 0F 11 /r | xmm/m128, xmm'], false,
    sdm('2B', '4.3, MOVUPS'),
  ),
  moving(
    'MOVAPS', 'Move aligned packed single', ['NP 0F 28 /r | xmm, xmm/m128', 'NP 0F 29 /r | xmm/m128, xmm'], true,
    sdm('2B', '4.3, MOVAPS'),
  ),
  PXOR, LDMXCSR, STMXCSR,
];
