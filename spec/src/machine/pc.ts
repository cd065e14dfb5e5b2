/** A whole PC: processors that share memory, ports and time, and the devices around them. */

import { IF } from '../isa/flags.ts';
import type { CpuProfile } from '../cpus/profile.ts';
import { ivyBridge } from '../cpus/index.ts';
import { OFFSET, RSP } from '../state/fields.ts';
import { HLT, SHUTDOWN, type State } from '../state/state.ts';
import { wakes } from './boundary.ts';
import { Board, type BoardOptions, type BoardSnapshot } from './devices/board.ts';
import { Clock } from './devices/clock.ts';
import { kernelState } from './initial.ts';
import { type Loadable, Machine, type Clock as MachineClock } from './machine.ts';
import { Memory } from './memory/physical.ts';
import type { MemorySnapshot } from './memory/difference.ts';
import type { TlbSnapshot } from './memory/tlb.ts';
import { requireKnown, requireLimit } from './options.ts';
import { Ports } from './ports.ts';
import { DEFAULT_MEMORY, LEGACY_HOLE, MEMORY_SIZE, isMemorySize, ramRanges } from './ram.ts';
import { type Schedule, type Turn, turns } from './schedule.ts';

export interface PcOptions extends BoardOptions {
  /** The processor model. Default: `cpus.ivyBridge`. */
  cpu?: CpuProfile;
  /** How many processors. Default: 1. */
  cpus?: number;
  /** Bytes of RAM, the holes below 1 MiB included: whole pages, 1 MiB to 3 GiB. Default: 128 MiB. */
  memory?: number;
  /** Instructions per second: relates time to the crystals of devices. Default: 1,000,000,000. */
  frequency?: number;
  /** How the processors share the time. Default: in order, in turns of irregular length. */
  schedule?: Schedule;
  /**
   * What no device answers, at ports and in memory: as on a PC, all ones are read and writes are lost. Default: `open
   * bus`.
   */
  absent?: 'open bus' | 'unmodelled';
  /**
   * Devices as firmware leaves them, and its tables in memory. False for a run that begins with firmware. Default:
   * true.
   */
  firmware?: boolean;
  /** Bytes that the first processor starts with, and their mode. */
  program?: Loadable;
  tlb?: boolean;
}

/** Why a run ended. */
export interface PcStop {
  /**
   * `halted`: nothing but NMI or INIT could wake anyone; `idle`: somebody waits for an interrupt that no device is
   * going to raise.
   */
  reason: 'exit' | 'power off' | 'reset' | 'shutdown' | 'halted' | 'idle' | 'limit';
  /** For `exit`: the code that the process ends with. */
  code?: number;
  /** For `shutdown`: whose it was. */
  processor?: number;
  /** The time by then: instructions of all processors, and those that passed while all were halted. */
  time: number;
}

export interface PcSnapshot {
  readonly processors: readonly { readonly state: Uint8Array; readonly tlb: TlbSnapshot }[];
  readonly memory: MemorySnapshot;
  readonly board: BoardSnapshot;
  readonly time: number;
  readonly turn: { readonly number: number; readonly processor: number; readonly left: number };
  /** Why the guest has ended the run, if it has. */
  readonly ended: Omit<PcStop, 'time'> | undefined;
}

/** RAM below 1 MiB behind the display's window, where firmware and its tables are. */
const SHADOW = 0xc_0000;
const STACK_GAP = 0x1000n;
/** Turns in a row for processors that cannot run, while another could: then the schedule is at fault. */
const MOST_SKIPPED = 100_000;
const OPTIONS: readonly (keyof PcOptions)[] = [
  'cpu', 'cpus', 'memory', 'frequency', 'schedule', 'absent', 'firmware', 'program', 'tlb', 'serial', 'serialTiming',
  'startTime', 'busFrequency', 'timerBits', 'post',
];

/** Leaves a processor's run between two instructions. */
const ENDED = Symbol('the run has ended');

