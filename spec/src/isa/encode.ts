/** From a form and operands to bytes: the inverse of `decode`. */

import { s, u } from '../numbers/bits.ts';
import type { Form, OperandForm } from './form.ts';
import type { Mode } from './instruction.ts';
import type { MemoryOperand, Operand } from './operand.ts';
import { immediateBytes, sizeOf } from './decode.ts';

export interface Encoding {
  readonly form: Form;
  readonly mode: Mode;
  /** Operand size in bits. */
  readonly size: number;
  readonly operands: readonly Operand[];
  readonly lock?: boolean;
  readonly repeat?: 0 | 0xf2 | 0xf3;
}

/** Operand sizes that `form` can have in `mode`, the default first. */
export function operandSizes(form: Form, mode: Mode): number[] {
  if (form.onlySize !== undefined) return [form.onlySize];
  if (mode !== 64) return form.rexW ? [] : form.sized || form.size64 ? [mode, 48 - mode] : [mode];
  if (form.rexW) return [64];
  if (form.size64 === 'forced') return [64];
  if (form.size64 === 'default') return [64, 16];
  return form.sized ? [32, 64, 16] : [32];
}

/** Whether `operand` can stand where `form` asks for one, at operand size `size`. */
export function accepts(form: OperandForm, operand: Operand, size: number, mode: Mode): boolean {
  const bits = sizeOf(form.size, size);
  switch (operand.kind) {
    case 'register': {
      if (!form.register || form.file !== operand.file) return false;
      if (form.place === 'implicit') return operand.index === form.value && !operand.high && (operand.file !== 'gpr' || operand.size === bits);
      return operand.file !== 'gpr' || operand.size === bits;
    }
    case 'memory':
      if (!form.memory) return false;
      if (form.place === 'offset' && !(operand.direct || absolute(operand, mode))) return false;
      if (form.place !== 'offset' && operand.direct) return false;
      return operand.size === 0 || bits === 0 || operand.size === bits;
    case 'immediate':
      if (form.place === 'implicit') return form.file === 'none' && operand.value === BigInt(form.value);
      return form.place === 'immediate' && fits(operand.value, bits, form.signed ? size : bits);
    case 'relative':
      return form.place === 'relative' && fits(s(64, operand.displacement), bits, 64);
  }
}

const absolute = (operand: MemoryOperand, mode: Mode): boolean =>
  mode !== 64 && operand.base < 0 && operand.index < 0;

/** `value` (signed or unsigned) survives being cut to `bits` and extended to `width` again, modulo 2^width. */
function fits(value: bigint, bits: number, width: number): boolean {
  if (value < -(1n << BigInt(width - 1)) || value >= 1n << BigInt(width)) return false;
  return bits >= width || u(width, s(bits, value)) === u(width, value);
}

/** Bytes of the instruction, or a message that says why these operands cannot be encoded. */
export function encode(encoding: Encoding): Uint8Array | string {
  const { form, mode, size, operands } = encoding;
  const prefixes: number[] = [];
  let rex = form.rexW || (size === 64 && form.size64 === undefined && mode === 64 && form.sized) ? 8 : 0;
  let rexNeeded = false, rexForbidden = false;
  let modrm: number | undefined = form.modrmByte ?? (typeof form.modrm === 'number' ? form.modrm << 3 : form.modrm === 'r' ? 0 : undefined);
  let opcode = form.opcode, tail: number[] = [], immediate: number[] = [], addressPrefix = false, segment = -1;

  for (const [n, operand] of operands.entries()) {
    const place = form.operands[n]!.place;
    if (operand.kind === 'register' && operand.file === 'gpr' && operand.size === 8) {
      if (operand.high) rexForbidden = true;
      else if (operand.index >= 4) rexNeeded = true;
    }
    if (operand.kind === 'register') {
      const index = operand.high ? operand.index + 4 : operand.index;
      if (index > 7 && mode !== 64) return `register ${index} exists only in 64-bit mode`;
      if (place === 'reg') modrm = modrm! | ((index & 7) << 3), rex |= index > 7 ? 4 : 0;
      else if (place === 'rm') modrm = modrm! | 0xc0 | (index & 7), rex |= index > 7 ? 1 : 0;
      else if (place === 'opcode') opcode |= index & 7, rex |= index > 7 ? 1 : 0;
    } else if (operand.kind === 'memory') {
      if (operand.segmentOverridden) segment = operand.segment;
      if (operand.addressSize !== mode) addressPrefix = true;
      if (place === 'offset') immediate = little(operand.displacement, immediateBytes(form, size, operand.addressSize));
      else {
        const bytes = memoryBytes(operand, mode);
        if (typeof bytes === 'string') return bytes;
        modrm = modrm! | bytes.modrm;
        rex |= bytes.rex;
        tail = bytes.tail;
      }
    } else if (place !== 'implicit') {
      immediate = little(operand.kind === 'relative' ? operand.displacement : operand.value, immediateBytes(form, size, mode));
    }
  }
  if (encoding.lock) prefixes.push(0xf0);
  if (encoding.repeat) prefixes.push(encoding.repeat);
  if (segment >= 0) prefixes.push([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65][segment]!);
  if (addressPrefix) prefixes.push(0x67);
  const plain = mode === 64 ? (form.size64 ? 64 : 32) : mode;
  if (form.prefix !== '66' && size !== plain && (size === 16 || (size === 32 && mode === 16))) prefixes.push(0x66);
  if (form.prefix && form.prefix !== 'NP') prefixes.push(Number.parseInt(form.prefix, 16));
  if (rexNeeded && mode !== 64) return 'spl, bpl, sil and dil exist only in 64-bit mode';
  if (rex || rexNeeded) {
    if (rexForbidden) return 'ah, ch, dh and bh cannot be used in an instruction with a REX prefix';
    prefixes.push(0x40 | rex);
  }
  const escape = { primary: [], '0F': [0x0f], '0F38': [0x0f, 0x38], '0F3A': [0x0f, 0x3a] }[form.map];
  return Uint8Array.from([...prefixes, ...escape, opcode, ...(modrm === undefined ? [] : [modrm]), ...tail, ...immediate]);
}

