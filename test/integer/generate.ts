/** Random instances of every integer instruction of the table, as records that end in a fault beyond the instruction. */

import { toBytes } from '../../spec/src/numbers/bits.ts';
import type { Form } from '../../spec/src/isa/form.ts';
import { ARITHMETIC } from '../../spec/src/isa/arithmetic.ts';
import { BIT_COUNTS } from '../../spec/src/isa/bit-counts.ts';
import { BMI } from '../../spec/src/isa/bmi.ts';
import { BIT_TESTS } from '../../spec/src/isa/bit-tests.ts';
import { CACHE_CONTROL } from '../../spec/src/isa/cache-control.ts';
import { CONTROL_TRANSFER } from '../../spec/src/isa/control-transfer.ts';
import { CONVERSION } from '../../spec/src/isa/conversion.ts';
import { DATA_TRANSFER } from '../../spec/src/isa/data-transfer.ts';
import { DECIMAL } from '../../spec/src/isa/decimal.ts';
import { DOUBLE_SHIFTS } from '../../spec/src/isa/double-shifts.ts';
import { EXCHANGE } from '../../spec/src/isa/exchange.ts';
import { FLAG_CONTROL } from '../../spec/src/isa/flag-control.ts';
import { LOGIC } from '../../spec/src/isa/logic.ts';
import { MULTIPLY_DIVIDE } from '../../spec/src/isa/multiply-divide.ts';
import { SHIFTS } from '../../spec/src/isa/shifts.ts';
import { STACK_FRAMES } from '../../spec/src/isa/stack-frames.ts';
import { STRINGS } from '../../spec/src/isa/strings.ts';
import { SYSTEM } from '../../spec/src/isa/system/index.ts';
import { FORMS } from '../../spec/src/isa/table.ts';
import { TRAPS } from '../../spec/src/isa/traps.ts';
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
const NOT_CANONICAL = 0x4000_0000_0000_0000n;
const OPERANDS_AT = 0x400, STACK_AT = 0xa00;
const RAX = 0, RCX = 1, RDX = 2, RBX = 3, RSP = 4, RBP = 5, RSI = 6, RDI = 7;

/** The data region before each vector. */
export const image = (seed: number): Uint8Array => {
  const random = randomFrom(seed ^ 0x5eed);
  const bytes = new Uint8Array(DATA_BYTES);
  for (let at = 0; at < DATA_BYTES; at += 8) bytes.set(toBytes(random.value(), 8), at);
  return bytes;
};

/** The chapters that a user-mode program can run; of the system's what does nothing, and INT3 not, which a debugger would see first. */
const CHAPTERS = new Set([
  ...DATA_TRANSFER, ...CONVERSION, ...EXCHANGE, ...STACK_FRAMES, ...ARITHMETIC, ...MULTIPLY_DIVIDE, ...DECIMAL, ...LOGIC,
  ...SHIFTS, ...DOUBLE_SHIFTS, ...BIT_TESTS, ...BIT_COUNTS, ...BMI, ...CONTROL_TRANSFER, ...TRAPS.filter(({ mnemonic }) => mnemonic !== 'INT3'), ...STRINGS, ...FLAG_CONTROL,
  ...CACHE_CONTROL, ...SYSTEM.filter(({ mnemonic }) => /^(NOP|PAUSE)$/.test(mnemonic)),
]);

// Loading a segment register reads a descriptor table.
export const integerForms: readonly Form[] =
  FORMS.filter((form) => CHAPTERS.has(form.definition) && form.operands[0]?.file !== 'segment');

const available = (form: Form, mode: 32 | 64): boolean => form.only !== (mode === 64 ? 'legacy' : '64') && !(mode === 32 && form.rexW);

function sizes(form: Form, mode: 32 | 64): number[] {
  if (form.vex) return [form.vex.w === 1 ? 64 : 32];
  if (form.onlySize !== undefined) return [form.onlySize];
  if (mode === 64 && form.rexW) return [64];
  // A branch with an operand-size prefix truncates RIP, on AMD also in 64-bit mode: out of the code page.
  if (form.size64 === 'forced') return [mode];
  if (form.size64 === 'default') return [mode, mode, 16];
  // 66 would select another encoding.
  if (form.prefix === 'NP') return form.sized && mode === 64 ? [32, 64] : [32];
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
  readonly addressSize: 16 | 32 | 64;
  readonly special: Map<number, bigint>;
  readonly pieces: Piece[];
  rex: number;
  /** Memory operand or not, once decided; where it is in the data, or the number of the register. */
  memory: boolean;
  offset: number;
  rm: number;
  reg: number;
}

