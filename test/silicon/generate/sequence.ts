/**
 * Random sequences of x87, MMX, SSE, AVX and save instructions on registers and one memory area: what one instruction
 * leaves for the next, tracking of components included. What a sequence starts from follows from seed and index alone,
 * so that a stored set needs no more than its code.
 */

import { assemble } from '../../../spec/src/asm/assemble.ts';
import type { Form } from '../../../spec/src/isa/form.ts';
import { toBytes } from '../../../spec/src/numbers/bits.ts';
import { type Random, randomFrom, randomRegisters } from '../../integer/random.ts';
import { PLACES, type Place } from '../environment.ts';
import type { Piece, RunRecord } from '../records.ts';
import { type Draft, RAX, RBX, RCX, RDI, RDX, RSI, RSP, bytesOf } from './draft.ts';
import { DOUBLE, SINGLE, chapterOf, decimal, extendedState, float80, fxsaveImage, mxcsr, vectorBytes, x87Environment } from './extended.ts';
import { exclusionOf } from './forms.ts';
import { available, chooseRex, encoded, sizes } from './index.ts';

export interface Sequence {
  readonly mode: 32 | 64;
  readonly place: Place;
  readonly steps: readonly Step[];
}
export interface Step { readonly mnemonic: string; readonly code: Uint8Array }

/** Of the forms that `forms.ts` has, those that sequences leave out, and why. */
export const SEQUENCE_EXCLUSIONS: readonly { readonly names: RegExp; readonly why: string }[] = [
  { names: /^(F2XM1|FYL2X|FYL2XP1|FPATAN|FPTAN|FSIN|FCOS|FSINCOS)$/, why: 'the last bit of the engine is that of no processor: one in about a hundred differs by it' },
  { names: /^X(SAVES|RSTORS)(64)?$/, why: 'in user mode it is #GP(0), which ends the sequence' },
];

export const SEQUENCE_BYTES = 0x2000;
/** The memory area: slots of `step` bytes of one kind each, for the operands that are such; then what save instructions use. */
const SLOTS = {
  vector: { at: 0, count: 16, step: 32 }, float80: { at: 0x200, count: 8, step: 16 }, single: { at: 0x280, count: 8, step: 4 }, double: { at: 0x2a0, count: 4, step: 8 },
  decimal: { at: 0x2c0, count: 4, step: 16 }, integer: { at: 0x300, count: 8, step: 8 }, mxcsr: { at: 0x340, count: 8, step: 4 }, fcw: { at: 0x360, count: 16, step: 2 },
  environment: { at: 0x380, count: 4, step: 32 }, area: { at: 0x400, count: 2, step: 0xc00 }, frame: { at: 0xe80, count: 3, step: 128 },
} as const;
type Slot = keyof typeof SLOTS;
/** At the end: XSAVEC's area, indices of 32 and of 64 bits for gathers, registers and XINUSE. */
const END_AREA = 0x1c80, INDICES = { 32: 0x1fc0, 64: 0x1fe0 }, REGISTERS = 0x1fa0;
/** What `RBX`, `RSI` and `RDI` point at; no instruction of a sequence writes them. */
const BASES = { [RBX]: 0x80, [RSI]: 0x400, [RDI]: 0x180 } as const;

const slotAt = (random: Random, slot: Slot): number => SLOTS[slot].at + SLOTS[slot].step * random.below(SLOTS[slot].count);

/** Masked, so that a sequence goes on, but for one in seven. */
function calm(random: Random, bytes: Uint8Array, { fcw, control }: { fcw?: number; control?: number }): Uint8Array {
  if (random.chance(0.15)) return bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  if (fcw !== undefined) view.setUint16(fcw, view.getUint16(fcw, true) & 0xf7f | 0x3f, true);
  if (control !== undefined) view.setUint32(control, view.getUint32(control, true) & 0xffff | 0x1f80, true);
  return bytes;
}

/** An x87 environment in protected mode's format of 32 bits. SDM vol. 1, figure 8-9. */
function environment(random: Random): Uint8Array {
  const from = x87Environment(random), bytes = new Uint8Array(28).fill(0xff);
  [0, 4, 8].forEach((at, n) => bytes.set(from.subarray(2 * n, 2 * n + 2), at));
  bytes.set(random.chance(0.5) ? Uint8Array.of(0xff, 0xff) : toBytes(BigInt(random.below(0x1_0000)), 2), 8);
  bytes.set(from.subarray(8, 20), 12);
  return calm(random, bytes, { fcw: 0 });
}

