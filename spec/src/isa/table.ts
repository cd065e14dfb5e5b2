/** All instructions, indexed for the decoder (by opcode) and for the assembler (by mnemonic). */

import { ARITHMETIC } from './arithmetic.ts';
import { BIT_COUNTS } from './bit-counts.ts';
import { BIT_TESTS } from './bit-tests.ts';
import { BMI } from './bmi.ts';
import { CACHE_CONTROL } from './cache-control.ts';
import { CONTROL_TRANSFER } from './control-transfer.ts';
import { CONVERSION } from './conversion.ts';
import { DATA_TRANSFER } from './data-transfer.ts';
import { DECIMAL } from './decimal.ts';
import { DOUBLE_SHIFTS } from './double-shifts.ts';
import { EVENTS } from './events/index.ts';
import { EXCHANGE } from './exchange.ts';
import { FLAG_CONTROL } from './flag-control.ts';
import { IO } from './io.ts';
import { IO_STRINGS } from './io-strings.ts';
import { LOGIC } from './logic.ts';
import { MULTIPLY_DIVIDE } from './multiply-divide.ts';
import { SEGMENTATION } from './segmentation/index.ts';
import { SHIFTS } from './shifts.ts';
import { SIMD } from './simd/index.ts';
import { STACK_FRAMES } from './stack-frames.ts';
import { STRINGS } from './strings.ts';
import { SYSTEM } from './system/index.ts';
import { TRAPS } from './traps.ts';
import { X87 } from './x87/index.ts';
import { XSAVE } from './xsave/index.ts';
import { type Form, type OpcodeMap, parseForm } from './form.ts';
import type { InstructionDefinition } from './instruction.ts';

export const INSTRUCTIONS: readonly InstructionDefinition[] = [
  ...DATA_TRANSFER, ...CONVERSION, ...EXCHANGE, ...STACK_FRAMES, ...ARITHMETIC, ...MULTIPLY_DIVIDE, ...DECIMAL,
  ...LOGIC, ...SHIFTS, ...DOUBLE_SHIFTS, ...BIT_TESTS, ...BIT_COUNTS, ...BMI, ...CONTROL_TRANSFER, ...TRAPS, ...STRINGS,
  ...FLAG_CONTROL, ...CACHE_CONTROL, ...SEGMENTATION, ...EVENTS, ...IO, ...IO_STRINGS, ...SYSTEM,
  ...X87, ...SIMD, ...XSAVE,
];

/** Every encoding of every instruction. */
export const FORMS: readonly Form[] = INSTRUCTIONS.flatMap((definition) =>
  definition.forms.map((text) => parseForm(text, definition)));

/** More particular encodings first: a whole ModRM byte, a mandatory prefix, REX.W, a digit. */
const rank = (form: Form): number =>
  (form.modrmByte === undefined ? 8 : 0) + (form.prefix === undefined ? 4 : 0)
  + (form.rexW ? 0 : 2) + (form.registerInOpcode ? 1 : 0) + (form.modrm === 'r' ? 0.5 : 0);

const byOpcode = new Map<string, Form[]>();
const byMnemonic = new Map<string, Form[]>();
for (const form of [...FORMS].sort((a, b) => rank(a) - rank(b))) {
  for (let low = 0; low < (form.registerInOpcode ? 8 : 1); low++) {
    const key = `${form.vex ? 'VEX ' : ''}${form.map} ${form.opcode + low}`;
    byOpcode.set(key, [...(byOpcode.get(key) ?? []), form]);
  }
}
for (const form of FORMS) {
  for (const name of [form.definition.mnemonic, ...(form.definition.aliases ?? [])]) {
    const key = name.toLowerCase();
    byMnemonic.set(key, [...(byMnemonic.get(key) ?? []), form]);
  }
}

export const formsOf = (map: OpcodeMap, opcode: number, vex = false): readonly Form[] =>
  byOpcode.get(`${vex ? 'VEX ' : ''}${map} ${opcode}`) ?? [];
export const formsNamed = (mnemonic: string): readonly Form[] => byMnemonic.get(mnemonic.toLowerCase()) ?? [];
export const MNEMONICS: readonly string[] = [...byMnemonic.keys()];

/** One-byte opcodes that 64-bit mode gave up. SDM vol. 2D, table A-2, superscript i64. */
export const INVALID_IN_64BIT: ReadonlySet<number> = new Set([
  0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37, 0x3f,
  0x60, 0x61, 0x82, 0x9a, 0xc4, 0xc5, 0xce, 0xd4, 0xd5, 0xd6, 0xea,
]);
