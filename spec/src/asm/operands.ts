/** Operands as people write them: registers, immediates, memory with sizes, segments and scaled indexes. */

import { u } from '../numbers/bits.ts';
import type { Mode } from '../isa/instruction.ts';
import { type MemoryOperand, type Operand, SEGMENT_REGISTERS, registerNamed } from '../isa/operand.ts';
import { DS, FS, SS } from '../state/fields.ts';
import { type Cursor, type Lookup, type Sum, type Term, parseSum } from './expression.ts';
import { TokenError } from './tokens.ts';

const SIZES: ReadonlyMap<string, number> = new Map([
  ['byte', 8], ['word', 16], ['dword', 32], ['qword', 64], ['fword', 48], ['tbyte', 80], ['tword', 80],
  ['mmword', 64], ['xmmword', 128], ['oword', 128], ['ymmword', 256], ['yword', 256],
]);

export type AddressSize = MemoryOperand['addressSize'];

/** A parsed operand. */
export interface Parsed {
  readonly operand: Operand;
  /** Absolute address meant by a RIP-relative or relative operand. */
  readonly address: bigint | undefined;
  /** The word `far` was written: a pointer with a selector is meant. */
  readonly far?: boolean;
  readonly column: number;
}

/** Parses one operand. `addressSize` is that of addresses without registers, the mode's own when undefined. */
export function parseOperand(cursor: Cursor, mode: Mode, lookup: Lookup, addressSize?: AddressSize): Parsed {
  const column = cursor.column;
  if (cursor.word() === 'far' && isPointerNext(cursor)) {
    cursor.position++;
    const parsed = parseOperand(cursor, mode, lookup, addressSize);
    if (!/memory|far/.test(parsed.operand.kind)) {
      throw new TokenError('far goes before brackets or selector:offset', column);
    }
    return { ...parsed, far: true, column };
  }
  const size = takeSize(cursor);
  const segment = segmentOverride(cursor);
  if (cursor.is('[')) return parseMemory(cursor, { size: size ?? 0, segment, mode, column, addressSize }, lookup);
  if (segment >= 0) throw new TokenError('a segment override belongs to a memory operand in brackets', column);
  const register = cursor.word() === undefined ? undefined : registerAt(cursor);
  if (register) {
    if (size !== undefined) throw new TokenError('the name of a register says its size: leave out the word', column);
    return { operand: register, address: undefined, column };
  }
  const sum = parseSum(cursor, lookup);
  if (sum.registers.length) throw new TokenError('arithmetic with registers belongs in brackets', column);
  if (cursor.take(':')) return parseFar(cursor, { selector: sum.constant, size: size ?? 0, column }, lookup);
  return { operand: { kind: 'immediate', value: sum.constant, size: size ?? 0 }, address: sum.constant, column };
}

/** The offset of `selector:offset`; `dword 8:start` gives the offset 32 bits whatever the code's own size. */
function parseFar(
  cursor: Cursor, far: { selector: bigint; size: number; column: number }, lookup: Lookup,
): Parsed {
  const { selector, size, column } = far;
  if (selector < 0n || selector > 0xffffn) throw new TokenError(`a selector has 16 bits, not ${selector}`, column);
  const offset = parseSum(cursor, lookup);
  if (offset.registers.length) throw new TokenError('the offset of a far pointer is a number', column);
  return {
    operand: { kind: 'far', selector: Number(selector), offset: offset.constant, size }, address: undefined, column,
  };
}

/** `far` is a word of the syntax before a pointer; alone, or in a sum, it can be somebody's label. */
function isPointerNext({ tokens, position }: Cursor): boolean {
  const next = tokens[position + 1];
  return next !== undefined && (next.kind !== 'punctuation' || next.text === '[' || next.text === '(');
}

/** `dword` or `dword ptr`. */
function takeSize(cursor: Cursor): number | undefined {
  const size = SIZES.get(cursor.word() ?? '');
  if (size === undefined) return undefined;
  cursor.position++;
  if (cursor.word() === 'ptr') cursor.position++;
  return size;
}

function takeWord<const W extends string>(cursor: Cursor, words: readonly W[]): W | undefined {
  const found = words.find((word) => cursor.word() === word);
  if (found !== undefined) cursor.position++;
  return found;
}

/** `[…]`, with `rel`, `abs`, `rip` or `eip` inside or not. */
function parseMemory(cursor: Cursor, context: MemoryContext, lookup: Lookup): Parsed {
  cursor.expect('[');
  const segment = context.segment < 0 ? segmentOverride(cursor) : context.segment;
  const kind = takeWord(cursor, ['rel', 'abs']);
  const pointerColumn = cursor.column;
  const pointer = takeWord(cursor, ['rip', 'eip']);
  if (pointer) {
    if (context.mode !== 64) throw new TokenError(`${pointer} can be in an address only in 64-bit code`, pointerColumn);
    if (!cursor.is(']') && !cursor.is('-')) cursor.expect('+');
  }
  const sum = pointer && cursor.is(']') ? { constant: 0n, registers: [], symbolic: false } : parseSum(cursor, lookup);
  const first = sum.registers[0];
  if (pointer && first) {
    throw new TokenError(`${pointer} stands alone in an address: only a number or a label can be added`, first.column);
  }
  cursor.expect(']');
  return memory(sum, { ...context, segment }, kind, pointer);
}

/** `fs:` before or inside the brackets; -1 without one. */
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
    if (token?.kind !== 'number' || token.value > 7n) {
      throw new TokenError('the registers of the stack are st(0) to st(7)', cursor.column);
    }
    cursor.position++;
    cursor.expect(')');
    return registerNamed(`st(${token.value})`);
  }
  const register = registerNamed(word);
  if (register) cursor.position++;
  return register;
}

