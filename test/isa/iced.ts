/**
 * iced-x86 as the second opinion: its decodings in the same words as ours.
 *
 * Both sides become one line, e.g. `2 add o32 r/m 01: rax, [ds:rbx+rcx*4+0x10]/64`, so that a disagreement reads as a
 * difference of two lines.
 */

import { Code, CodeExt, CpuidFeature, Decoder, DecoderOptions, EncodingKind, Instruction as Theirs, MemorySizeExt, Mnemonic, OpKind,
  Register } from 'iced-x86';
import { hex, u } from '../../spec/src/numbers/bits.ts';
import type { Form } from '../../spec/src/isa/form.ts';
import type { Instruction, Mode } from '../../spec/src/isa/instruction.ts';
import { type MemoryOperand, type Operand, SEGMENT_REGISTERS, gprName,
  registerName } from '../../spec/src/isa/operand.ts';
import { DIFFERENCES } from './differences.ts';
import { OF_OTHER_PROCESSORS } from './left-out.ts';

export const MODES: readonly Mode[] = [16, 32, 64];

/** Where instructions are decoded: branch targets and RIP-relative addresses come out as absolute ones. */
export const ADDRESS: Readonly<Record<Mode, bigint>> = { 16: 0x7c00n, 32: 0x40_1000n, 64: 0xffff_f803_0000_1000n };

/** Names in lower case by number; an enumeration's object has both directions. */
const namesOf = (enumeration: Readonly<Record<string, string | number>>): ReadonlyMap<number, string> =>
  new Map(Object.entries(enumeration).flatMap(([name, value]) =>
    (typeof value === 'number' ? [[value, name.toLowerCase()] as const] : [])));
const registerNames = namesOf(Register);
const mnemonicNames = namesOf(Mnemonic);

/** Names of one thing that differ: the SDM's heading is FWAIT/WAIT, iced's word is the second. */
export const OTHER_NAMES: Readonly<Record<string, string>> = { fwait: 'wait' };

/** What their table says about one of their codes, read once. */
export interface CodeFacts {
  readonly code: Code;
  readonly name: string;
  readonly mnemonic: string;
  /** Map, opcode byte and ModRM digit: `0F AE /4`, `D8 C0+i`, `89`. */
  readonly family: string;
  readonly operandSize: number;
  readonly addressSize: number;
  readonly operandKinds: readonly number[];
  readonly modes: readonly Mode[];
  readonly needsOption: boolean;
  readonly legacyEncoding: boolean;
}

/** Opcode bytes and ModRM digit of an encoding in either notation, without prefixes, sizes and immediates. */
function familyOf(encoding: string): string {
  return encoding
    .replace(/\b(NP|NFx|o16|o32|o64|a16|a32|a64|REX\.W|i[bwdzovq]|c[bwdpz]|mo|moffs)\b|\+(?= |$)|\/r\b/g, ' ')
    .replace(/\+r[bwdo]?\b/g, '+r').replace(/\s+/g, ' ').trim();
}

const facts = new Map<Code, CodeFacts>();
for (const name of Object.keys(Code).filter((key) => Number.isNaN(Number(key)))) {
  const code = Code[name as keyof typeof Code];
  const info = CodeExt.opCode(code);
  facts.set(code, {
    code, name, mnemonic: mnemonicNames.get(info.mnemonic)!,
    family: familyOf(info.opCodeString), operandSize: info.operandSize, addressSize: info.addressSize,
    operandKinds: Array.from({ length: info.opCount }, (_, n) => info.opKind(n)),
    // As Intel's processors decode: on AMD's, 66 makes a near branch 16 bits wide in 64-bit mode.
    modes: MODES.filter((mode) => info.isAvailableInMode(mode) && (mode !== 64 || info.intelDecoder64)),
    needsOption: info.decoderOption !== DecoderOptions.None,
    legacyEncoding: (info.encoding === EncodingKind.Legacy || info.encoding === EncodingKind.VEX) && info.isInstruction && !info.fwait,
  });
  info.free();
}
export const CODES: readonly CodeFacts[] = [...facts.values()];
export const factsOf = (code: Code): CodeFacts => facts.get(code)!;

const families = new Map<Form, string>();
/** The same of one of our forms. */
function familyOfForm(form: Form): string {
  let family = families.get(form);
  if (family === undefined) {
    family = familyOf(form.text.split('|')[0]!);
    if (form.prefix && family.startsWith(`${form.prefix} `) && form.prefix === 'NP') family = family.slice(3);
    families.set(form, family);
  }
  return family;
}

/** Decodes many byte strings with one decoder: it is told where each begins. */
export class Oracle {
  readonly mode: Mode;
  readonly instruction = new Theirs();
  readonly #decoder: Decoder;

  /** `bytes` holds all of them. */
  constructor(bytes: Uint8Array, mode: Mode) {
    this.mode = mode;
    this.#decoder = new Decoder(mode, bytes, DecoderOptions.None);
  }

