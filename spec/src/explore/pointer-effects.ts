/** What one instruction does to FOP, FIP, FCS, FDP and FDS: asked by executing it, each x87 instruction there is. */

import { assemble } from '../asm/assemble.ts';
import type { CpuProfile } from '../cpus/profile.ts';
import type { Form, OperandForm } from '../isa/form.ts';
import { formsOfInstruction } from '../isa/table.ts';
import { X87 } from '../isa/x87/index.ts';
import { kernelState } from '../machine/initial.ts';
import { Machine } from '../machine/machine.ts';
import { toBytes } from '../numbers/bits.ts';
import { CS, DS, RAX } from '../state/fields.ts';
import { Fault } from '../state/outcomes.ts';
import { type Pointers, images, wantedPointers } from './pointers.ts';

/** The registers, by their manual names. */
export const POINTER_NAMES = ['FOP', 'FIP', 'FCS', 'FDP', 'FDS'] as const;
export type PointerName = (typeof POINTER_NAMES)[number];

export interface PointerEffect {
  /** As assembled: `fadd qword ptr [operand]`. */
  instruction: string;
  /** The fault that it ended in, or empty. */
  fault: string;
  /**
   * `kept`; `0`; `this instruction` (its opcode, address or code segment); `operand` (address or segment of its memory
   * operand); `loaded` from memory, or `low half loaded`; else the value.
   */
  effects: Record<PointerName, string>;
}

export interface PointerEffectOptions {
  cpu: CpuProfile;
  /**
   * `masked`: all exceptions are masked and there is nothing to raise one for. `unmasked`: FCW is 0340h and all
   * registers are empty, so an instruction that needs one raises an invalid-operation exception.
   */
  exceptions?: 'masked' | 'unmasked';
}

const CODE = 0xffff_f803_1111_2000n, DATA = 0xffff_f803_2222_3000n, IMAGES = 0xffff_f803_3333_4000n;
/** What the registers hold before: nothing that the instruction itself could write. */
const BEFORE = { fop: 0x155, fip: 0xffff_f803_4444_5678n, fcs: 0x41, fdp: 0xffff_f803_5555_6789n, fds: 0x49 };
const SELECTORS = { code: 0x51, data: 0x59 };
const LOADED_FOP = 0x2aan;
const ONE = 0x3fff_8000_0000_0000_0000n;

/**
 * The effect of `source`, one 64-bit instruction. Labels that it may name: `operand` (a memory operand of any format),
 * and `wide`, `narrow`, `environment` and `initial`, save areas that hold pointers in the 64-bit form, in the 32-bit
 * form, as FNSTENV stores them, and none at all (XSTATE_BV = 0). Throws `AssemblyError` and `Unmodelled`.
 */
export function pointerEffect(source: string, { cpu, exceptions = 'masked' }: PointerEffectOptions): PointerEffect {
  return new Probe(cpu, exceptions).effect(source);
}

/** A machine in which one instruction after another is tried, each from the same state. */
class Probe {
  readonly #machine: Machine;
  readonly #wanted: Pointers;
  readonly #symbols: Readonly<Record<string, bigint>>;
  readonly #contents: ReadonlyMap<bigint, Uint8Array>;
  readonly #start: Uint8Array;

