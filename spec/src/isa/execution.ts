/**
 * What an operation may touch: registers through `state`, memory through segments, flags, the next instruction pointer.
 * Every fault is raised before the first architectural write and leaves nothing behind but what a gather has loaded
 * and, of several accesses, those that the profile says (`AccessOrder`).
 */

import { hex, isCanonical, isCanonicalRange, u } from '../numbers/bits.ts';
import type { CpuProfile, SeenFlags } from '../cpus/profile.ts';
import type { Citation } from '../state/citation.ts';
import { type ExceptionKind, Fault, type FaultMnemonic, Undefined, Unmodelled } from '../state/outcomes.ts';
import { CS, DS, FS, OFFSET, RCX, RSP, SEGMENT_NAMES, SS } from '../state/fields.ts';
import { ATTRIBUTE, type State } from '../state/state.ts';
import type {
  CoprocessorPins, LocalApic, MemoryPort, MemoryPorts, Observer, PagingPort, Placement, PortSpace,
} from './connections.ts';
import { DR6 } from './debug/status.ts';
import { IOPL, TF, VM, seenBy } from './flags.ts';
import type { Instruction, Mode } from './instruction.ts';
import type { MemoryOperand, Operand } from './operand.ts';
import { outsideLimit, wrapUnknown, wrapsAround } from './segmentation/limit.ts';
import { CR4, EFER } from './system/control-bits.ts';
import { readVectorRegister, writeVectorRegister } from './vector-registers.ts';

/** A number: the mode is asked for before every instruction. */
const LMA = Number(EFER.LMA);

/** CR4.LA57, as it stands in the low doubleword. */
const LA57 = Number(CR4.LA57);

/** What `stall` throws: no outcome of a run, the machine takes it for no progress. */
export const STALL = new Error('an instruction waits');

export class Execution {
  readonly state: State;
  readonly cpu: CpuProfile;
  readonly #undefinedFlags: CpuProfile['undefinedFlags'];
  /** Accesses of the instruction, at the current privilege level. */
  memory: MemoryPort;
  /** Implicit supervisor-mode accesses: descriptor tables and task state segments, at any level. SDM vol. 3A, 4.6.1. */
  tables: MemoryPort;
  /** Accesses at a level below 3 that the instruction is about to enter: the stack of an inner level. */
  supervisor: MemoryPort;
  readonly paging: PagingPort;
  ports: PortSpace;
  /** Absent in a machine without one. */
  apic: LocalApic | undefined;
  /** Absent in a machine without a board. */
  coprocessor: CoprocessorPins | undefined;
  readonly placement: Placement = { apicId: 0, processors: 1, frequency: 1_000_000_000 };
  /** What to do when an instruction reads a flag, or computes a result, that the architecture leaves undefined. */
  onUndefined: 'continue' | 'stop' = 'continue';
  observer: Observer | undefined;
  /** Raises #AC for an access that is not aligned; absent while alignment is not checked. */
  alignment: ((linear: bigint, bytes: number) => void) | undefined;
  /** The instruction being executed. */
  #current: Instruction | undefined;
  /** Where it goes, if not to the one behind it. */
  #target = 0n;
  #branches = false;
  /**
   * A single-step trap follows the instruction: RFLAGS.TF was 1 at its start. What delivers an event clears it, as
   * INT n does. SDM vol. 3B, 17.3.1.4.
   */
  singleStep = false;
  /** The instruction waits, and is begun again: it has done nothing. */
  stalled = false;
  /** What begins is the next iteration of a string instruction, whose shadow was lifted. */
  nextIteration = false;
  /** A task switch is past its commit point: a fault is one of the new task, whose RIP and RFLAGS are in place. */
  inNewTask = false;
  /** Time: instructions that the machine has executed, those that faulted included. */
  time = 0;

  constructor(state: State, cpu: CpuProfile, paging: MemoryPorts & PagingPort, ports: PortSpace) {
    this.state = state;
    this.cpu = cpu;
    this.#undefinedFlags = cpu.undefinedFlags;
    this.memory = paging.memory;
    this.tables = paging.tables;
    this.supervisor = paging.supervisor;
    this.paging = paging;
    this.ports = ports;
  }

  /** Address of the instruction being executed, an offset in CS: what FIP records. RIP moves when it is done. */
  get ip(): bigint {
    return this.state.rip;
  }

