/**
 * One counter of a timer: what it counts and puts out at any tick, in closed form. Intel 8254 data sheet (231164-005,
 * September 1993), "Mode definitions". Nothing is stepped: state changes only where software or the gate touches it.
 */

import { Unmodelled } from '../../state/outcomes.ts';
import { Device } from './device.ts';

export interface PitCounterState {
  mode: 0 | 1 | 2 | 3 | 4 | 5;
  bcd: boolean;
  /** Read/write: 1 low byte only, 2 high byte only, 3 low byte then high byte. */
  access: 1 | 2 | 3;
  gate: boolean;
  /** The count being counted down; undefined from a control word until one is loaded. */
  count: number | undefined;
  /** The tick at which `count` was loaded; later by the time that the gate held it up. */
  loaded: bigint;
  /** While the gate holds it up, the tick at which that began. */
  held: bigint | undefined;
  /** Mode 3: whether the half-cycle that began at `loaded` is the low one. */
  low: boolean;
  /** A count that was written and the tick at which it is loaded; undefined while only a trigger will load it. */
  next: number | undefined;
  nextAt: bigint | undefined;
  /** The low byte of a count whose high byte is yet to be written. */
  lowByte: number | undefined;
  highNext: boolean;
  latchedCount: number | undefined;
  latchedStatus: number | undefined;
}

const INITIAL: PitCounterState = {
  mode: 3, bcd: false, access: 3, gate: true, count: undefined, loaded: 0n, held: undefined, low: false,
  next: undefined, nextAt: undefined,
  lowByte: undefined, highNext: false, latchedCount: undefined, latchedStatus: undefined,
};

/** The digits of a number up to 9999 as nibbles, and back. */
const toBcd = (value: number): number => Number.parseInt(String(value), 16);
const fromBcd = (raw: number): number => [12, 8, 4, 0].reduce((value, shift) => value * 10 + ((raw >> shift) & 15), 0);

export class PitCounter extends Device<PitCounterState> {
  constructor(gate: boolean) {
    super({ ...INITIAL, gate });
  }

  // ---- what it shows

  /** The level of OUT at `tick`, which is not before the last change. */
  out(tick: bigint): boolean {
    this.#settle(tick);
    const { mode, count, held } = this.state;
    if (count === undefined) return mode !== 0;
    const elapsed = this.#elapsed(tick);
    const n = BigInt(count);
    switch (mode) {
      case 0: case 1: return elapsed >= n;
      case 2: return held !== undefined || elapsed % n !== n - 1n;
      case 3: return held !== undefined || !this.#half(elapsed).low;
      case 4: case 5: return elapsed !== n;
    }
  }

  /**
   * The first tick after `tick` at which OUT may change if nothing is written and the gate stays; undefined when there
   * is none.
   */
  edge(tick: bigint): bigint | undefined {
    this.#settle(tick);
    const { count, loaded, held, mode, nextAt } = this.state;
    if (count === undefined || held !== undefined) return nextAt;
    const n = BigInt(count);
    const elapsed = tick - loaded;
    const own = mode === 2 || mode === 3 ? this.#periodicEdge(elapsed, n) : oneShotEdge(mode, elapsed, n);
    const at = own === undefined ? undefined : loaded + own;
    return nextAt === undefined || (at !== undefined && at < nextAt) ? at : nextAt;
  }

  #periodicEdge(elapsed: bigint, n: bigint): bigint {
    const start = elapsed - (elapsed % n);
    const points = this.state.mode === 2 ? [n - 1n, n, n + n - 1n] : [this.#firstHalf(n), n, n + this.#firstHalf(n)];
    return start + points.find((point) => start + point > elapsed)!;
  }

