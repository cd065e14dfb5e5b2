/** All instructions, indexed for the decoder (by opcode) and for the assembler (by mnemonic). */

import { once } from '../numbers/once.ts';
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
import { type Form, type OpcodeMap, opcodeOf, parseForm } from './form.ts';
import type { InstructionDefinition } from './instruction.ts';

export const INSTRUCTIONS: readonly InstructionDefinition[] = [
  ...DATA_TRANSFER, ...CONVERSION, ...EXCHANGE, ...STACK_FRAMES, ...ARITHMETIC, ...MULTIPLY_DIVIDE, ...DECIMAL,
  ...LOGIC, ...SHIFTS, ...DOUBLE_SHIFTS, ...BIT_TESTS, ...BIT_COUNTS, ...BMI, ...CONTROL_TRANSFER, ...TRAPS, ...STRINGS,
  ...FLAG_CONTROL, ...CACHE_CONTROL, ...SEGMENTATION, ...EVENTS, ...IO, ...IO_STRINGS, ...SYSTEM,
  ...X87, ...SIMD, ...XSAVE,
];

/**
 * Parsed when an opcode or a mnemonic is first asked for: a program needs few of them, and a new engine waits for none.
 */
const parsed = new Map<InstructionDefinition, readonly Form[]>();

/** The encodings of one instruction. Throws a `SyntaxError` that names it where one cannot be read. */
export function formsOfInstruction(definition: InstructionDefinition): readonly Form[] {
  const known = parsed.get(definition);
  if (known) return known;
  const forms = definition.forms.map((text) => parseForm(text, definition));
  parsed.set(definition, forms);
  return forms;
}

/** More particular encodings first: a whole ModRM byte, a mandatory prefix, REX.W, a digit. */
const rank = (form: Form): number =>
  (form.modrmByte === undefined ? 8 : 0) + (form.prefix === undefined ? 4 : 0)
  + (form.rexW ? 0 : 2) + (form.registerInOpcode ? 1 : 0) + (form.modrm === 'r' ? 0.5 : 0);

/** Grows a list under a key. */
function append<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

const MAPS: readonly OpcodeMap[] = ['primary', '0F', '0F38', '0F3A'];
/** Opcode map and opcode byte as one number. */
const keyOf = (map: OpcodeMap, opcode: number): number => MAPS.indexOf(map) * 256 + opcode;

/** One line of an instruction's `forms`. */
interface Line {
  readonly definition: InstructionDefinition;
  readonly number: number;
}

/** By opcode, the lines that have it: with a VEX prefix, or without. */
function indexOpcodes(vex: boolean): ReadonlyMap<number, readonly Line[]> {
  const index = new Map<number, Line[]>();
  for (const definition of INSTRUCTIONS) {
    for (let number = 0; number < definition.forms.length; number++) {
      const text = definition.forms[number]!;
      if (text.startsWith('VEX.') !== vex) continue;
      const { map, first, count } = opcodeOf(text, definition);
      for (let n = 0; n < count; n++) append(index, keyOf(map, first + n), { definition, number });
    }
  }
  return index;
}

/** Two, because few programs have instructions with a VEX prefix. */
const lines = { vex: once(() => indexOpcodes(true)), legacy: once(() => indexOpcodes(false)) };
const byOpcode = { vex: new Map<number, readonly Form[]>(), legacy: new Map<number, readonly Form[]>() };

/** The encodings that begin with this opcode, in the order in which to try them. */
export function formsOf(map: OpcodeMap, opcode: number, vex = false): readonly Form[] {
  const kind = vex ? 'vex' : 'legacy', key = keyOf(map, opcode);
  const known = byOpcode[kind].get(key);
  if (known) return known;
  const forms = (lines[kind]().get(key) ?? [])
    .map(({ definition, number }) => formsOfInstruction(definition)[number]!).sort((a, b) => rank(a) - rank(b));
  byOpcode[kind].set(key, forms);
  return forms;
}

const byMnemonic = new Map<string, InstructionDefinition[]>();
for (const definition of INSTRUCTIONS) {
  append(byMnemonic, definition.mnemonic, definition);
  for (const alias of definition.aliases ?? []) append(byMnemonic, alias, definition);
}
const formsByName = new Map<string, readonly Form[]>();

/** The encodings of what has this name, in upper or in lower case. */
export function formsNamed(name: string): readonly Form[] {
  const known = formsByName.get(name);
  if (known) return known;
  const definitions = byMnemonic.get(name.toUpperCase());
  if (!definitions) return [];
  const forms = definitions.flatMap(formsOfInstruction);
  formsByName.set(name, forms);
  return forms;
}
export const MNEMONICS: readonly string[] = [...byMnemonic.keys()];

/** One-byte opcodes that 64-bit mode gave up. SDM vol. 2D, table A-2, superscript i64. */
export const INVALID_IN_64BIT: ReadonlySet<number> = new Set([
  0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37, 0x3f,
  0x60, 0x61, 0x82, 0x9a, 0xc4, 0xc5, 0xce, 0xd4, 0xd5, 0xd6, 0xea,
]);
