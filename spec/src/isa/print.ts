/** Intel syntax, as the assembler takes it: printing and assembling again means the same. */

import { hex, s, u } from '../numbers/bits.ts';
import { DS, SS } from '../state/fields.ts';
import type { Instruction } from './instruction.ts';
import { type MemoryOperand, type Operand, SEGMENT_REGISTERS, gprName, registerName } from './operand.ts';

/** The words before `ptr`, by bits. */
export const SIZE_NAMES: Readonly<Record<number, string>> =
  { 8: 'byte', 16: 'word', 32: 'dword', 64: 'qword', 48: 'fword', 80: 'tbyte', 128: 'xmmword', 256: 'ymmword' };

/** The name of an address, if it has one. */
export type Symbols = (address: bigint) => string | undefined;

/** Prints with addresses resolved: `address` is that of the instruction; `symbol` may name one. */
export function print(i: Instruction, address: bigint, symbol?: Symbols): string {
  const next = u(i.mode === 64 ? 64 : 32, address + BigInt(i.length));
  const operands = i.operands.map((operand) => printOperand(operand, i, next, symbol));
  const words = [...prefixWords(i), i.definition.mnemonic.toLowerCase()].join(' ');
  return operands.length ? `${words} ${operands.join(', ')}` : words;
}

/** What the operands do not show is written before the mnemonic. */
function prefixWords(i: Instruction): string[] {
  const words: string[] = [];
  if (i.lock) words.push('lock');
  if (i.definition.repeat && i.repeat) words.push(i.repeat === 0xf2 ? 'repne' : i.definition.repeat.toLowerCase());
  if (i.form.addressSized && i.segment >= 0 && i.segment !== DS) words.push(SEGMENT_REGISTERS[i.segment]!);
  const hidden = i.form.addressSized || i.operands.some(hidesAddressSize);
  if (i.addressSize !== i.mode && hidden) words.push(`addr${i.addressSize}`);
  const usual = i.mode === 64 ? (i.form.size64 ? 64 : 32) : i.mode;
  if ((i.size < 64 || i.form.operandSized) && i.size !== usual && hidesOperandSize(i)) words.push(`data${i.size}`);
  return words;
}

/** The operand size means something, and no register's name and no `ptr` says it: RET, PUSH 5, a branch, FNSTENV. */
function hidesOperandSize({ form, operands }: Instruction): boolean {
  if (form.onlySize !== undefined || !(form.sized || form.size64)) return false;
  return !form.operands.some(({ size }, n) => typeof size === 'string' && /register|memory/.test(operands[n]!.kind));
}

/** A memory operand whose address no register goes into. */
const isPlain = (operand: Operand): boolean => operand.kind === 'memory' && operand.base < 0 && operand.index < 0;

/** No general-purpose register says it; that of a vector of indexes does not. */
const hidesAddressSize = (operand: Operand): boolean =>
  operand.kind === 'memory' && operand.base < 0 && (operand.index < 0 || operand.vectorIndex !== undefined);

/** A segment override that changes something. */
const overridden = (operand: MemoryOperand): boolean =>
  operand.segmentOverridden && operand.segment !== (operand.base === 4 || operand.base === 5 ? SS : DS);

function printOperand(operand: Operand, i: Instruction, next: bigint, symbol?: Symbols): string {
  switch (operand.kind) {
    case 'register': return registerName(operand);
    case 'immediate': return hex(operand.value);
    case 'far': return `${hex(operand.selector)}:${symbol?.(operand.offset) ?? hex(operand.offset)}`;
    case 'relative': {
      const target = u(i.size === 16 ? 16 : i.mode === 64 ? 64 : 32, next + operand.displacement);
      return symbol?.(target) ?? hex(target);
    }
    case 'memory': {
      const far = i.form.farWord ? 'far ' : '';
      const size = SIZE_NAMES[operand.size] ? `${SIZE_NAMES[operand.size]} ptr ` : '';
      const segment = overridden(operand) ? `${SEGMENT_REGISTERS[operand.segment]}:` : '';
      return `${far}${size}${segment}[${printAddress(operand, i, next, symbol)}]`;
    }
  }
}

const indexName = ({ vectorIndex, index, addressSize }: MemoryOperand): string =>
  (vectorIndex ? `${vectorIndex}${index}` : gprName(index, addressSize));

function printAddress(operand: MemoryOperand, i: Instruction, next: bigint, symbol?: Symbols): string {
  if (operand.ripRelative) {
    const target = u(operand.addressSize, next + operand.displacement);
    // Brackets without registers mean relative in 64-bit mode, except beside FS and GS, which have bases.
    return `${overridden(operand) ? 'rel ' : ''}${symbol?.(target) ?? hex(target)}`;
  }
  if (isPlain(operand)) {
    const relativeOtherwise = i.mode === 64 && !overridden(operand);
    return `${relativeOtherwise ? 'abs ' : ''}${symbol?.(operand.displacement) ?? hex(operand.displacement)}`;
  }
  const terms: string[] = [];
  if (operand.base >= 0) terms.push(gprName(operand.base, operand.addressSize));
  if (operand.index >= 0) {
    // Without a base, a factor of 1 has to be written: [rax] alone would be a base.
    const factor = operand.scale === 1 && operand.base >= 0 ? '' : `*${operand.scale}`;
    terms.push(indexName(operand) + (operand.addressSize === 16 ? '' : factor));
  }
  const displacement = s(operand.addressSize, operand.displacement);
  const tail = displacement === 0n ? '' : displacement < 0n ? hex(displacement) : `+${hex(displacement)}`;
  return `${terms.join('+')}${tail}`;
}
