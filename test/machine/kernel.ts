/**
 * A 32-bit kernel with descriptor tables and tasks of its own, for tests of what only such a kernel can reach. Layouts
 * are written out from the manual's figures and not taken from the engine.
 */

import { Fault, Machine, assemble, cpus } from 'hidden-state';
import type { CpuProfile, Program } from 'hidden-state';
import { BIG, CS, DS, ES, FS, GRANULAR, GS, LDTR, SS, TR, gate, segmentDescriptor } from './descriptors.ts';

export { BIG, CS, DS, ES, FS, GRANULAR, GS, LDTR, SS, TR };

export const CODE = 0x2_0000n;
export const GDT = 0x3_0000n, IDT = 0x3_1000n, LDT = 0x3_1800n;
/** Where task state segments lie: that of selector s at TASKS + 32 s. */
const TASKS = 0x3_2000n;
export const taskBase = (selector: number): bigint => TASKS + 32n * BigInt(selector & 0xfff8);

/** A descriptor: base, limit, access byte, flags G, D/B and AVL. */
export const descriptor = (base: number | bigint, limit: number, access: number, flags = 0): bigint =>
  segmentDescriptor(Number(base), limit, access, flags);

/** Selectors of the table that every kernel here begins with. */
export const CODE0 = 0x08, DATA0 = 0x10, CODE3 = 0x1b, DATA3 = 0x23, TASK_A = 0x28, TASK_B = 0x30, TASK_C = 0x38, LOCAL = 0x40;
/** The first selector that a test may use as it likes. */
export const FREE = 0x48;

const FLAT = [0xf_ffff, BIG | GRANULAR] as const;
const flat = (access: number): bigint => descriptor(0, FLAT[0], access, FLAT[1]);
const task = (selector: number, access: number): bigint => descriptor(taskBase(selector), 0x67 + 0x40, access);

const FIRST_ENTRIES: Readonly<Record<number, bigint>> = {
  [CODE0]: flat(0x9b), [DATA0]: flat(0x93), [CODE3 & ~3]: flat(0xfb), [DATA3 & ~3]: flat(0xf3),
  [TASK_A]: task(TASK_A, 0x8b), [TASK_B]: task(TASK_B, 0x89), [TASK_C]: task(TASK_C, 0x89),
  [LOCAL]: descriptor(LDT, 0x7f, 0x82),
};

/** Figure 7-2: offsets and bytes. */
const FIELDS_32 = {
  link: [0, 2], ESP0: [4, 4], SS0: [8, 2], ESP1: [12, 4], SS1: [16, 2], ESP2: [20, 4], SS2: [24, 2], CR3: [28, 4], EIP: [32, 4],
  EFLAGS: [36, 4], EAX: [40, 4], ECX: [44, 4], EDX: [48, 4], EBX: [52, 4], ESP: [56, 4], EBP: [60, 4], ESI: [64, 4], EDI: [68, 4],
  ES: [72, 2], CS: [76, 2], SS: [80, 2], DS: [84, 2], FS: [88, 2], GS: [92, 2], LDT: [96, 2], T: [100, 2], IOMAP: [102, 2],
} as const;
/** Figure 7-10. */
const FIELDS_16 = {
  link: [0, 2], ESP0: [2, 2], SS0: [4, 2], ESP1: [6, 2], SS1: [8, 2], ESP2: [10, 2], SS2: [12, 2], EIP: [14, 2], EFLAGS: [16, 2],
  EAX: [18, 2], ECX: [20, 2], EDX: [22, 2], EBX: [24, 2], ESP: [26, 2], EBP: [28, 2], ESI: [30, 2], EDI: [32, 2],
  ES: [34, 2], CS: [36, 2], SS: [38, 2], DS: [40, 2], LDT: [42, 2],
} as const;

export type TaskState = Partial<Record<keyof typeof FIELDS_32, number | string>>;

export interface Gate {
  /** A label of the program, or an offset. */
  readonly to?: string | number;
  readonly selector?: number;
  /** 8E: 32-bit interrupt gate at DPL 0, present. */
  readonly access?: number;
}

export interface KernelOptions {
  /** Descriptors by selector. */
  readonly gdt?: Readonly<Record<number, bigint>>;
  readonly idt?: Readonly<Record<number, Gate>>;
  readonly ldt?: Readonly<Record<number, bigint>>;
  /** Task state segments by selector, a label of the program where an address is meant. */
  readonly tasks?: Readonly<Record<number, TaskState>>;
  /** Selectors of task state segments in the 16-bit format. */
  readonly tasks16?: Readonly<Record<number, TaskState>>;
  readonly cpu?: CpuProfile;
  readonly faults?: 'throw' | 'deliver';
}

