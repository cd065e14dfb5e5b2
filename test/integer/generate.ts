/** Random instances of every integer instruction of the table, as records that end in a fault beyond the instruction. */

import { toBytes } from '../../spec/src/numbers/bits.ts';
import type { Form } from '../../spec/src/isa/form.ts';
import { FORMS } from '../../spec/src/isa/table.ts';
import { PLACES, type Piece, type Place } from '../fpu/records.ts';
import { type Random, randomFrom } from './random.ts';

export interface Vector {
  readonly mode: 32 | 64;
  readonly place: Place;
  readonly code: Uint8Array;
  readonly rflags: number;
  /** Registers that matter, by number; the rest are `randomRegisters`. */
  readonly special: ReadonlyMap<number, bigint>;
  readonly pieces: readonly Piece[];
}

export const DATA_BYTES = 0x1000;
const OPERANDS_AT = 0x400, STACK_AT = 0xa00;
const RSP = 4;

/** The data region before each vector. */
export const image = (seed: number): Uint8Array => {
  const random = randomFrom(seed ^ 0x5eed);
  const bytes = new Uint8Array(DATA_BYTES);
  for (let at = 0; at < DATA_BYTES; at += 8) bytes.set(toBytes(random.value(), 8), at);
  return bytes;
};

/** What a user-mode program cannot run, or what has its own tests. */
const OTHER_CPUID: ReadonlySet<string> = new Set(['FPU', 'MMX', 'FXSR', 'SSE', 'SSE2', 'XSAVE', 'XSAVEOPT', 'MSR']);
/** INT3 is a trap: the processor reports the address behind it. CPUID and the stop of HLT have tests of their own. */
const OTHER_MNEMONICS: ReadonlySet<string> = new Set([
  'HLT', 'INT3', 'CPUID', 'CLTS', 'CLI', 'STI', 'LGDT', 'LIDT', 'SGDT', 'SIDT', 'LLDT', 'SLDT', 'SMSW', 'LMSW',
]);

export const integerForms: readonly Form[] = FORMS.filter((form) =>
  !OTHER_CPUID.has(form.definition.cpuid ?? '') && !OTHER_MNEMONICS.has(form.definition.mnemonic)
  && !form.operands.some((operand) => operand.file === 'control' || operand.file === 'debug')
  // Loading a segment register reads a descriptor table, and so does a far jump.
  && form.operands[0]?.file !== 'segment' && form.operands[0]?.place !== 'far');

const available = (form: Form, mode: 32 | 64): boolean => form.only !== (mode === 64 ? 'legacy' : '64') && !(mode === 32 && form.rexW);

function sizes(form: Form, mode: 32 | 64): number[] {
  if (form.onlySize !== undefined) return [form.onlySize];
  if (mode === 64 && form.rexW) return [64];
  // A branch with an operand-size prefix truncates RIP, on AMD also in 64-bit mode: out of the code page.
  if (form.size64 === 'forced') return [mode];
  if (form.size64 === 'default') return [mode, mode, 16];
  return form.sized ? (mode === 64 ? [16, 32, 64] : [16, 32]) : [mode === 64 ? 32 : mode];
}

/** `each` instances of every form, in 64-bit and in 32-bit code as far as it exists there. */
export function* generate(seed: number, each: Readonly<Record<32 | 64, number>>): Generator<Vector> {
  const random = randomFrom(seed);
  for (const mode of [64, 32] as const) {
    for (const form of integerForms) {
      for (let n = 0; n < (available(form, mode) ? each[mode] : 0); n++) yield instance(form, mode, random);
    }
  }
}

/** Collects the parts of one instance. */
interface Draft {
  readonly form: Form;
  readonly mode: 32 | 64;
  readonly random: Random;
  readonly place: Place;
  readonly size: number;
  readonly addressSize: 32 | 64;
  readonly special: Map<number, bigint>;
  readonly pieces: Piece[];
  rex: number;
  /** Memory operand or not, once decided. */
  memory: boolean;
}

const isBranch = ({ definition }: Form): boolean => definition.mnemonic === 'JMP' || definition.mnemonic === 'CALL';