  constructor(cpu: CpuProfile, exceptions: 'masked' | 'unmasked') {
    const { symbols, contents } = images(IMAGES, (this.#wanted = wantedPointers(cpu)));
    this.#machine = new Machine(undefined, { cpu });
    this.#symbols = { ...symbols, operand: DATA };
    this.#contents = new Map(contents).set(DATA, operandBytes());
    this.#start = startState(cpu, exceptions);
    for (const [name, offset] of [['wide', 6], ['narrow', 6], ['environment', 18]] as const) {
      this.#contents.get(symbols[name]!)!.set(toBytes(LOADED_FOP, 2), offset);
    }
  }

  effect(source: string): PointerEffect {
    const machine = this.#machine;
    const { state } = machine;
    machine.load(assemble(source, { mode: 64, origin: CODE, symbols: this.#symbols }).bytes, CODE);
    for (const [address, bytes] of this.#contents) machine.load(bytes, address);
    state.restore(this.#start);
    state.rip = CODE;
    try {
      return { instruction: source.trim(), fault: '', effects: this.#effects(machine.step().x87Opcode) };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return { instruction: source.trim(), fault: error.notation, effects: this.#effects(BEFORE.fop) };
    }
  }

  #effects(x87Opcode: number): PointerEffect['effects'] {
    const { state, cpu } = this.#machine;
    const wanted = this.#wanted, selectors = !cpu.features.has('FPCSDS');
    const address = (value: bigint, before: bigint, own: Meaning, loaded: bigint): string =>
      naming(value, before, [own, ['loaded', loaded], ['low half loaded', BigInt.asUintN(32, loaded)]]);
    const selector = (value: number, before: number, own: Meaning, loaded: number): string =>
      naming(value, selectors ? before : 0, [own, ['loaded', loaded]]);
    return {
      FOP: naming(state.fop, BEFORE.fop, [['this instruction', x87Opcode], ['loaded', Number(LOADED_FOP)]]),
      FIP: address(state.fip, BEFORE.fip, ['this instruction', CODE], wanted.fip),
      FCS: selector(state.fcs, BEFORE.fcs, ['this instruction', SELECTORS.code], wanted.fcs),
      FDP: address(state.fdp, BEFORE.fdp, ['operand', DATA], wanted.fdp),
      FDS: selector(state.fds, BEFORE.fds, ['operand', SELECTORS.data], wanted.fds),
    };
  }
}

/** Instructions that do the same to the pointers, on each of several processors. */
export interface PointerClass {
  instructions: string[];
  /** By id of the processor; `undefined` where it does not have the instruction. */
  effects: Record<string, Record<PointerName, string> | undefined>;
}

/** `sources` in classes, in order of appearance: two are in one class where no processor tells them apart. */
export function pointerClasses(
  sources: readonly string[],
  { cpus, exceptions = 'masked' }: { cpus: readonly CpuProfile[]; exceptions?: PointerEffectOptions['exceptions'] },
): PointerClass[] {
  const classes = new Map<string, PointerClass>();
  const probes = cpus.map((cpu) => ({ id: cpu.id, probe: new Probe(cpu, exceptions) }));
  for (const source of sources) {
    const effects = Object.fromEntries(probes.map(({ id, probe }) => {
      const { fault, effects } = probe.effect(source);
      return [id, fault === '#UD' ? undefined : effects];
    }));
    const key = JSON.stringify(effects);
    const known = classes.get(key);
    if (known) known.instructions.push(source);
    else classes.set(key, { instructions: [source], effects });
  }
  return [...classes.values()];
}

type Meaning = readonly [name: string, value: number | bigint];

function naming(value: number | bigint, before: number | bigint, meanings: readonly Meaning[]): string {
  if (BigInt(value) === 0n) return '0';
  if (value === before) return 'kept';
  return meanings.find(([, meant]) => meant === value)?.[0] ?? `${value.toString(16).toUpperCase()}h`;
}

/** 1.0 to whoever reads the first bytes as a floating-point number of 32, 64 or 80 bits; an image of any kind too. */
function operandBytes(): Uint8Array {
  const bytes = new Uint8Array(0x1000);
  bytes.set(toBytes(0x037fn, 2), 0);
  bytes.set(toBytes(0xffffn, 2), 8);
  bytes.set(toBytes(0x1f80n, 4), 24);
  return bytes;
}

/** Kernel code with selectors that tell code from data, and two values on the x87 stack, or none. */
function startState(cpu: CpuProfile, exceptions: 'masked' | 'unmasked'): Uint8Array {
  const state = kernelState(cpu, 64);
  const selectors = !cpu.features.has('FPCSDS');
  Object.assign(state, selectors ? BEFORE : { ...BEFORE, fcs: 0, fds: 0 });
  state.setSegment(CS, { ...state.segment(CS), selector: SELECTORS.code });
  state.setSegment(DS, { ...state.segment(DS), selector: SELECTORS.data });
  state.gpr[RAX] = 7n;
  if (exceptions === 'masked') {
    state.fcw = 0x37f;
    state.fsw = 0x3000;
    state.ftw = 0b1100_0000;
    for (const register of [6, 7]) state.setX87(register, ONE);
  } else {
    state.fcw = 0x340;
    state.fsw = 0;
    state.ftw = 0;
  }
  return state.bytes;
}

/** Every x87 instruction in every form of operand, as text for `pointerEffect`. */
export const x87Instructions = (): string[] => [...new Set(X87.flatMap(formsOfInstruction).map(textOf))];

function textOf({ definition, operands }: Form): string {
  return [definition.mnemonic.toLowerCase(), operands.map(operandText).join(', ')].filter(Boolean).join(' ');
}

const SIZE_WORDS: Readonly<Record<number, string>> = {
  16: 'word ptr ', 32: 'dword ptr ', 64: 'qword ptr ', 80: 'tbyte ptr ',
};

function operandText({ text, memory, size }: OperandForm): string {
  if (text === 'm14/28byte' || text === 'm94/108byte') return '[environment]';
  if (memory) return `${SIZE_WORDS[Number(size)] ?? ''}[operand]`;
  return text === 'ST(i)' ? 'st(1)' : text.toLowerCase();
}