  /** RIP after this instruction. */
  get next(): bigint {
    const i = this.#current;
    if (this.#branches || !i) return this.#target;
    return u(i.mode === 64 ? 64 : 32, this.state.rip + i.advance);
  }

  set next(target: bigint) {
    this.#target = target;
    this.#branches = true;
  }

  /** It went elsewhere than to the instruction behind it; iterations of a string instruction are no branches. */
  get branched(): boolean {
    return this.#branches && this.#current?.definition.repeat === undefined;
  }

  /** Makes `i`, at RIP, the instruction being executed. */
  begin(i: Instruction): void {
    this.#current = i;
    this.#branches = false;
    this.stalled = false;
    this.observer?.instruction?.(i);
  }

  /** Moves RIP to the next instruction. */
  finish(): void {
    const i = this.#current;
    if (this.#branches || !i) this.state.rip = this.#target;
    else this.state.advance(i.length, i.mode === 64);
  }

  /** 64-bit mode, or the default operation size of a legacy or compatibility code segment. */
  get mode(): Mode {
    const attributes = this.state.attributes(CS);
    if (this.state.doubleword(OFFSET.efer) & LMA && attributes & ATTRIBUTE.long) return 64;
    return attributes & ATTRIBUTE.big ? 32 : 16;
  }

  /** How segment registers work: CR0.PE and RFLAGS.VM decide. SDM vol. 3A, 2.2. */
  get addressing(): 'real' | 'virtual-8086' | 'protected' {
    if (!(this.state.doubleword(OFFSET.cr0) & 1)) return 'real';
    return this.state.rflags & VM ? 'virtual-8086' : 'protected';
  }

  /** IA-32e mode is active: IA32_EFER.LMA. */
  get longMode(): boolean {
    return (this.state.doubleword(OFFSET.efer) & LMA) !== 0;
  }

  /** Current privilege level: the DPL of SS, and 0 in real-address mode. SDM vol. 3C, 24.4.1. */
  get cpl(): number {
    return this.addressing === 'real' ? 0 : (this.state.attributes(SS) >> 5) & 3;
  }

  /** I/O privilege level: the least privileged level that may use I/O instructions, CLI and STI. */
  get iopl(): number {
    return (this.state.rflags & IOPL) >> 12;
  }

  /** A canonical address, by the paging mode: 57 bits with CR4.LA57, else 48. SDM vol. 1, 3.3.7.1. */
  canonical(address: bigint): boolean {
    return isCanonical(address, this.canonicalWidth);
  }

  private get canonicalWidth(): 48 | 57 {
    return this.state.doubleword(OFFSET.cr4) & LA57 ? 57 : 48;
  }

  /** Raises an exception. In real-address mode none has an error code. SDM vol. 3B, 20.1.4. */
  fault(mnemonic: FaultMnemonic, reason: string, errorCode?: number, kind?: ExceptionKind): never {
    throw new Fault(mnemonic, reason, this.addressing === 'real' ? undefined : errorCode, undefined, kind);
  }

  /** The processor stops before this instruction, until an interrupt is taken or what it waits for has come. */
  stall(): never {
    throw STALL;
  }

  unmodelled(what: string): never {
    throw new Unmodelled(what);
  }

  /** #GP(0) unless CPL is 0. */
  requirePrivilege(mnemonic: string): void {
    if (this.cpl !== 0) this.fault('#GP', `${mnemonic} needs CPL 0, it is ${this.cpl}`, 0);
  }

  /** #UD in real-address and virtual-8086 mode. */
  requireProtected(mnemonic: string): void {
    if (this.addressing !== 'protected') this.fault('#UD', `${mnemonic} exists only in protected mode`);
  }

  // ---- operands

  read(operand: Operand): bigint {
    switch (operand.kind) {
      case 'register': return this.readRegister(operand.file, operand.index, operand.size, operand.high);
      case 'memory': return this.load(operand, operand.size / 8);
      case 'immediate': return operand.value;
      case 'relative': return operand.displacement;
      case 'far': return operand.offset;
    }
  }

  /**
   * Reads what the instruction is going to write: a page that cannot be written faults as a write, before anything
   * else.
   */
  readToModify(operand: Operand): bigint {
    if (operand.kind === 'memory') this.requireStorable(operand, operand.size / 8);
    return this.read(operand);
  }

  write(operand: Operand, value: bigint): void {
    if (operand.kind === 'register') this.writeRegister(operand.file, operand.index, operand.size, operand.high, value);
    else if (operand.kind === 'memory') this.store(operand, operand.size / 8, value);
    else throw new TypeError('an immediate is no destination');
  }

  private readRegister(file: string, index: number, size: number, high: boolean): bigint {
    if (file === 'gpr') return high ? u(8, this.state.gpr[index]! >> 8n) : this.general(index, size);
    if (file === 'segment') return BigInt(this.state.selector(index));
    return readVectorRegister(this.state, file, index);
  }

  private writeRegister(file: string, index: number, size: number, high: boolean, value: bigint): void {
    if (file !== 'gpr') writeVectorRegister(this.state, file, index, value, this.#current?.form.vex);
    else if (!high) this.setGeneral(index, size, value);
    else this.state.gpr[index] = (this.state.gpr[index]! & ~0xff00n) | u(16, u(8, value) << 8n);
  }

  /** The low `size` bits of a general-purpose register. */
  general(index: number, size: number): bigint {
    return size === 64 ? this.state.gpr[index]! : u(size, this.state.gpr[index]!);
  }

  /** Writes the low `size` bits of a general-purpose register; 32 bits clear the upper half. SDM vol. 1, 3.4.1.1. */
  setGeneral(index: number, size: number, value: bigint): void {
    const gpr = this.state.gpr;
    if (size === 64) gpr[index] = value;
    else if (size === 32) gpr[index] = u(32, value);
    else gpr[index] = u(64, (gpr[index]! >> BigInt(size)) << BigInt(size)) | u(size, value);
  }

  /** Writes an XMM register that no operand names. */
  writeXmm(index: number, value: bigint): void {
    this.writeRegister('xmm', index, 128, false, value);
  }

  // ---- memory

  /** Effective address: an offset, wrapped to the address size; without a vector of indexes. SDM vol. 1, 3.7.5. */
  offset(operand: MemoryOperand): bigint {
    const gpr = this.state.gpr;
    let sum = operand.displacement;
    if (operand.ripRelative) sum = u(64, sum + this.next);
    if (operand.base >= 0) sum = u(64, sum + gpr[operand.base]!);
    const scaled = operand.index >= 0 && operand.vectorIndex === undefined;
    if (scaled) sum = u(64, sum + u(64, gpr[operand.index]! * BigInt(operand.scale)));
    return operand.addressSize === 64 ? sum : u(operand.addressSize, sum);
  }

  load(operand: MemoryOperand, bytes: number): bigint {
    return this.memory.read(this.linear(operand.segment, this.offset(operand), bytes, false), bytes);
  }

  store(operand: MemoryOperand, bytes: number, value: bigint): void {
    this.memory.write(this.linear(operand.segment, this.offset(operand), bytes, true), bytes, value);
  }

  /** Faults where an access would. */
  touch(linear: bigint, bytes: number, write: boolean): void {
    if (write) this.memory.requireWritable(linear, bytes);
    else this.memory.read(linear, bytes);
  }

  /** Faults exactly where `store` would, and writes nothing: for instructions that write after other work. */
  requireStorable(operand: MemoryOperand, bytes: number): bigint {
    const linear = this.linear(operand.segment, this.offset(operand), bytes, true);
    this.memory.requireWritable(linear, bytes);
    return linear;
  }

  /**
   * Linear address of `bytes` bytes at `offset` of a segment, with the segment's checks. SDM vol. 3A, 5.3 and 5.5;
   * vol. 1, 3.3.7.1.
   */
  linear(segment: number, offset: bigint, bytes: number, write: boolean, executeOnlyToo = false): bigint {
    const fault: FaultMnemonic = segment === SS ? '#SS' : '#GP';
    const linear = this.linearUnchecked(segment, offset);
    if (this.mode === 64) {
      if (!isCanonicalRange(linear, bytes, this.canonicalWidth)) {
        this.fault(fault, `the linear address ${hex(linear)} is not canonical`, 0);
      }
      return linear;
    }
    this.checkSegment(segment, offset, bytes, write, executeOnlyToo, fault);
    return linear;
  }

  /** The same, with no checks. */
  linearUnchecked(segment: number, offset: bigint): bigint {
    if (this.mode !== 64) return u(32, this.state.base(segment) + offset);
    return segment >= FS ? u(64, offset + this.state.base(segment)) : offset;
  }

  private checkSegment(
    segment: number, offset: bigint, bytes: number, write: boolean, executeOnlyToo: boolean, fault: FaultMnemonic,
  ): void {
    const attributes = this.state.attributes(segment);
    const name = SEGMENT_NAMES[segment]!;
    const typed = this.addressing === 'protected';
    if (!(attributes & ATTRIBUTE.present)) this.fault(fault, `${name} holds a null selector`, 0);
    const code = (attributes & ATTRIBUTE.code) !== 0;
    // Real-address mode writes through CS, whatever type protected mode left there, but not to read-only data:
    // SDM vol. 3A, 9.9.2.
    if (write && (code ? typed : !(attributes & ATTRIBUTE.writableOrReadable))) {
      this.fault(fault, `${name} is not writable`, 0);
    }
    const unreadable = code && !(attributes & ATTRIBUTE.writableOrReadable) && !executeOnlyToo;
    if (typed && !write && unreadable) this.fault(fault, `${name} is execute-only`, 0);
    const first = Number(offset), last = first + bytes - 1, limit = this.state.limit(segment);
    if (!outsideLimit(attributes, limit, first, last)) return;
    // With a base it is beyond the limit in any case.
    const around = wrapsAround(attributes, limit, last) && this.state.base(segment) === 0n;
    const { wrapping } = this.cpu.accesses;
    if (around && wrapping === 'wraps') return;
    if (around && wrapping === 'unknown') this.unmodelled(wrapUnknown(this.cpu.name));
    this.fault(fault, `bytes ${hex(first)} to ${hex(last)} are outside the limit ${hex(limit)} of ${name}`, 0);
  }

  // ---- stack

  /** Pushes `size` bits. The stack-address size is 64 in 64-bit mode, else SS.B's. */
  push(size: number, value: bigint): void {
    const width = this.stackAddressSize;
    const pointer = u(width, this.general(RSP, width) - BigInt(size / 8));
    this.memory.write(this.linear(SS, pointer, size / 8, true), size / 8, value);
    this.setStackPointer(pointer);
  }

  /** Faults where one of `count` pushes of `bytes` bytes would. */
  requirePushable(count: number, bytes: number): void {
    const width = this.stackAddressSize;
    for (let n = 1; n <= count; n++) {
      const slot = u(width, this.general(RSP, width) - BigInt(n * bytes));
      this.memory.requireWritable(this.linear(SS, slot, bytes, true), bytes);
    }
  }

  /** Reads what POP would, at `depth` bytes above the top, without moving the stack pointer. */
  peek(size: number, depth = 0): bigint {
    const width = this.stackAddressSize;
    return this.memory.read(this.linear(SS, u(width, this.state.gpr[RSP]! + BigInt(depth)), size / 8, false), size / 8);
  }

  /** The selector in such a slot, of which the profile says how much is read. */
  peekSelector(size: number, depth = 0): number {
    return Number(u(16, this.peek(this.cpu.accesses.selectorPop === 'two bytes' ? 16 : size, depth)));
  }

  /**
   * Pushes a selector into a slot of the operand size; the profile says what becomes of its upper bytes. SDM vol. 2B,
   * PUSH.
   */
  pushSelector(size: number, selector: number): void {
    const width = this.stackAddressSize;
    const pointer = u(width, this.general(RSP, width) - BigInt(size / 8));
    // In 64-bit mode the selector is zero-extended to the slot.
    const bytes = this.mode === 64 || this.cpu.accesses.selectorPush === 'zero-extended' ? size / 8 : 2;
    this.memory.write(this.linear(SS, pointer, bytes, true), bytes, BigInt(selector));
    this.setStackPointer(pointer);
  }

  /** Moves the stack pointer by `bytes` upward; `width` is the stack-address size where it has just changed. */
  release(bytes: number, width = this.stackAddressSize): void {
    this.setStackPointer(u(width, this.state.gpr[RSP]! + BigInt(bytes)), width);
  }

  /** After a load of SS: no interrupt and no debug trap before the end of the next instruction. SDM vol. 3A, 6.8.3. */
  shadowInterrupts(): void {
    this.state.setByte(OFFSET.movSsShadow, 1);
  }

  /** SYSCALL and SYSRET: what follows them depends on the RFLAGS.TF that they load, not on the one they began with. */
  singleStepByNewFlags(): void {
    this.singleStep = false;
    if (this.flags & TF) this.state.setQuad(OFFSET.pendingDebug, this.state.quad(OFFSET.pendingDebug) | DR6.BS);
  }

  /**
   * An event's handler was entered, or another task: no shadow outlasts that, HLT and shutdown end, no single-step trap
   * follows.
   */
  enteredHandler(): void {
    this.state.setByte(OFFSET.movSsShadow, 0);
    this.state.setByte(OFFSET.stiShadow, 0);
    this.state.setByte(OFFSET.repeating, 0);
    this.state.activity = 0;
    this.singleStep = false;
  }

  get stackAddressSize(): number {
    return this.mode === 64 ? 64 : this.state.attributes(SS) & ATTRIBUTE.big ? 32 : 16;
  }

  /** Bits above a 16-bit stack pointer stay as they are. SDM vol. 1, 6.2.3. */
  setStackPointer(pointer: bigint, width = this.stackAddressSize): void {
    this.state.gpr[RSP] = width === 16 ? (this.state.gpr[RSP]! & ~0xffffn) | pointer : pointer;
  }

  // ---- control flow

  /** Makes `target` the next RIP: canonical in 64-bit mode, within the limit of CS elsewhere, else #GP(0). */
  branch(target: bigint, size: number): void {
    const to = size === 16 ? u(16, target) : this.mode === 64 ? target : u(32, target);
    if (this.mode === 64 ? !this.canonical(to) : Number(to) > this.state.limit(CS)) {
      this.fault('#GP', `branch to ${hex(to)}, outside the code segment`, 0);
    }
    this.next = to;
  }

  /**
   * One iteration a step of a string instruction: interruptible between any two, resumed from the registers.
   * SDM vol. 2B, REP. That it is in between is noted: for RF, and so that no breakpoint on the instruction is met
   * again.
   */
  repeat(i: Instruction, body: () => void): void {
    const counted = i.repeat !== 0;
    const count = this.general(RCX, i.addressSize);
    if (this.cutsRepetition(i)) this.setGeneral(RCX, 32, count);
    if (!counted || count !== 0n) body();
    if (counted && count !== 0n) {
      this.setGeneral(RCX, i.addressSize, u(i.addressSize, count - 1n));
      this.next = count === 1n ? this.next : this.ip;
      this.state.setByte(OFFSET.repeating, count === 1n ? 0 : 1);
    }
  }

  /** The result that is about to be computed is one that the manual leaves open: any value, or one of `allowed`. */
  leavesOpen(what: string, source: Citation, allowed: readonly bigint[] = []): void {
    if (this.onUndefined === 'stop') throw new Undefined(`${what}, at ${hex(this.ip)}`, allowed, source);
  }

  /** An iteration of this instruction went before. */
  get continues(): boolean {
    return this.nextIteration || this.state.byte(OFFSET.repeating) !== 0;
  }

  /** The instruction is CMPS or SCAS. */
  get repeatsComparison(): boolean {
    return this.#current?.form.definition.repeat === 'REPE';
  }

  /** A repetition with 32-bit addresses in 64-bit code, on a processor that begins by cutting its registers to them. */
  cutsRepetition(i: Instruction): boolean {
    return i.repeat !== 0 && i.addressSize === 32 && this.mode === 64
      && this.cpu.accesses.narrowRepetition === 'cuts registers';
  }

  // ---- flags

  get flags(): number {
    return this.state.rflags;
  }

  /** Gives the flags of `mask` the values in `value`; they are defined from now on. */
  setFlags(mask: number, value: number): void {
    this.state.rflags = (this.state.rflags & ~mask) | (value & mask);
    this.state.undefinedFlags &= ~mask;
  }

  /**
   * The same, but the flags of `open` are left undefined. They get the values that they were seen to get on
   * processors of the profile's family, or keep those that they have where nobody has looked; reading one is reported
   * either way.
   */
  setDefinedFlags(mask: number, value: number, open: number, seen: SeenFlags): void {
    const flags = this.state.rflags;
    const family = this.#undefinedFlags;
    const shown = seenBy(family, seen, flags);
    this.state.rflags = (flags & ~(mask | open)) | (value & mask & ~open) | (shown & open);
    this.state.undefinedFlags = (this.state.undefinedFlags & ~mask) | open;
  }

  /** The flags, for an instruction that depends on those of `mask`. */
  readFlags(mask: number): number {
    if (this.state.undefinedFlags & mask && this.onUndefined === 'stop') {
      throw new Undefined(
        `flag bits ${hex(this.state.undefinedFlags & mask)} of RFLAGS, read at ${hex(this.ip)}`, [0n, 1n],
      );
    }
    return this.state.rflags;
  }

  /** DS unless overridden: the segment of an operand that the instruction does not name. */
  sourceSegment(i: Instruction): number {
    return i.segment >= 0 ? i.segment : DS;
  }
}
