/** From bytes to an `Instruction`, by the one table. */

import type { CpuProfile } from '../cpus/profile.ts';
import { u, s } from '../numbers/bits.ts';
import { Fault, Unmodelled } from '../state/outcomes.ts';
import { CS, DS, ES, FS, GS, SS } from '../state/fields.ts';
import { beyond } from './beyond.ts';
import type { Form, ImmediateSize, MandatoryPrefix, OpcodeMap, OperandForm } from './form.ts';
import { escapedMap, isEscape, tailOf } from './holes.ts';
import type { Instruction, InstructionDefinition, Mode } from './instruction.ts';
import type { MemoryOperand, Operand } from './operand.ts';
import { formsOf, INVALID_IN_64BIT } from './table.ts';

/** Longest instruction; one more byte is #GP(0). SDM vol. 2A, 2.3.11. */
export const MAXIMUM_LENGTH = 15;

/** Where processors read the same bytes differently. */
export interface Reading {
  /** In 64-bit mode 66 makes near branches 16 bits wide, as on AMD's processors; Intel's ignore it. */
  readonly wordBranches?: boolean;
  /** Why the processor lacks an instruction, if it does: its encodings are holes of the opcode map then. */
  readonly lacks?: (definition: InstructionDefinition) => string | undefined;
  /** How far a hole is fetched, which may fault, before it is #UD. */
  readonly holes?: CpuProfile['holes'];
  /** Whose processor it is: what only another's have is a hole. */
  readonly vendor?: CpuProfile['vendor'];
}

const isUndefined = ({ definition }: Form): boolean => definition.undefinedByOpcode === true;
const lacksNothing = (): undefined => undefined;

/**
 * Decodes one instruction. `fetch(n)` gives the byte at offset n and may throw a `Fault` (#PF, #GP).
 * Throws `Fault` #UD for what is no instruction, `Unmodelled` for one that is not in the table.
 */
export function decode(
  fetch: (offset: number) => number, mode: Mode, reading: Reading = {},
): Instruction {
  const reader = new Reader(fetch);
  const { prefixes, next } = readPrefixes(reader, mode, reading.wordBranches ?? false);
  const vex = readVex(reader, next, mode, prefixes);
  const { map, opcode } = vex ? { map: vex.map, opcode: reader.next() } : readOpcode(reader, next);
  const place: Place = { reader, mode, prefixes, map, opcode, vex, end: reader.position };
  const candidates = vex && vex.number > 3 ? [] : formsOf(map, opcode, vex !== undefined);
  const bare = reading.holes === 'fetched to the opcode' && candidates.find(isUndefined);
  if (bare) throw new Fault('#UD', `${bare.definition.mnemonic} is #UD by its opcode`);
  const hasModrm = candidates.some((form) => form.modrm !== undefined || form.modrmByte !== undefined);
  const modrm = hasModrm ? reader.next() : -1;
  const fitting = candidates.find((candidate) =>
    matches(candidate, mode, prefixes, modrm) && matchesVex(candidate, mode, vex));
  // What VEX.L, VEX.W or VEX.vvvv make invalid is fetched to its end all the same: that may fault. Measured on an
  // Emerald Rapids.
  const form = fitting ?? (vex && candidates.find((candidate) => matches(candidate, mode, prefixes, modrm)));
  if (!form) throw fetched(place, reading, unknown(place, modrm, reading.vendor));
  const lacking = reading.lacks?.(form.definition);
  if (lacking !== undefined) throw fetched(place, reading, new Fault('#UD', lacking));

  const size = operandSize(form, mode, prefixes);
  const addressSize = addressSizeOf(mode, prefixes.addressSize);
  const context: Context = { reader, mode, prefixes, size, addressSize, modrm, opcode, vvvv: vex?.vvvv ?? 0 };
  const inMemory = modrm < 0xc0 ? form.operands.find((operand) => operand.place === 'rm' && operand.memory) : undefined;
  const memory = inMemory && memoryOperand(context, sizeOf(inMemory.size, size), inMemory.vectorIndex);
  const immediate = reader.littleEndian(immediateBytes(form.immediate, size, addressSize));
  const operands = form.operands.map((operand) => operandValue(operand, context, memory, immediate));
  if (vex && !vex.alone) throw new Fault('#UD', 'LOCK, 66, F2, F3 and REX cannot stand before a VEX prefix');
  if (!fitting) throw new Fault('#UD', 'VEX.L, VEX.W or VEX.vvvv has a value that this instruction does not take');
  requireValid(form, operands, prefixes.lock);
  return {
    form, definition: form.definition, operation: form.definition.operation,
    length: reader.position, advance: BigInt(reader.position), bytes: reader.taken(), mode,
    size: worksOnBytes(form) ? 8 : size, addressSize, rexW: (prefixes.rex & 8) !== 0, lock: prefixes.lock,
    repeat: form.prefix === 'F3' || form.prefix === 'F2' ? 0 : prefixes.repeat, operands, segment: prefixes.segment,
    x87Opcode: map === 'primary' && (opcode & 0xf8) === 0xd8 ? ((opcode & 7) << 8) | modrm : 0,
  };
}