function instance(form: Form, mode: 32 | 64, random: Random): Vector {
  const place = mode === 32 || random.chance(0.4) ? 'low' : 'high';
  const addressSize = mode === 64 && place === 'low' && random.chance(0.3) ? 32 : mode;
  const size = random.pick(sizes(form, mode));
  const draft: Draft = { form, mode, random, place, size, addressSize, special: new Map(), pieces: [], rex: 0, memory: false };
  const { data } = PLACES[place];
  draft.special.set(RSP, data + BigInt(STACK_AT + random.below(64)));
  const needsW = mode === 64 && (form.rexW || (size === 64 && form.sized && form.size64 === undefined));
  const wantsRex = mode === 64 && (needsW || random.chance(0.6));
  if (wantsRex) draft.rex = 0x40 | (needsW ? 8 : 0) | (random.below(8) & (form.rexB0 ? 6 : 7));
  const tail = modrmAndImmediate(draft);
  prepareImplicit(draft);
  const lock = form.definition.lock && draft.memory && random.chance(0.15);
  const repeat = form.definition.repeat && random.chance(0.6) ? [random.chance(0.8) ? 0xf3 : 0xf2] : [];
  const prefixes = [
    ...(lock ? [0xf0] : []), ...(size === 16 && form.prefix !== '66' ? [0x66] : []), ...(addressSize !== mode ? [0x67] : []), ...repeat,
    ...(form.prefix && form.prefix !== 'NP' ? [Number.parseInt(form.prefix, 16)] : []),
  ];
  const opcode = [...(form.map === 'primary' ? [] : [0x0f]), form.opcode | (form.registerInOpcode ? random.below(8) : 0)];
  const code = Uint8Array.from([...prefixes, ...(draft.rex ? [draft.rex] : []), ...opcode, ...tail]);
  // The six status flags and DF at random, IF as user code has it.
  const rflags = 0x202 | (random.below(0x1000) & 0x8d5) | (random.chance(0.3) ? 0x400 : 0);
  return { mode, place, code, rflags, special: draft.special, pieces: draft.pieces };
}

function modrmAndImmediate(draft: Draft): number[] {
  const { form, random, mode } = draft;
  const bytes: number[] = [];
  if (form.modrmByte !== undefined) bytes.push(form.modrmByte);
  else if (form.modrm !== undefined) bytes.push(...modrm(draft));
  bytes.push(...immediate(draft));
  if (form.definition.mnemonic === 'RET') target(draft, Number(draft.special.get(RSP)! - PLACES[draft.place].data));
  if (form.operands.some((operand) => operand.text === 'CL') && !draft.memory && random.chance(0.7)) draft.special.set(1, BigInt(random.below(mode === 64 ? 70 : 40)));
  return bytes;
}

/** A return address or jump target in the code page, stored at `offset` of the data. */
function target({ pieces, random, place, mode }: Draft, offset: number): void {
  pieces.push({ offset, bytes: toBytes(codeAddress(random, place), mode / 8) });
}
const codeAddress = (random: Random, place: Place): bigint => (PLACES[place].code & ~0xfffn) + BigInt(0x100 + random.below(0xe00));

function modrm(draft: Draft): number[] {
  const { form, random } = draft;
  const rm = form.operands.find((operand) => operand.place === 'rm');
  const sreg = form.operands.some((operand) => operand.file === 'segment');
  const reg = typeof form.modrm === 'number' ? form.modrm : sreg ? random.below(6) : random.below(8);
  if (sreg) draft.rex &= ~4;
  draft.memory = rm ? rm.memory && (!rm.register || random.chance(0.5)) : random.chance(0.5);
  if (!draft.memory) {
    const low = random.below(8);
    if (!isBranch(form)) return [0xc0 | (reg << 3) | low];
    const index = low === RSP ? 3 : low;
    draft.special.set(index | (draft.rex & 1 ? 8 : 0), codeAddress(random, draft.place));
    return [0xc0 | (reg << 3) | index];
  }
  return memory(draft, reg);
}

