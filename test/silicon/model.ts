/** Runs a record on the engine as the runner does on the processor: in user mode, every fault delivered to a kernel's IDT. */

import { type CpuProfile, Fault, Machine, Unmodelled } from 'hidden-state';
import { hex, toBytes, u } from '../../spec/src/numbers/bits.ts';
import { decode } from '../../spec/src/isa/decode.ts';
import { parseDescriptor } from '../../spec/src/isa/segmentation/descriptor.ts';
import { physical } from '../../spec/src/isa/x87/unit.ts';
import { assemble } from '../../spec/src/asm/assemble.ts';
import { DS, ES, FS, GS, LDTR, OFFSET, TR } from '../../spec/src/state/fields.ts';
import { NX, P, PageTables, RW, US, useTables } from '../machine/page-tables.ts';
import { CODE_PAGE_BYTES, GDT, HLT, LOCAL, PLACES, READ_ONLY_BYTES, codePage, descriptorOf } from './environment.ts';
import { AREA_BYTES, type RunRecord, type RunResult, areaBefore, changedRuns, dataBefore, flatSegments } from './records.ts';
import type { Fences, Image } from './runner.ts';

/** The kernel's own memory: nothing that a record does reaches it. The physical addresses are ours to choose. */
const KERNEL = 0xffff_fe00_0000_0000n;
const PHYSICAL = { kernel: 0x10_0000n, tables: 0x100_0000n, high: 0x20_0000n, low: 0x30_0000n, spare: 0x40_0000n };
const TABLES = { gdt: KERNEL, ldt: KERNEL + 0x1000n, idt: KERNEL + 0x2000n, tss: KERNEL + 0x3000n, stack: KERNEL + 0x6000n, handlers: KERNEL + 0x6000n, area: KERNEL + 0x7000n, restore: KERNEL + 0x8000n, save: KERNEL + 0x8800n };
const KERNEL_BYTES = 0x9000;
const HANDLER_BYTES = 16;
/** Linux's kernel code segment, and the vectors that user code may raise by INT n. */
const KERNEL_CS = 0x10n;
const FROM_USER_CODE = new Set([3, 4]);
/** Pages on each side of the data that are there when an instruction is to be completed. */
const SPARE_PAGES = 17;
/** More steps than any record takes. */
const BUDGET = 10_000;

/** Control registers of 64-bit Linux, as far as user code sees them: AM, WP; TSD as the runner asked for, FSGSBASE. */
const CR0 = 0x8005_0033n;
const CR4 = { base: 0x6f8n, tsd: 4n, umip: 0x800n, fsgsbase: 0x1_0000n, osxsave: 0x4_0000n, smep: 0x10_0000n, smap: 0x20_0000n };
type ModelFences = Pick<Fences, 'rdtscOff' | 'fsgsbase' | 'xcr0'>;
const ALL_FENCES: ModelFences = { rdtscOff: true, fsgsbase: true };
/** SCE, LME, LMA, NXE. */
const EFER = 0xd01n;

const gate = (vector: number): Uint8Array => {
  const offset = TABLES.handlers + BigInt(vector * HANDLER_BYTES);
  const dpl = FROM_USER_CODE.has(vector) ? 3n : 0n;
  const low = (offset & 0xffffn) | (KERNEL_CS << 16n) | ((0x8en | (dpl << 5n)) << 40n) | (((offset >> 16n) & 0xffffn) << 48n);
  return Uint8Array.of(...toBytes(low, 8), ...toBytes(offset >> 32n, 8));
};

