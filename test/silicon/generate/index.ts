/** Random instances of every instruction of the table that user code can run, as records that end in a fault beyond it. */

import type { Form } from '../../../spec/src/isa/form.ts';
import { type Random, randomFrom } from '../../integer/random.ts';
import { HIGH_OF_16_BIT_STACK, type Place } from '../environment.ts';
import type { Piece } from '../records.ts';
import { isLocked, memory } from './address.ts';
import {
  CS, DATA_BYTES, DS, type Draft, type Mode, OPERANDS_AT, RBP, RCX, RSP, SS, STACK_AT, anySelector, baseOf, bytesOf, codeAddress,
  dataAddress, extentOf, farTarget, offsetIn, putAt, stackWidth,
} from './draft.ts';
import { chapterOf, memoryOperand, stateKind } from './extended.ts';
import { generatedForms } from './forms.ts';
import { prepareImplicit } from './implicit.ts';
import { chooseBases, chooseSegments } from './segments.ts';

export interface Vector {
  readonly mode: Mode;
  readonly place: Place;
  readonly code: Uint8Array;
  /** Offset of the code in its page. */
  readonly at: number;
  readonly rflags: number;
  readonly segments: readonly number[];
  readonly bases: readonly [fs: bigint, gs: bigint] | undefined;
  /** Registers that matter, by number; the rest are `randomRegisters`. */
  readonly special: ReadonlyMap<number, bigint>;
  readonly pieces: readonly Piece[];
  /** Which x87, SSE and AVX state is its own (`extendedState`), or undefined: then all of it is initial. */
  readonly kind: number | undefined;
  /** What differs from that. */
  readonly extended: readonly Piece[];
}

/** What the system around the instances has: instructions for FS and GS base, AVX. */
export interface Around { readonly fsgsbase: boolean; readonly avx: boolean }
const EVERYTHING: Around = { fsgsbase: true, avx: true };

export const MODES: readonly Mode[] = [64, 32, 16];

/** The data region, and the page below it, before each vector. */
export function image(seed: number): { data: Uint8Array; readOnly: Uint8Array } {
  const random = randomFrom(seed ^ 0x5eed);
  const page = (): Uint8Array => {
    const bytes = new Uint8Array(DATA_BYTES);
    for (let at = 0; at < DATA_BYTES; at += 8) bytes.set(bytesOf(random.value(), 8), at);
    return bytes;
  };
  return { data: page(), readOnly: page() };
}

export const available = (form: Form, mode: Mode): boolean => form.only !== (mode === 64 ? 'legacy' : '64') && !(mode !== 64 && form.rexW);

/** Operand sizes to choose from. */
export function sizes(form: Form, mode: Mode): number[] {
  const usual = mode === 64 ? 32 : mode;
  if (form.vex) return [form.vex.w === 1 ? 64 : 32];
  if (form.onlySize !== undefined) return [form.onlySize];
  if (mode === 64 && form.rexW) return [64];
  // With an operand-size prefix a branch truncates the instruction pointer: to somewhere else, unless the code is at the bottom of its segment.
  if (form.size64 === 'forced') return mode === 64 ? [64] : [mode, mode, mode, 48 - mode];
  if (form.size64 === 'default') return mode === 64 ? [64, 64, 16] : [mode, mode, 48 - mode];
  // 66 would select another encoding.
  if (form.prefix === 'NP') return form.sized && mode === 64 ? [32, 64] : [usual];
  if (!form.sized) return [usual];
  // With 66 the source has two bytes; a Zen 4 reads four all the same, which only the end of a page shows.
  if (form.definition.mnemonic === 'MOVSXD') return [32, 64];
  return mode === 64 ? [16, 32, 64] : [16, 32];
}

/** One random instance. */
export function instanceOf(form: Form, mode: Mode, random: Random, around: Around = EVERYTHING): Vector {
  const place: Place = mode !== 64 || random.chance(0.4) ? 'low' : 'high';
  const otherAddress = mode === 64 ? place === 'low' && random.chance(0.3) : random.chance(0.25);
  const addressSize = form.onlyAddressSize ?? (!otherAddress ? mode : mode === 64 ? 32 : (48 - mode as 16 | 32));
  const size = random.pick(sizes(form, mode));
  const draft: Draft = {
    form, mode, random, place, size, addressSize, segments: chooseSegments(mode, random), bases: around.fsgsbase ? chooseBases(mode, random, place) : undefined,
    kind: stateKind(form, random, around.avx), extended: [], wantsLock: random.chance(0.15), special: new Map(), pieces: [], rex: 0, override: -1, memory: false, linear: 0n, rm: 0, reg: 0, after: [],
  };
  setStackPointer(draft);
  chooseRex(draft);
  const tail = modrmAndImmediate(draft);
  prepareImplicit(draft);
  if (draft.kind !== undefined) extendedOperands(draft, draft.kind);
  const instruction = encoded(draft, tail);
  const { at, code } = placeCode(draft, [...instruction, ...draft.after], instruction.length);
  // The six status flags, DF and ID at random, IF as user code has it. INTO with OF is common enough at half.
  const rflags = 0x202 | (random.below(0x1000) & 0x8d5) | (random.chance(0.3) ? 0x400 : 0) | (random.chance(0.1) ? 0x20_0000 : 0);
  return { mode, place, code, at, rflags, segments: draft.segments, bases: draft.bases, special: draft.special, pieces: draft.pieces, kind: draft.kind, extended: draft.extended };
}

