/**
 * One encoding of an instruction, parsed from a line in the notation of the SDM's instruction tables, shortened by the
 * operand-size letters of the SDM's opcode map (vol. 2D, A.2.2):
 *
 *     'REX.W + 0F AE /4 | m'          'D8 C0+i | ST(0), ST(i)'          '83 /0 ib | r/mv, simm8'
 *     'VEX.LZ.F2.0F38.W0 F6 /r | r32, vvvv32, r/m32'
 *
 * v: word, doubleword or quadword by operand size; z: word or doubleword; y: doubleword or quadword. `m16:v` is a far
 * pointer in memory, an offset of the operand size and a selector. `simm8` is an imm8 that is sign-extended; `vvvv32`
 * is the register that VEX.vvvv names. Of vector registers `xmm` is in ModRM.reg, `rmxmm` in ModRM.rm (and never
 * memory), `xmm/m32` there or 32 bits of memory, `vvvvxmm` in VEX.vvvv, `is4xmm` in bits 7:4 of an immediate byte
 * (`/is4`); `mm` and `ymm` go the same way. `vm32x` is memory at several addresses, with indexes of 32 bits in an XMM
 * register; VEX.W says how large the elements are. After a second bar: `d64` and `f64` (operand size defaults or is
 * forced to 64 bits in 64-bit mode), `o64` and `i64` (only in, and invalid in, 64-bit mode), `w64` (VEX.W means
 * something only there), `b0` (REX.B is 0), `s16` and `s32` (only at this operand size), `a16`, `a32` and `a64` (only
 * at this address size), `r1` (not register 0: that is another instruction), `asz` (the address size means something
 * although there is no memory operand), `osz` (the same of the operand size).
 */

import type { InstructionDefinition } from './instruction.ts';
import type { RegisterFile } from './operand.ts';

export type OpcodeMap = 'primary' | '0F' | '0F38' | '0F3A';
/** NFx: neither F3 nor F2 may be there, 66 means what it usually does. */
export type MandatoryPrefix = 'NP' | 'NFx' | '66' | 'F3' | 'F2';

/** Bytes of immediate data: a number, by operand size, or by address size (moffs). */
export type ImmediateSize = 0 | 1 | 2 | 3 | 4 | 8 | 'v' | 'z' | 'moffs' | 'far';

/** Where an operand's bits are and what they mean. */
export interface OperandForm {
  readonly text: string;
  readonly place: 'reg' | 'rm' | 'vvvv' | 'is4' | 'opcode' | 'immediate' | 'relative' | 'far' | 'offset' | 'implicit';
  readonly file: RegisterFile | 'none';
  /** A memory operand is accepted, a register operand is accepted. */
  readonly memory: boolean;
  readonly register: boolean;
  /** Bits, or a size letter resolved with the operand size. 0: no size of its own. */
  readonly size: number | 'v' | 'z' | 'y' | 'v&v' | '16:v';
  /** Bits of the register, where the memory that may stand in its place has fewer; else 0. */
  readonly registerSize: number;
  /** The index of the address is a vector register of this file: VSIB. SDM vol. 2A, 2.3.12. */
  readonly vectorIndex: 'xmm' | 'ymm' | undefined;
  /** Sign-extended immediate. */
  readonly signed: boolean;
  /** Bytes of immediate data before this immediate: ENTER has two. */
  readonly skip: number;
  /** Index of the register of an implicit operand, or the value of an implicit immediate. */
  readonly value: number;
}

/** What a VEX prefix has to say beside opcode map and mandatory prefix. SDM vol. 2A, 3.1.1.2. */
export interface VexForm {
  /** VEX.L: 0 (LZ, 128), 1 (256), or ignored (LIG). */
  readonly l: 0 | 1 | undefined;
  /** VEX.W, or ignored (WIG). */
  readonly w: 0 | 1 | undefined;
}

