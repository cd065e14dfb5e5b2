/** Intel syntax, as the assembler takes it. */

import { hex, s, u } from '../numbers/bits.ts';
import type { Instruction } from './instruction.ts';
import { type MemoryOperand, type Operand, SEGMENT_REGISTERS, gprName, registerName } from './operand.ts';

const SIZE_NAMES: Readonly<Record<number, string>> = { 8: 'byte', 16: 'word', 32: 'dword', 64: 'qword', 80: 'tbyte', 128: 'xmmword' };

/** Prints with addresses resolved: `address` is that of the instruction; `symbol` may name one. */
export function print(i: Instruction, address: bigint, symbol?: (address: bigint) => string | undefined): string {
  const next = u(i.mode === 64 ? 64 : 32, address + BigInt(i.length));
  const prefix = `${i.lock ? 'lock ' : ''}${i.definition.repeat && i.repeat ? (i.repeat === 0xf3 ? 'rep ' : 'repne ') : ''}`;
  const operands = i.operands.map((operand) => printOperand(operand, i, next, symbol));
  return `${prefix}${i.definition.mnemonic.toLowerCase()}${operands.length ? ` ${operands.join(', ')}` : ''}`;
}

function printOperand(operand: Operand, i: Instruction, next: bigint, symbol?: (address: bigint) => string | undefined): string {
  switch (operand.kind) {
    case 'register': return registerName(operand);
    case 'immediate': return hex(operand.value);
    case 'relative': {
      const target = u(i.mode === 64 ? 64 : i.size === 16 ? 16 : 32, next + operand.displacement);
      return symbol?.(target) ?? hex(target);
    }
    case 'memory': return printMemory(operand, next, symbol);
  }
}

function printMemory(operand: MemoryOperand, next: bigint, symbol?: (address: bigint) => string | undefined): string {
  const size = SIZE_NAMES[operand.size] ? `${SIZE_NAMES[operand.size]} ptr ` : '';
  const segment = operand.segmentOverridden ? `${SEGMENT_REGISTERS[operand.segment]}:` : '';
  const absolute = operand.ripRelative ? u(operand.addressSize, next + operand.displacement) : operand.displacement;
  if (operand.ripRelative || (operand.base < 0 && operand.index < 0)) {
    const rip = operand.ripRelative && operand.addressSize === 32 ? 'eip ' : '';
    return `${size}${segment}[${rip}${symbol?.(absolute) ?? hex(absolute)}]`;
  }
  const terms: string[] = [];
  if (operand.base >= 0) terms.push(gprName(operand.base, operand.addressSize));
  if (operand.index >= 0) terms.push(gprName(operand.index, operand.addressSize) + (operand.scale === 1 ? '' : `*${operand.scale}`));
  const displacement = s(operand.addressSize, operand.displacement);
  const sum = terms.join('+');
  const tail = displacement === 0n ? '' : displacement < 0n ? `-${hex(-displacement)}` : `+${hex(displacement)}`;
  return `${size}${segment}[${sum}${tail}]`;
}