export interface Kernel {
  readonly machine: Machine;
  readonly program: Program;
  readonly label: (name: string) => number;
  readonly register: (name: string) => number;
  /** A field of a task state segment. */
  readonly task: (selector: number, field: keyof typeof FIELDS_32) => number;
  readonly task16: (selector: number, field: keyof typeof FIELDS_16) => number;
  /** The access byte of a descriptor in the GDT. */
  readonly access: (selector: number) => number;
  readonly run: (limit?: number) => string;
}

/** What a task needs in order to run at all: flat segments of level 0 and a stack. */
const READY: TaskState = {
  EFLAGS: 2, CS: CODE0, SS: DATA0, DS: DATA0, ES: DATA0, ESP: 0x1_e000, SS0: DATA0, ESP0: 0x1_d000, IOMAP: 0x88,
};

/** A machine at the first byte of `text`, assembled as 32-bit code at CODE, in task A at CPL 0 with flat segments. */
export function kernel(text: string, options: KernelOptions = {}): Kernel {
  const program = assemble(text, { mode: 32, origin: CODE });
  const machine = new Machine(program, { cpu: options.cpu ?? cpus.ivyBridge, faults: options.faults ?? 'deliver' });
  const { memory, state } = machine;
  const label = (name: string): number => {
    const address = program.symbols[name];
    if (address === undefined) throw new RangeError(`the program has no label ${name}`);
    return Number(address);
  };
  const valueOf = (value: number | string): bigint => BigInt(typeof value === 'string' ? label(value) : value);
  memory.map(0n, 0x4_0000);
  for (const [selector, raw] of Object.entries({ ...FIRST_ENTRIES, ...options.gdt })) memory.write(GDT + BigInt(Number(selector) & 0xfff8), 8, raw);
  for (const [selector, raw] of Object.entries(options.ldt ?? {})) memory.write(LDT + BigInt(Number(selector) & 0xfff8), 8, raw);
  for (const [vector, { to = 0, selector = CODE0, access = 0x8e }] of Object.entries(options.idt ?? {})) {
    memory.write(IDT + 8n * BigInt(vector), 8, gate(access, selector, valueOf(to)));
  }
  const put = (selector: number, values: TaskState, layout: Readonly<Record<string, readonly [number, number]>>): void => {
    for (const [field, value] of Object.entries(values)) {
      const place = layout[field];
      if (place) memory.write(taskBase(selector) + BigInt(place[0]), place[1], valueOf(value));
    }
  };
  for (const [selector, values] of Object.entries({ [TASK_A]: {}, ...options.tasks })) put(Number(selector), { ...READY, ...values }, FIELDS_32);
  for (const [selector, values] of Object.entries(options.tasks16 ?? {})) put(Number(selector), { ...READY, ...values }, FIELDS_16);
  state.set('GDTR.base', GDT);
  state.set('GDTR.limit', 0xff);
  state.set('IDTR.base', IDT);
  state.set('IDTR.limit', 0x7ff);
  for (const segment of [ES, SS, DS]) state.setSegment(segment, { selector: DATA0, base: 0n, limit: 0xffff_ffff, attributes: 0xc093 });
  state.setSegment(CS, { selector: CODE0, base: 0n, limit: 0xffff_ffff, attributes: 0xc09b });
  for (const segment of [FS, GS]) state.setSegment(segment, { selector: 0, base: 0n, limit: 0, attributes: 0 });
  state.setSegment(TR, { selector: TASK_A, base: taskBase(TASK_A), limit: 0xa7, attributes: 0x8b });
  const read = (selector: number, [offset, bytes]: readonly [number, number]): number => Number(memory.read(taskBase(selector) + BigInt(offset), bytes));
  return {
    machine, program, label,
    register: (name) => Number(state.get(name)),
    task: (selector, field) => read(selector, FIELDS_32[field]),
    task16: (selector, field) => read(selector, FIELDS_16[field]),
    access: (selector) => Number(memory.read(GDT + BigInt((selector & 0xfff8) + 5), 1)),
    run: (limit = 1000) => outcome(machine, limit),
  };
}

/** Why the machine stopped, or the fault that it raised. */
export function outcome(machine: Machine, limit = 1000): string {
  try {
    return machine.run({ limit }).reason;
  } catch (error) {
    if (error instanceof Fault) return error.notation;
    throw error;
  }
}