function content(random: Random, slot: Slot): Uint8Array {
  switch (slot) {
    case 'vector': return vectorBytes(random, random.pick([0, 0, SINGLE, DOUBLE]), 32);
    case 'float80': return toBytes(float80(random), 16);
    case 'single': return vectorBytes(random, SINGLE, 4);
    case 'double': return vectorBytes(random, DOUBLE, 8);
    case 'decimal': return decimal(random);
    case 'integer': return vectorBytes(random, 0, 8);
    case 'mxcsr': return calm(random, toBytes(BigInt(random.chance(0.97) ? mxcsr(random) : random.below(2 ** 32)), 4), { control: 0 });
    case 'fcw': return calm(random, x87Environment(random).slice(0, 2), { fcw: 0 });
    case 'environment': case 'frame': return environment(random);
    case 'area': return calm(random, fxsaveImage(random), { fcw: 0, control: 24 });
  }
}

const components = (random: Random): number => (random.chance(0.75) ? random.below(8) : random.below(256) & 0xe7);

/** The header of an XSAVE area of either format, seldom one that XRSTOR refuses. */
function header(random: Random): Uint8Array {
  const bytes = new Uint8Array(64), present = components(random);
  bytes[0] = present;
  if (random.chance(0.3)) {
    bytes[8] = present | (random.chance(0.3) ? components(random) : 0);
    bytes[15] = 0x80;
  }
  if (random.chance(0.02)) bytes[8 + random.below(56)] = 1;
  return bytes;
}

/** The memory area that all sequences of a seed share. */
export function sequenceImage(seed: number): Uint8Array {
  const random = randomFrom(seed ^ 0x05e9_0e5e), bytes = new Uint8Array(SEQUENCE_BYTES);
  for (let at = 0; at < bytes.length; at += 8) bytes.set(toBytes(random.value(), 8), at);
  for (const slot of Object.keys(SLOTS) as Slot[]) {
    const { at, count, step } = SLOTS[slot];
    for (let n = 0; n < count; n++) bytes.set(content(random, slot), at + n * step);
  }
  for (let n = 0; n < 2; n++) bytes.set(header(random), SLOTS.area.at + n * SLOTS.area.step + 512);
  for (const width of [32, 64] as const) {
    for (let at = 0; at < 32; at += width / 8) bytes.set(toBytes(BigInt.asUintN(width, BigInt(random.below(128) - 64)), width / 8), INDICES[width] + at);
  }
  return bytes;
}

/** What a sequence's memory has of its own. */
function pieces(random: Random): Piece[] {
  const all: Piece[] = [];
  const kinds: readonly Slot[] = ['vector', 'vector', 'float80', 'double', 'mxcsr', 'fcw', 'environment'];
  for (const slot of kinds) all.push({ offset: slotAt(random, slot), bytes: content(random, slot) });
  for (let n = 0; n < 2; n++) {
    const offset = SLOTS.area.at + n * SLOTS.area.step;
    all.push({ offset, bytes: calm(random, x87Environment(random), { fcw: 0 }) }, { offset: offset + 512, bytes: header(random) });
  }
  return all;
}

const WEIGHTS = { x87: 34, mmx: 12, vectors: 28, areas: 16, control: 10 } as const;
type Group = keyof typeof WEIGHTS;
const CONTROL = /^(FNINIT|FNCLEX|F?EMMS|FLDCW|FWAIT|FNSTSW|V?LDMXCSR|VZEROUPPER|VZEROALL|XGETBV|FLDENV|FRSTOR|FNSAVE)$/;

/** The forms of a sequence, by what a step chooses first. */
export type Pool = Readonly<Record<Group, readonly Form[]>>;

export function poolOf(forms: readonly Form[], mode: 32 | 64): Pool {
  const taken = forms.filter((form) => available(form, mode) && !exclusionOf(form) && !SEQUENCE_EXCLUSIONS.some(({ names }) => names.test(form.definition.mnemonic)));
  const of = (group: Group): Form[] => taken.filter((form) => (group === 'control' ? CONTROL.test(form.definition.mnemonic) : chapterOf(form) === group));
  return { x87: of('x87'), mmx: of('mmx'), vectors: of('vectors'), areas: of('areas'), control: of('control') };
}

