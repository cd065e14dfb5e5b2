/** From a form and operands to bytes: the inverse of `decode`. */

import { hex, s, toBytes, u } from '../numbers/bits.ts';
import type { Form, OperandForm } from './form.ts';
import type { Mode } from './instruction.ts';
import type { MemoryOperand, Operand, RegisterOperand } from './operand.ts';
import { SAME_REGISTERS, immediateBytes, sameRegisters, sizeOf } from './decode.ts';

export interface Encoding {
  readonly form: Form;
  readonly mode: Mode;
  /** Operand size in bits. */
  readonly size: number;
  readonly operands: readonly Operand[];
  readonly lock?: boolean;
  readonly repeat?: 0 | 0xf2 | 0xf3;
  /** Address size and segment override of an instruction without a memory operand (MOVS, LOOP). */
  readonly addressSize?: 16 | 32 | 64 | undefined;
  readonly segment?: number | undefined;
  /** The displacement of a memory operand takes its full width even where a byte would do. */
  readonly wideDisplacement?: boolean;
}

/** Operand sizes that `form` can have in `mode`, the default first. */
export function operandSizes(form: Form, mode: Mode): number[] {
  if (form.vex) return [form.vex.w === 1 ? 64 : 32];
  if (form.onlySize !== undefined) return [form.onlySize];
  // Where 66 would select another encoding, it cannot select a size.
  if (form.prefix === 'NP') {
    return mode !== 64 ? (form.rexW ? [] : [mode]) : form.rexW ? [64] : form.sized ? [32, 64] : [32];
  }
  if (mode !== 64) return form.rexW ? [] : form.sized || form.size64 ? [mode, 48 - mode] : [mode];
  if (form.rexW || form.size64 === 'forced') return [64];
  if (form.size64 === 'default') return [64, 16];
  return form.sized ? [32, 64, 16] : [32];
}

/** Whether `form` asks for an operand of this kind, whatever its size: most forms of an instruction do not. */
export function asksFor(form: OperandForm, operand: Operand): boolean {
  switch (operand.kind) {
    case 'register': return form.register && form.file === operand.file;
    case 'memory': return form.memory;
    case 'immediate': return form.place === 'immediate' || (form.place === 'implicit' && form.file === 'none');
    case 'far': case 'relative': return form.place === operand.kind;
  }
}

/** Whether `operand` can stand where `form` asks for one of its kind, at operand size `size`. */
export function accepts(form: OperandForm, operand: Operand, size: number): boolean {
  if (!asksFor(form, operand)) return false;
  const bits = sizeOf(form.size, size);
  switch (operand.kind) {
    case 'register': {
      if (operand.file === 'gpr' && operand.size !== (form.registerSize || bits)) return false;
      return form.place !== 'implicit' || (operand.index === form.value && !operand.high);
    }
    case 'memory': {
      const plain = operand.base < 0 && operand.index < 0 && !operand.ripRelative;
      if (form.place === 'offset' ? !plain : operand.direct) return false;
      if (form.vectorIndex !== operand.vectorIndex) return false;
      return operand.size === 0 || bits === 0 || operand.size === bits;
    }
    case 'immediate':
      if (form.place === 'implicit') return operand.value === BigInt(form.value);
      return fits(operand.value, bits, form.signed ? size : bits);
    case 'far':
      return (operand.size === 0 || operand.size === bits) && fits(operand.offset, bits, bits);
    case 'relative':
      return fits(s(64, operand.displacement), bits, 64);
  }
}

/** `value` (signed or unsigned) survives being cut to `bits` and extended to `width` again, modulo 2^width. */
function fits(value: bigint, bits: number, width: number): boolean {
  if (value < -(1n << BigInt(width - 1)) || value >= 1n << BigInt(width)) return false;
  return bits >= width || u(width, s(bits, value)) === u(width, value);
}

/** What the operands put together. */
interface Parts {
  rex: number;
  /** A byte register that only a REX prefix reaches, or one that a REX prefix hides, takes part. */
  rexNeeded: boolean;
  rexForbidden: boolean;
  opcode: number;
  /** The register that VEX.vvvv names. */
  vvvv: number;
  modrm: number | undefined;
  /** SIB and displacement. */
  tail: readonly number[];
  immediate: readonly number[];
  addressSize: number;
  segment: number;
}

