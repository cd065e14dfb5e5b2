/** The timer of a local APIC: one-shot, periodic and TSC deadline. SDM vol. 3A, 10.5.4. */

import type { Clock, Timer } from './clock.ts';
import { Device } from './device.ts';

export interface ApicTimerState {
  mode: 'one-shot' | 'periodic' | 'deadline';
  masked: boolean;
  /** The divide configuration register. */
  divide: number;
  initial: number;
  /** What it counted down from at bus tick `start`; 0 while it is stopped. */
  loaded: number;
  start: bigint;
  /** IA32_TSC_DEADLINE; 0 when it is not armed. */
  deadline: bigint;
}

export class ApicTimer extends Device<ApicTimerState> {
  readonly #clock: Clock;
  readonly #hertz: bigint;
  readonly #tscOffset: () => bigint;
  readonly #expire: () => void;
  readonly #timer: Timer;

  /** It counts at `hertz` divided as configured, and calls `expire` when it gets to 0 while it is not masked. */
  constructor(clock: Clock, hertz: bigint, tscOffset: () => bigint, expire: () => void) {
    super(ApicTimer.#initial());
    this.#clock = clock;
    this.#hertz = hertz;
    this.#tscOffset = tscOffset;
    this.#expire = expire;
    this.#timer = clock.timer(() => this.#fire());
  }

  static #initial(): ApicTimerState {
    return { mode: 'one-shot', masked: true, divide: 0, initial: 0, loaded: 0, start: 0n, deadline: 0n };
  }

  reset(): void {
    this.state = ApicTimer.#initial();
    this.restored();
  }

  /** Bus ticks a count takes: bits 3, 1 and 0 choose 2, 4, ... 128, 1. */
  get #divisor(): bigint {
    const chosen = ((this.state.divide & 8) >> 1) | (this.state.divide & 3);
    return 1n << BigInt((chosen + 1) & 7);
  }

  /** Counts since `start`. */
  get #elapsed(): bigint {
    return (this.#clock.ticks(this.#hertz) - this.state.start) / this.#divisor;
  }

  get currentCount(): number {
    const { mode, loaded, initial } = this.state;
    if (loaded === 0 || mode === 'deadline') return 0;
    const over = this.#elapsed - BigInt(loaded);
    if (over < 0n) return Number(-over);
    return mode === 'periodic' ? initial - Number(over % BigInt(initial)) : 0;
  }

  get initialCount(): number {
    return this.state.initial;
  }

  /** Starts the timer, or stops it with 0. In TSC-deadline mode nothing happens. */
  set initialCount(count: number) {
    if (this.state.mode === 'deadline') return;
    this.state.initial = count;
    this.#load(count);
  }

  get divide(): number {
    return this.state.divide;
  }

  /** Counting goes on from where it is. */
  set divide(value: number) {
    const count = this.currentCount;
    this.state.divide = value & 0xb;
    this.#load(count);
  }

  /** From the LVT entry. Going to or from TSC-deadline mode disarms the timer. */
  configure(mode: ApicTimerState['mode'], masked: boolean): void {
    const { state } = this;
    if ((mode === 'deadline') !== (state.mode === 'deadline')) {
      state.deadline = 0n;
      state.loaded = 0;
      state.initial = 0;
    } else if (mode !== state.mode) {
      const count = this.currentCount;
      state.mode = mode;
      this.#load(count);
    }
    state.mode = mode;
    state.masked = masked;
    this.restored();
  }

  /** IA32_TSC_DEADLINE: 0 in the other modes, where writes do nothing. */
  get deadline(): bigint {
    return this.state.deadline;
  }

  set deadline(value: bigint) {
    if (this.state.mode !== 'deadline') return;
    this.state.deadline = value;
    this.restored();
  }

  #load(count: number): void {
    this.state.loaded = count;
    this.state.start = this.#clock.ticks(this.#hertz);
    this.restored();
  }

  #fire(): void {
    const { state } = this;
    if (state.mode === 'deadline') {
      if (this.#deadlineTime() <= this.#clock.now) {
        state.deadline = 0n;
        this.#expire();
      }
    } else {
      state.start += BigInt(state.loaded) * this.#divisor;
      state.loaded = state.mode === 'periodic' ? state.initial : 0;
      this.#expire();
    }
    this.restored();
  }

  /** When the time-stamp counter gets to the deadline. */
  #deadlineTime(): number {
    return Number(this.state.deadline - BigInt.asIntN(64, this.#tscOffset()));
  }

  /** While it is masked nothing waits: what it counts is computed when it is read. */
  protected override restored(): void {
    const { state } = this;
    let due = Infinity;
    if (state.mode === 'deadline') {
      due = state.deadline === 0n || state.masked ? Infinity : Math.max(this.#deadlineTime(), 0);
    } else if (state.loaded !== 0 && !state.masked) {
      this.#skipMasked();
      if (state.loaded !== 0) due = this.#clock.at(state.start + BigInt(state.loaded) * this.#divisor, this.#hertz);
    }
    this.#timer.set(due);
  }

  /** Counts that ended while the timer was masked. */
  #skipMasked(): void {
    const { state } = this;
    const over = this.#elapsed - BigInt(state.loaded);
    // One that ends at this very moment is the business of `#fire`.
    if (over <= 0n) return;
    if (state.mode === 'one-shot') {
      state.loaded = 0;
      return;
    }
    const periods = over / BigInt(state.initial);
    state.start += (BigInt(state.loaded) + periods * BigInt(state.initial)) * this.#divisor;
    state.loaded = state.initial;
  }
}