const GROUPS = Object.entries(WEIGHTS).flatMap(([group, weight]) => Array.from({ length: weight }, () => group as Group));

/** A sequence of `least` to `most` instructions. */
export function sequenceOf(pools: Readonly<Record<32 | 64, Pool>>, random: Random, least: number, most: number): Sequence {
  const mode = random.chance(0.25) ? 32 : 64;
  const place: Place = mode === 64 && random.chance(0.6) ? 'high' : 'low';
  const steps = Array.from({ length: least + random.below(most - least + 1) }, () => {
    const from = pools[mode][random.pick(GROUPS)];
    return stepOf(from.length > 0 ? random.pick(from) : random.pick(pools[mode].x87), mode, place, random);
  });
  return { mode, place, steps };
}

function stepOf(form: Form, mode: 32 | 64, place: Place, random: Random): Step {
  const { mnemonic } = form.definition;
  const draft: Draft = {
    form, mode, random, place, size: random.pick(sizes(form, mode)), addressSize: mode, segments: [], bases: undefined, kind: undefined, extended: [], wantsLock: false,
    special: new Map(), pieces: [], rex: 0, override: -1, memory: false, linear: 0n, rm: 0, reg: 0, after: [],
  };
  chooseRex(draft);
  const before: number[] = [], tail = modrm(draft, before);
  if (typeof form.immediate === 'number') tail.push(...bytesOf(random.value(), form.immediate));
  if (/^X(SAVE|RSTOR)/.test(mnemonic)) before.push(0xb8, ...bytesOf(BigInt(random.chance(0.3) ? 7 : components(random)), 4), 0xba, 0, 0, 0, 0);
  if (mnemonic === 'XGETBV') before.push(0xb9, random.chance(0.98) ? random.below(2) : 2, 0, 0, 0);
  return { mnemonic, code: Uint8Array.from([...before, ...encoded(draft, tail)]) };
}

/** Registers that an instruction may write: not the bases, nor the stack pointer and its neighbour. */
const FREE = [RAX, RCX, RDX] as const;

function modrm(draft: Draft, before: number[]): number[] {
  const { form, random } = draft;
  if (form.registerInOpcode) draft.rm = random.below(8);
  if (form.modrmByte !== undefined) return [form.modrmByte];
  if (form.modrm === undefined) return [];
  const rm = form.operands.find(({ place }) => place === 'rm'), named = form.operands.find(({ place }) => place === 'reg');
  draft.memory = !form.modIgnored && (rm ? rm.memory && (!rm.register || random.chance(0.5)) : random.chance(0.5));
  const reg = typeof form.modrm === 'number' ? form.modrm : named?.file === 'gpr' ? random.pick(FREE) : random.below(8);
  if (!draft.memory) return [0xc0 | (reg << 3) | (rm?.file === 'gpr' ? random.pick(FREE) : random.below(8))];
  // Neither the base nor the index is one of the upper registers.
  draft.rex &= ~3;
  const width = form.operands.map(({ text }) => /^vm(32|64)/.exec(text)?.[1]).find(Boolean);
  if (width !== undefined) return gathered(draft, reg, Number(width) as 32 | 64, before);
  const base = random.pick([RBX, RSI, RDI] as const);
  // Seldom where nothing is mapped.
  const displacement = (random.chance(0.004) ? 0x10_0000 : operandAt(draft)) - BASES[base];
  const short = displacement === (displacement << 24) >> 24;
  return [(short ? 0x40 : 0x80) | (reg << 3) | base, ...bytesOf(BigInt(displacement), short ? 1 : 4)];
}

/** Indices that stay within the data, mostly other than destination and mask. */
function gathered({ random }: Draft, reg: number, width: 32 | 64, before: number[]): number[] {
  const index = random.below(8);
  // VMOVDQU YMM, [RBX + displacement]
  if (random.chance(0.95)) before.push(0xc5, 0xfe, 0x6f, 0x80 | (index << 3) | RBX, ...bytesOf(BigInt(INDICES[width] - BASES[RBX]), 4));
  return [0x84 | (reg << 3), (random.below(3) << 6) | (index << 3) | RSI, ...bytesOf(0n, 4)];
}