export class Pc {
  readonly memory = new Memory();
  readonly ports = new Ports();
  readonly clock: Clock;
  readonly board: Board;
  readonly processors: readonly Machine[];
  readonly #turns: (turn: number) => Turn;
  #turn = { number: -1, processor: 0, left: 0 };
  #ended: Omit<PcStop, 'time'> | undefined;

  constructor(options: PcOptions = {}) {
    checkOptions(options);
    const { cpu = ivyBridge, cpus = 1, memory = DEFAULT_MEMORY, absent = 'open bus', tlb = true } = options;
    this.clock = new Clock(options.frequency);
    for (const { start, end } of ramRanges(memory)) this.memory.ram(BigInt(start), end - start);
    this.memory.ram(BigInt(SHADOW), LEGACY_HOLE.end - SHADOW);
    this.memory.absent = this.ports.absent = absent;
    const end = (ended: Omit<PcStop, 'time'>) => (): void => { this.#ended = ended; };
    const events = {
      exit: (code: number): void => end({ reason: 'exit', code })(), powerOff: end({ reason: 'power off' }),
      reset: end({ reason: 'reset' }),
    };
    this.board = new Board(
      this.clock, this.memory, this.ports, { processors: cpus, size: memory }, events,
      { ...options, busFrequency: options.busFrequency ?? cpu.crystal },
    );
    this.processors = Array.from({ length: cpus }, (_, processor) => {
      const machine = new Machine(
        undefined, { cpu, faults: 'deliver', tlb, memory: this.memory, ports: this.ports, processor },
      );
      Object.assign(
        machine.execution.placement, { apicId: processor, processors: cpus, frequency: Number(this.clock.frequency) },
      );
      machine.state.setQuad(OFFSET.apicBase, processor === 0 ? 0n : 0xfee0_0800n); // RESET leaves BSP to the first one
      machine.reset();
      machine.clock = new ProcessorClock(this.clock, machine.state, () => this.#ended !== undefined);
      this.board.connect(machine, processor);
      return machine;
    });
    this.clock.follow(this.processors[0]!.execution);
    this.#turns = turns(options.schedule, cpus);
    if (options.firmware ?? true) this.board.leaveFirmware(this.memory);
    if (options.program) this.start(options.program);
  }

  /**
   * Loads a program into RAM and puts the first processor at its first byte, in kernel mode or real-address mode, with
   * a stack below.
   */
  start({ bytes, origin, mode }: Loadable): void {
    this.memory.writeBytes(origin, bytes);
    const { state, cpu, paging } = this.processors[0]!;
    state.restore(kernelState(cpu, mode).snapshot());
    state.rip = origin;
    state.gpr[RSP] = mode === 16 ? origin : origin - STACK_GAP;
    paging.changed();
  }

  /** Instructions executed by all processors, and those that passed while all were halted. */
  get time(): number {
    return this.clock.now;
  }

  /** The processor whose turn it is. */
  get current(): number {
    return this.#turn.processor;
  }

  /**
   * Runs until the guest ends the run, nothing can go on, or for `limit` instructions; time that passes in HLT counts.
   */
  run({ limit = Infinity }: { limit?: number } = {}): PcStop {
    requireLimit(limit);
    const end = this.time + limit;
    let skipped = 0;
    while (!this.#ended) {
      if (this.clock.next <= this.time) this.clock.advance(this.time);
      if (this.time >= end) return this.#stop({ reason: 'limit' });
      const stop = this.#idle(end);
      if (stop) return this.#stop(stop);
      if (this.#someCanRun) {
        skipped = this.#takeTurn(end) ? 0 : skipped + 1;
        if (skipped > MOST_SKIPPED) throw new RangeError('the schedule gives no turn to any processor that can run');
      }
    }
    return this.#stop(this.#ended);
  }

  #stop(why: Omit<PcStop, 'time'>): PcStop {
    return { ...why, time: this.time };
  }

  #canRun({ state, interrupts }: Machine): boolean {
    return !state.halted || wakes(state, interrupts);
  }