  /** The line of what is at `offset`, or undefined when it is no instruction. */
  at(offset: number): string | undefined {
    this.#decoder.position = offset;
    this.#decoder.ip = ADDRESS[this.mode];
    this.#decoder.decodeOut(this.instruction);
    return this.instruction.code === Code.INVALID ? undefined : theirLine(this.instruction, this.mode);
  }

  /** What was decoded last is an instruction that no profile's processor has. */
  get ofOtherProcessors(): boolean {
    return OF_OTHER_PROCESSORS.test([...this.instruction.cpuidFeatures()].map((feature) => CpuidFeature[feature]).join());
  }

  free(): void {
    this.instruction.free();
    this.#decoder.free();
  }
}

/** Their reading of one byte string. */
export function theirs(bytes: Uint8Array, mode: Mode): string | undefined {
  const oracle = new Oracle(bytes, mode);
  const line = oracle.at(0);
  oracle.free();
  return line;
}

function theirLine(i: Theirs, mode: Mode): string {
  const { mnemonic, family, operandSize, addressSize, operandKinds } = factsOf(i.code);
  const operands = operandKinds.map((_, n) => theirOperand(i, n, mode));
  const string = /^(movs|stos|lods|scas|cmps|ins|outs)[bwdq]$/.test(mnemonic) && !family.startsWith('F');
  const repeat = string ? (i.hasRepePrefix ? 'rep ' : i.hasRepnePrefix ? 'repne ' : '') : '';
  return `${i.length} ${i.hasLockPrefix ? 'lock ' : ''}${repeat}${mnemonic.replace('reservednop', 'nop')}${operandSize ? ` o${operandSize}` : ''}`
    + `${addressSize ? ` a${addressSize}` : ''} ${family}: ${operands.join(', ')}`;
}

const STRING_OPERANDS: Readonly<Partial<Record<OpKind, string>>> = {
  [OpKind.MemorySegSI]: 'si', [OpKind.MemorySegESI]: 'esi', [OpKind.MemorySegRSI]: 'rsi',
  [OpKind.MemorySegDI]: 'di', [OpKind.MemorySegEDI]: 'edi', [OpKind.MemorySegRDI]: 'rdi',
  [OpKind.MemoryESDI]: 'di', [OpKind.MemoryESEDI]: 'edi', [OpKind.MemoryESRDI]: 'rdi',
};
const IMMEDIATE_BITS: Readonly<Partial<Record<OpKind, number>>> = {
  [OpKind.Immediate8]: 8, [OpKind.Immediate8_2nd]: 8, [OpKind.Immediate16]: 16, [OpKind.Immediate32]: 32,
  [OpKind.Immediate64]: 64,
  [OpKind.Immediate8to16]: 16, [OpKind.Immediate8to32]: 32, [OpKind.Immediate8to64]: 64, [OpKind.Immediate32to64]: 64,
};

const NEAR_BRANCHES: readonly OpKind[] = [OpKind.NearBranch16, OpKind.NearBranch32, OpKind.NearBranch64];

function theirOperand(i: Theirs, n: number, mode: Mode): string {
  const kind = i.opKind(n);
  if (kind === OpKind.Register) return registerNames.get(i.opRegister(n))!;
  const bits = IMMEDIATE_BITS[kind];
  if (bits !== undefined) return hex(u(bits, i.immediate(n)));
  if (NEAR_BRANCHES.includes(kind)) return hex(i.nearBranchTarget);
  if (kind === OpKind.FarBranch16) return `${hex(i.farBranchSelector)}:${hex(i.farBranch16)}`;
  if (kind === OpKind.FarBranch32) return `${hex(i.farBranchSelector)}:${hex(i.farBranch32)}`;
  if (kind === OpKind.Memory) return theirMemory(i, mode);
  const pointer = STRING_OPERANDS[kind];
  if (pointer === undefined) return OpKind[kind]!;
  const inExtra = kind === OpKind.MemoryESDI || kind === OpKind.MemoryESEDI || kind === OpKind.MemoryESRDI;
  return inExtra ? `[es:${pointer}]` : `[${theirSegment(i, mode)}:${pointer}]`;
}

/** In 64-bit mode they keep ES, CS, SS and DS prefixes, which the processor ignores. SDM vol. 1, 3.3.7. */
function theirSegment(i: Theirs, mode: Mode): string {
  const override = i.segmentPrefix;
  if (mode === 64 && override >= Register.ES && override <= Register.DS) {
    i.segmentPrefix = Register.None;
    const plain = registerNames.get(i.memorySegment)!;
    i.segmentPrefix = override;
    return plain;
  }
  return registerNames.get(i.memorySegment)!;
}

