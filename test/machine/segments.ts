/** Machines with a GDT, an LDT and a task state segment of the test's own, at a privilege level of its choice. */

import { type CpuProfile, Fault, Machine, type Program, Unmodelled, assemble, cpus } from 'hidden-state';
import { BIG, CS, DS, ES, FS, GRANULAR, GS, LDTR, LONG, SS, TR, gate, segmentDescriptor } from './descriptors.ts';

export { BIG, CS, DS, ES, FS, GRANULAR, GS, LDTR, LONG, SS, TR, gate };
export const ORIGIN = 0x2_0000n, GDT = 0x3_0000n, LDT = 0x3_1000n, TSS = 0x3_2000n;
/** Tops of the stacks of levels 0 and 3. */
export const STACK_0 = 0x3_5000n, STACK_3 = 0x3_7000n;

/** A code, data or system descriptor, of 4 GiB unless told otherwise. */
export const descriptor = (type: number, { base = 0, limit = 0xf_ffff, flags = GRANULAR | BIG } = {}): bigint =>
  segmentDescriptor(base, limit, type, flags);

/** Selectors that every machine has, with the RPL of their level. */
export const CODE_0 = 0x08, DATA_0 = 0x10, CODE_3 = 0x1b, DATA_3 = 0x23;
/** Entries for the case at hand: 28h and, for the upper half of the first or a second one, 30h and on. */
export const FIRST = 0x28;

export interface World {
  readonly mode: 32 | 64;
  readonly cpl?: 0 | 3;
  readonly cpu?: CpuProfile;
  /** Descriptors by selector; with bit 2 set they go into the LDT. */
  readonly entries?: Readonly<Record<number, bigint>>;
  /** Fields of the task state segment: offset, bytes, value; and its type and limit. */
  readonly tss?: { readonly type?: number; readonly limit?: number; readonly fields?: readonly (readonly [number, number, bigint])[] };
  /** The code runs in compatibility mode. */
  readonly compatibility?: boolean;
}

const codeFlags = (mode: 32 | 64): number => (mode === 64 ? GRANULAR | LONG : GRANULAR | BIG);

/** The program at `ORIGIN`, in the world described. `symbols` of the program may be used by what builds the entries. */
export function machineIn(world: World, text: string | Program): Machine {
  const { mode, cpl = 0, cpu = cpus.ivyBridge, entries = {}, tss = {}, compatibility = false } = world;
  const program = typeof text === 'string' ? assemble(text, { mode: compatibility ? 32 : mode, origin: ORIGIN }) : text;
  const machine = new Machine({ ...program, mode }, { cpu });
  const { memory, state } = machine;
  memory.map(GDT, 0x8000);
  const flags = codeFlags(mode);
  const all: Record<number, bigint> = {
    [CODE_0]: descriptor(0x9b, { flags }), [DATA_0]: descriptor(0x93),
    [CODE_3]: descriptor(0xfb, { flags }), [DATA_3]: descriptor(0xf3), ...entries,
  };
  for (const [selector, raw] of Object.entries(all)) {
    memory.write((Number(selector) & 4 ? LDT : GDT) + BigInt(Number(selector) & 0xfff8), 8, raw);
  }
  state.set('GDTR.base', GDT);
  state.set('GDTR.limit', 0x7f);
  state.setSegment(LDTR, { selector: 0x70, base: LDT, limit: 0x3f, attributes: 0x82 });
  state.setSegment(TR, { selector: 0x60, base: TSS, limit: tss.limit ?? 0x67, attributes: tss.type ?? 0x8b });
  for (const [offset, bytes, value] of tss.fields ?? []) memory.write(TSS + BigInt(offset), bytes, value);
  const level = cpl << 5;
  const code = compatibility ? 0xc09b : mode === 64 ? 0xa09b : 0xc09b;
  const flat = { base: 0n, limit: 0xffff_ffff };
  state.setSegment(CS, { ...flat, selector: cpl ? CODE_3 : CODE_0, attributes: code | level });
  for (const segment of [SS, DS, ES]) state.setSegment(segment, { ...flat, selector: cpl ? DATA_3 : DATA_0, attributes: 0xc093 | level });
  state.gpr[4] = cpl ? STACK_3 : STACK_0;
  return machine;
}

/** How the run ends: `ok` at HLT or at the end of the budget, a fault as `#GP(0x28)`, or what is not modelled. */
export function outcomeOf(machine: Machine, limit = 50): string {
  try {
    machine.run({ limit });
    return 'ok';
  } catch (error) {
    if (error instanceof Fault) return error.notation;
    if (error instanceof Unmodelled) return error.message;
    throw error;
  }
}

/** What is on the stack from `pointer` up, in slots of `bytes` bytes. */
export const stackOf = (machine: Machine, bytes: number, count: number, pointer = machine.state.gpr[4]!): bigint[] =>
  Array.from({ length: count }, (_, n) => machine.memory.read(pointer + BigInt(n * bytes), bytes));
