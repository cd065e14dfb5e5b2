/** From bytes to an `Instruction`, by the one table. */

import { u, s } from '../numbers/bits.ts';
import { Fault, Unmodelled } from '../state/outcomes.ts';
import { CS, DS, ES, FS, GS, SS } from '../state/fields.ts';
import type { Form, OperandForm } from './form.ts';
import type { Instruction, Mode } from './instruction.ts';
import type { MemoryOperand, Operand } from './operand.ts';
import { formsOf, INVALID_IN_64BIT } from './table.ts';

/** Longest instruction; one more byte is #GP(0). SDM vol. 2A, 2.3.11. */
export const MAXIMUM_LENGTH = 15;

const SEGMENT_PREFIX: Record<number, number> = { 0x26: ES, 0x2e: CS, 0x36: SS, 0x3e: DS, 0x64: FS, 0x65: GS };

/** What precedes the opcode, and the position in the bytes. */
interface Reader {
  next(): number;
  position: number;
}

/**
 * Decodes one instruction. `fetch(n)` gives the byte at offset n and may throw a `Fault` (#PF, #GP).
 * Throws `Fault` #UD for what the architecture calls invalid, `Unmodelled` for encodings that are not in the table.
 */
export function decode(fetch: (offset: number) => number, mode: Mode): Instruction {
  const reader: Reader = {
    position: 0,
    next() {
      if (this.position >= MAXIMUM_LENGTH) throw new Fault('#GP', 'the instruction is longer than 15 bytes', 0);
      return fetch(this.position++);
    },
  };
  let segment = -1, operandPrefix = false, addressPrefix = false, repeat: 0 | 0xf2 | 0xf3 = 0, lock = false, rex = 0;
  let opcode = reader.next();
  for (;; opcode = reader.next()) {
    if (opcode in SEGMENT_PREFIX) {
      // CS, DS, ES and SS overrides are ignored in 64-bit mode. SDM vol. 1, 3.3.7.
      if (mode !== 64 || opcode >= 0x64) segment = SEGMENT_PREFIX[opcode]!;
      rex = 0;
    } else if (opcode === 0x66) operandPrefix = true, rex = 0;
    else if (opcode === 0x67) addressPrefix = true, rex = 0;
    else if (opcode === 0xf0) lock = true, rex = 0;
    else if (opcode === 0xf2 || opcode === 0xf3) repeat = opcode, rex = 0;
    else if (mode === 64 && (opcode & 0xf0) === 0x40) rex = opcode; // only the last one, directly before the opcode, counts
    else break;
  }
  const rexW = (rex & 8) !== 0;
  let map: Form['map'] = 'primary';
  if (opcode === 0x0f) {
    map = '0F';
    opcode = reader.next();
    if (opcode === 0x38 || opcode === 0x3a) {
      map = opcode === 0x38 ? '0F38' : '0F3A';
      opcode = reader.next();
    }
  }
  const candidates = formsOf(map, opcode);
  let modrm = -1;
  const withModrm = candidates.some((form) => form.modrm !== undefined || form.modrmByte !== undefined);
  if (withModrm) modrm = reader.next();
  const mandatory = repeat === 0xf3 ? 'F3' : repeat === 0xf2 ? 'F2' : operandPrefix ? '66' : 'NP';
  const legacyDefault = mode === 16 ? 16 : 32;
  const plainSize = rexW ? 64 : operandPrefix ? 48 - legacyDefault : legacyDefault;
  const form = candidates.find((candidate) => matches(candidate, mode, mandatory, rex, modrm, plainSize));
  if (!form) throw unknown(map, opcode, modrm, mode, mandatory);
  const usesOperandPrefix = operandPrefix && form.prefix !== '66';
  const size = mode === 64
    ? rexW ? 64 : form.size64 === 'forced' ? 64 : usesOperandPrefix ? 16 : form.size64 === 'default' ? 64 : 32
    : usesOperandPrefix ? 48 - legacyDefault : legacyDefault;
  const addressSize = mode === 64 ? (addressPrefix ? 32 : 64) : addressPrefix ? (mode === 16 ? 32 : 16) : mode;
  const context: Context = { reader, mode, rex, size, addressSize, segment, modrm, opcode };

  let memory: MemoryOperand | undefined;
  const rmForm = form.operands.find((operand) => operand.place === 'rm' && operand.memory);
  if (rmForm && modrm < 0xc0) memory = memoryOperand(context, sizeOf(rmForm.size, size));
  const immediate = immediateValue(form, context);
  const operands = form.operands.map((operand) => operandValue(operand, context, memory, immediate));
  if (lock && !(form.definition.lock && operands[0]?.kind === 'memory')) {
    throw new Fault('#UD', `LOCK is not allowed with this form of ${form.definition.mnemonic}`);
  }
  const bytes = new Uint8Array(reader.position);
  for (let n = 0; n < bytes.length; n++) bytes[n] = fetch(n);
  return {
    form, definition: form.definition, operation: form.definition.operation, length: bytes.length, bytes, mode,
    size: operationSize(form, size), addressSize: addressSize as 16 | 32 | 64, rexW, lock,
    repeat: form.prefix === 'F3' || form.prefix === 'F2' ? 0 : repeat, operands, segment,
    x87Opcode: map === 'primary' && (opcode & 0xf8) === 0xd8 ? ((opcode & 7) << 8) | modrm : 0,
  };
}