/** A machine that has Linux's tables and control registers around its user code. */
function linuxMachine(cpu: CpuProfile, fences: ModelFences): { machine: Machine; tables: PageTables } {
  const machine = new Machine({ mode: 64, origin: 0n, bytes: new Uint8Array(0) }, { cpu, faults: 'deliver' });
  const { state } = machine;
  const tables = new PageTables(machine, '4-level', PHYSICAL.tables);
  machine.memory.map(PHYSICAL.kernel, KERNEL_BYTES);
  for (let at = 0n; at < KERNEL_BYTES; at += 0x1000n) tables.map(KERNEL + at, PHYSICAL.kernel + at, P | RW);
  state.gpr.fill(0n);
  state.cr0 = CR0;
  const has = (feature: Parameters<typeof cpu.features.has>[0], bit: bigint): bigint => (cpu.features.has(feature) ? bit : 0n);
  state.cr4 = CR4.base | (fences.rdtscOff ? CR4.tsd : 0n) | has('XSAVE', CR4.osxsave) | (fences.fsgsbase ? has('FSGSBASE', CR4.fsgsbase) : 0n) | has('SMEP', CR4.smep) | has('SMAP', CR4.smap);
  state.efer = EFER;
  if (fences.xcr0) state.xcr0 = BigInt(fences.xcr0) & cpu.xcr0;
  useTables(machine, tables, '4-level');
  const memory = machine.paging.tables;
  GDT.forEach((descriptor, n) => memory.write(TABLES.gdt + BigInt(8 * n), 8, descriptor));
  LOCAL.forEach((segment, n) => memory.write(TABLES.ldt + BigInt(8 * n), 8, segment ? descriptorOf(segment) : 0n));
  for (let vector = 0; vector < 32; vector++) {
    memory.writeBytes(TABLES.idt + BigInt(16 * vector), gate(vector));
    memory.write(TABLES.handlers + BigInt(HANDLER_BYTES * vector), 1, BigInt(HLT));
  }
  memory.write(TABLES.tss + 4n, 8, TABLES.stack);
  memory.write(TABLES.tss + 0x66n, 2, 0xffffn);
  // Linux enters and leaves a process with the 64-bit forms.
  for (const name of ['restore', 'save'] as const) {
    const mnemonic = cpu.features.has('XSAVE') ? { restore: 'xrstor64', save: 'xsave64' } : { restore: 'fxrstor64', save: 'fxsave64' };
    memory.writeBytes(TABLES[name], assemble(`${mnemonic[name]} [rdi]\nhlt`, { mode: 64 }).bytes);
  }
  state.setQuad(OFFSET.gdtrBase, TABLES.gdt);
  state.setWord(OFFSET.gdtrLimit, 8 * GDT.length - 1);
  state.setQuad(OFFSET.idtrBase, TABLES.idt);
  state.setWord(OFFSET.idtrLimit, 0xfff);
  state.setSegment(LDTR, { selector: 0x50, base: TABLES.ldt, limit: 8 * LOCAL.length - 1, attributes: 0x82 });
  state.setSegment(TR, { selector: 0x40, base: TABLES.tss, limit: 0x67, attributes: 0x8b });
  return { machine, tables };
}

/** A model that runs many records. `undefinedFlags` says which flags the last result left undefined. */
export class Model {
  readonly image: Image;
  readonly machine: Machine;
  readonly #start: Uint8Array;
  readonly #tables: PageTables;
  undefinedFlags = 0;

  constructor(cpu: CpuProfile, image: Image, fences: ModelFences = ALL_FENCES) {
    this.image = image;
    const { machine, tables } = linuxMachine(cpu, fences);
    this.machine = machine;
    this.#tables = tables;
    const { memory } = machine;
    for (const place of ['high', 'low'] as const) {
      const { data } = PLACES[place], physical = PHYSICAL[place], dataAt = physical + BigInt(CODE_PAGE_BYTES + READ_ONLY_BYTES);
      memory.map(physical, CODE_PAGE_BYTES + READ_ONLY_BYTES + image.data.length);
      tables.map(codePage(place), physical, P | RW | US);
      tables.map(data - BigInt(READ_ONLY_BYTES), dataAt - BigInt(READ_ONLY_BYTES), P | US | NX);
      for (let at = 0n; at < image.data.length; at += 0x1000n) tables.map(data + at, dataAt + at, P | RW | US | NX);
      if (image.readOnly) memory.writeBytes(dataAt - BigInt(READ_ONLY_BYTES), image.readOnly);
    }
    this.#start = this.machine.state.snapshot();
  }