export function chooseRex(draft: Draft): void {
  const { form, mode, random, size } = draft;
  const needsW = mode === 64 && (form.rexW || (size === 64 && form.sized && form.size64 === undefined));
  if (mode === 64 && (needsW || random.chance(0.6))) draft.rex = 0x40 | (needsW ? 8 : 0) | (random.below(8) & (form.rexB0 ? 6 : 7));
}

/** Prefixes and opcode before `tail`: ModRM, displacement, immediate. */
export const encoded = (draft: Draft, tail: readonly number[]): number[] => {
  const { form, rex } = draft;
  return [...prefixes(draft), ...(form.vex ? vexPrefix(draft) : rex ? [rex] : []), ...(form.vex ? [] : ESCAPES[form.map]), form.opcode | (form.registerInOpcode ? draft.rm : 0), ...tail];
};

/** What a memory operand holds, and what looks at the x87 unit behind the instruction: exceptions are deferred. */
function extendedOperands(draft: Draft, kind: number): void {
  const { form, random, mode, place } = draft;
  const bytes = draft.memory ? memoryOperand(form, kind, random) : undefined;
  if (bytes) putAt(draft, draft.linear, bytes);
  if (chapterOf(form) !== 'x87' || random.chance(0.6)) return;
  const look = dataAddress(draft, 0xc00 + 4 * random.below(16));
  const wait = [0x9b], statusWord = [0xdf, 0xe0];
  // FNSTENV to the data, absolute: in 64-bit code that reaches the low place.
  const environment = mode === 64 && place === 'high' ? statusWord
    : [0xd9, 0x34 | (mode === 32 ? 1 : mode === 16 ? 2 : 0), ...(mode === 64 ? [0x25] : []), ...bytesOf(look - baseOf(draft, DS), mode === 16 ? 2 : 4)];
  draft.after.push(...random.pick([wait, wait, statusWord, environment]));
}

/** At the edge of the data now and then. */
function setStackPointer(draft: Draft): void {
  const { random, mode, special, segments } = draft;
  const edge = random.chance(0.05);
  const linear = dataAddress(draft, edge ? (random.chance(0.5) ? random.below(48) - 16 : 0xff0 + random.below(20)) : STACK_AT + random.below(64));
  const limited = mode !== 64 && random.chance(0.03) ? BigInt(extentOf(segments[SS]!).limit + 3 - random.below(12)) : undefined;
  const width = stackWidth(draft);
  const pointer = BigInt.asUintN(width, limited ?? offsetIn(draft, SS, linear, width));
  special.set(RSP, width === 16 ? HIGH_OF_16_BIT_STACK | pointer : pointer);
}

/** In the middle of its page; now and then so that the instruction runs over the end of it. */
function placeCode({ random, segments }: Draft, code: readonly number[], length: number): { at: number; code: Uint8Array } {
  if (random.chance(0.985) || extentOf(segments[CS]!).limit < 0x1000) return { at: 0x800, code: Uint8Array.from(code) };
  const there = random.below(length) + 1;
  return { at: 0x1000 - there, code: Uint8Array.from(code.slice(0, there)) };
}

const ESCAPES = { primary: [], '0F': [0x0f], '0F38': [0x0f, 0x38], '0F3A': [0x0f, 0x3a] } as const;
const OVERRIDES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65] as const;

function prefixes(draft: Draft): number[] {
  const { form, random, mode, size, addressSize, override, memory } = draft;
  const lockable = isLocked(draft);
  // AMD processors take LOCK MOV CR0 for MOV CR8 (CPUID 80000001h ECX[4], AltMovCr8), and a Zen 4 passes over LOCK before VERW: no profile says so.
  const lock = lockable || (random.chance(0.008) && !(form.definition.lock && memory) && !form.modIgnored && form.definition.mnemonic !== 'VERW');
  const repeat = form.definition.repeat && random.chance(0.6) ? [random.chance(0.8) ? 0xf3 : 0xf2] : [];
  // Longer than fifteen bytes, now and then.
  const padding = random.chance(0.004) ? Array.from({ length: 8 + random.below(8) }, () => random.pick([0x2e, 0x3e])) : [];
  const usual = mode === 64 ? (form.size64 ? 64 : 32) : mode;
  const sized = !form.vex && form.prefix !== '66' && size !== usual && (mode !== 64 || size === 16);
  return [
    ...(override < 0 ? padding : [OVERRIDES[override]!]), ...(lock ? [0xf0] : []), ...(sized ? [0x66] : []), ...(addressSize === mode ? [] : [0x67]), ...repeat,
    ...(!form.vex && form.prefix && /^[6F]\d$/.test(form.prefix) ? [Number.parseInt(form.prefix, 16)] : []),
  ];
}

