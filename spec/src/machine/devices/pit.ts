/**
 * The PC's 8254 timer, and port 61h, through which software reaches the gate of counter 2. Intel 8254 data sheet
 * (231164-005).
 */

import type { PortDevice } from '../ports.ts';
import type { Clock, Timer } from './clock.ts';
import type { Line } from './device.ts';
import { PitCounter, type PitCounterState } from './pit-counter.ts';

/** A third of the colour subcarrier of NTSC, 315 / 88 MHz, rounded as all software has it. */
export const PIT_HERTZ = 1_193_182n;
/** Pulses between two refresh requests, whatever counter 1 is programmed to: 15.085 us. */
const REFRESH = 18n;

export interface PitSnapshot {
  readonly counters: readonly PitCounterState[];
  /** The tick up to which OUT of counter 0 has been told. */
  readonly told: bigint;
  readonly speaker: number;
}

export class Pit implements PortDevice {
  readonly width = 1;
  static readonly PORTS = [0x40, 0x41, 0x42, 0x43, 0x61] as const;
  readonly #clock: Clock;
  readonly #line: Line;
  readonly #timer: Timer;
  readonly #counters = [new PitCounter(true), new PitCounter(true), new PitCounter(false)] as const;
  #told = 0n;
  /** Bits 3:0 of port 61h as written. */
  #speaker = 0;

  /** `line` is OUT of counter 0: IRQ 0. */
  constructor(clock: Clock, line: Line) {
    this.#clock = clock;
    this.#line = line;
    this.#timer = clock.timer(() => this.#tell());
  }

  get #tick(): bigint {
    return this.#clock.ticks(PIT_HERTZ);
  }

  /** OUT of a counter now. */
  out(counter: 0 | 1 | 2): boolean {
    return this.#counters[counter].out(this.#tick);
  }

  read(port: number): number {
    if (port === 0x61) return this.#readControl();
    return port === 0x43 ? 0xff : this.#counters[port & 3]!.read(this.#tick);
  }

  write(port: number, _bytes: number, value: number): void {
    this.#tell();
    if (port === 0x61) this.#writeControl(value);
    else if (port !== 0x43) this.#counters[port & 3]!.write(value, this.#tick);
    else if (value >> 6 === 3) this.#readBack(value);
    else this.#counters[value >> 6]!.control(value, this.#tick);
    this.#tell();
  }

  #readBack(value: number): void {
    this.#counters.forEach((counter, n) => {
      if (!(value & (2 << n))) return;
      if (!(value & 0x20)) counter.latchCount(this.#tick);
      if (!(value & 0x10)) counter.latchStatus(this.#tick);
    });
  }

  // Port 61h: the NMI status and control register. Intel 82371SB data sheet (290550-002), 2.5.7.

  /**
   * Gate of counter 2, speaker, two NMI enables, refresh toggle, OUT of counter 2; no parity error, no channel check.
   */
  #readControl(): number {
    const refresh = (this.#tick / REFRESH) & 1n ? 0x10 : 0;
    return this.#speaker | refresh | (this.out(2) ? 0x20 : 0);
  }

  #writeControl(value: number): void {
    this.#speaker = value & 0xf;
    this.#counters[2].setGate((value & 1) !== 0, this.#tick);
  }

  /** Tells the line each level that OUT of counter 0 has had by now, and waits for the next. */
  #tell(): void {
    const now = this.#tick;
    const counter = this.#counters[0];
    for (;;) {
      const edge = counter.edge(this.#told);
      if (edge === undefined || edge > now) break;
      this.#told = edge;
      this.#line(counter.out(edge));
    }
    this.#told = now;
    this.#line(counter.out(now));
    this.#arm();
  }

  #arm(): void {
    const edge = this.#counters[0].edge(this.#told);
    this.#timer.set(edge === undefined ? Infinity : this.#clock.at(edge, PIT_HERTZ));
  }

  snapshot(): PitSnapshot {
    return { counters: this.#counters.map((counter) => counter.snapshot()), told: this.#told, speaker: this.#speaker };
  }

  restore(snapshot: PitSnapshot): void {
    this.#counters.forEach((counter, n) => counter.restore(snapshot.counters[n]!));
    this.#told = snapshot.told;
    this.#speaker = snapshot.speaker;
    this.#arm();
  }
}
