/** One processor and its memory: fetch, decode, execute. */

import { hex, u } from '../numbers/bits.ts';
import type { CpuProfile } from '../cpus/profile.ts';
import { ivyBridge } from '../cpus/index.ts';
import { Execution, STALL } from '../isa/execution.ts';
import { watchesAccesses } from '../isa/debug/breakpoints.ts';
import { IF, RF, TF } from '../isa/flags.ts';
import type { Instruction, Mode } from '../isa/instruction.ts';
import { print } from '../isa/print.ts';
import { OFFSET, RSP } from '../state/fields.ts';
import { Fault } from '../state/outcomes.ts';
import { HLT, SHUTDOWN, WAIT_FOR_SIPI, type FieldDifference, type State, differences } from '../state/state.ts';
import {
  afterInstruction, attention, beforeInstruction, castAgain, flagsOfFault, lifted, takeInit, wakes,
} from './boundary.ts';
import { deliverFault } from './events.ts';
import { InstructionFetch } from './fetch.ts';
import { kernelState } from './initial.ts';
import { Interrupts } from './interrupts.ts';
import { requireKnown, requireLimit } from './options.ts';
import { Ports } from './ports.ts';
import { type MemoryDifference, type MemorySnapshot, memoryDifferences } from './memory/difference.ts';
import { Paging } from './memory/paging.ts';
import { Memory } from './memory/physical.ts';
import type { TlbSnapshot } from './memory/tlb.ts';
import { aligned, checksAlignment } from './alignment.ts';
import { watched } from './watch.ts';

/** What a machine can be given to run: bytes, where they go, and in which mode. An assembled `Program` is one. */
export interface Loadable {
  readonly mode: Mode;
  readonly origin: bigint;
  readonly bytes: Uint8Array;
}

export interface MachineOptions {
  /** The processor model. Default: `cpus.ivyBridge`. */
  cpu?: CpuProfile;
  /** `stop` makes reading a flag that the architecture leaves undefined throw `Undefined`. Default: `continue`. */
  onUndefined?: 'continue' | 'stop';
  /**
   * What becomes of a fault: `throw` it to the caller, who asked what happens; or `deliver` it through the guest's own
   * IDT, as the processor does, with double fault and shutdown where that fails. Default: `throw`.
   */
  faults?: 'throw' | 'deliver';
  /**
   * Whether the processor keeps translations until they are invalidated, as stale as the architecture allows, or walks
   * the paging structures on every access. Default: true.
   */
  tlb?: boolean;
  /** What this processor shares with others: physical memory and I/O ports. Default: its own. */
  memory?: Memory;
  ports?: Ports;
  /** Its number among those: what devices see of it. Default: 0. */
  processor?: number;
}

/** Time as devices have it. */
export interface Clock {
  /** The moment at which something is due, `Infinity` when nothing is. */
  readonly next: number;
  /** Makes it `time`: everything that is due by then happens. */
  advance(time: number): void;
}

/** Why `run` returned. A `Fault` or an `Unmodelled` is thrown instead. */
export interface Stop {
  reason: 'halted' | 'shutdown' | 'waiting for SIPI' | 'budget';
  /**
   * Instructions executed by this call, without the time that passed in HLT; an iteration of a repeated string
   * instruction counts as one.
   */
  executed: number;
  rip: bigint;
}

export interface Snapshot {
  readonly state: Uint8Array;
  readonly memory: MemorySnapshot;
  readonly tlb: TlbSnapshot;
  /** Instructions executed by then. */
  readonly time: number;
}

/** What differs between two snapshots. */
export interface MachineDifference {
  fields: FieldDifference[];
  memory: MemoryDifference[];
}

/** By activity state. */
const STOPS: readonly (Stop['reason'] | undefined)[] = [undefined, 'halted', 'shutdown', 'waiting for SIPI'];
/** Bytes of stack below a loaded program, and of the unmapped gap between them. */
const STACK_BYTES = 0x10000n, STACK_GAP = 0x1000n;
/** What a real-address program finds: the first MiB, and 64 KiB above it that FFFF:FFFF still reaches. */
const CONVENTIONAL_MEMORY = 0x11_0000;
const DEFAULT_BUDGET = 1_000_000;

export class Machine {
  readonly cpu: CpuProfile;
  readonly state: State;
  /** Physical memory. While the loader's flat mapping is in force, linear addresses are the same. */
  readonly memory: Memory;
  /** From linear to physical addresses: what this processor's accesses go through. */
  readonly paging: Paging;
  /** Devices by I/O port; a port without one is `Unmodelled`. */
  readonly ports: Ports;
  readonly execution: Execution;
  /** Signals from outside: INTR, NMI, INIT, start-up IPI, RESET. */
  readonly interrupts: Interrupts;
  /** What makes devices act in time; `run` keeps it. */
  clock: Clock | undefined;
  readonly #fetch: InstructionFetch;
  readonly #faults: 'throw' | 'deliver';