interface MemoryContext {
  readonly size: number;
  readonly segment: number;
  readonly mode: Mode;
  readonly column: number;
  readonly addressSize: AddressSize | undefined;
}

function memory(sum: Sum, context: MemoryContext, kind?: 'rel' | 'abs', pointer?: 'rip' | 'eip'): Parsed {
  const { size, segment, mode, column } = context;
  const merged = mergeRegisters(sum);
  const addressSize = pointer === 'eip' ? 32 : addressSizeOf(merged, mode, context.addressSize);
  const { base, index, vectorIndex, scale } = baseAndIndex(merged, addressSize);
  const plain = base < 0 && index < 0;
  if (kind === 'rel' && mode !== 64) throw new TokenError('rel addresses exist only in 64-bit code', column);
  if (kind === 'rel' && !plain) throw new TokenError('rel needs an address without registers', column);
  // FS and GS have bases of their own: beside them a bare number is an offset.
  const relative = pointer !== undefined || kind === 'rel' || (kind === undefined && segment < FS);
  const ripRelative = mode === 64 && plain && relative;
  if (sum.constant >= 1n << BigInt(addressSize) || sum.constant < -(1n << BigInt(addressSize - 1))) {
    throw new TokenError(`the address has more than ${addressSize} bits`, column);
  }
  const defaultSegment = base === 4 || base === 5 ? SS : DS;
  const operand: MemoryOperand = {
    kind: 'memory', segment: segment >= 0 ? segment : defaultSegment,
    segmentOverridden: segment >= 0 && segment !== defaultSegment,
    base, index, vectorIndex, scale, displacement: u(addressSize, sum.constant), ripRelative, addressSize, size,
    direct: false,
  };
  // [rip + 8] is 8 bytes further on; [rip + label] is the label.
  const absolute = ripRelative && (pointer === undefined || sum.symbolic);
  return { operand, address: absolute ? u(addressSize, sum.constant) : undefined, column };
}

type Shape = Pick<MemoryOperand, 'base' | 'index' | 'vectorIndex' | 'scale'>;

/** An XMM or YMM register, whose elements are indexes. */
const isVector = ({ register: { file } }: Term): boolean => file === 'xmm' || file === 'ymm';

function baseAndIndex(terms: Term[], addressSize: AddressSize): Shape {
  let base = -1, index = -1, scale: MemoryOperand['scale'] = 1, vectorIndex: MemoryOperand['vectorIndex'];
  const vector = terms.find(isVector);
  if (vector) {
    if (![1n, 2n, 4n, 8n].includes(vector.factor)) {
      throw new TokenError('the elements of an index are multiplied by 1, 2, 4 or 8', vector.column);
    }
    index = vector.register.index;
    vectorIndex = vector.register.file as 'xmm' | 'ymm';
    scale = Number(vector.factor) as MemoryOperand['scale'];
  }
  for (const { register, factor, scaled, column } of terms.filter((term) => term !== vector)) {
    if (factor === 1n && base < 0 && (!scaled || index >= 0)) base = register.index;
    else if (index < 0 && [1n, 2n, 4n, 8n].includes(factor)) {
      index = register.index;
      scale = Number(factor) as MemoryOperand['scale'];
    } else if (index < 0 && base < 0 && [3n, 5n, 9n].includes(factor)) {
      base = index = register.index;
      scale = Number(factor - 1n) as MemoryOperand['scale'];
    } else throw new TokenError('an address is at most base + index * 1, 2, 4 or 8 + displacement', column);
  }
  if (vectorIndex) return { base, index, vectorIndex, scale };
  const stackPointerAsIndex = index === 4 && scale === 1;
  const reversedPair = addressSize === 16 && (base === 6 || base === 7) && index >= 0;
  return stackPointerAsIndex || reversedPair
    ? { base: index, index: base, vectorIndex, scale }
    : { base, index, vectorIndex, scale };
}

/** Up to two registers stay as they are: [rax+rax] is shorter than [rax*2]. */
function mergeRegisters(sum: Sum): Term[] {
  const merged: Term[] = [];
  const few = sum.registers.length <= 2 && sum.registers.every((term) => term.factor > 0n);
  for (const term of sum.registers) {
    if (!isVector(term) && (term.register.file !== 'gpr' || term.register.size < 16)) {
      throw new TokenError(
        'only 16, 32 and 64-bit general-purpose registers make an address, and XMM and YMM registers several',
        term.column,
      );
    }
    const same = few ? -1 : merged.findIndex((other) => other.register === term.register);
    if (same < 0) merged.push(term);
    else merged[same] = { ...merged[same]!, factor: merged[same]!.factor + term.factor };
  }
  return merged.filter((term) => term.factor !== 0n);
}

function addressSizeOf(terms: Term[], mode: Mode, usual: AddressSize | undefined): AddressSize {
  const [first, ...others] = terms.filter((term) => !isVector(term));
  // There is no vector of 16-bit addresses.
  if (!first) return usual ?? (terms.length > 0 && mode === 16 ? 32 : mode);
  const odd = others.find((term) => term.register.size !== first.register.size);
  if (odd) throw new TokenError('registers of an address have one size', odd.column);
  const size = first.register.size as AddressSize;
  if (size === 64 && mode !== 64) throw new TokenError('64-bit addresses exist only in 64-bit code', first.column);
  if (size === 16 && mode === 64) throw new TokenError('16-bit addresses do not exist in 64-bit code', first.column);
  return size;
}
