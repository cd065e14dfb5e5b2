/**
 * A machine in every mode that code can run in, each with the same small memory: descriptor tables with something in
 * them, a task state segment, data, a stack. For tests that throw whatever they like at it.
 */

import { type CpuProfile, Machine } from 'hidden-state';
import { CR0, CR4, EFER } from '../../spec/src/isa/system/control-bits.ts';
import { CS, DS, ES, FS, GS, LDTR, OFFSET, SS, TR } from '../../spec/src/state/fields.ts';
import { kernelState, realModeState } from '../../spec/src/machine/initial.ts';
import { randomFrom } from '../integer/random.ts';
import { gate, segmentDescriptor } from './descriptors.ts';
import { P, PageTables, RW, US, useTables } from './page-tables.ts';

/** Linear addresses, below 64 KiB so that 16-bit code reaches them; with paging, the same physical ones. */
export const CODE = 0x8000n, DATA = 0xa000n, STACK = 0xe000n;
export const DATA_BYTES = 0x2000;
const GDT = 0x1000n, IDT = 0x2000n, TSS = 0x3000n, LDT = 0x4000n, TABLES = 0x2_0000n;
const MEMORY_BYTES = 0x1_0000;
/** What an instruction may write although it faults later: descriptor tables (accessed and busy bits), the task state segment, page tables. */
export const isTable = (page: bigint): boolean => page < CODE || page >= TABLES;

const CODE_64 = 0xa09b, CODE_32 = 0xc09b, CODE_16 = 0x009b, DATA_32 = 0xc093, DATA_16 = 0x0093, REAL = 0x93, V86 = 0xf3;
const RING_3 = 0x60;
const IOPL_3 = 0x3000, VM = 0x2_0000;

export interface World {
  readonly name: string;
  readonly mode: 16 | 32 | 64;
  readonly make: (cpu: CpuProfile) => Machine;
}

interface Kind {
  readonly name: string;
  readonly mode: 16 | 32 | 64;
  /** IA-32e mode. */
  readonly long?: boolean;
  readonly code: number;
  readonly data: number;
  readonly cpl?: 0 | 3;
  readonly virtual?: boolean;
  readonly paging?: 'PAE' | '4-level' | '32-bit';
}

const KINDS: readonly Kind[] = [
  { name: '16-bit protected mode', mode: 16, code: CODE_16, data: DATA_16 },
  { name: '16-bit protected mode, CPL 3', mode: 16, code: CODE_16, data: DATA_16, cpl: 3 },
  { name: '32-bit protected mode', mode: 32, code: CODE_32, data: DATA_32 },
  { name: '32-bit protected mode, CPL 3', mode: 32, code: CODE_32, data: DATA_32, cpl: 3 },
  { name: '32-bit protected mode, 32-bit paging', mode: 32, code: CODE_32, data: DATA_32, paging: '32-bit' },
  { name: '32-bit protected mode, CPL 3, PAE paging', mode: 32, code: CODE_32, data: DATA_32, cpl: 3, paging: 'PAE' },
  { name: 'virtual-8086 mode', mode: 16, code: V86, data: V86, cpl: 3, virtual: true },
  { name: '64-bit mode', mode: 64, long: true, code: CODE_64, data: DATA_32, paging: '4-level' },
  { name: '64-bit mode, CPL 3', mode: 64, long: true, code: CODE_64, data: DATA_32, cpl: 3, paging: '4-level' },
  { name: 'compatibility mode, 32-bit', mode: 32, long: true, code: CODE_32, data: DATA_32, cpl: 3, paging: '4-level' },
  { name: 'compatibility mode, 16-bit', mode: 16, long: true, code: CODE_16, data: DATA_16, paging: '4-level' },
];

export const WORLDS: readonly World[] = [
  { name: 'real-address mode', mode: 16, make: realMode },
  ...KINDS.map((kind): World => ({ name: kind.name, mode: kind.mode, make: (cpu) => make(kind, cpu) })),
];

function realMode(cpu: CpuProfile): Machine {
  const machine = machineWithMemory(cpu);
  machine.state.restore(realModeState(cpu).bytes);
  for (const segment of [CS, SS, DS, ES, FS, GS]) machine.state.setSegment(segment, { selector: 0, base: 0n, limit: 0xffff, attributes: REAL });
  machine.state.gpr[4] = STACK;
  machine.paging.invalidate({ kind: 'all' });
  return machine;
}