export interface Form {
  readonly text: string;
  readonly definition: InstructionDefinition;
  readonly map: OpcodeMap;
  readonly opcode: number;
  readonly prefix: MandatoryPrefix | undefined;
  /** Encoded with a VEX prefix. */
  readonly vex: VexForm | undefined;
  /** REX.W must be 1. */
  readonly rexW: boolean;
  /** The low three bits of the opcode are a register. */
  readonly registerInOpcode: boolean;
  /** `r`, a digit in ModRM.reg, or none. */
  readonly modrm: 'r' | number | undefined;
  /** The whole ModRM byte is given (`D9 E8`). */
  readonly modrmByte: number | undefined;
  /** ModRM.rm is a stack register (`D8 C0+i`). */
  readonly stackRegister: boolean;
  /** Bytes of immediate or relative data: a number, or by operand size. */
  readonly immediate: ImmediateSize;
  readonly operands: readonly OperandForm[];
  readonly size64: 'default' | 'forced' | undefined;
  readonly only: '64' | 'legacy' | undefined;
  /** VEX.W is looked at only in 64-bit mode, although no operand is a general-purpose register (PCMPESTRI). */
  readonly w64: boolean;
  /** ModRM.mod does not matter, ModRM.rm is a register in any case (MOV CR). */
  readonly modIgnored: boolean;
  /** Only at this operand size: the size is part of the mnemonic (MOVSW, MOVSD). */
  readonly onlySize: 16 | 32 | undefined;
  /** Only at this address size: it is part of the mnemonic (JCXZ, JECXZ). */
  readonly onlyAddressSize: 16 | 32 | 64 | undefined;
  /** REX.B must be 0 (NOP against XCHG R8). */
  readonly rexB0: boolean;
  /** Register 0 is not encoded this way (XCHG rAX, rAX would be NOP). */
  readonly notZero: boolean;
  /** The address size means something although no operand shows it (LOOP, MOVS). */
  readonly addressSized: boolean;
  /** The operand size means something although no operand shows it (RETF). */
  readonly operandSized: boolean;
  /** A far pointer in memory, which is written with the word `far`: without it, JMP and CALL are near. */
  readonly farWord: boolean;
  /** Some operand's width depends on the operand size. */
  readonly sized: boolean;
}

/** The operands' names in the manual's tables. */
const OPERANDS = new Map<string, Partial<OperandForm>>();
const describe = (names: string, form: Partial<OperandForm>): void => {
  for (const name of names.split(' ')) OPERANDS.set(name, form);
};
for (const suffix of ['8', '16', '32', '64', 'v', 'z', 'y']) {
  const size = (/^\d/.test(suffix) ? Number(suffix) : suffix) as OperandForm['size'];
  describe(`r${suffix}`, { place: 'reg', file: 'gpr', register: true, size });
  describe(`r/m${suffix}`, { place: 'rm', file: 'gpr', register: true, memory: true, size });
  describe(`rm${suffix}`, { place: 'rm', file: 'gpr', register: true, size });
  describe(`vvvv${suffix}`, { place: 'vvvv', file: 'gpr', register: true, size });
  describe(`m${suffix}`, { place: 'rm', memory: true, size });
  describe(`imm${suffix}`, { place: 'immediate', size, signed: suffix === 'z' });
  describe(`moffs${suffix}`, { place: 'offset', memory: true, size });
}
describe('mv&v', { place: 'rm', memory: true, size: 'v&v' });
describe('m16:v', { place: 'rm', memory: true, size: '16:v' });
describe('simm8', { place: 'immediate', size: 8, signed: true });
describe('rel8', { place: 'relative', size: 8 });
describe('relz', { place: 'relative', size: 'z' });
describe('ptr16:z', { place: 'far', size: 'z' });
describe('m', { place: 'rm', memory: true, size: 0 });
describe('m14/28byte m94/108byte', { place: 'rm', memory: true, size: 0 });
describe('m16int m2byte', { place: 'rm', memory: true, size: 16 });
describe('m32fp m32int', { place: 'rm', memory: true, size: 32 });
describe('m64fp m64int', { place: 'rm', memory: true, size: 64 });
describe('m80fp m80bcd', { place: 'rm', memory: true, size: 80 });
describe('m128', { place: 'rm', memory: true, size: 128 });
describe('m256', { place: 'rm', memory: true, size: 256 });
for (const [file, bits] of [['mm', 64], ['xmm', 128], ['ymm', 256]] as const) {
  const register = { file, register: true, size: bits, registerSize: bits };
  describe(file, { ...register, place: 'reg' });
  describe(`rm${file}`, { ...register, place: 'rm' });
  describe(`vvvv${file}`, { ...register, place: 'vvvv' });
  describe(`is4${file}`, { ...register, place: 'is4' });
  for (const size of [8, 16, 32, 64, 128, 256]) {
    describe(`${file}/m${size}`, { ...register, place: 'rm', memory: true, size });
  }
}
for (const bits of [32, 64]) {
  for (const size of [8, 16, 32].filter((size) => size < bits)) {
    describe(`r${bits}/m${size}`, { place: 'rm', file: 'gpr', register: true, memory: true, size, registerSize: bits });
  }
}
for (const file of ['xmm', 'ymm'] as const) {
  const names = `vm32${file[0]} vm64${file[0]}`;
  describe(names, { place: 'rm', memory: true, size: 'v', vectorIndex: file });
}
describe('Sreg', { place: 'reg', file: 'segment', register: true, size: 16 });
describe('CRn', { place: 'reg', file: 'control', register: true, size: 64 });
describe('DRn', { place: 'reg', file: 'debug', register: true, size: 64 });
describe('ST(i)', { place: 'rm', file: 'x87', register: true, size: 80 });
describe('ST(0)', { place: 'implicit', file: 'x87', register: true, size: 80 });
describe('AL', { place: 'implicit', file: 'gpr', register: true, size: 8 });
describe('AX', { place: 'implicit', file: 'gpr', register: true, size: 16 });
describe('eAX', { place: 'implicit', file: 'gpr', register: true, size: 'z' });
describe('DX', { place: 'implicit', file: 'gpr', register: true, size: 16, value: 2 });
describe('rAX', { place: 'implicit', file: 'gpr', register: true, size: 'v' });
describe('CL', { place: 'implicit', file: 'gpr', register: true, size: 8, value: 1 });
describe('1', { place: 'implicit', size: 8, value: 1 });
for (const [index, name] of ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'].entries()) {
  describe(name, { place: 'implicit', file: 'segment', register: true, size: 16, value: index });
}