  /** The count as it is read at `tick`. */
  #current(tick: bigint): number {
    this.#settle(tick);
    const { mode, count, bcd } = this.state;
    if (count === undefined) return 0;
    const elapsed = this.#elapsed(tick);
    const modulus = bcd ? 10_000n : 0x1_0000n;
    const n = BigInt(count);
    let value: bigint;
    if (mode === 2) value = n - (elapsed % n);
    else if (mode === 3) value = (n & ~1n) - 2n * this.#half(elapsed).elapsed;
    else value = (((n - elapsed) % modulus) + modulus) % modulus;
    const number = Number(value % modulus);
    return bcd ? toBcd(number) : number;
  }

  // ---- time

  /** Clock pulses that `count` has seen. */
  #elapsed(tick: bigint): bigint {
    return (this.state.held ?? tick) - this.state.loaded;
  }

  /** Mode 3: the half-cycle that starts at `loaded` has (n + 1) / 2 pulses if it is high and n is odd. */
  #firstHalf(n: bigint): bigint {
    return this.state.low ? n / 2n : (n + 1n) / 2n;
  }

  /** Mode 3: whether it is the first kind of half-cycle, and the pulses since it began. */
  #half(elapsed: bigint): { low: boolean; elapsed: bigint } {
    const n = BigInt(this.state.count!);
    const first = this.#firstHalf(n);
    const within = elapsed % n;
    return within < first
      ? { low: this.state.low, elapsed: within }
      : { low: !this.state.low, elapsed: within - first };
  }

  /** Loads what is due by `tick`. */
  #settle(tick: bigint): void {
    const { next, nextAt, mode, count, held, loaded } = this.state;
    if (nextAt === undefined || tick < nextAt) return;
    this.state.low = mode === 3 && count !== undefined && held === undefined && this.#half(nextAt - loaded).low;
    this.#load(next!, nextAt);
  }

  #load(count: number, at: bigint): void {
    const { state } = this;
    state.count = count;
    state.loaded = at;
    state.next = state.nextAt = undefined;
    state.held = state.gate || state.mode === 1 || state.mode === 5 ? undefined : at;
  }

  // ---- what software does

  control(value: number, tick: bigint): void {
    const access = (value >> 4) & 3;
    if (access === 0) {
      this.latchCount(tick);
      return;
    }
    const mode = (value >> 1) & 7;
    this.state = {
      ...INITIAL, gate: this.state.gate, access: access as 1 | 2 | 3, bcd: (value & 1) !== 0,
      mode: (mode > 5 ? mode - 4 : mode) as PitCounterState['mode'],
    };
  }

  latchCount(tick: bigint): void {
    this.state.latchedCount ??= this.#current(tick);
  }

  /** OUT, null count, and the control word as it was written. */
  latchStatus(tick: bigint): void {
    const { access, mode, bcd, latchedStatus } = this.state;
    if (latchedStatus !== undefined) return;
    const out = this.out(tick);
    const loaded = this.state.count !== undefined && this.state.next === undefined;
    this.state.latchedStatus = (out ? 0x80 : 0) | (loaded ? 0 : 0x40) | (access << 4) | (mode << 1) | (bcd ? 1 : 0);
  }

  read(tick: bigint): number {
    const { state } = this;
    if (state.latchedStatus !== undefined) {
      const status = state.latchedStatus;
      state.latchedStatus = undefined;
      return status;
    }
    const value = state.latchedCount ?? this.#current(tick);
    const high = state.access === 2 || (state.access === 3 && state.highNext);
    if (state.access === 3) state.highNext = !state.highNext;
    if (state.access !== 3 || high) state.latchedCount = undefined;
    return high ? value >> 8 : value & 0xff;
  }

  /** A byte of a count. In mode 0 the first of two stops the counting. */
  write(value: number, tick: bigint): void {
    const { state } = this;
    this.#settle(tick);
    if (state.access === 3 && state.lowByte === undefined) {
      state.lowByte = value;
      if (state.mode === 0) {
        state.count = undefined;
        state.next = state.nextAt = undefined;
      }
      return;
    }
    const raw = state.access === 1 ? value : state.access === 2 ? value << 8 : state.lowByte! | (value << 8);
    state.lowByte = undefined;
    const count = state.bcd ? fromBcd(raw) || 10_000 : raw || 0x1_0000;
    if (count === 1 && (state.mode === 2 || state.mode === 3)) {
      throw new Unmodelled(`an 8254 count of 1 in mode ${state.mode}, which the data sheet calls illegal`);
    }
    if (state.mode === 0) state.count = undefined;
    state.next = count;
    state.nextAt = this.#loadsAt(tick);
  }

  /**
   * A count is loaded by the next pulse; in modes 2 and 3 at the end of the cycle or half-cycle; in 1 and 5 by a
   * trigger.
   */
  #loadsAt(tick: bigint): bigint | undefined {
    const { mode, count, loaded, held } = this.state;
    if (mode === 1 || mode === 5) return undefined;
    if (count === undefined || mode === 0 || mode === 4) return tick + 1n;
    if (held !== undefined) return this.state.nextAt;
    const n = BigInt(count);
    const elapsed = tick - loaded;
    const start = elapsed - (elapsed % n);
    const half = mode === 3 ? this.#firstHalf(n) : n;
    return loaded + start + (elapsed - start < half ? half : n);
  }

  /** Low stops the counting in modes 0, 2, 3 and 4; its rising edge starts modes 1 and 5, and restarts 2 and 3. */
  setGate(gate: boolean, tick: bigint): void {
    const { state } = this;
    this.#settle(tick);
    if (gate === state.gate) return;
    state.gate = gate;
    const oneShot = state.mode === 1 || state.mode === 5;
    if (gate && state.mode !== 0 && state.mode !== 4) this.#trigger(tick);
    else if (!gate && !oneShot && state.count !== undefined) state.held = tick;
    else if (gate && state.held !== undefined) {
      state.loaded += tick - state.held;
      state.held = undefined;
    }
  }

  /** The next pulse loads the count written last. */
  #trigger(tick: bigint): void {
    const { state } = this;
    const count = state.next ?? state.count;
    if (count === undefined) return;
    state.next = count;
    state.nextAt = tick + 1n;
  }
}

/** Pulses from loading to the next change of OUT in modes 0, 1, 4 and 5. */
function oneShotEdge(mode: number, elapsed: bigint, n: bigint): bigint | undefined {
  if (elapsed < n) return n;
  return (mode === 4 || mode === 5) && elapsed === n ? n + 1n : undefined;
}