  /**
   * With a program: its bytes are loaded, a stack is mapped below, and the processor is at its first byte, in kernel
   * mode or, for a 16-bit program, in real-address mode.
   */
  constructor(program?: Loadable, options: MachineOptions = {}) {
    requireKnown('Machine', options, OPTIONS);
    this.cpu = options.cpu ?? ivyBridge;
    this.state = kernelState(this.cpu, program?.mode ?? 64);
    this.memory = options.memory ?? new Memory();
    this.ports = options.ports ?? new Ports();
    this.paging = new Paging(
      this.state, this.cpu, this.memory, { tlb: options.tlb ?? true, processor: options.processor ?? 0 },
    );
    this.execution = new Execution(this.state, this.cpu, this.paging, this.ports);
    this.interrupts = new Interrupts(this.state);
    this.#fetch = new InstructionFetch(this.execution, this.paging.memory);
    this.execution.onUndefined = options.onUndefined ?? 'continue';
    this.#faults = options.faults ?? 'throw';
    if (program?.mode === 16) this.#loadBootSector(program);
    else if (program) {
      this.load(program.bytes, program.origin);
      const top = program.origin - STACK_GAP;
      this.memory.map(top - STACK_BYTES, Number(STACK_BYTES));
      this.state.gpr[RSP] = u(64, top);
      this.state.rip = program.origin;
    }
  }