const NO_OPERAND: Omit<OperandForm, 'text'> = {
  place: 'implicit', file: 'none', memory: false, register: false, size: 0, registerSize: 0, vectorIndex: undefined,
  signed: false, skip: 0, value: 0,
};

function operandForm(text: string, where: string): OperandForm {
  const known = OPERANDS.get(text);
  if (!known) throw new SyntaxError(`${where}: unknown operand notation ${JSON.stringify(text)}`);
  return { ...NO_OPERAND, text, ...known };
}

const IMMEDIATES: ReadonlyMap<string, ImmediateSize> = new Map<string, ImmediateSize>([
  ['ib', 1], ['iw', 2], ['id', 4], ['iq', 8], ['iv', 'v'], ['iz', 'z'], ['cb', 1], ['cz', 'z'], ['moffs', 'moffs'],
  ['cp', 'far'], ['/is4', 1],
]);

/** Parses one line of an instruction's `forms`. Throws a `SyntaxError` that names the instruction and the line. */
export function parseForm(text: string, definition: InstructionDefinition): Form {
  const where = nameOf(text, definition);
  const opcode = matchOpcode(text, definition);
  const rest = text.slice(opcode[0].length);
  const [tailText = '', operandText = '', flagText = ''] = rest.split('|').map((part) => part.trim());
  const encoding = { ...parseOpcode(opcode), ...parseTail(tailText, where) };
  const flags = parseFlags(flagText, where);
  let skip = 0;
  const operands = (operandText === '' ? [] : operandText.split(',')).map((name): OperandForm => {
    const operand = { ...operandForm(name.trim(), where), skip };
    if (operand.place === 'immediate' && typeof operand.size === 'number') skip += operand.size / 8;
    const inOpcode = encoding.registerInOpcode && operand.place === 'reg' && operand.file === 'gpr';
    return inOpcode ? { ...operand, place: 'opcode' } : operand;
  });
  const lettered = operands.some((operand) => typeof operand.size === 'string' || /^m\d+\/\d+byte$/.test(operand.text));
  const byOperandSize = encoding.immediate === 'z' || encoding.immediate === 'v';
  return {
    text, definition, ...encoding, ...flags, operands,
    modIgnored: operands.some((operand) => operand.file === 'control' || operand.file === 'debug'),
    farWord: operands.length === 1 && operands[0]!.size === '16:v',
    sized: lettered || byOperandSize || flags.operandSized || flags.onlySize !== undefined,
  };
}

/** `VEX.LZ.F2.0F38.W0`, the second dot's part only where there is a mandatory prefix. */
const VEX = /VEX\.(LZ|LIG|128|256)\.(?:(66|F3|F2)\.)?(0F|0F38|0F3A)\.(W0|W1|WIG) /;
/** `NP REX.W + 0F 38`. */
const LEGACY = /(?:(NP|NFx|66|F3|F2) )?(REX\.W \+ )?(?:(0F(?: 3[8A])?) )?/;
const PREFIXES = new RegExp(`^(?:${VEX.source}|${LEGACY.source})`);
/** One expression, because the table is indexed by what it finds in all lines, and each new engine does that anew. */
const OPCODE = new RegExp(`${PREFIXES.source}([0-9A-F]{2})(\\+r)?(?= |$)`);
const MAPS: Readonly<Record<string, OpcodeMap>> =
  { '0F': '0F', '0F 38': '0F38', '0F 3A': '0F3A', '0F38': '0F38', '0F3A': '0F3A' };