function theirMemory(i: Theirs, mode: Mode): string {
  const [base, index] = [i.memoryBase, i.memoryIndex];
  const names = [base, index].filter((r) => r !== Register.None).map((r) => registerNames.get(r)!);
  const first = names[0] ?? '';
  const addressSize = names.length === 0 || /^[xy]mm/.test(first) ? 8 * i.memoryDisplSize
    : /^(r|zz)/.test(first) && !first.endsWith('d') ? 64 : first.startsWith('e') || first.endsWith('d') ? 32 : 16;
  const sum = [
    base === Register.None ? '' : registerNames.get(base)!,
    index === Register.None ? '' : `${registerNames.get(index)!}*${i.memoryIndexScale}`,
    hex(u(addressSize, i.memoryDisplacement)),
  ].filter(Boolean).join('+');
  return `[${theirSegment(i, mode)}:${sum}]/${addressSize} ${8 * MemorySizeExt.size(i.memorySize)}`;
}

const plainRegisters: Readonly<Record<string, string>> = Object.fromEntries([
  ...Array.from({ length: 8 }, (_, n) => [`st(${n})`, `st${n}`] as const),
  ...Array.from({ length: 8 }, (_, n) => [`r${n + 8}b`, `r${n + 8}l`] as const),
]);

/** Our reading in the same words. Facts that only their table has are taken from `code`, which is what they decoded. */
export function ourLine(i: Instruction, code: Code): string {
  const { operandSize, addressSize } = factsOf(code);
  const name = i.definition.mnemonic.toLowerCase();
  const operands = i.definition.repeat || name === 'xlatb' ? stringOperands(i) : i.operands.map((operand) => ourOperand(operand, i));
  if (/^v?maskmov(q|dqu)$/.test(name)) operands.unshift(`[${i.segment >= 0 ? SEGMENT_REGISTERS[i.segment] : 'ds'}:${gprName(7, i.addressSize)}]`);
  const repeat = i.definition.repeat && i.repeat ? (i.repeat === 0xf3 ? 'rep ' : 'repne ') : '';
  return `${i.length} ${i.lock ? 'lock ' : ''}${repeat}${OTHER_NAMES[name] ?? name}${operandSize ? ` o${i.size}` : ''}`
    + `${addressSize ? ` a${i.addressSize}` : ''} ${familyOfForm(i.form)}: ${operands.join(', ')}`;
}

function stringOperands(i: Instruction): string[] {
  const pointer = (index: number): string => gprName(index, i.addressSize);
  const destination = `[es:${pointer(7)}]`;
  const segment = i.segment >= 0 ? SEGMENT_REGISTERS[i.segment] : 'ds';
  const source = `[${segment}:${pointer(6)}]`;
  const { mnemonic } = i.definition;
  const accumulator = gprName(0, mnemonic.endsWith('B') ? 8 : i.size);
  if (mnemonic.startsWith('INS')) return [destination, 'dx'];
  switch (mnemonic.slice(0, 4)) {
    case 'OUTS': return ['dx', source];
    case 'STOS': return [destination, accumulator];
    case 'LODS': return [accumulator, source];
    case 'SCAS': return [accumulator, destination];
    case 'CMPS': return [source, destination];
    case 'XLAT': return [`[${segment}:${pointer(3)}+al*1+0x0]/${i.addressSize} 8`];
    default: return [destination, source];
  }
}

function ourOperand(operand: Operand, i: Instruction): string {
  switch (operand.kind) {
    case 'register': {
      const name = registerName(operand);
      return plainRegisters[name] ?? name;
    }
    case 'immediate': return hex(operand.value);
    case 'relative': {
      const bits = i.mode === 64 ? 64 : i.size === 16 ? 16 : 32;
      return hex(u(bits, ADDRESS[i.mode] + BigInt(i.length) + operand.displacement));
    }
    case 'far': return `${hex(operand.selector)}:${hex(operand.offset)}`;
    case 'memory': return ourMemory(operand, i);
  }
}

function ourMemory(operand: MemoryOperand, i: Instruction): string {
  const next = operand.ripRelative ? ADDRESS[i.mode] + BigInt(i.length) : 0n;
  const sum = [
    operand.ripRelative ? (operand.addressSize === 64 ? 'rip' : 'eip') : '',
    operand.base < 0 ? '' : gprName(operand.base, operand.addressSize),
    operand.index < 0 ? ''
      : `${operand.vectorIndex ? `${operand.vectorIndex}${operand.index}` : gprName(operand.index, operand.addressSize)}*${operand.scale}`,
    hex(u(operand.addressSize, operand.displacement + next)),
  ].filter(Boolean).join('+');
  return `[${SEGMENT_REGISTERS[operand.segment]}:${sum}]/${operand.addressSize} ${operand.size || '?'}`;
}

/** The two lines say the same. A size that our table leaves to the instruction (LEA, XSAVE) is not compared. */
export function agree(ours: string, theirs: string): boolean {
  if (ours === theirs) return true;
  const [a, b] = [DIFFERENCES.reduce((line, { ours }) => ours(line), ours),
    DIFFERENCES.reduce((line, { theirs }) => theirs(line), theirs)];
  return a === b || (a.endsWith('?') && a.slice(0, -1) === b.slice(0, b.lastIndexOf(' ') + 1));
}