  /** `Unmodelled` passes through. */
  run(record: RunRecord): RunResult {
    const { state, memory } = this.machine;
    const at = record.at ?? PLACES[record.place].code;
    const codeAt = PHYSICAL[record.place], dataAt = codeAt + BigInt(CODE_PAGE_BYTES + READ_ONLY_BYTES);
    const before = dataBefore(record, this.image.data);
    const page = new Uint8Array(CODE_PAGE_BYTES).fill(HLT);
    page.set(record.code, Number(at & 0xfffn));
    memory.writeBytes(codeAt, page);
    memory.writeBytes(dataAt, before);
    state.restore(this.#start);
    if (record.extended) {
      this.machine.paging.tables.writeBytes(TABLES.area, areaBefore(record));
      this.#kernel(TABLES.restore);
    }
    (record.segments ?? flatSegments(record.mode)).forEach((selector, segment) => this.#load(segment, selector));
    record.bases?.forEach((base, n) => state.setBase(FS + n, base));
    state.gpr.set(record.gpr);
    state.rflags = record.rflags;
    state.rip = record.ip ?? at;
    const { reason, rip } = this.machine.run({ limit: BUDGET });
    if (reason !== 'halted') throw new RangeError(`the record ended in ${reason} at ${hex(rip)}, not in a fault`);
    this.undefinedFlags = state.undefinedFlags;
    const result = this.#result(changedRuns(before, 0, memory.readBytes(dataAt, before.length)));
    return record.extended ? { ...result, area: this.#area() } : result;
  }

  /**
   * What the instruction at `rip` of `record` would leave if its operands were there, whatever pages and segments say;
   * undefined where it faults all the same, or is not modelled.
   */
  complete(record: RunRecord, rip: bigint): RunResult | undefined {
    const from = Number(rip - (record.ip ?? record.at ?? PLACES[record.place].code)), { undefinedFlags } = this;
    const { data } = PLACES[record.place], bytes = BigInt(this.image.data.length);
    const pages = Array.from({ length: SPARE_PAGES }, (_, n) => BigInt(n) * 0x1000n);
    const spare = [...pages.map((at) => data + bytes + at), ...pages.map((at) => data - 0x1000n - BigInt(READ_ONLY_BYTES) - at)];
    const readOnly = data - BigInt(READ_ONLY_BYTES), entry = this.#tables.entry(readOnly), { paging, memory } = this.machine;
    const kept = this.#tables.read(entry), content = memory.readBytes(kept & 0xf_ffff_f000n, READ_ONLY_BYTES);
    memory.map(PHYSICAL.spare, 0x1000 * spare.length);
    spare.forEach((linear, n) => {
      memory.writeBytes(PHYSICAL.spare + BigInt(0x1000 * n), new Uint8Array(0x1000));
      this.#tables.map(linear, PHYSICAL.spare + BigInt(0x1000 * n), P | RW | US | NX);
    });
    this.#tables.write(entry, kept | RW);
    paging.invalidate({ kind: 'all' });
    const { execution } = this.machine, { cpu } = execution;
    // What it has left is a plain memory, any target, and an MXCSR without reserved bits.
    Object.assign(execution, {
      linear: (segment: number, offset: bigint) => execution.linearUnchecked(segment, offset),
      branch: (target: bigint) => { execution.next = target; },
      cpu: { ...cpu, mxcsrMask: -1 },
    });
    try {
      const { length } = decode((n) => record.code[from + n] ?? HLT, record.mode);
      const result = this.run({ ...record, code: record.code.subarray(0, from + length) });
      return result.rip === rip ? undefined : result;
    } catch (error) {
      if (error instanceof Unmodelled || error instanceof RangeError || error instanceof Fault) return undefined;
      throw error;
    } finally {
      // The class's own again.
      Reflect.deleteProperty(execution, 'linear');
      Reflect.deleteProperty(execution, 'branch');
      Object.assign(execution, { cpu });
      for (const linear of spare) this.#tables.write(this.#tables.entry(linear), 0n);
      this.#tables.write(entry, kept);
      memory.writeBytes(kept & 0xf_ffff_f000n, content);
      paging.invalidate({ kind: 'all' });
      this.undefinedFlags = undefinedFlags;
    }
  }

  /** Runs an instruction of the kernel's on the area. */
  #kernel(at: bigint): void {
    const { state } = this.machine;
    state.gpr.fill(0xffff_ffff_ffff_ffffn);
    state.gpr[7] = TABLES.area;
    state.rip = at;
    state.halted = false;
    const { reason, rip } = this.machine.run({ limit: 2 });
    if (reason !== 'halted' || rip >> 11n !== at >> 11n) throw new RangeError(`the kernel's own instruction ended in ${reason} at ${hex(rip)}`);
    state.halted = false;
  }

  /** What the kernel's XSAVE64 stores for the signal handler. */
  #area(): Uint8Array {
    const { tables } = this.machine.paging;
    tables.writeBytes(TABLES.area, new Uint8Array(AREA_BYTES));
    this.#kernel(TABLES.save);
    return tables.readBytes(TABLES.area, AREA_BYTES);
  }

  /** Loads a segment register, hidden part and all, as the runner does before it enters the record. */
  #load(segment: number, selector: number): void {
    const { state, paging } = this.machine;
    const table = selector & 4 ? TABLES.ldt : TABLES.gdt;
    const address = table + BigInt(selector & 0xfff8);
    const { base, limit, attributes } = parseDescriptor(paging.tables.read(address, 8), selector, address);
    if (selector < 4) state.setSegment(segment, { selector, base: 0n, limit: 0, attributes: 0 });
    else state.setSegment(segment, { selector, base, limit, attributes });
  }

  /** What the kernel's handler found: its vector, the frame on its stack, the registers as they were. */
  #result(written: RunResult['written']): RunResult {
    const { state, paging } = this.machine;
    const vector = Number((state.rip - TABLES.handlers) / BigInt(HANDLER_BYTES));
    const frame = (n: number): bigint => paging.tables.read(TABLES.stack - BigInt(8 * n), 8);
    const [ss, rsp, rflags, cs, rip] = [1, 2, 3, 4, 5].map(frame) as [bigint, bigint, bigint, bigint, bigint];
    const withError = u(64, TABLES.stack - state.gpr[4]!) === 48n;
    const selector = (segment: number): number => state.selector(segment);
    const segments = [selector(ES), Number(cs), Number(ss), selector(DS), selector(FS), selector(GS)];
    return {
      votes: 1, vector, errorCode: withError ? Number(frame(6)) : 0, cr2: vector === 14 ? state.quad(OFFSET.cr2) : 0n, rip, rflags: Number(rflags),
      gpr: [...state.gpr].map((value, n) => (n === 4 ? rsp : value)), segments, bases: [state.base(FS), state.base(GS)],
      fcw: state.fcw, fsw: state.fsw, ftw: state.ftw, mxcsr: state.mxcsr,
      st: Array.from({ length: 8 }, (_, n) => state.x87(physical(state, n))),
      xmm: Array.from({ length: 16 }, (_, n) => state.xmm(n)),
      written,
    };
  }
}