/** Where the operand is: in a slot of its kind as a rule, on its alignment. */
function operandAt({ form, random }: Draft): number {
  const { mnemonic } = form.definition, operand = form.operands.find(({ place, memory }) => place === 'rm' && memory);
  const text = operand?.text ?? '';
  if (/^X(SAVE|RSTOR)|^FX/.test(mnemonic)) return slotAt(random, 'area') + (random.chance(0.01) ? 8 : 0);
  if (text.startsWith('m94')) return random.chance(0.7) ? slotAt(random, 'frame') : slotAt(random, 'area');
  if (text.startsWith('m14')) return slotAt(random, random.chance(0.8) ? 'environment' : 'frame');
  if (/^F(LD|NST)CW$|^FNSTSW$/.test(mnemonic)) return slotAt(random, 'fcw');
  if (mnemonic.endsWith('MXCSR')) return slotAt(random, 'mxcsr');
  const bytes = typeof operand?.size === 'number' ? operand.size / 8 : 8;
  // Anywhere: over the areas too.
  if (random.chance(0.12)) return (random.below(0xe00) & -(random.chance(0.97) && bytes >= 16 ? bytes : 1)) >>> 0;
  const slot: Slot = text === 'm80fp' ? 'float80' : text === 'm80bcd' ? 'decimal' : text === 'm32fp' ? 'single' : text === 'm64fp' ? 'double' : text.endsWith('int') ? 'integer' : 'vector';
  const within = slot === 'vector' && bytes < 32 ? bytes * random.below(32 / bytes) : 0;
  return slotAt(random, slot) + within + (slot === 'vector' && random.chance(0.01) ? 1 : 0);
}

/**
 * What looks at the state behind the last instruction: general-purpose registers and XINUSE (as far as programs have
 * the components) to memory, then XSAVEC, and XSAVEOPT to an area that an XRSTOR of the sequence may have read: what it leaves
 * there unwritten shows what it takes for unmodified. No flag changes.
 */
const END = new Map(([32, 64] as const).map((mode) => {
  const base = mode === 64 ? 'rsi' : 'esi';
  const at = (offset: number): string => `[${base} + ${offset - BASES[RSI]}]`;
  const text = `mov ${at(REGISTERS)}, eax\n mov ${at(REGISTERS + 4)}, ecx\n mov ${at(REGISTERS + 8)}, edx\n mov ecx, 1\n xgetbv\n mov ${at(REGISTERS + 12)}, al
    mov eax, 7\n mov edx, 0\n xsavec ${at(END_AREA)}\n xsaveopt ${at(SLOTS.area.at)}`;
  return [mode, assemble(text, { mode }).bytes] as const;
}));

/** The record of the first `count` steps of a sequence. */
export function sequenceRecord({ mode, place, steps }: Sequence, seed: number, index: number, count = steps.length): RunRecord {
  const random = randomFrom(Math.imul(index + 1, 0x02_0005) ^ seed ^ 0x05e9);
  const gpr = randomRegisters(seed, index, mode), { data } = PLACES[place];
  for (const [register, offset] of Object.entries(BASES)) gpr[Number(register)] = data + BigInt(offset);
  gpr[RSP] = data + 0x1f00n;
  const kind = random.below(8) | random.pick([0, SINGLE, DOUBLE]);
  const extended: Piece[] = [...extendedState(seed, index, kind)];
  for (const [offset, length, where] of [[0, 2, { fcw: 0 }], [24, 4, { control: 0 }]] as const) {
    const piece = extended.find((each) => each.offset === offset);
    if (piece) extended.push({ offset, bytes: calm(random, piece.bytes.slice(0, length), where) });
  }
  const code = joined([...steps.slice(0, count).map((step) => step.code), END.get(mode)!]);
  return { mode, place, code, gpr, rflags: 0x202 | (random.below(0x1000) & 0x8d5), pieces: pieces(random), extended };
}

const joined = (parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(parts));

/** The step that an instruction at `rip` belongs to; undefined for what looks at the end. */
export function stepAt({ place, steps }: Sequence, rip: bigint): number | undefined {
  let end = PLACES[place].code;
  const found = steps.findIndex(({ code }) => rip < (end += BigInt(code.length)));
  return found < 0 ? undefined : found;
}