/** Two bytes where that is enough, or three; any register as the one of VEX.vvvv. SDM vol. 2A, 2.3.5. */
function vexPrefix({ form, rex, random, mode, kind }: Draft): number[] {
  const { l, w } = form.vex!;
  // Where no operand is there any other value than 0 is #UD.
  const named = form.operands.some(({ place }) => place === 'vvvv') || (kind !== undefined && random.chance(0.02)) ? random.below(mode === 64 ? 16 : 8) : 0;
  const map = ['0F', '0F38', '0F3A'].indexOf(form.map) + 1;
  const wide = w === 1 || (w === undefined && random.chance(0.3)) ? 0x80 : 0;
  const length = l === 1 || (l === undefined && random.chance(0.3)) ? 4 : 0;
  const last = wide | ((~named & 15) << 3) | length | ['NP', '66', 'F3', 'F2'].indexOf(form.prefix!);
  if (map === 1 && !(rex & 3) && w !== 1 && random.chance(0.5)) return [0xc5, ((~rex & 4) << 5) | (last & 0x7f)];
  return [0xc4, ((~rex & 7) << 5) | map, last];
}

const isBranch = ({ definition }: Form): boolean => definition.mnemonic === 'JMP' || definition.mnemonic === 'CALL';
const isFar = ({ operands }: Form): boolean => operands.some(({ text }) => /^(m16:|ptr16:)/.test(text));
/** Instructions whose register or memory operand of 16 bits is a selector. */
const TAKES_SELECTOR = /^(LAR|LSL|VERR|VERW|ARPL|LLDT|LTR)$/;
const isSegmentLoad = ({ definition, operands }: Form): boolean =>
  /^(MOV|POP)$/.test(definition.mnemonic) && operands[0]?.file === 'segment';

function modrmAndImmediate(draft: Draft): number[] {
  const { form, random, mode, special } = draft;
  const bytes: number[] = [];
  if (form.registerInOpcode) draft.rm = form.notZero && !(draft.rex & 1) ? 1 + random.below(7) : random.below(8);
  if (form.modrmByte !== undefined) bytes.push(form.modrmByte);
  else if (form.modrm !== undefined) bytes.push(...modrm(draft));
  bytes.push(...immediate(draft));
  if (form.operands.some((operand) => operand.text === 'CL') && !special.has(RCX) && random.chance(0.7)) special.set(RCX, BigInt(random.below(mode === 64 ? 70 : 40)));
  if (isSegmentLoad(form)) lookThrough(draft);
  return bytes;
}

/** A load through the segment register that was just written: its hidden part shows. */
function lookThrough(draft: Draft): void {
  const { form, random, mode } = draft;
  const segment = form.operands[0]!.place === 'implicit' ? form.operands[0]!.value : draft.reg & 7;
  if (segment === CS || segment > 5 || random.chance(0.4)) return;
  const offset = random.pick([random.below(0x1010), 0x47c + random.below(8), 0xffc + random.below(8), 0xfffd + random.below(4)]);
  draft.after.push(OVERRIDES[segment]!, ...(mode === 64 ? [0x8b, 0x04, 0x25] : [0xa1]), ...bytesOf(BigInt(offset), mode === 16 ? 2 : 4));
}

