/** One processor and its memory: fetch, decode, execute. */

import { hex, u } from '../numbers/bits.ts';
import type { CpuProfile } from '../cpus/profile.ts';
import { ivyBridge } from '../cpus/index.ts';
import { Execution } from '../isa/execution.ts';
import { TF } from '../isa/flags.ts';
import type { Instruction, Mode } from '../isa/instruction.ts';
import { print } from '../isa/print.ts';
import { OFFSET } from '../state/fields.ts';
import { Fault, Unmodelled } from '../state/outcomes.ts';
import { SHUTDOWN, type FieldDifference, type State, differences } from '../state/state.ts';
import { deliverFault } from './events.ts';
import { InstructionFetch } from './fetch.ts';
import { kernelState } from './initial.ts';
import { Ports } from './ports.ts';
import { type MemoryDifference, type MemorySnapshot, memoryDifferences } from './memory/difference.ts';
import { Paging } from './memory/paging.ts';
import { Memory } from './memory/physical.ts';
import type { TlbSnapshot } from './memory/tlb.ts';

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
}

/** Why `run` returned. A `Fault` or an `Unmodelled` is thrown instead. */
export interface Stop {
  reason: 'halted' | 'shutdown' | 'budget';
  /** Instructions executed by this call; an iteration of a repeated string instruction counts as one. */
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

/** Bytes of stack below a loaded program, and of the unmapped gap between them. */
const STACK_BYTES = 0x10000n, STACK_GAP = 0x1000n;
/** What a real-address program finds: the first MiB, and 64 KiB above it that FFFF:FFFF still reaches. */
const CONVENTIONAL_MEMORY = 0x11_0000;
const DEFAULT_BUDGET = 1_000_000;

export class Machine {
  readonly cpu: CpuProfile;
  readonly state: State;
  /** Physical memory. While the loader's flat mapping is in force, linear addresses are the same. */
  readonly memory = new Memory();
  /** From linear to physical addresses: what this processor's accesses go through. */
  readonly paging: Paging;
  /** Devices by I/O port; a port without one is `Unmodelled`. */
  readonly ports = new Ports();
  readonly execution: Execution;
  readonly #fetch: InstructionFetch;
  readonly #faults: 'throw' | 'deliver';

  /**
   * With a program: its bytes are loaded, a stack is mapped below, and the processor is at its first byte, in kernel mode
   * or, for a 16-bit program, in real-address mode.
   */
  constructor(program?: Loadable, options: MachineOptions = {}) {
    checkOptions(options);
    this.cpu = options.cpu ?? ivyBridge;
    this.state = kernelState(this.cpu, program?.mode ?? 64);
    this.paging = new Paging(this.state, this.cpu, this.memory, { tlb: options.tlb ?? true });
    this.execution = new Execution(this.state, this.cpu, this.paging, this.ports);
    this.#fetch = new InstructionFetch(this.execution, this.paging.memory);
    this.execution.onUndefined = options.onUndefined ?? 'continue';
    this.#faults = options.faults ?? 'throw';
    if (program?.mode === 16) this.#loadBootSector(program);
    else if (program) {
      this.load(program.bytes, program.origin);
      const top = program.origin - STACK_GAP;
      this.memory.map(top - STACK_BYTES, Number(STACK_BYTES));
      this.state.gpr[4] = u(64, top);
      this.state.rip = program.origin;
    }
  }

  /** Real-address mode: the first MiB is there, the stack grows down from the program, as it does below a boot sector. */
  #loadBootSector({ bytes, origin }: Loadable): void {
    if (origin + BigInt(bytes.length) > 0x10000n) {
      throw new RangeError(`a 16-bit program lies in the first 64 KiB, this one reaches ${hex(origin + BigInt(bytes.length))}`);
    }
    this.memory.map(0n, CONVENTIONAL_MEMORY);
    this.load(bytes, origin);
    this.state.gpr[4] = origin;
    this.state.rip = origin;
  }

  /** Maps and fills memory at `linear`. */
  load(bytes: Uint8Array, linear: bigint): void {
    if (bytes.length === 0) return;
    this.memory.map(linear, bytes.length);
    this.memory.writeBytes(linear, bytes);
  }

  get mode(): Mode {
    return this.execution.mode;
  }

  /** The instruction at `ip`, an offset in CS, in the current mode. Throws like its execution would: #PF, #UD, #GP, `Unmodelled`. */
  decodeAt(ip: bigint): Instruction {
    return this.#fetch.at(ip);
  }

  /**
   * Executes one instruction (one iteration of a repeated string instruction). Throws `Fault` with nothing written but
   * CR2 for #PF, and RIP at the instruction; `Unmodelled` where the engine does not know.
   */
  step(): Instruction {
    const { state, execution } = this;
    if (state.rflags & TF) throw new Unmodelled('single-step traps (RFLAGS.TF = 1)');
    const shadowed = state.byte(OFFSET.movSsShadow) !== 0 || state.byte(OFFSET.stiShadow) !== 0;
    let i: Instruction | undefined;
    execution.time++;
    try {
      i = this.#fetch.current();
      execution.begin(i);
      i.operation(execution, i);
    } catch (error) {
      if (error instanceof Fault) {
        if (error.linearAddress !== undefined) state.setQuad(OFFSET.cr2, error.linearAddress);
        throw error.at(state.rip, i ? print(i, state.rip) : 'instruction fetch');
      }
      throw error;
    }
    execution.finish();
    if (shadowed) endShadow(state);
    return i;
  }

  /** One instruction, or the delivery of the fault that it raises. A fault that cannot be delivered ends in shutdown. */
  #stepOrDeliver(): void {
    const ip = this.state.rip;
    try {
      this.step();
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      if (deliverFault(this.execution, error, ip)) this.execution.finish();
      else this.state.setByte(OFFSET.halted, SHUTDOWN);
    }
  }

  /** Runs until HLT, until shutdown, or for at most `limit` instructions. */
  run(options: { limit?: number } = {}): Stop {
    const limit = options.limit ?? DEFAULT_BUDGET;
    if (!(limit >= 0)) throw new RangeError(`run: limit is ${limit}; it is a number of instructions, 0 or more`);
    let executed = 0;
    const delivering = this.#faults === 'deliver';
    while (executed < limit && !this.state.halted) {
      if (delivering) this.#stepOrDeliver();
      else this.step();
      executed++;
    }
    const { halted, shutdown, rip } = this.state;
    return { reason: shutdown ? 'shutdown' : halted ? 'halted' : 'budget', executed, rip };
  }

  snapshot(): Snapshot {
    return { state: this.state.snapshot(), memory: this.memory.snapshot(), tlb: this.paging.snapshot(), time: this.execution.time };
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

function checkOptions(options: MachineOptions): void {
  for (const key of Object.keys(options)) {
    if (!['cpu', 'onUndefined', 'faults', 'tlb'].includes(key)) throw new TypeError(`Machine: unknown option ${JSON.stringify(key)}; there are cpu, onUndefined, faults and tlb`);
  }
}

/** The instruction after the load of SS or the STI is over; one that loads SS again casts no new shadow. SDM vol. 3A, 6.8.3. */
function endShadow(state: State): void {
  state.setByte(OFFSET.movSsShadow, 0);
  state.setByte(OFFSET.stiShadow, 0);
}