const little = (value: bigint, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, n) => Number((u(64, value) >> BigInt(8 * n)) & 0xffn));

interface MemoryBytes { modrm: number; rex: number; tail: number[] }

function memoryBytes(operand: MemoryOperand, mode: Mode): MemoryBytes | string {
  const { base, index, scale, addressSize } = operand;
  if (addressSize === 16) return memoryBytes16(operand);
  const displacement = s(addressSize, operand.displacement);
  const wide = addressSize === 64 && (displacement > 0x7fff_ffffn || displacement < -0x8000_0000n);
  if (wide) return `the displacement ${displacement < 0n ? '-' : ''}0x${(displacement < 0n ? -displacement : displacement).toString(16)} does not fit in 32 bits`;
  if (operand.ripRelative) return { modrm: 5, rex: 0, tail: little(displacement, 4) };
  if (index === 4) return 'RSP and ESP cannot be an index';
  const rex = (base > 7 ? 1 : 0) | (index > 7 ? 2 : 0);
  if (rex && mode !== 64) return 'registers 8 to 15 exist only in 64-bit mode';
  const needsSib = index >= 0 || (base & 7) === 4 || (base < 0 && mode === 64);
  if (base < 0) {
    if (!needsSib) return { modrm: 5, rex, tail: little(displacement, 4) };
    return { modrm: 4, rex, tail: [sib(scale, index, 5), ...little(displacement, 4)] };
  }
  const bytes = displacement === 0n && (base & 7) !== 5 ? 0 : displacement >= -128n && displacement <= 127n ? 1 : 4;
  const mod = bytes === 0 ? 0 : bytes === 1 ? 0x40 : 0x80;
  return { modrm: mod | (needsSib ? 4 : base & 7), rex, tail: [...(needsSib ? [sib(scale, index, base)] : []), ...little(displacement, bytes)] };
}

const sib = (scale: number, index: number, base: number): number =>
  (Math.log2(scale) << 6) | ((index < 0 ? 4 : index & 7) << 3) | (base & 7);

const PAIRS_16: Readonly<Record<string, number>> = { '3,6': 0, '3,7': 1, '5,6': 2, '5,7': 3, '6,-1': 4, '7,-1': 5, '5,-1': 6, '3,-1': 7 };

function memoryBytes16(operand: MemoryOperand): MemoryBytes | string {
  const displacement = s(16, operand.displacement);
  if (operand.base < 0 && operand.index < 0) return { modrm: 6, rex: 0, tail: little(displacement, 2) };
  const rm = PAIRS_16[`${operand.base},${operand.index}`];
  if (rm === undefined || operand.scale !== 1) return '16-bit addresses are made of bx or bp and si or di';
  const bytes = displacement === 0n && rm !== 6 ? 0 : displacement >= -128n && displacement <= 127n ? 1 : 2;
  return { modrm: [0, 0x40, 0x80][bytes]! | rm, rex: 0, tail: little(displacement, bytes) };
}
