/** Operands as people write them: registers, immediates, memory with sizes, segments and scaled indexes. */

import { u } from '../numbers/bits.ts';
import type { Mode } from '../isa/instruction.ts';
import { type MemoryOperand, type Operand, SEGMENT_REGISTERS, registerNamed } from '../isa/operand.ts';
import { DS, SS } from '../state/fields.ts';
import { type Cursor, type Lookup, type Sum, parseSum } from './expression.ts';
import { TokenError } from './tokens.ts';

const SIZES: Readonly<Record<string, number>> = { byte: 8, word: 16, dword: 32, qword: 64, tbyte: 80, tword: 80, xmmword: 128, oword: 128 };

/** A parsed operand. `address` is kept for RIP-relative memory and branch targets, which need the instruction's length. */
export interface Parsed {
  readonly operand: Operand;
  /** Absolute address meant by a RIP-relative or relative operand. */
  readonly address: bigint | undefined;
  readonly column: number;
}

/** Parses one operand. Memory without registers is RIP-relative in 64-bit mode, as everywhere in this project. */
export function parseOperand(cursor: Cursor, mode: Mode, lookup: Lookup): Parsed {
  const column = cursor.column;
  let size = 0, sized = false;
  const word = cursor.word();
  if (word !== undefined && word in SIZES) {
    size = SIZES[word]!;
    sized = true;
    cursor.position++;
    if (cursor.word() === 'ptr') cursor.position++;
  }
  let segment = segmentOverride(cursor);
  if (cursor.take('[')) {
    segment = segment < 0 ? segmentOverride(cursor) : segment;
    const ripWord = cursor.word();
    const relativeWord = ripWord === 'rel' || ripWord === 'abs' ? ripWord : undefined;
    if (relativeWord) cursor.position++;
    const rip = cursor.word() === 'rip';
    if (rip) {
      cursor.position++;
      if (!cursor.take('+') && !cursor.is('-') && !cursor.is(']')) cursor.expect('+');
    }
    const sum = rip && cursor.is(']') ? { constant: 0n, registers: [], symbolic: false } : parseSum(cursor, lookup);
    cursor.expect(']');
    return memory(sum, { size, segment, mode, column, rip, absolute: relativeWord === 'abs' });
  }
  if (segment >= 0) throw new TokenError('a segment override belongs to a memory operand in brackets', column);
  const register = word === undefined ? undefined : registerAt(cursor);
  if (register) {
    if (sized) throw new TokenError('a size before a register says nothing', column);
    return { operand: register, address: undefined, column };
  }
  const sum = parseSum(cursor, lookup);
  if (sum.registers.length) throw new TokenError('arithmetic with registers belongs in brackets', column);
  return { operand: { kind: 'immediate', value: sum.constant, size }, address: sum.constant, column };
}

/** `fs:` before or inside the brackets. */
function segmentOverride(cursor: Cursor): number {
  const index = SEGMENT_REGISTERS.indexOf(cursor.word() as (typeof SEGMENT_REGISTERS)[number]);
  const colon = cursor.tokens[cursor.position + 1];
  if (index < 0 || colon?.kind !== 'punctuation' || colon.text !== ':') return -1;
  cursor.position += 2;
  return index;
}

/** A register that stands alone, `st(3)` included. */
function registerAt(cursor: Cursor): Operand | undefined {
  const word = cursor.word()!;
  if (word === 'st') {
    cursor.position++;
    if (!cursor.take('(')) return registerNamed('st(0)');
    const token = cursor.token;
    if (token?.kind !== 'number' || token.value > 7n) throw new TokenError('st(0) to st(7) are the registers of the stack', cursor.column);
    cursor.position++;
    cursor.expect(')');
    return registerNamed(`st(${token.value})`);
  }
  const register = registerNamed(word);
  if (register) cursor.position++;
  return register;
}

interface MemoryContext { size: number; segment: number; mode: Mode; column: number; rip: boolean; absolute: boolean }

function memory(sum: Sum, context: MemoryContext): Parsed {
  const { size, segment, mode, column } = context;
  const merged = mergeRegisters(sum);
  const addressSize = addressSizeOf(merged, mode);
  let base = -1, index = -1, scale: MemoryOperand['scale'] = 1;
  for (const { register, factor, column: at } of merged) {
    if (factor === 1n && base < 0) base = register.index;
    else if (index < 0 && [1n, 2n, 4n, 8n].includes(factor)) index = register.index, scale = Number(factor) as MemoryOperand['scale'];
    else if (index < 0 && base < 0 && [3n, 5n, 9n].includes(factor)) base = index = register.index, scale = Number(factor - 1n) as MemoryOperand['scale'];
    else throw new TokenError('an address is at most base + index * 1, 2, 4 or 8 + displacement', at);
  }
  if (index === 4 && scale === 1) [base, index] = [index, base];
  if (addressSize === 16 && (base === 6 || base === 7) && index >= 0) [base, index] = [index, base];
  const plain = base < 0 && index < 0;
  const ripRelative = mode === 64 && (context.rip || (plain && !context.absolute && segment < 4));
  const defaultSegment = base === 4 || base === 5 ? SS : DS;
  const operand: MemoryOperand = {
    kind: 'memory', segment: segment >= 0 ? segment : defaultSegment, segmentOverridden: segment >= 0 && segment !== defaultSegment,
    base, index, scale, displacement: u(addressSize, sum.constant), ripRelative, addressSize, size, direct: false,
  };
  return { operand, address: ripRelative && !context.rip ? u(64, sum.constant) : undefined, column };
}

function mergeRegisters(sum: Sum): Sum['registers'] {
  const merged: Sum['registers'] = [];
  for (const term of sum.registers) {
    if (term.register.file !== 'gpr' || term.register.size < 16) throw new TokenError('only 16, 32 and 64-bit general-purpose registers make an address', term.column);
    const same = merged.find((other) => other.register === term.register);
    if (same) same.factor += term.factor;
    else merged.push({ ...term });
  }
  return merged;
}

function addressSizeOf(registers: Sum['registers'], mode: Mode): 16 | 32 | 64 {
  const sizes = new Set(registers.map((term) => term.register.size));
  if (sizes.size > 1) throw new TokenError('registers of an address have one size', registers[1]!.column);
  const size = (registers[0]?.register.size ?? mode) as 16 | 32 | 64;
  if (size === 64 && mode !== 64) throw new TokenError('64-bit addresses exist only in 64-bit mode', registers[0]!.column);
  if (size === 16 && mode === 64) throw new TokenError('16-bit addresses do not exist in 64-bit mode', registers[0]!.column);
  return size;
}