const isBranch = ({ definition }: Form): boolean => definition.mnemonic === 'JMP' || definition.mnemonic === 'CALL';

/** Three bytes; any register as the one of VEX.vvvv. SDM vol. 2A, 2.3.5. */
function vexPrefix({ form, rex, random, mode }: Draft): number[] {
  const named = form.operands.some(({ place }) => place === 'vvvv') ? random.below(mode === 64 ? 16 : 8) : 0;
  const map = ['0F', '0F38', '0F3A'].indexOf(form.map) + 1;
  const last = (form.vex!.w === 1 ? 0x80 : 0) | ((~named & 15) << 3) | ['NP', '66', 'F3', 'F2'].indexOf(form.prefix!);
  return [0xc4, ((~rex & 7) << 5) | map, last];
}

const ESCAPES = { primary: [], '0F': [0x0f], '0F38': [0x0f, 0x38], '0F3A': [0x0f, 0x3a] } as const;

function instance(form: Form, mode: 32 | 64, random: Random): Vector {
  const place = mode === 32 || random.chance(0.4) ? 'low' : 'high';
  const addressSize = form.onlyAddressSize ?? (mode === 64 && place === 'low' && random.chance(0.3) ? 32 : mode);
  const size = random.pick(sizes(form, mode));
  const draft: Draft = { form, mode, random, place, size, addressSize, special: new Map(), pieces: [], rex: 0, memory: false, offset: 0, rm: 0, reg: 0 };
  const { data } = PLACES[place];
  // At the edge of what is mapped now and then. ENTER, as a processor does it, leaves what it pushed before a fault.
  const edge = random.chance(0.03) && form.definition.mnemonic !== 'ENTER';
  draft.special.set(RSP, data + BigInt(edge ? random.below(48) - 16 : STACK_AT + random.below(64)));
  const needsW = mode === 64 && (form.rexW || (size === 64 && form.sized && form.size64 === undefined));
  const wantsRex = mode === 64 && (needsW || random.chance(0.6));
  if (wantsRex) draft.rex = 0x40 | (needsW ? 8 : 0) | (random.below(8) & (form.rexB0 ? 6 : 7));
  const tail = modrmAndImmediate(draft);
  prepareImplicit(draft);
  const lock = form.definition.lock && draft.memory && random.chance(0.15);
  const repeat = form.definition.repeat && random.chance(0.6) ? [random.chance(0.8) ? 0xf3 : 0xf2] : [];
  const prefixes = [
    ...(lock ? [0xf0] : []), ...(size === 16 && form.prefix !== '66' ? [0x66] : []), ...(addressSize !== mode ? [0x67] : []), ...repeat,
    ...(!form.vex && form.prefix && /^[6F]\d$/.test(form.prefix) ? [Number.parseInt(form.prefix, 16)] : []),
  ];
  const opcode = [...(form.vex ? [] : ESCAPES[form.map]), form.opcode | (form.registerInOpcode ? random.below(8) : 0)];
  const rex = form.vex ? vexPrefix(draft) : draft.rex ? [draft.rex] : [];
  const code = Uint8Array.from([...prefixes, ...rex, ...opcode, ...tail]);
  // The six status flags and DF at random, IF as user code has it.
  // INTO with OF is a trap: the processor reports the address behind it.
  const status = form.definition.mnemonic === 'INTO' ? 0x0d5 : 0x8d5;
  const rflags = 0x202 | (random.below(0x1000) & status) | (random.chance(0.3) ? 0x400 : 0);
  return { mode, place, code, rflags, special: draft.special, pieces: draft.pieces.filter(({ offset }) => offset >= 0) };
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
/** Before the instruction, not in it: what it would execute there is another one. */
const codeAddress = (random: Random, place: Place): bigint => (PLACES[place].code & ~0xfffn) + BigInt(0x100 + random.below(0x600));

function modrm(draft: Draft): number[] {
  const { form, random, mode } = draft;
  const rm = form.operands.find((operand) => operand.place === 'rm');
  const sreg = form.operands.some((operand) => operand.file === 'segment');
  let reg = typeof form.modrm === 'number' ? form.modrm : sreg ? random.below(6) : random.below(8);
  if (sreg) draft.rex &= ~4;
  draft.memory = rm ? rm.memory && (!rm.register || random.chance(0.5)) : random.chance(0.5);
  if (!draft.memory) {
    const low = random.below(8);
    draft.reg = reg | (draft.rex & 4 ? 8 : 0);
    draft.rm = low | (draft.rex & 1 ? 8 : 0);
    if (!isBranch(form)) return [0xc0 | (reg << 3) | low];
    const index = low === RSP ? 3 : low;
    draft.special.set(index | (draft.rex & 1 ? 8 : 0), codeAddress(random, draft.place));
    return [0xc0 | (reg << 3) | index];
  }
  const bytes = memory(draft, reg);
  if (!/^BT.?$/.test(form.definition.mnemonic) || form.modrm !== 'r') {
    draft.reg = reg | (draft.rex & 4 ? 8 : 0);
    return bytes;
  }
  // A bit offset reaches beyond the operand, yet not out of the data.
  while (draft.special.has(reg | (draft.rex & 4 ? 8 : 0))) reg = (reg + 1) % 8;
  const bits = BigInt(random.below(0x3000) - 0x1800);
  const upper = draft.size === 64 ? 0n : random.value() << BigInt(draft.size);
  draft.special.set(reg | (draft.rex & 4 ? 8 : 0), BigInt.asUintN(mode, upper | BigInt.asUintN(draft.size, bits)));
  return [(bytes[0]! & 0xc7) | (reg << 3), ...bytes.slice(1)];
}

/** ModRM, SIB and displacement of an operand in the data region; LEA, which reads nothing, may point anywhere. */
function memory(draft: Draft, reg: number): number[] {
  const { random, mode, place, addressSize, rex, special } = draft;
  const aligned = draft.form.definition.mnemonic === 'CMPXCHG16B' && random.chance(0.8);
  const offset = OPERANDS_AT + (random.below(0x100) & (aligned ? ~15 : ~0));
  // Now and then just below the data, where nothing is mapped, or at an address that is not canonical.
  const absent = draft.form.operands.some(({ place }) => place === 'rm') && random.chance(0.04);
  const strange = absent && mode === 64 && addressSize === 64 && random.chance(0.3);
  draft.offset = absent ? -1 - random.below(0x20) : offset;
  if (isBranch(draft.form)) target(draft, draft.offset);
  const address = strange ? NOT_CANONICAL : PLACES[place].data + BigInt(draft.offset);
  const absoluteWorks = place === 'low' && !strange;
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

function immediate({ form, random, size, addressSize, place, mode, special }: Draft): number[] {
  const relative = form.operands.some((operand) => operand.place === 'relative');
  // Not back into the instruction itself: that might never end.
  if (relative && form.immediate === 1) return [random.below(0xf0)];
  if (relative) return [...toBytes(BigInt.asUintN(32, random.chance(0.5) ? BigInt(random.below(0x700)) : -BigInt(16 + random.below(0x6f0))), 4)];
  // ENTER: bytes to allocate, within the data as a processor pushes before it faults, and the nesting level.
  if (form.immediate === 3) {
    const level = random.chance(0.7) ? random.below(4) : random.below(256);
    // RBP is an address only for a display.
    if ((level & 31) < 2 && random.chance(0.5)) special.set(RBP, BigInt.asUintN(mode, random.value()));
    return [random.below(256), random.chance(0.8) ? 0 : random.below(8), level];
  }
  if (form.definition.mnemonic === 'AAM' && random.chance(0.5)) return [10];
  if (form.definition.mnemonic === 'RET') return form.immediate === 0 ? [] : [random.below(0x80), 0];
  if (form.immediate === 'moffs') return [...toBytes(PLACES[place].data + BigInt(OPERANDS_AT + random.below(64)), addressSize / 8)];
  if (form.immediate === 'far') throw new RangeError(`${form.text}: far transfers are not user-mode integer instructions`);
  const bytes = form.immediate === 'v' ? size / 8 : form.immediate === 'z' ? Math.min(size, 32) / 8 : form.immediate;
  return [...toBytes(BigInt.asUintN(8 * bytes || 8, random.value()), bytes)];
}

const ELEMENT_BYTES: Readonly<Record<string, number>> = { B: 1, W: 2, D: 4, Q: 8 };

/** Registers and memory that an instruction uses without naming them. */
function prepareImplicit(draft: Draft): void {
  const { form, random, place, addressSize, special, pieces, mode, size } = draft;
  const { mnemonic } = form.definition;
  const { data } = PLACES[place];
  const high = addressSize === 32 && mode === 64 && place === 'low' && random.chance(0.5) ? 0xdead_beef_0000_0000n : 0n;
  /** Not where the register makes an address. */
  const set = (register: number, value: bigint): void => {
    if (!special.has(register)) special.set(register, BigInt.asUintN(mode, value));
  };
  if (form.definition.repeat) {
    const address = data + BigInt(OPERANDS_AT);
    special.set(RCX, BigInt(random.below(9)) | high);
    special.set(RSI, (address + BigInt(random.below(64))) | high);
    special.set(RDI, (address + BigInt(random.below(64))) | high);
    // A fault between two iterations: backward, off the edge.
    if (random.chance(0.1)) special.set(random.pick([RSI, RDI]), (data + BigInt(random.below(24))) | high);
  }
  if (mnemonic.startsWith('CMPS') && random.chance(0.5)) special.set(RSI, special.get(RDI)!);
  if (mnemonic.startsWith('SCAS') && random.chance(0.5)) {
    const bytes = ELEMENT_BYTES[mnemonic.at(-1)!]!, value = BigInt.asUintN(mode, random.value());
    const offset = Number(BigInt.asUintN(12, special.get(RDI)!));
    special.set(RAX, value);
    if (offset >= OPERANDS_AT) pieces.push({ offset: offset - 4 * bytes, bytes: Uint8Array.from({ length: 8 * bytes }, (_, n) => Number((value >> BigInt(8 * (n % bytes))) & 0xffn)) });
  }
  if (mnemonic.startsWith('LOOP') || form.onlyAddressSize !== undefined) special.set(RCX, random.chance(0.7) ? BigInt(random.below(3)) | high : BigInt.asUintN(mode, random.value()));
  if (mnemonic === 'XLATB') special.set(RBX, (data + BigInt(OPERANDS_AT + random.below(64))) | high);
  if (mnemonic === 'ENTER' || mnemonic === 'LEAVE') set(RBP, data + BigInt(STACK_AT + random.below(0x100)));
  if (mnemonic.startsWith('POPF')) {
    // Without TF, NT and AC, which the capturing program would feel.
    const image = random.value() & ~0x4_4100n;
    pieces.push({ offset: Number(special.get(RSP)! - data), bytes: toBytes(image, size / 8) });
  }
  if (/^I?DIV$/.test(mnemonic) && random.chance(0.7)) {
    // A dividend whose upper half is no more than a sign, so that quotients fit.
    const value = random.value(), bits = BigInt(form.operands[0]!.size === 8 ? 8 : size);
    const negative = mnemonic === 'IDIV' && (value >> (bits - 1n)) & 1n;
    if (bits === 8n) set(RAX, negative ? value | 0xff00n : value & ~0xff00n);
    else set(RAX, value);
    if (bits !== 8n) set(RDX, negative ? -1n : random.chance(0.5) ? 0n : BigInt(random.below(4)));
  }
  if (mnemonic.startsWith('CMPXCHG') && random.chance(0.5)) {
    const [low, next] = [random.value(), random.value()].map((value) => BigInt.asUintN(mode, value));
    set(RAX, low!);
    if (form.modrm === 1) set(RDX, next!);
    const half = form.modrm !== 1 ? 8 : form.rexW ? 8 : 4;
    if (draft.memory) pieces.push({ offset: draft.offset, bytes: Uint8Array.of(...toBytes(low!, half), ...(form.modrm === 1 ? toBytes(next!, half) : [])) });
    else set(draft.rm, low!);
  }
  if (mnemonic === 'BOUND' && random.chance(0.7)) {
    set(draft.reg, BigInt(random.below(40) - 20));
    pieces.push({ offset: draft.offset, bytes: Uint8Array.of(...toBytes(BigInt.asUintN(size, -15n), size / 8), ...toBytes(14n, size / 8)) });
  }
}