function machineWithMemory(cpu: CpuProfile): Machine {
  const machine = new Machine(undefined, { cpu });
  machine.memory.map(0n, MEMORY_BYTES);
  fillTables(machine);
  return machine;
}

/** Descriptors of all kinds, most of them usable: a random selector has a chance to name something. */
function fillTables(machine: Machine): void {
  const random = randomFrom(0x6d7);
  const types = [0x9b, 0x93, 0xfb, 0xf3, 0x9f, 0x97, 0x82, 0x89, 0x81, 0x85, 0x84, 0x8c, 0xe4, 0xec, 0x8e, 0x8f, 0xee, 0x86, 0x98, 0x91, 0x1b, 0x13];
  for (const table of [GDT, LDT]) {
    for (let n = 1n; n < 64n; n++) machine.memory.write(table + 8n * n, 8, descriptorOf(random.pick(types), random.below(16)));
  }
  // Gates to the code that runs: 32-bit in the even vectors, 16-bit and task gates among the odd ones.
  for (let n = 0n; n < 256n; n++) {
    const selector = 8 * random.below(64);
    const access = random.pick([0x8e, 0x8f, 0xee, 0x86, 0xe7, 0x85, 0xe5, 0x0e]);
    machine.memory.write(IDT + 8n * n, 8, gate(access, selector, CODE));
  }
  machine.memory.writeBytes(TSS, Uint8Array.from({ length: 0x68 }, () => random.below(256)));
}

/** A descriptor that covers the small memory: with a gate's type, one to `CODE`. */
const descriptorOf = (access: number, flags: number): bigint => {
  const isGate = (access & 0x10) === 0 && (access & 4) !== 0;
  if (isGate) return gate(access, 8, CODE, flags & 3);
  const base = (access & 0x1f) === 2 ? LDT : access & 0x10 ? 0n : TSS;
  return segmentDescriptor(Number(base), 0xffff, access, (flags & 0xc) << 4);
};

function make(kind: Kind, cpu: CpuProfile): Machine {
  const machine = machineWithMemory(cpu);
  const { state } = machine;
  state.restore(kernelState(cpu, kind.long ? 64 : 32).bytes);
  const ring = kind.cpl === 3 ? RING_3 : 0;
  const rpl = kind.cpl ?? 0;
  state.setSegment(CS, { selector: 8 | rpl, base: 0n, limit: 0xffff, attributes: kind.code | ring });
  for (const segment of [SS, DS, ES, FS, GS]) state.setSegment(segment, { selector: 16 | rpl, base: 0n, limit: 0xffff, attributes: kind.data | ring });
  if (kind.virtual) for (const segment of [CS, SS, DS, ES, FS, GS]) state.setSegment(segment, { selector: 0, base: 0n, limit: 0xffff, attributes: V86 });
  state.setSegment(TR, { selector: 0x28, base: TSS, limit: 0xfff, attributes: 0x8b });
  state.setSegment(LDTR, { selector: 0x30, base: LDT, limit: 0x1ff, attributes: 0x82 });
  state.setQuad(OFFSET.gdtrBase, GDT);
  state.setWord(OFFSET.gdtrLimit, 0x1ff);
  state.setQuad(OFFSET.idtrBase, IDT);
  state.setWord(OFFSET.idtrLimit, 0x7ff);
  state.gpr[4] = STACK;
  state.rflags = 2 | (kind.virtual ? VM | IOPL_3 : 0);
  if (kind.paging) page(machine, kind.paging);
  machine.paging.invalidate({ kind: 'all' });
  return machine;
}

/** The small memory one to one, for every level, and the tables themselves for CPL 0. */
function page(machine: Machine, structure: 'PAE' | '4-level' | '32-bit'): void {
  const { state } = machine;
  const tables = new PageTables(machine, structure, TABLES);
  for (let at = 0n; at < BigInt(MEMORY_BYTES); at += 0x1000n) tables.map(at, at, P | RW | US);
  state.cr0 |= CR0.PG | CR0.WP;
  state.cr4 = (state.cr4 & ~CR4.PAE) | (structure === '32-bit' ? 0n : CR4.PAE);
  state.efer |= EFER.NXE;
  useTables(machine, tables, structure);
}
