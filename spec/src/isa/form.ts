/**
 * One encoding of an instruction, parsed from a line in the notation of the SDM's instruction tables, shortened by the
 * operand-size letters of the SDM's opcode map (vol. 2D, A.2.2):
 *
 *     'REX.W + 0F AE /4 | m'          'D8 C0+i | ST(0), ST(i)'          '83 /0 ib | r/mv, simm8'
 *
 * v: word, doubleword or quadword by operand size; z: word or doubleword; y: doubleword or quadword.
 * `simm8` is an imm8 that is sign-extended. After a second bar: `d64` and `f64` (operand size defaults or is forced to
 * 64 bits in 64-bit mode), `o64` and `i64` (only in, and invalid in, 64-bit mode), `b0` (REX.B is 0),
 * `s16` and `s32` (only at this operand size).
 */

import type { InstructionDefinition } from './instruction.ts';

export type OpcodeMap = 'primary' | '0F' | '0F38' | '0F3A';
export type MandatoryPrefix = 'NP' | '66' | 'F3' | 'F2';

/** Where an operand's bits are and what they mean. */
export interface OperandForm {
  readonly text: string;
  readonly place: 'reg' | 'rm' | 'opcode' | 'immediate' | 'relative' | 'offset' | 'implicit';
  readonly file: 'gpr' | 'segment' | 'control' | 'debug' | 'x87' | 'xmm' | 'none';
  /** A memory operand is accepted, a register operand is accepted. */
  readonly memory: boolean;
  readonly register: boolean;
  /** Bits, or a size letter resolved with the operand size. 0: no size of its own. */
  readonly size: number | 'v' | 'z' | 'y';
  /** Sign-extended immediate. */
  readonly signed: boolean;
  /** Index of the register of an implicit operand, or the value of an implicit immediate. */
  readonly value: number;
}

export interface Form {
  readonly text: string;
  readonly definition: InstructionDefinition;
  readonly map: OpcodeMap;
  readonly opcode: number;
  readonly prefix: MandatoryPrefix | undefined;
  /** REX.W must be 1. */
  readonly rexW: boolean;
  /** The low three bits of the opcode are a register. */
  readonly registerInOpcode: boolean;
  /** 'r', a digit in ModRM.reg, or none. */
  readonly modrm: 'r' | number | undefined;
  /** The whole ModRM byte is given (`D9 E8`). */
  readonly modrmByte: number | undefined;
  /** ModRM.rm is a stack register (`D8 C0+i`). */
  readonly stackRegister: boolean;
  /** Bytes of immediate or relative data: a number, or by operand size. */
  readonly immediate: 0 | 1 | 2 | 4 | 8 | 'v' | 'z' | 'moffs';
  readonly operands: readonly OperandForm[];
  readonly size64: 'default' | 'forced' | undefined;
  readonly only: '64' | 'legacy' | undefined;
  /** Only at this operand size: the size is part of the mnemonic (MOVSW, MOVSD). */
  readonly onlySize: 16 | 32 | undefined;
  /** REX.B must be 0 (NOP against XCHG R8). */
  readonly rexB0: boolean;
  /** Some operand's width depends on the operand size. */
  readonly sized: boolean;
}

const OPERANDS: Record<string, Partial<OperandForm>> = {};
const describe = (names: string, form: Partial<OperandForm>): void => {
  for (const name of names.split(' ')) OPERANDS[name] = form;
};
for (const [suffix, size] of [['8', 8], ['16', 16], ['32', 32], ['64', 64], ['v', 'v'], ['z', 'z'], ['y', 'y']] as const) {
  describe(`r${suffix}`, { place: 'reg', file: 'gpr', register: true, size });
  describe(`r/m${suffix}`, { place: 'rm', file: 'gpr', register: true, memory: true, size });
  describe(`rm${suffix}`, { place: 'rm', file: 'gpr', register: true, size });
  describe(`m${suffix}`, { place: 'rm', memory: true, size });
  describe(`imm${suffix}`, { place: 'immediate', size, signed: suffix === 'z' });
  describe(`moffs${suffix}`, { place: 'offset', memory: true, size });
}
describe('simm8', { place: 'immediate', size: 8, signed: true });
describe('rel8', { place: 'relative', size: 8 });
describe('relz', { place: 'relative', size: 'z' });
describe('m', { place: 'rm', memory: true, size: 0 });
describe('m32fp m32int', { place: 'rm', memory: true, size: 32 });
describe('m64fp m64int', { place: 'rm', memory: true, size: 64 });
describe('m80fp m80bcd', { place: 'rm', memory: true, size: 80 });
describe('m16int m2byte', { place: 'rm', memory: true, size: 16 });
describe('m128', { place: 'rm', memory: true, size: 128 });
describe('xmm', { place: 'reg', file: 'xmm', register: true, size: 128 });
describe('xmm/m128', { place: 'rm', file: 'xmm', register: true, memory: true, size: 128 });
describe('Sreg', { place: 'reg', file: 'segment', register: true, size: 16 });
describe('CRn', { place: 'reg', file: 'control', register: true, size: 64 });
describe('ST(i)', { place: 'rm', file: 'x87', register: true, size: 80 });
describe('ST(0)', { place: 'implicit', file: 'x87', register: true, size: 80 });
describe('AL', { place: 'implicit', file: 'gpr', register: true, size: 8 });
describe('AX', { place: 'implicit', file: 'gpr', register: true, size: 16 });
describe('rAX', { place: 'implicit', file: 'gpr', register: true, size: 'v' });
describe('CL', { place: 'implicit', file: 'gpr', register: true, size: 8, value: 1 });
describe('1', { place: 'implicit', size: 8, value: 1 });
for (const [index, name] of ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'].entries()) {
  describe(name, { place: 'implicit', file: 'segment', register: true, size: 16, value: index });
}