  /**
   * Real-address mode: the first MiB is there, the stack grows down from the program, as it does below a boot sector.
   */
  #loadBootSector({ bytes, origin }: Loadable): void {
    if (origin + BigInt(bytes.length) > 0x10000n) {
      throw new RangeError(
        `a 16-bit program lies in the first 64 KiB, this one reaches ${hex(origin + BigInt(bytes.length))}`,
      );
    }
    this.memory.ram(0n, CONVENTIONAL_MEMORY);
    this.load(bytes, origin);
    this.state.gpr[RSP] = origin;
    this.state.rip = origin;
  }

  /** Maps and fills memory at `linear`. */
  load(bytes: Uint8Array, linear: bigint): void {
    if (bytes.length === 0) return;
    this.memory.map(linear, bytes.length);
    this.memory.writeBytes(linear, bytes);
  }

  /**
   * Power-up or RESET, at once: the next instruction is at FFFFFFF0h. What asks for it in the middle of a step uses
   * `interrupts`.
   */
  reset(): void {
    this.interrupts.reset();
    takeInit(this.execution, this.cpu);
  }

  /** INIT, at once. A processor whose IA32_APIC_BASE.BSP is 0 then waits for `startup`. */
  init(): void {
    this.interrupts.init();
    takeInit(this.execution, this.cpu);
  }

  /** A start-up IPI, at once: ignored unless the processor waits for it. */
  startup(vector: number): void {
    this.interrupts.startup(vector);
    takeInit(this.execution, this.cpu);
  }

  get mode(): Mode {
    return this.execution.mode;
  }

  /**
   * The instruction at `ip`, an offset in CS, in the current mode. Throws like its execution would: #PF, #UD, #GP,
   * `Unmodelled`.
   */
  decodeAt(ip: bigint): Instruction {
    return this.#fetch.at(ip);
  }

  /**
   * Executes one instruction (one iteration of a repeated string instruction), after the interrupt that is due before
   * it. Throws `Fault` with nothing written but CR2 for #PF and DR6 for #DB, and RIP at the instruction, or behind it
   * for a trap; `Unmodelled` where the engine does not know.
   */
  step(): Instruction {
    const i = this.#next();
    if (!i) throw new RangeError('the processor waits for a start-up IPI: there is no instruction to step');
    return i;
  }

  /** One instruction; undefined where an INIT has left a processor that waits for a start-up IPI. */
  #next(): Instruction | undefined {
    const { state, interrupts } = this;
    const interrupted = (state.rflags & IF) !== 0 && interrupts.requested;
    return attention(state) === 0 && !interrupted ? this.#execute() : this.#stepAttentively();
  }

  #execute(): Instruction {
    const { execution } = this;
    let i: Instruction | undefined;
    execution.time++;
    try {
      i = this.#fetch.current();
      execution.begin(i);
      i.operation(execution, i);
    } catch (error) {
      if (error === STALL && i) return this.#stalled(i);
      if (error instanceof Fault && i) this.state.rflags = flagsOfFault(execution, this.state.rflags);
      throw error instanceof Fault ? this.#located(error, i ?? 'instruction fetch') : error;
    }
    execution.finish();
    return i;
  }

  /** RIP stays, and no single-step trap follows: the instruction is not over. */
  #stalled(i: Instruction): Instruction {
    this.execution.stalled = true;
    this.execution.singleStep = false;
    return i;
  }

  /** One instruction with all that can happen at the boundaries before and after it. */
  #stepAttentively(): Instruction | undefined {
    const { state, execution } = this;
    takeInit(execution, this.cpu);
    if (state.activity === WAIT_FOR_SIPI) return undefined;
    return checksAlignment(execution) ? aligned(execution, () => this.#watchfully()) : this.#watchfully();
  }

  #watchfully(): Instruction {
    const { state, execution } = this;
    return watchesAccesses(state) ? watched(execution, () => this.#attentively()) : this.#attentively();
  }

  #attentively(): Instruction {
    const { state, execution } = this;
    try {
      beforeInstruction(execution, this.interrupts);
    } catch (error) {
      throw error instanceof Fault ? this.#located(error, 'before the instruction') : error;
    }
    const { rip, rflags } = state;
    const pending = state.quad(OFFSET.pendingDebug);
    const shadow = lifted(state);
    execution.singleStep = (rflags & TF) !== 0;
    execution.inNewTask = false;
    execution.nextIteration = shadow.repeating !== 0;
    state.rflags = rflags & ~RF;
    let i: Instruction;
    try {
      i = this.#execute();
    } catch (error) {
      if (!execution.inNewTask) {
        state.rflags = error instanceof Fault ? flagsOfFault(execution, rflags) : rflags;
        castAgain(state, shadow);
        state.setQuad(OFFSET.pendingDebug, pending);
      }
      throw error;
    } finally {
      execution.nextIteration = false;
    }
    if (execution.stalled) state.rflags = rflags;
    try {
      afterInstruction(execution, shadow);
    } catch (error) {
      throw error instanceof Fault ? this.#located(error, i, rip) : error;
    }
    return i;
  }

  /** Completes a fault that is about to leave the step: CR2, and where it was raised. */
  #located(fault: Fault, where: Instruction | string, ip = this.state.rip): Fault {
    if (fault.linearAddress !== undefined) this.state.setQuad(OFFSET.cr2, fault.linearAddress);
    return fault.at(ip, typeof where === 'string' ? where : print(where, ip));
  }

  /**
   * One instruction, or the delivery of the fault that it raises. A fault that cannot be delivered ends in shutdown.
   */
  #stepOrDeliver(): void {
    try {
      this.#next();
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const { state, execution } = this;
      const delivered = watchesAccesses(state)
        ? watched(execution, () => deliverFault(execution, error)) : deliverFault(execution, error);
      if (delivered) execution.finish();
      else state.activity = SHUTDOWN;
    }
  }

  /**
   * Runs until HLT, shutdown or wait-for-SIPI that nothing ends, or for at most `limit` instructions; time that passes
   * in HLT counts.
   */
  run(options: { limit?: number } = {}): Stop {
    const limit = options.limit ?? DEFAULT_BUDGET;
    requireLimit(limit);
    let executed = 0, skipped = 0;
    const { state, interrupts, execution, clock } = this;
    const delivering = this.#faults === 'deliver';
    while (executed + skipped < limit) {
      if (clock && execution.time >= clock.next) clock.advance(execution.time);
      if (state.halted && !wakes(state, interrupts)) {
        const idle = this.#idle(limit - executed - skipped);
        if (idle === 0) break;
        skipped += idle;
        continue;
      }
      if (delivering) this.#stepOrDeliver();
      else this.#next();
      // An INIT that leaves a processor waiting is no instruction.
      if (state.activity !== WAIT_FOR_SIPI) executed++;
    }
    return { reason: STOPS[state.activity] ?? 'budget', executed, rip: state.rip };
  }

  /**
   * Halted with interrupts on: time goes on to the next moment at which a device acts. Answers how much of it, 0 when
   * nothing will happen.
   */
  #idle(limit: number): number {
    const { state, execution, clock } = this;
    if (!clock || state.activity !== HLT || !(state.rflags & IF) || clock.next === Infinity) return 0;
    const passed = Math.max(1, Math.min(clock.next - execution.time, limit));
    execution.time += passed;
    clock.advance(execution.time);
    return passed;
  }

  snapshot(): Snapshot {
    return {
      state: this.state.snapshot(), memory: this.memory.snapshot(), tlb: this.paging.snapshot(),
      time: this.execution.time,
    };
  }

  restore(snapshot: Snapshot): void {
    this.state.restore(snapshot.state);
    this.memory.restore(snapshot.memory);
    this.paging.restore(snapshot.tlb);
    this.execution.time = snapshot.time;
  }

  /** What changed since `before`, or from `before` to `after`. */
  diff(before: Snapshot, after: Snapshot = this.snapshot()): MachineDifference {
    return { fields: differences(before.state, after.state), memory: memoryDifferences(before.memory, after.memory) };
  }
}

const OPTIONS: readonly (keyof MachineOptions)[] = [
  'cpu', 'onUndefined', 'faults', 'tlb', 'memory', 'ports', 'processor',
];