/** Whether the encoding `form` is the one that these prefixes and this ModRM byte select. */
function matches(form: Form, mode: Mode, mandatory: string, rex: number, modrm: number, size: number): boolean {
  if (form.only === '64' && mode !== 64) return false;
  if (form.only === 'legacy' && mode === 64) return false;
  if (form.prefix !== undefined && form.prefix !== mandatory) return false;
  if (form.rexW && !(rex & 8)) return false;
  if (form.onlySize !== undefined && form.onlySize !== size) return false;
  if (form.rexB0 && rex & 1) return false;
  if (form.modrmByte !== undefined) return form.modrmByte === modrm;
  if (typeof form.modrm === 'number' && ((modrm >> 3) & 7) !== form.modrm) return false;
  if (form.modrm === undefined) return true;
  const rm = form.operands.find((operand) => operand.place === 'rm');
  if (!rm) return true;
  return modrm >= 0xc0 ? rm.register : rm.memory;
}

function unknown(map: string, opcode: number, modrm: number, mode: Mode, mandatory: string): Error {
  const byte = (value: number): string => value.toString(16).toUpperCase().padStart(2, '0');
  const text = [map === 'primary' ? '' : map.replace(/(..)(..)/, '$1 $2'), byte(opcode), modrm < 0 ? '' : `with ModRM ${byte(modrm)}`]
    .filter(Boolean).join(' ');
  if (mode === 64 && map === 'primary' && INVALID_IN_64BIT.has(opcode)) return new Fault('#UD', `opcode ${text} is invalid in 64-bit mode`);
  // LEA, LDS and the like have no register form. SDM vol. 2A, LEA.
  if (map === 'primary' && opcode === 0x8d) return new Fault('#UD', 'LEA needs a memory operand');
  const prefix = mandatory === 'NP' ? '' : ` after prefix ${mandatory}`;
  return new Unmodelled(`opcode ${text}${prefix} in ${mode}-bit code`);
}

interface Context {
  reader: Reader;
  mode: Mode;
  rex: number;
  size: number;
  addressSize: number;
  segment: number;
  modrm: number;
  opcode: number;
}

/** Bits of an operand whose form has a size letter, at operand size `size`. */
export function sizeOf(letter: OperandForm['size'], size: number): number {
  if (typeof letter === 'number') return letter;
  return letter === 'v' ? size : letter === 'z' ? Math.min(size, 32) : Math.max(size, 32);
}

/** The size an operation works at: that of its first sized operand. */
function operationSize(form: Form, size: number): number {
  const first = form.operands[0];
  return first && typeof first.size === 'number' && first.size === 8 ? 8 : size;
}

function operandValue(form: OperandForm, context: Context, memory: MemoryOperand | undefined, immediate: bigint): Operand {
  const { mode, rex, modrm } = context;
  const size = sizeOf(form.size, context.size);
  switch (form.place) {
    case 'reg': return register(form, ((modrm >> 3) & 7) | (rex & 4 ? 8 : 0), size, rex, mode);
    case 'opcode': return register(form, (context.opcode & 7) | (rex & 1 ? 8 : 0), size, rex, mode);
    case 'rm':
      if (modrm < 0xc0) return memory!;
      return register(form, (modrm & 7) | (rex & 1 && form.file !== 'x87' ? 8 : 0), size, rex, mode);
    case 'offset': return { ...directMemory(context, size), displacement: immediate };
    case 'immediate': {
      const width = form.signed ? context.size : size;
      return { kind: 'immediate', value: form.signed ? u(width, s(size, immediate)) : u(size, immediate), size: width };
    }
    case 'relative': return { kind: 'relative', displacement: u(64, s(size, immediate)), size };
    case 'implicit':
      if (form.file === 'none') return { kind: 'immediate', value: BigInt(form.value), size };
      return { kind: 'register', file: form.file, index: form.value, size, high: false };
  }
}