function modrm(draft: Draft): number[] {
  const { form, random, special, size } = draft;
  const rm = form.operands.find((operand) => operand.place === 'rm');
  const sreg = form.operands.some((operand) => operand.file === 'segment');
  let reg = typeof form.modrm === 'number' ? form.modrm : sreg ? random.below(random.chance(0.02) ? 8 : 6) : random.below(8);
  if (sreg) draft.rex &= ~4;
  draft.memory = !form.modIgnored && (rm ? rm.memory && (!rm.register || random.chance(0.5)) : random.chance(0.5));
  if (!draft.memory) {
    let low = random.below(8);
    if (isBranch(form) && low === RSP) low = 3;
    draft.reg = reg | (draft.rex & 4 ? 8 : 0);
    draft.rm = low | (draft.rex & 1 ? 8 : 0);
    if (isBranch(form) && draft.rm !== RSP) special.set(draft.rm, codeAddress(draft));
    if (takesSelector(draft) && draft.rm !== RSP) special.set(draft.rm, junkAbove(draft, BigInt(anySelector(draft))));
    return [0xc0 | (reg << 3) | low];
  }
  const bytes = memory(draft, reg);
  if (isFar(form) || /^L[DEFGS]S$/.test(form.definition.mnemonic)) farPointer(draft);
  else if (isBranch(form)) putAt(draft, draft.linear, bytesOf(codeAddress(draft), size / 8));
  if (takesSelector(draft)) putAt(draft, draft.linear, bytesOf(BigInt(anySelector(draft)), 2));
  if (!/^BT.?$/.test(form.definition.mnemonic) || form.modrm !== 'r') {
    draft.reg = reg | (draft.rex & 4 ? 8 : 0);
    return bytes;
  }
  // A bit offset reaches beyond the operand, yet rarely out of the data.
  while (special.has(reg | (draft.rex & 4 ? 8 : 0))) reg = (reg + 1) % 8;
  special.set(reg | (draft.rex & 4 ? 8 : 0), junkAbove(draft, BigInt(random.below(0x3000) - 0x1800)));
  return [(bytes[0]! & 0xc7) | (reg << 3), ...bytes.slice(1)];
}

const takesSelector = ({ form }: Draft): boolean => TAKES_SELECTOR.test(form.definition.mnemonic) || isSegmentLoad(form);

/** `value` in the low half of a register whose rest does not matter. */
function junkAbove({ mode, size, random }: Draft, value: bigint): bigint {
  const upper = size >= mode && mode !== 16 ? 0n : random.value() << BigInt(size);
  return BigInt.asUintN(mode === 64 ? 64 : 32, upper | BigInt.asUintN(size, value));
}

/** An offset of the operand size and a selector, in memory. */
function farPointer(draft: Draft): void {
  const { form, size } = draft;
  const loadsData = /^L[DEFGS]S$/.test(form.definition.mnemonic);
  const { selector, offset } = loadsData ? { selector: anySelector(draft), offset: draft.random.value() } : farTarget(draft);
  putAt(draft, draft.linear, Uint8Array.of(...bytesOf(offset, size / 8), ...bytesOf(BigInt(selector), 2)));
}

function immediate(draft: Draft): number[] {
  const { form, random, size, mode, special } = draft;
  const relative = form.operands.some((operand) => operand.place === 'relative');
  // Not back into the instruction itself: that might never end.
  if (relative && form.immediate === 1) return [random.below(0xf0)];
  if (relative) return [...bytesOf(random.chance(0.5) ? BigInt(random.below(0x700)) : -BigInt(16 + random.below(0x6f0)), size === 16 ? 2 : 4)];
  // ENTER: bytes to allocate, within the data as a processor pushes before it faults, and the nesting level.
  if (form.immediate === 3) {
    const level = random.chance(0.7) ? random.below(4) : random.below(256);
    // RBP is an address only for a display.
    if ((level & 31) < 2 && random.chance(0.5)) special.set(RBP, BigInt.asUintN(mode === 64 ? 64 : 32, random.value()));
    return [random.below(256), random.chance(0.8) ? 0 : random.below(8), level];
  }
  if (form.definition.mnemonic === 'AAM' && random.chance(0.5)) return [10];
  if (/^RETF?$/.test(form.definition.mnemonic)) return form.immediate === 0 ? [] : [random.below(0x80), 0];
  if (form.immediate === 'moffs') return moffs(draft);
  if (form.immediate === 'far') {
    const { selector, offset } = farTarget(draft);
    return [...bytesOf(offset, size === 16 ? 2 : 4), ...bytesOf(BigInt(selector), 2)];
  }
  // INT 80h is Linux's own.
  if (form.definition.mnemonic === 'INT') return [random.chance(0.3) ? random.pick([3, 4]) : random.below(0x80)];
  const bytes = form.immediate === 'v' ? size / 8 : form.immediate === 'z' ? Math.min(size, 32) / 8 : form.immediate;
  return [...bytesOf(random.value(), bytes)];
}

function moffs(draft: Draft): number[] {
  const override = draft.random.chance(0.3) && draft.mode !== 64 ? draft.random.below(6) : -1;
  draft.override = override;
  const segment = override < 0 ? 3 : override;
  const linear = dataAddress(draft, draft.random.chance(0.9) ? OPERANDS_AT + draft.random.below(64) : 0xff8 + draft.random.below(12));
  return [...bytesOf(linear - baseOf(draft, segment), draft.addressSize / 8)];
}

/** `each` instances of every form, in each kind of code in which it exists. */
export function* generate(random: Random, each: Readonly<Record<Mode, number>>, forms: readonly Form[] = generatedForms): Generator<Vector> {
  for (const mode of MODES) {
    for (const form of forms) {
      for (let n = 0; n < (available(form, mode) ? each[mode] : 0); n++) yield instanceOf(form, mode, random);
    }
  }
}