/** Bytes of the instruction, or a message that says why these operands cannot be encoded. */
export function encode(encoding: Encoding): Uint8Array | string {
  const { form, mode, size } = encoding;
  const wide = size === 64 && form.size64 === undefined && form.sized && !form.vex;
  const parts: Parts = {
    rex: form.rexW || wide ? 8 : 0, rexNeeded: false, rexForbidden: false, opcode: form.opcode, vvvv: 0,
    modrm: form.modrmByte ?? (typeof form.modrm === 'number' ? form.modrm << 3 : form.modrm === 'r' ? 0 : undefined),
    tail: [], immediate: [], addressSize: form.onlyAddressSize ?? encoding.addressSize ?? mode,
    segment: encoding.segment ?? -1,
  };
  for (const [n, operand] of encoding.operands.entries()) {
    const problem = place(parts, form.operands[n]!, operand, encoding);
    if (problem !== undefined) return problem;
  }
  if (sameRegisters(encoding.operands)) return SAME_REGISTERS;
  const rex = parts.rex || parts.rexNeeded ? 0x40 | parts.rex : 0;
  if (rex && mode !== 64) return 'registers r8 to r15, spl, bpl, sil and dil exist only in 64-bit mode';
  if (rex && parts.rexForbidden) return 'ah, ch, dh and bh cannot be used in an instruction with a REX prefix';
  return Uint8Array.from([
    ...legacyPrefixes(encoding, parts),
    ...(form.vex ? vexPrefix(form, parts) : [...(rex ? [rex] : []), ...ESCAPES[form.map]]), parts.opcode,
    ...(parts.modrm === undefined ? [] : [parts.modrm]), ...parts.tail, ...parts.immediate,
  ]);
}

const ESCAPES = { primary: [], '0F': [0x0f], '0F38': [0x0f, 0x38], '0F3A': [0x0f, 0x3a] } as const;
/** The two-byte form where it suffices. SDM vol. 2A, 2.3.5. */
function vexPrefix(form: Form, { rex, vvvv }: Parts): number[] {
  const prefix = ['NP', '66', 'F3', 'F2'].indexOf(form.prefix ?? 'NP');
  const last = ((~vvvv & 15) << 3) | (form.vex!.l === 1 ? 4 : 0) | prefix;
  if (form.map === '0F' && form.vex!.w !== 1 && !(rex & 3)) return [0xc5, (rex & 4 ? 0 : 0x80) | last];
  const map = { primary: 0, '0F': 1, '0F38': 2, '0F3A': 3 }[form.map];
  return [0xc4, ((~rex & 7) << 5) | map, (form.vex!.w === 1 ? 0x80 : 0) | last];
}

const SEGMENT_PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65] as const;

function legacyPrefixes({ form, mode, size, lock, repeat }: Encoding, parts: Parts): number[] {
  const usual = mode === 64 ? (form.size64 ? 64 : 32) : mode;
  const operandSize = !form.vex && form.prefix !== '66' && size !== usual && (size === 16 || mode !== 64);
  return [
    ...(lock ? [0xf0] : []),
    ...(repeat ? [repeat] : []),
    ...(parts.segment < 0 ? [] : [SEGMENT_PREFIXES[parts.segment]!]),
    ...(parts.addressSize === mode ? [] : [0x67]),
    ...(operandSize ? [0x66] : []),
    // A mandatory prefix comes last, next to REX and the opcode.
    ...(!form.vex && form.prefix && /^[6F]\d$/.test(form.prefix) ? [Number.parseInt(form.prefix, 16)] : []),
  ];
}

/** Adds an operand to `parts`, or says why that cannot be. */
function place(parts: Parts, form: OperandForm, operand: Operand, encoding: Encoding): string | undefined {
  const { mode, size } = encoding;
  switch (operand.kind) {
    case 'register': return placeRegister(parts, form, operand, encoding);
    case 'memory': {
      parts.addressSize = operand.addressSize;
      if (operand.segmentOverridden) parts.segment = operand.segment;
      if (form.place === 'offset') {
        parts.immediate = little(operand.displacement, operand.addressSize / 8);
        return undefined;
      }
      const bytes = memoryBytes(operand, mode, encoding.wideDisplacement ?? false);
      if (typeof bytes === 'string') return bytes;
      parts.modrm! |= bytes.modrm;
      parts.rex |= bytes.rex;
      parts.tail = bytes.tail;
      return undefined;
    }
    case 'far': {
      const bytes = Math.min(size, 32) / 8;
      parts.immediate = [...little(operand.offset, bytes), ...little(BigInt(operand.selector), 2)];
      return undefined;
    }
    case 'immediate':
    case 'relative': {
      if (form.place === 'implicit') return undefined;
      const value = operand.kind === 'relative' ? operand.displacement : operand.value;
      const several = encoding.form.operands.filter(({ place }) => place === 'immediate').length > 1;
      const bytes = several
        ? sizeOf(form.size, size) / 8
        : immediateBytes(encoding.form.immediate, size, mode);
      parts.immediate = [...parts.immediate, ...little(value, bytes)];
      return undefined;
    }
  }
}