/** Gives the instruction's bytes one after another and keeps them. */
class Reader {
  readonly #bytes = new Uint8Array(MAXIMUM_LENGTH);
  readonly #fetch: (offset: number) => number;
  #fetched = 0;
  position = 0;

  constructor(fetch: (offset: number) => number) {
    this.#fetch = fetch;
  }

  next(): number {
    if (this.position >= MAXIMUM_LENGTH) throw new Fault('#GP', 'the instruction is longer than 15 bytes', 0);
    if (this.position === this.#fetched) this.#bytes[this.#fetched++] = this.#fetch(this.position);
    return this.#bytes[this.position++]!;
  }

  /** The next byte will be the last one again; it is not fetched twice. */
  back(): void {
    this.position--;
  }

  littleEndian(bytes: number): bigint {
    let value = 0n;
    for (let n = 0; n < bytes; n++) value |= BigInt(this.next()) << BigInt(8 * n);
    return value;
  }

  taken(): Uint8Array {
    return this.#bytes.slice(0, this.position);
  }
}

const SEGMENT_PREFIX: Readonly<Record<number, number>> = { 0x26: ES, 0x2e: CS, 0x36: SS, 0x3e: DS, 0x64: FS, 0x65: GS };

/** What precedes the opcode. */
interface Prefixes {
  /** Segment override in effect, or -1. */
  segment: number;
  operandSize: boolean;
  addressSize: boolean;
  lock: boolean;
  /** The last of F2 and F3, or 0. */
  repeat: 0 | 0xf2 | 0xf3;
  /** The REX prefix directly before the opcode, or 0: an earlier one counts for nothing. SDM vol. 2A, 2.2.1. */
  rex: number;
  /** See `Reading`. */
  readonly wordBranches: boolean;
}

/** The prefixes, and the byte after them. */
function readPrefixes(reader: Reader, mode: Mode, wordBranches: boolean): { prefixes: Prefixes; next: number } {
  const prefixes: Prefixes = {
    segment: -1, operandSize: false, addressSize: false, lock: false, repeat: 0, rex: 0, wordBranches,
  };
  for (;;) {
    const byte = reader.next();
    if (mode === 64 && (byte & 0xf0) === 0x40) {
      prefixes.rex = byte;
      continue;
    }
    const segment = SEGMENT_PREFIX[byte];
    if (segment !== undefined) {
      // CS, DS, ES and SS overrides are ignored in 64-bit mode. SDM vol. 1, 3.3.7.
      if (mode !== 64 || segment === FS || segment === GS) prefixes.segment = segment;
    } else if (byte === 0x66) prefixes.operandSize = true;
    else if (byte === 0x67) prefixes.addressSize = true;
    else if (byte === 0xf0) prefixes.lock = true;
    else if (byte === 0xf2 || byte === 0xf3) prefixes.repeat = byte;
    else return { prefixes, next: byte };
    prefixes.rex = 0;
  }
}

/** What a VEX prefix says. SDM vol. 2A, 2.3.5. */
interface Vex {
  readonly map: OpcodeMap;
  /** As encoded: there are maps 1 to 3. */
  readonly number: number;
  readonly l: 0 | 1;
  readonly w: 0 | 1;
  readonly vvvv: number;
  /** No LOCK, 66, F2, F3 or REX stands before it; else #UD, once the whole instruction is fetched. */
  readonly alone: boolean;
}

/** By the low two bits of the map's number, in which maps that do not exist are as long as those that do. */
const VEX_MAPS = ['primary', '0F', '0F38', '0F3A'] as const;

/**
 * The VEX prefix that begins with `first`, if it does. Its R, X, B and pp go into `prefixes`, as REX and 66, F3, F2 do.
 */
function readVex(reader: Reader, first: number, mode: Mode, prefixes: Prefixes): Vex | undefined {
  if (first !== 0xc4 && first !== 0xc5) return undefined;
  const second = reader.next();
  // Outside 64-bit mode it is LES or LDS, unless their ModRM would name a register; and a map of which the low two bits
  // are 0 leaves it LES, as a Sapphire Rapids class Xeon fetches it, which 64-bit mode does not have.
  if ((mode !== 64 && second < 0xc0) || (first === 0xc4 && (second & 3) === 0)) {
    reader.back();
    return undefined;
  }
  const alone = !prefixes.lock && !prefixes.operandSize && !prefixes.repeat && !prefixes.rex;
  const number = first === 0xc5 ? 1 : second & 0x1f;
  const map = VEX_MAPS[number & 3]!;
  // The two-byte form has the third byte's content, with R in place of W.
  const last = first === 0xc5 ? second & 0x7f : reader.next();
  const inverted = first === 0xc5 ? ~second & 0x80 : ~second & 0xe0;
  prefixes.rex = mode === 64 ? (inverted >> 5) | (last & 0x80 ? 8 : 0) : 0;
  prefixes.operandSize = (last & 3) === 1;
  prefixes.repeat = (last & 3) === 2 ? 0xf3 : (last & 3) === 3 ? 0xf2 : 0;
  const vvvv = (~last >> 3) & 15;
  return { map, number, l: last & 4 ? 1 : 0, w: last & 0x80 ? 1 : 0, vvvv, alone };
}

/**
 * VEX.W does not choose general-purpose registers outside 64-bit mode. An unused VEX.vvvv is 1111 in any mode; of a
 * used one, the highest bit means nothing outside 64-bit mode.
 */
function matchesVex(form: Form, mode: Mode, vex: Vex | undefined): boolean {
  if (!form.vex || !vex) return !form.vex && !vex;
  const sizing = form.w64 || form.operands.some(({ file }) => file === 'gpr');
  const anyW = form.vex.w === undefined || (mode !== 64 && sizing);
  if (!anyW && form.vex.w !== vex.w) return false;
  if (form.vex.l !== undefined && form.vex.l !== vex.l) return false;
  return vex.vvvv === 0 || form.operands.some((operand) => operand.place === 'vvvv');
}

function readOpcode(reader: Reader, first: number): { map: OpcodeMap; opcode: number } {
  if (first !== 0x0f) return { map: 'primary', opcode: first };
  const second = reader.next();
  if (second !== 0x38 && second !== 0x3a) return { map: '0F', opcode: second };
  return { map: second === 0x38 ? '0F38' : '0F3A', opcode: reader.next() };
}

/** F3 and F2 go before 66 where an encoding depends on them. SDM vol. 2D, A.2.5. */
const mandatoryPrefix = ({ repeat, operandSize }: Prefixes): MandatoryPrefix =>
  repeat === 0xf3 ? 'F3' : repeat === 0xf2 ? 'F2' : operandSize ? '66' : 'NP';

/** Whether the encoding `form` is the one that these prefixes and this ModRM byte select. */
function matches(form: Form, mode: Mode, prefixes: Prefixes, modrm: number): boolean {
  if (form.only === '64' && mode !== 64) return false;
  if (form.only === 'legacy' && mode === 64) return false;
  if (form.prefix === 'NFx' && prefixes.repeat !== 0) return false;
  const mandatory = form.prefix !== undefined && form.prefix !== 'NFx';
  if (mandatory && form.prefix !== mandatoryPrefix(prefixes)) return false;
  if (form.rexW && !(prefixes.rex & 8)) return false;
  if (form.onlySize !== undefined && form.onlySize !== operandSize(form, mode, prefixes)) return false;
  const { onlyAddressSize } = form;
  if (onlyAddressSize !== undefined && onlyAddressSize !== addressSizeOf(mode, prefixes.addressSize)) return false;
  if (form.rexB0 && prefixes.rex & 1) return false;
  if (form.modrmByte !== undefined) return form.modrmByte === modrm;
  if (typeof form.modrm === 'number' && ((modrm >> 3) & 7) !== form.modrm) return false;
  const rm = form.operands.find((operand) => operand.place === 'rm');
  if (!rm || form.modIgnored) return true;
  return modrm >= 0xc0 ? rm.register : rm.memory;
}

function operandSize(form: Form, mode: Mode, prefixes: Prefixes): number {
  if (form.vex) return form.vex.w === 1 ? 64 : 32;
  // A mandatory 66 is part of the opcode and does not choose the size.
  const other = prefixes.operandSize && form.prefix !== '66';
  if (mode !== 64) return (mode === 16) === other ? 32 : 16;
  if (prefixes.rex & 8) return 64;
  if (form.size64 === 'forced') return other && prefixes.wordBranches ? 16 : 64;
  if (other) return 16;
  return form.size64 === 'default' ? 64 : 32;
}

function addressSizeOf(mode: Mode, prefix: boolean): 16 | 32 | 64 {
  if (mode === 64) return prefix ? 32 : 64;
  return (mode === 16) === prefix ? 32 : 16;
}

const byteText = (value: number): string => value.toString(16).toUpperCase().padStart(2, '0');

/** Prefixes and opcode, as they are known before what follows them is read. */
interface Place {
  readonly reader: Reader;
  readonly mode: Mode;
  readonly prefixes: Prefixes;
  readonly map: OpcodeMap;
  readonly opcode: number;
  readonly vex: Vex | undefined;
  /** How many bytes they are. */
  readonly end: number;
}

/** `error`, once a hole is fetched as far as the processor does. */
function fetched(place: Place, { holes, lacks = lacksNothing }: Reading, error: Error): Error {
  if (holes === 'fetched to their end' && error instanceof Fault) fetchTail(place, lacks);
  return error;
}

function fetchTail(place: Place, lacks: NonNullable<Reading['lacks']>): void {
  const { reader, mode, prefixes, vex, end } = place;
  reader.position = end;
  const escapes = !vex && isEscape(place.map, place.opcode);
  const map = escapes ? escapedMap(place.opcode) : place.map, opcode = escapes ? reader.next() : place.opcode;
  const { modrm: hasModrm, memory, immediate, form } = tailOf(map, opcode, ({ definition }) => !lacks(definition));
  const modrm = hasModrm ? reader.next() : -1;
  const addressSize = addressSizeOf(mode, prefixes.addressSize);
  const context: Context = { reader, mode, prefixes, size: 0, addressSize, modrm, opcode, vvvv: 0 };
  if (memory && modrm < 0xc0) memoryOperand(context, 0, undefined);
  // VEX.W and VEX.pp do not choose the size of an immediate.
  const size = form && !vex ? operandSize(form, mode, prefixes) : Math.min(mode, 32);
  reader.littleEndian(immediateBytes(immediate, size, addressSize));
}

/** What is not in the table: #UD where the opcode map has a hole, `Unmodelled` where an instruction is missing. */
function unknown(place: Place, modrm: number, vendor: CpuProfile['vendor'] | undefined): Error {
  const { reader, map, opcode, mode } = place, prefix = mandatoryPrefix(place.prefixes), vex = place.vex !== undefined;
  // Later processors than those of the profiles have some in map 7.
  if (place.vex && place.vex.number > 3) return new Fault('#UD', `VEX has no opcode map ${place.vex.number}`);
  const escape = { primary: '', '0F': '0F ', '0F38': '0F 38 ', '0F3A': '0F 3A ' }[map];
  const after = `${prefix === 'NP' ? '' : ` after prefix ${prefix}`} in ${mode}-bit code`;
  let byte = modrm;
  const text = (): string =>
    `opcode ${vex ? 'VEX ' : ''}${escape}${byteText(opcode)}${byte < 0 ? '' : ` with ModRM ${byteText(byte)}`}`;
  if (map === 'primary' && mode === 64 && INVALID_IN_64BIT.has(opcode)) {
    return new Fault('#UD', `${text()} is invalid in 64-bit mode`);
  }
  const needy = modrm >= 0xc0 ? formsOf(map, opcode, vex).find((form) => needsMemory(form, modrm)) : undefined;
  if (needy) return new Fault('#UD', `${needy.definition.mnemonic} needs a memory operand`);
  const what = beyond({ map, opcode, prefix, mode, vex, vendor }, () => (byte = byte < 0 ? reader.next() : byte));
  if (what === undefined) return new Fault('#UD', `${text()}${after} is no instruction`);
  return new Unmodelled(`${text()}${after}: ${what}`);
}

/** LEA, far pointers in memory: encodings that no other instruction has taken for a register. */
const needsMemory = ({ definition, modrm, operands }: Form, byte: number): boolean =>
  (definition.mnemonic === 'LEA' || operands.some(({ size }) => size === '16:v'))
    && (modrm === 'r' || modrm === ((byte >> 3) & 7));

export const SAME_REGISTERS = 'destination, index and mask of a gather are three different registers';

/** A gather with a register that is there twice. SDM vol. 2C, 5.3, VGATHERDPS. */
export function sameRegisters(operands: readonly Operand[]): boolean {
  if (!operands.some((operand) => operand.kind === 'memory' && operand.vectorIndex)) return false;
  return new Set(operands.map((operand) => 'index' in operand && operand.index)).size < operands.length;
}

/** The checks that need the operands. */
function requireValid(form: Form, operands: readonly Operand[], lock: boolean): void {
  const [first] = operands;
  if (lock && !(form.definition.lock && first?.kind === 'memory')) {
    throw new Fault('#UD', `LOCK is not allowed with this form of ${form.definition.mnemonic}`);
  }
  if (sameRegisters(operands)) throw new Fault('#UD', SAME_REGISTERS);
  const loaded = form.operands[0]?.place === 'reg' ? first : undefined;
  if (loaded?.kind === 'register' && loaded.file === 'segment' && loaded.index === CS) {
    throw new Fault('#UD', 'CS cannot be loaded by MOV');
  }
}

interface Context {
  readonly reader: Reader;
  readonly mode: Mode;
  readonly prefixes: Prefixes;
  readonly size: number;
  readonly addressSize: 16 | 32 | 64;
  readonly modrm: number;
  readonly opcode: number;
  /** VEX.vvvv, as a number. */
  readonly vvvv: number;
}

/** Bits of an operand whose form has a size letter, at operand size `size`. */
export function sizeOf(letter: OperandForm['size'], size: number): number {
  if (typeof letter === 'number') return letter;
  if (letter === 'v&v') return 2 * size;
  if (letter === '16:v') return 16 + size;
  return letter === 'v' ? size : letter === 'z' ? Math.min(size, 32) : Math.max(size, 32);
}

/** The byte forms. A displacement or an immediate of a byte does not make one: PUSH 6Ah pushes a whole word or more. */
function worksOnBytes(form: Form): boolean {
  const first = form.operands[0];
  return first?.size === 8 && !first.registerSize && first.place !== 'relative' && first.place !== 'immediate';
}

function operandValue(
  form: OperandForm, context: Context, memory: MemoryOperand | undefined, immediate: bigint,
): Operand {
  const { modrm, prefixes } = context;
  const size = sizeOf(form.size, context.size);
  switch (form.place) {
    case 'reg': return register(form, ((modrm >> 3) & 7) | (prefixes.rex & 4 ? 8 : 0), size, context);
    case 'opcode': return register(form, (context.opcode & 7) | (prefixes.rex & 1 ? 8 : 0), size, context);
    case 'vvvv': return register(form, context.vvvv & (context.mode === 64 ? 15 : 7), size, context);
    case 'is4': return register(form, Number(immediate >> 4n) & (context.mode === 64 ? 15 : 7), size, context);
    case 'rm': return memory ?? register(form, (modrm & 7) | (prefixes.rex & 1 ? 8 : 0), size, context);
    case 'offset': return directMemory(context, size, immediate);
    case 'immediate': {
      const width = form.signed ? context.size : size, field = immediate >> BigInt(8 * form.skip);
      return { kind: 'immediate', value: u(width, form.signed ? s(size, field) : field), size: width };
    }
    case 'far':
      return { kind: 'far', selector: Number(immediate >> BigInt(size)), offset: u(size, immediate), size };
    case 'relative': return { kind: 'relative', displacement: u(64, s(size, immediate)), size };
    case 'implicit':
      if (form.file === 'none') return { kind: 'immediate', value: BigInt(form.value), size };
      return { kind: 'register', file: form.file, index: form.value, size, high: false };
  }
}

/** CR8 is reached through REX.R, so only in 64-bit mode. SDM vol. 2B, MOV—Move to/from Control Registers. */
const CONTROL_REGISTERS: readonly number[] = [0, 2, 3, 4, 8];

function register(form: OperandForm, index: number, bits: number, { prefixes, mode }: Context): Operand {
  const file = form.file as Exclude<OperandForm['file'], 'none'>;
  const size = form.registerSize || bits;
  switch (file) {
    // REX.R and REX.B mean nothing to the eight-register files. SDM vol. 2A, 2.2.1.2.
    case 'x87': case 'mm': return { kind: 'register', file, index: index & 7, size, high: false };
    case 'segment':
      if ((index & 7) > GS) throw new Fault('#UD', 'there is no segment register of this number');
      return { kind: 'register', file, index: index & 7, size, high: false };
    case 'control':
      if (!CONTROL_REGISTERS.includes(index)) throw new Fault('#UD', `there is no CR${index}`);
      return { kind: 'register', file, index, size: mode === 64 ? 64 : 32, high: false };
    case 'debug':
      if (index > 7) throw new Fault('#UD', `there is no DR${index}`);
      return { kind: 'register', file, index, size: mode === 64 ? 64 : 32, high: false };
    case 'xmm': case 'ymm': return { kind: 'register', file, index, size, high: false };
    case 'gpr': {
      const high = size === 8 && prefixes.rex === 0 && index >= 4;
      return { kind: 'register', file, index: high ? index - 4 : index, size, high };
    }
  }
}

/** Base and index of 16-bit addresses, by ModRM.rm. */
const LEGACY_16: readonly (readonly [base: number, index: number])[] =
  [[3, 6], [3, 7], [5, 6], [5, 7], [6, -1], [7, -1], [5, -1], [3, -1]];

/** ModRM, SIB and displacement. SDM vol. 2A, tables 2-1 to 2-3 and section 2.2.1.6. */
function memoryOperand(context: Context, size: number, vectorIndex: MemoryOperand['vectorIndex']): MemoryOperand {
  const { reader, mode, modrm, addressSize } = context;
  const { rex, segment } = context.prefixes;
  const mod = modrm >> 6, rm = modrm & 7;
  let base = -1, index = -1, scale: MemoryOperand['scale'] = 1, ripRelative = false;
  let displacementBytes = [0, 1, addressSize === 16 ? 2 : 4][mod]!;
  if (addressSize === 16) {
    [base, index] = LEGACY_16[rm]!;
    if (mod === 0 && rm === 6) base = -1, displacementBytes = 2;
  } else if (rm === 4) {
    const sib = reader.next();
    index = ((sib >> 3) & 7) | (rex & 2 ? 8 : 0);
    if (index === 4 && !vectorIndex) index = -1;
    else scale = (1 << (sib >> 6)) as MemoryOperand['scale'];
    base = (sib & 7) | (rex & 1 ? 8 : 0);
    if ((sib & 7) === 5 && mod === 0) base = -1, displacementBytes = 4;
  } else if (mod === 0 && rm === 5) {
    displacementBytes = 4;
    ripRelative = mode === 64;
  } else base = rm | (rex & 1 ? 8 : 0);
  const displacement = u(addressSize, s(8 * displacementBytes, reader.littleEndian(displacementBytes)));
  if (vectorIndex && (addressSize === 16 || rm !== 4)) {
    throw new Fault('#UD', 'a vector of addresses needs a SIB byte, which addresses of 16 bits do not have');
  }
  return {
    kind: 'memory',
    segment: segment >= 0 ? segment : base === 4 || base === 5 ? SS : DS, segmentOverridden: segment >= 0,
    base, index, vectorIndex, scale, displacement, ripRelative, addressSize, size, direct: false,
  };
}

function directMemory({ prefixes, addressSize }: Context, size: number, displacement: bigint): MemoryOperand {
  const { segment } = prefixes;
  return {
    kind: 'memory', segment: segment >= 0 ? segment : DS, segmentOverridden: segment >= 0,
    base: -1, index: -1, scale: 1, displacement, ripRelative: false, addressSize, size, direct: true,
  };
}

/** Bytes of immediate data at operand size `size`. */
export function immediateBytes(immediate: ImmediateSize, size: number, addressSize: number): number {
  switch (immediate) {
    case 'v': return size / 8;
    case 'z': return Math.min(size, 32) / 8;
    case 'moffs': return addressSize / 8;
    case 'far': return Math.min(size, 32) / 8 + 2;
    default: return immediate;
  }
}