/** ModRM, SIB and displacement of an operand in the data region; LEA, which reads nothing, may point anywhere. */
function memory(draft: Draft, reg: number): number[] {
  const { random, mode, place, addressSize, rex, special } = draft;
  const offset = OPERANDS_AT + random.below(0x100);
  if (isBranch(draft.form)) target(draft, offset);
  const address = PLACES[place].data + BigInt(offset);
  const absoluteWorks = place === 'low';
  const kind = random.below(absoluteWorks ? 5 : 4);
  const mod = kind === 4 ? 0 : 1 + random.below(2);
  const displacement = kind === 4 ? Number(address) : mod === 1 ? random.below(256) - 128 : random.below(0x1000_0000) - 0x800_0000;
  const displacementBytes = [...toBytes(BigInt.asUintN(32, BigInt(displacement)), mod === 1 ? 1 : 4)];
  if (kind === 4) {
    draft.rex &= ~2;
    return [(reg << 3) | 4, 0x25, ...displacementBytes];
  }
  const sib = kind >= 2;
  let base = random.below(8);
  if (!sib && base === 4) base = 3;
  const baseRegister = base | (rex & 1 ? 8 : 0);
  let index = 4, scale = 0;
  if (sib && baseRegister !== RSP) {
    index = random.below(8);
    scale = random.below(4);
  }
  const indexRegister = index | (rex & 2 ? 8 : 0);
  if (indexRegister === baseRegister) {
    index = 4;
    draft.rex &= ~2;
  }
  const indexed = sib && (index | (draft.rex & 2 ? 8 : 0)) !== 4;
  // RSP as a base has to stay in the data region, as it is the stack pointer too.
  if (baseRegister === RSP) {
    draft.rex &= ~2;
    special.set(RSP, address - 0x10n);
    return [0x44 | (reg << 3), 0x24, 0x10];
  }
  const indexValue = indexed ? random.value() : 0n;
  if (indexed) special.set(index | (draft.rex & 2 ? 8 : 0), BigInt.asUintN(mode, indexValue));
  const value = address - BigInt(displacement) - (indexValue << BigInt(scale));
  const high = mode === 64 && addressSize === 32 ? BigInt.asUintN(32, random.value()) << 32n : 0n;
  special.set(baseRegister, BigInt.asUintN(addressSize, value) | high);
  return sib
    ? [(mod << 6) | (reg << 3) | 4, (scale << 6) | (index << 3) | base, ...displacementBytes]
    : [(mod << 6) | (reg << 3) | base, ...displacementBytes];
}

function immediate({ form, random, size, addressSize, place }: Draft): number[] {
  const relative = form.operands.some((operand) => operand.place === 'relative');
  // Not back into the instruction itself: that might never end.
  if (relative && form.immediate === 1) return [random.below(0xf0)];
  if (relative) return [...toBytes(BigInt.asUintN(32, random.chance(0.5) ? BigInt(random.below(0x700)) : -BigInt(16 + random.below(0x6f0))), 4)];
  if (form.definition.mnemonic === 'RET') return form.immediate === 0 ? [] : [random.below(0x80), 0];
  if (form.immediate === 'moffs') return [...toBytes(PLACES[place].data + BigInt(OPERANDS_AT + random.below(64)), addressSize / 8)];
  const bytes = form.immediate === 'v' ? size / 8 : form.immediate === 'z' ? Math.min(size, 32) / 8 : form.immediate;
  return [...toBytes(BigInt.asUintN(8 * bytes || 8, random.value()), bytes)];
}

/** Registers that an instruction uses without naming them. */
function prepareImplicit({ form, random, place, addressSize, special }: Draft): void {
  const { mnemonic } = form.definition;
  const high = addressSize === 32 && place === 'low' && random.chance(0.5) ? 0xdead_beef_0000_0000n : 0n;
  if (form.definition.repeat) {
    const address = PLACES[place].data + BigInt(OPERANDS_AT);
    special.set(1, BigInt(random.below(9)) | high);
    special.set(6, (address + BigInt(random.below(64))) | high);
    special.set(7, (address + BigInt(random.below(64))) | high);
  }
  if (mnemonic.startsWith('LOOP')) special.set(1, random.chance(0.7) ? BigInt(random.below(3)) | high : random.value());
}