/** The parts of a line of `forms` up to the opcode byte, as `OPCODE` numbers them. */
function matchOpcode(text: string, definition: InstructionDefinition): RegExpExecArray {
  const found = OPCODE.exec(text);
  if (found) return found;
  const [odd = ''] = text.slice(PREFIXES.exec(text)![0].length).split(/[ |]/);
  const what = odd.startsWith('VEX.') ? 'VEX prefix' : 'opcode byte';
  throw new SyntaxError(`${nameOf(text, definition)}: ${JSON.stringify(odd)} is no ${what}`);
}

const mapOf = (found: RegExpExecArray): OpcodeMap => MAPS[found[3] ?? found[7] ?? ''] ?? 'primary';

/** Where a decoder finds a line of `forms`: the map, the first opcode byte, how many bytes (one for each register). */
export function opcodeOf(
  text: string, definition: InstructionDefinition,
): { map: OpcodeMap; first: number; count: 1 | 8 } {
  const found = matchOpcode(text, definition);
  return { map: mapOf(found), first: Number.parseInt(found[8]!, 16), count: found[9] === undefined ? 1 : 8 };
}

type Opcode = Pick<Form, 'vex' | 'map' | 'opcode' | 'prefix' | 'rexW' | 'registerInOpcode'>;

function parseOpcode(found: RegExpExecArray): Opcode {
  const [, length, implied = 'NP', , w, prefix, rexW, , opcode, register] = found;
  const vex: VexForm | undefined = length === undefined ? undefined : {
    l: length === 'LIG' ? undefined : length === '256' ? 1 : 0,
    w: w === 'WIG' ? undefined : w === 'W1' ? 1 : 0,
  };
  return {
    vex, map: mapOf(found), opcode: Number.parseInt(opcode!, 16), prefix: (vex ? implied : prefix) as MandatoryPrefix,
    rexW: rexW !== undefined, registerInOpcode: register !== undefined,
  };
}

const nameOf = (text: string, definition: InstructionDefinition): string => `${definition.mnemonic} form '${text}'`;

type Tail = Pick<Form, 'modrm' | 'modrmByte' | 'stackRegister' | 'immediate'>;

/** What follows the opcode: `/r`, `/4`, `D0`, `C0+i`, `ib`. */
function parseTail(text: string, where: string): Tail {
  let modrm: Form['modrm'], modrmByte: number | undefined, stackRegister = false, immediate: ImmediateSize = 0;
  for (const token of wordsOf(text)) {
    if (token === '/r') modrm = 'r';
    else if (/^\/[0-7]$/.test(token)) modrm = Number(token[1]);
    else if (/^[0-9A-F]{2}$/.test(token)) modrmByte = Number.parseInt(token, 16);
    else if (/^[C-F][08]\+i$/.test(token)) {
      stackRegister = true;
      modrm = (Number.parseInt(token, 16) >> 3) & 7;
    } else {
      const size = IMMEDIATES.get(token);
      if (size === undefined) throw new SyntaxError(`${where}: unknown token ${JSON.stringify(token)}`);
      immediate = both(immediate, size);
    }
  }
  return { modrm, modrmByte, stackRegister, immediate };
}

const wordsOf = (text: string): string[] => text.split(' ').filter(Boolean);

/** A word and a byte, as ENTER has them; two bytes, as EXTRQ has them. */
const both = (first: ImmediateSize, second: ImmediateSize): ImmediateSize =>
  (second === 1 && first === 2 ? 3 : second === 1 && first === 1 ? 2 : second);

type Flags =
  'size64' | 'only' | 'w64' | 'onlySize' | 'onlyAddressSize' | 'rexB0' | 'notZero' | 'addressSized' | 'operandSized';

function parseFlags(text: string, where: string): Pick<Form, Flags> {
  const words = wordsOf(text);
  const unknown = words.find((word) => !/^(d64|f64|o64|i64|w64|b0|s16|s32|a16|a32|a64|r1|asz|osz)$/.test(word));
  if (unknown !== undefined) throw new SyntaxError(`${where}: unknown flag ${JSON.stringify(unknown)}`);
  return {
    size64: words.includes('d64') ? 'default' : words.includes('f64') ? 'forced' : undefined,
    only: words.includes('o64') ? '64' : words.includes('i64') ? 'legacy' : undefined,
    onlySize: words.includes('s16') ? 16 : words.includes('s32') ? 32 : undefined,
    onlyAddressSize: ([16, 32, 64] as const).find((bits) => words.includes(`a${bits}`)),
    w64: words.includes('w64'),
    rexB0: words.includes('b0'),
    notZero: words.includes('r1'),
    addressSized: words.includes('asz'),
    operandSized: words.includes('osz'),
  };
}