  get #someCanRun(): boolean {
    return this.processors.some((machine) => this.#canRun(machine));
  }

  /**
   * While nobody can run, time goes to the next event of a device. Answers why the run ends when there is none that
   * matters.
   */
  #idle(end: number): Omit<PcStop, 'time'> | undefined {
    const down = this.processors.findIndex((machine) => machine.state.activity === SHUTDOWN && !this.#canRun(machine));
    if (down >= 0) return { reason: 'shutdown', processor: down };
    if (this.#someCanRun) return undefined;
    if (!this.processors.some(({ state }) => state.activity === HLT && state.rflags & IF)) return { reason: 'halted' };
    if (this.clock.next === Infinity) return { reason: 'idle' };
    const { execution } = this.processors[this.#turn.processor]!;
    execution.time = Math.min(Math.max(this.clock.next, execution.time), end);
    this.clock.advance(execution.time);
    return undefined;
  }

  /** Goes on with the turn, or begins the next one. Answers false when its processor cannot run. */
  #takeTurn(end: number): boolean {
    if (this.#turn.left <= 0) this.#nextTurn();
    const machine = this.processors[this.#turn.processor]!;
    if (!this.#canRun(machine)) {
      this.#turn.left = 0;
      return false;
    }
    const before = this.time;
    try {
      machine.run({ limit: Math.min(this.#turn.left, end - before) });
    } catch (error) {
      if (error !== ENDED) throw error;
    } finally {
      this.#turn.left = machine.state.halted ? 0 : this.#turn.left - (this.time - before);
    }
    return true;
  }

  #nextTurn(): void {
    const { time } = this;
    const number = this.#turn.number + 1;
    const { processor, instructions } = this.#turns(number);
    this.#turn = { number, processor, left: instructions };
    const { execution } = this.processors[processor]!;
    execution.time = time;
    this.clock.follow(execution);
  }

  snapshot(): PcSnapshot {
    return {
      processors: this.processors.map(({ state, paging }) => ({ state: state.snapshot(), tlb: paging.snapshot() })),
      memory: this.memory.snapshot(), board: this.board.snapshot(), time: this.time, turn: { ...this.#turn },
      ended: this.#ended,
    };
  }

  restore({ processors, memory, board, time, turn, ended }: PcSnapshot): void {
    this.memory.restore(memory);
    this.processors.forEach(({ state, paging, execution }, n) => {
      state.restore(processors[n]!.state);
      paging.restore(processors[n]!.tlb);
      execution.time = time;
    });
    this.#turn = { ...turn };
    this.#ended = ended;
    this.clock.follow(this.processors[turn.processor]!.execution);
    this.board.restore(board);
  }
}

/** The clock as one processor of several sees it: while that halts, time is not its to skip. */
class ProcessorClock implements MachineClock {
  readonly #clock: Clock;
  readonly #state: State;
  readonly #ended: () => boolean;

  constructor(clock: Clock, state: State, ended: () => boolean) {
    this.#clock = clock;
    this.#state = state;
    this.#ended = ended;
  }

  get next(): number {
    return this.#ended() ? -Infinity : this.#state.activity === 0 ? this.#clock.next : Infinity;
  }

  advance(time: number): void {
    if (this.#ended()) throw ENDED;
    this.#clock.advance(time);
  }
}

function checkOptions(options: PcOptions): void {
  requireKnown('Pc', options, OPTIONS);
  const { cpus = 1, memory = DEFAULT_MEMORY } = options;
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > 64) throw new RangeError(`Pc: cpus is ${cpus}; there are 1 to 64`);
  if (!isMemorySize(memory)) throw new RangeError(`Pc: memory is ${memory} bytes; expected ${MEMORY_SIZE}`);
}