function register(form: OperandForm, index: number, size: number, rex: number, mode: Mode): Operand {
  const file = form.file as Exclude<OperandForm['file'], 'none'>;
  if (file === 'segment') {
    if ((index & 7) > 5) throw new Fault('#UD', 'there is no segment register of this number');
    return { kind: 'register', file, index: index & 7, size, high: false };
  }
  const high = file === 'gpr' && size === 8 && rex === 0 && index >= 4 && index < 8;
  const width = file === 'control' || file === 'debug' ? (mode === 64 ? 64 : 32) : size;
  return { kind: 'register', file, index: high ? index - 4 : index, size: width, high };
}

const LEGACY_16: readonly (readonly [base: number, index: number])[] = [[3, 6], [3, 7], [5, 6], [5, 7], [6, -1], [7, -1], [5, -1], [3, -1]];

/** ModRM, SIB and displacement. SDM vol. 2A, tables 2-1 to 2-3 and section 2.2.1.6. */
function memoryOperand(context: Context, size: number): MemoryOperand {
  const { reader, mode, rex, modrm, addressSize } = context;
  const mod = modrm >> 6, rm = modrm & 7;
  let base = -1, index = -1, scale: MemoryOperand['scale'] = 1, ripRelative = false, displacementBytes = [0, 1, addressSize === 16 ? 2 : 4][mod]!;
  if (addressSize === 16) {
    [base, index] = LEGACY_16[rm] as [number, number];
    if (mod === 0 && rm === 6) base = -1, displacementBytes = 2;
  } else if (rm === 4) {
    const sib = reader.next();
    scale = (1 << (sib >> 6)) as MemoryOperand['scale'];
    index = ((sib >> 3) & 7) | (rex & 2 ? 8 : 0);
    if (index === 4) index = -1;
    base = (sib & 7) | (rex & 1 ? 8 : 0);
    if ((sib & 7) === 5 && mod === 0) base = -1, displacementBytes = 4;
  } else if (mod === 0 && rm === 5) {
    displacementBytes = 4;
    ripRelative = mode === 64;
  } else base = rm | (rex & 1 ? 8 : 0);
  const displacement = u(addressSize, s(8 * displacementBytes || 8, littleEndian(reader, displacementBytes)));
  const defaultSegment = base === 4 || base === 5 ? SS : DS;
  return {
    kind: 'memory', segment: context.segment >= 0 ? context.segment : defaultSegment, segmentOverridden: context.segment >= 0,
    base, index, scale, displacement, ripRelative, addressSize: addressSize as 16 | 32 | 64, size, direct: false,
  };
}

function directMemory(context: Context, size: number): MemoryOperand {
  return {
    kind: 'memory', segment: context.segment >= 0 ? context.segment : DS, segmentOverridden: context.segment >= 0,
    base: -1, index: -1, scale: 1, displacement: 0n, ripRelative: false, addressSize: context.addressSize as 16 | 32 | 64, size, direct: true,
  };
}

/** Bytes of immediate data of `form` at operand size `size`. */
export function immediateBytes(form: Form, size: number, addressSize: number): number {
  switch (form.immediate) {
    case 'v': return size / 8;
    case 'z': return Math.min(size, 32) / 8;
    case 'moffs': return addressSize / 8;
    default: return form.immediate;
  }
}

function immediateValue(form: Form, context: Context): bigint {
  // A near branch in 64-bit mode has a 32-bit displacement whatever the operand size. SDM vol. 2A, JMP, CALL.
  const size = context.mode === 64 && form.size64 === 'forced' ? 64 : context.size;
  return littleEndian(context.reader, immediateBytes(form, size, context.addressSize));
}

function littleEndian(reader: Reader, bytes: number): bigint {
  let value = 0n;
  for (let n = 0; n < bytes; n++) value |= BigInt(reader.next()) << BigInt(8 * n);
  return value;
}