function operandForm(text: string, where: string): OperandForm {
  const known = OPERANDS[text];
  if (!known) throw new SyntaxError(`${where}: unknown operand notation ${JSON.stringify(text)}`);
  return { text, place: 'implicit', file: 'none', memory: false, register: false, size: 0, signed: false, value: 0, ...known };
}

const IMMEDIATES: Record<string, Form['immediate']> = { ib: 1, iw: 2, id: 4, iq: 8, iv: 'v', iz: 'z', cb: 1, cz: 'z', moffs: 'moffs' };

/** Parses one line of an instruction's `forms`. Throws a `SyntaxError` that names the instruction and the line. */
export function parseForm(text: string, definition: InstructionDefinition): Form {
  const where = `${definition.mnemonic} form '${text}'`;
  const [encoding = '', operandText = '', flags = ''] = text.split('|').map((part) => part.trim());
  const operands = operandText === '' ? [] : operandText.split(',').map((o) => operandForm(o.trim(), where));
  const tokens = encoding.split(/\s+/).filter((token) => token !== '+');
  let rexW = false, prefix: MandatoryPrefix | undefined, map: OpcodeMap = 'primary';
  if (tokens[0] === 'REX.W') { rexW = true; tokens.shift(); }
  if (tokens.length > 1 && /^(NP|66|F3|F2)$/.test(tokens[0]!)) prefix = tokens.shift() as MandatoryPrefix;
  if (tokens[0] === 'REX.W') { rexW = true; tokens.shift(); }
  if (tokens[0] === '0F' && tokens.length > 1) {
    map = '0F';
    tokens.shift();
    const second: string | undefined = tokens[0];
    if (second === '38' || second === '3A') {
      map = `0F${second}`;
      tokens.shift();
    }
  }
  const opcodeText = tokens.shift() ?? '';
  const registerInOpcode = opcodeText.endsWith('+r');
  const opcode = Number.parseInt(opcodeText, 16);
  if (!/^[0-9A-F]{2}(\+r)?$/.test(opcodeText)) throw new SyntaxError(`${where}: ${JSON.stringify(opcodeText)} is no opcode byte`);
  let modrm: Form['modrm'], modrmByte: number | undefined, stackRegister = false, immediate: Form['immediate'] = 0;
  for (const token of tokens) {
    if (token === '/r') modrm = 'r';
    else if (/^\/[0-7]$/.test(token)) modrm = Number(token[1]);
    else if (/^[C-F][08]\+i$/.test(token)) {
      stackRegister = true;
      modrm = (Number.parseInt(token, 16) >> 3) & 7;
    } else if (/^[0-9A-F]{2}$/.test(token)) modrmByte = Number.parseInt(token, 16);
    else if (token in IMMEDIATES) immediate = IMMEDIATES[token]!;
    else throw new SyntaxError(`${where}: unknown token ${JSON.stringify(token)}`);
  }
  const placed = operands.map((operand) =>
    operand.place === 'reg' && operand.file === 'gpr' && registerInOpcode ? { ...operand, place: 'opcode' as const } : operand);
  const words = flags.split(/\s+/).filter(Boolean);
  for (const word of words) if (!/^(d64|f64|o64|i64|b0|s16|s32)$/.test(word)) throw new SyntaxError(`${where}: unknown flag ${JSON.stringify(word)}`);
  return {
    text, definition, map, opcode, prefix, rexW, registerInOpcode, modrm, modrmByte, stackRegister, immediate, operands: placed,
    size64: words.includes('d64') ? 'default' : words.includes('f64') ? 'forced' : undefined,
    only: words.includes('o64') ? '64' : words.includes('i64') ? 'legacy' : undefined,
    onlySize: words.includes('s16') ? 16 : words.includes('s32') ? 32 : undefined,
    rexB0: words.includes('b0'),
    sized: placed.some((operand) => typeof operand.size === 'string') || immediate === 'z' || immediate === 'v' || words.includes('s16') || words.includes('s32'),
  };
}
