/** Executes one instruction of the engine from a captured state, and says what differs from what the processor did. */

import { type CpuProfile, Machine } from 'hidden-state';
import type { Instruction } from '../../spec/src/isa/instruction.ts';
import { fullTagWord } from '../../spec/src/isa/x87/environment.ts';
import { physical, withSummary } from '../../spec/src/isa/x87/unit.ts';
import { Fault } from '../../spec/src/state/outcomes.ts';
import { INSTRUCTION, MEMORY_BYTES, OPERAND, type StateRecord, type UnitState, bytesOf, hexOf } from './states.ts';

const abridged = (tags: number): number => {
  let bits = 0;
  for (let j = 0; j < 8; j++) if (((tags >> (2 * j)) & 3) !== 3) bits |= 1 << j;
  return bits;
};

/** Status flags that RFLAGS and the records have in common. */
const STATUS_FLAGS = 0x8d5;

export class Unit {
  readonly machine: Machine;
  readonly #decoded = new Map<string, Instruction>();

  constructor(cpu: CpuProfile) {
    this.machine = new Machine({ mode: 64, origin: INSTRUCTION, bytes: new Uint8Array(16).fill(0x90) }, { cpu });
    this.machine.memory.map(OPERAND, 0x1000);
    this.machine.state.gpr[6] = OPERAND;
    this.machine.state.cr0 |= 0x20n;
  }

  instruction(name: string): Instruction {
    const known = this.#decoded.get(name);
    if (known) return known;
    this.machine.memory.writeBytes(INSTRUCTION, Uint8Array.from({ length: 4 }, (_, n) => bytesOf(name)[n] ?? 0x90));
    const i = this.machine.decodeAt(INSTRUCTION);
    this.#decoded.set(name, i);
    return i;
  }

  /** The state that the engine reaches from `before`, and whether #MF was raised. */
  run(name: string, before: UnitState): { after: UnitState; fault: boolean } {
    const i = this.instruction(name);
    const { state, execution, memory } = this.machine;
    state.fcw = (before.fcw & 0x1f3f) | 0x40;
    state.fsw = withSummary(state.fcw, before.fsw);
    state.ftw = abridged(before.tags);
    state.fip = BigInt(before.fip);
    state.fop = before.fop;
    state.fdp = BigInt(before.fdp);
    state.fcs = 0;
    state.fds = 0;
    before.st.forEach((value, n) => state.setX87(physical(state, n), value));
    memory.writeBytes(OPERAND, before.memory);
    state.rflags = before.rflags;
    state.gpr[0] = BigInt(before.ax);
    state.rip = INSTRUCTION;
    execution.begin(i);
    const fault = this.#raises(i);
    return { fault, after: this.#after() };
  }

  #raises(i: Instruction): boolean {
    try {
      i.operation(this.machine.execution, i);
      return false;
    } catch (error) {
      if (error instanceof Fault && error.mnemonic === '#MF') return true;
      throw error;
    }
  }

  #after(): UnitState {
    const { state, memory } = this.machine;
    return {
      fcw: state.fcw, fsw: state.fsw, tags: fullTagWord(state), fip: Number(state.fip & 0xffff_ffffn), fcs: state.fcs,
      fop: state.fop, fdp: Number(state.fdp & 0xffff_ffffn), fds: state.fds,
      st: Array.from({ length: 8 }, (_, n) => state.x87(physical(state, n))),
      memory: memory.readBytes(OPERAND, MEMORY_BYTES), rflags: state.rflags, ax: Number(state.gpr[0]! & 0xffffn),
    };
  }
}

const hex = (value: number | bigint): string => value.toString(16);

/** `name: ours, theirs` for each field that differs. */
export function differences(ours: UnitState, theirs: UnitState): string[] {
  const found: string[] = [];
  const compare = (name: string, a: number | bigint, b: number | bigint): void => {
    if (a !== b) found.push(`${name} ${hex(a)}, processor ${hex(b)}`);
  };
  for (const name of ['fcw', 'fsw', 'tags', 'fip', 'fcs', 'fop', 'fdp', 'fds', 'ax'] as const) {
    compare(name, ours[name], theirs[name]);
  }
  compare('rflags', ours.rflags & STATUS_FLAGS, theirs.rflags & STATUS_FLAGS);
  ours.st.forEach((value, n) => compare(`st${n}`, value, theirs.st[n]!));
  const end = ours.memory.findLastIndex((byte, n) => byte !== theirs.memory[n]) + 1;
  if (end > 0) found.push(`memory ${hexOf(ours.memory.subarray(0, end))}, processor ${hexOf(theirs.memory.subarray(0, end))}`);
  return found;
}

/** The functions that have no exact results: processors differ in the last bit, and with it in C1. */
export const TRANSCENDENTAL: ReadonlySet<string> = new Set(
  ['D9F0', 'D9F1', 'D9F2', 'D9F3', 'D9F9', 'D9FB', 'D9FE', 'D9FF'],
);

const C1 = 0x200, UE = 0x10;
/** Between the greatest denormal and the least normal number the last bit decides also of underflow and of the tag. */
const LEAST_NORMAL = (1n << 64n) | (1n << 63n);
const atLeastNormal = (x: bigint): boolean => distance(x & ((1n << 79n) - 1n), LEAST_NORMAL) <= 1n;
/** Neighbours differ by 1, also where the exponent changes between them. */
const ordinal = (x: bigint): bigint => ((x >> 64n) << 63n) | (x & 0x7fff_ffff_ffff_ffffn);
const distance = (x: bigint, y: bigint): bigint => {
  const difference = ordinal(x) - ordinal(y);
  return difference < 0n ? -difference : difference;
};

/** `ours` with the results and C1 of `theirs`, where the results are at most one unit of the last bit apart. */
function toLastBit(ours: UnitState, theirs: UnitState): UnitState {
  const st = ours.st.map((value, n) => (n < 2 && distance(value, theirs.st[n]!) <= 1n ? theirs.st[n]! : value));
  const least = ours.st.some((value, n) => n < 2 && atLeastNormal(value));
  const open = C1 | (least ? UE : 0);
  return { ...ours, st, fsw: (ours.fsw & ~open) | (theirs.fsw & open), tags: least ? theirs.tags : ours.tags };
}

/** How the engine and a processor compare: alike, alike but for the last bit of a transcendental function, or not. */
export type Verdict = { readonly kind: 'same' } | { readonly kind: 'last bit' | 'different'; readonly line: string };

export function judge(unit: Unit, { instruction, before, after, fault }: StateRecord): Verdict {
  const ours = unit.run(instruction, before);
  const found = differences(ours.after, after);
  if (ours.fault !== fault) found.push(`#MF ${ours.fault}, processor ${fault}`);
  if (found.length === 0) return { kind: 'same' };
  const tolerable = TRANSCENDENTAL.has(instruction) && ours.fault === fault
    && differences(toLastBit(ours.after, after), after).length === 0;
  const line = `${instruction} FCW ${hex(before.fcw)} FSW ${hex(before.fsw)} tags ${hex(before.tags)} `
    + `ST0 ${hex(before.st[0]!)} ST1 ${hex(before.st[1]!)} memory ${hexOf(before.memory.subarray(0, 10))}: ${found.join('; ')}`;
  return { kind: tolerable ? 'last bit' : 'different', line };
}