function placeRegister(
  parts: Parts, form: OperandForm, operand: RegisterOperand, encoding: Encoding,
): string | undefined {
  if (form.place === 'implicit') return undefined;
  if (operand.file === 'gpr' && operand.size === 8) {
    if (operand.high) parts.rexForbidden = true;
    else if (operand.index >= 4) parts.rexNeeded = true;
  }
  const index = operand.high ? operand.index + 4 : operand.index;
  if (index > 7 && encoding.mode !== 64) return 'registers 8 to 15 exist only in 64-bit mode';
  if (encoding.form.notZero && index === 0) return 'this encoding with register 0 is another instruction';
  if (form.place === 'reg') parts.modrm! |= (index & 7) << 3;
  else if (form.place === 'vvvv') parts.vvvv = index;
  else if (form.place === 'is4') parts.immediate = [index << 4];
  else if (form.place === 'rm') parts.modrm! |= 0xc0 | (index & 7);
  else parts.opcode |= index & 7;
  if (index > 7 && form.place !== 'vvvv' && form.place !== 'is4') parts.rex |= form.place === 'reg' ? 4 : 1;
  return undefined;
}

const little = (value: bigint, bytes: number): number[] => [...toBytes(u(64, value), bytes)];

interface MemoryBytes {
  readonly modrm: number;
  readonly rex: number;
  readonly tail: readonly number[];
}

function memoryBytes(operand: MemoryOperand, mode: Mode, wide: boolean): MemoryBytes | string {
  const { base, index, scale, addressSize } = operand;
  if (addressSize === 16) return memoryBytes16(operand, wide);
  const displacement = s(addressSize, operand.displacement);
  if (displacement !== s(32, displacement)) return `the displacement ${hex(displacement)} does not fit in 32 bits`;
  if (operand.ripRelative) return { modrm: 5, rex: 0, tail: little(displacement, 4) };
  if (index === 4 && !operand.vectorIndex) return 'rsp and esp cannot be an index';
  const rex = (base > 7 ? 1 : 0) | (index > 7 ? 2 : 0);
  const needsSib = index >= 0 || (base & 7) === 4 || (base < 0 && mode === 64);
  if (base < 0) {
    if (!needsSib) return { modrm: 5, rex, tail: little(displacement, 4) };
    return { modrm: 4, rex, tail: [sib(scale, index, 5), ...little(displacement, 4)] };
  }
  const bytes = wide ? 4 : displacement === 0n && (base & 7) !== 5 ? 0 : displacement === s(8, displacement) ? 1 : 4;
  const mod = { 0: 0, 1: 0x40, 4: 0x80 }[bytes];
  const tail = little(displacement, bytes);
  return { modrm: mod | (needsSib ? 4 : base & 7), rex, tail: needsSib ? [sib(scale, index, base), ...tail] : tail };
}

const sib = (scale: number, index: number, base: number): number =>
  (Math.log2(scale) << 6) | ((index < 0 ? 4 : index & 7) << 3) | (base & 7);

/** ModRM.rm of 16-bit addresses, by base and index. */
const PAIRS_16: ReadonlyMap<string, number> = new Map([
  ['3,6', 0], ['3,7', 1], ['5,6', 2], ['5,7', 3], ['6,-1', 4], ['7,-1', 5], ['5,-1', 6], ['3,-1', 7],
]);

function memoryBytes16(operand: MemoryOperand, wide: boolean): MemoryBytes | string {
  const displacement = s(16, operand.displacement);
  if (operand.base < 0 && operand.index < 0) return { modrm: 6, rex: 0, tail: little(displacement, 2) };
  const rm = PAIRS_16.get(`${operand.base},${operand.index}`);
  if (rm === undefined || operand.scale !== 1) return '16-bit addresses are made of bx or bp and si or di';
  const bytes = wide ? 2 : displacement === 0n && rm !== 6 ? 0 : displacement === s(8, displacement) ? 1 : 2;
  return { modrm: (bytes << 6) | rm, rex: 0, tail: little(displacement, bytes) };
}
