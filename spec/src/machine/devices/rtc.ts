/**
 * Real-time clock and CMOS memory. Motorola MC146818A data sheet (ADI856R2, 1984), with the 128 bytes of the PC AT.
 * Registers are raw bytes in the format that register B names; they catch up with the clock when somebody looks.
 */

import { Unmodelled } from '../../state/outcomes.ts';
import type { PortDevice } from '../ports.ts';
import { type CalendarFormat, nextSecond } from './calendar.ts';
import type { Clock, Timer } from './clock.ts';
import { Device, type Line } from './device.ts';

const RTC_HERTZ = 32_768n;

/** Registers by their place. */
export const RTC = {
  second: 0, secondAlarm: 1, minute: 2, minuteAlarm: 3, hour: 4, hourAlarm: 5, weekday: 6, day: 7, month: 8, year: 9,
  a: 10, b: 11, c: 12, d: 13, century: 0x32,
} as const;

const A = { uip: 0x80 } as const;
const B = { set: 0x80, periodic: 0x40, alarm: 0x20, update: 0x10, binary: 4, hours24: 2, daylight: 1 } as const;
const VALID_RAM_AND_TIME = 0x80, INTERRUPT = 0x80;
/**
 * Update in progress: from 244 us before the update cycle to its end 1984 us later, when the new time is there. Table
 * 5.
 */
const UPDATE_TICKS = 8n + 65n;

interface RtcState {
  index: number;
  nmiMasked: boolean;
  bytes: number[];
  /** The tick at which the divider's seconds begin, and how many of them are over and counted. */
  start: bigint;
  seconds: bigint;
  /** Periods of the periodic interrupt that are over and counted. */
  periods: bigint;
}

export interface RtcOptions {
  /** Date and time at the beginning: seconds since 1970-01-01 00:00:00. */
  startTime: number;
  /** Further bytes of CMOS memory. */
  bytes?: Readonly<Record<number, number>>;
}

export class Rtc extends Device<RtcState> implements PortDevice {
  readonly width = 1;
  static readonly PORTS = [0x70, 0x71] as const;
  readonly #clock: Clock;
  readonly #line: Line;
  readonly #timer: Timer;

  /** `line` is IRQ 8, active while register C says that an interrupt is requested. */
  constructor(clock: Clock, line: Line, { startTime, bytes = {} }: RtcOptions) {
    super({ index: 0, nmiMasked: false, bytes: initialBytes(startTime, bytes), start: 0n, seconds: 0n, periods: 0n });
    this.#clock = clock;
    this.#line = line;
    this.#timer = clock.timer(() => this.#catchUp());
  }

  get #tick(): bigint {
    return this.#clock.ticks(RTC_HERTZ);
  }

  /** Port 70h bit 7: the PC's gate in front of the NMI line. */
  get nmiMasked(): boolean {
    return this.state.nmiMasked;
  }

  read(port: number): number {
    if (port === 0x70) return 0xff;
    this.#catchUp();
    const { index, bytes } = this.state;
    if (index === RTC.a) return bytes[index]! | (this.#updating ? A.uip : 0);
    const value = bytes[index]!;
    if (index === RTC.c) {
      bytes[index] = 0;
      this.#changed();
    }
    return value;
  }

  write(port: number, _bytes: number, value: number): void {
    if (port === 0x70) {
      this.state.index = value & 0x7f;
      this.state.nmiMasked = (value & 0x80) !== 0;
      return;
    }
    this.#catchUp();
    const { index, bytes } = this.state;
    if (index === RTC.a) this.#writeA(value);
    else if (index === RTC.b) this.#writeB(value);
    else if (index !== RTC.c && index !== RTC.d) bytes[index] = value;
    this.#changed();
  }

  /** A divider that is let go begins its first second half over. */
  #writeA(value: number): void {
    const { bytes } = this.state;
    const ran = this.#running;
    bytes[RTC.a] = value & 0x7f;
    if (this.#running && !ran) {
      this.state.start = this.#tick - RTC_HERTZ / 2n;
      this.state.seconds = 0n;
    }
    this.state.periods = this.#periodsBy(this.#tick);
  }

  #writeB(value: number): void {
    if (value & B.daylight) throw new Unmodelled('daylight saving time by the real-time clock (register B, DSE)');
    this.state.bytes[RTC.b] = value & B.set ? value & ~B.update : value;
  }

  // ---- time

  /** DV = 010: the divider runs from a crystal of 32,768 Hz. */
  get #running(): boolean {
    return (this.state.bytes[RTC.a]! & 0x70) === 0x20;
  }

  get #updating(): boolean {
    if (!this.#running || this.state.bytes[RTC.b]! & B.set) return false;
    return (this.#tick - this.state.start) % RTC_HERTZ >= RTC_HERTZ - UPDATE_TICKS;
  }

  /** Ticks between two periodic interrupts: RS of register A. 0 when there are none. Table 3. */
  get #period(): bigint {
    const rate = this.state.bytes[RTC.a]! & 15;
    if (rate === 0 || !this.#running) return 0n;
    return 1n << BigInt(rate < 3 ? rate + 6 : rate - 1);
  }

  #periodsBy(tick: bigint): bigint {
    return this.#period === 0n ? 0n : (tick - this.state.start) / this.#period;
  }

  get #format(): CalendarFormat {
    const b = this.state.bytes[RTC.b]!;
    return { binary: (b & B.binary) !== 0, hours24: (b & B.hours24) !== 0 };
  }

  /** Makes the registers and flags what they are by now. */
  #catchUp(): void {
    const { state } = this;
    if (this.#running) {
      const seconds = (this.#tick - state.start) / RTC_HERTZ;
      const stopped = (state.bytes[RTC.b]! & B.set) !== 0;
      for (; state.seconds < seconds; state.seconds++) if (!stopped) this.#update();
      const periods = this.#periodsBy(this.#tick);
      if (periods > state.periods) state.bytes[RTC.c]! |= B.periodic;
      state.periods = periods;
    }
    this.#changed();
  }

  #update(): void {
    const { bytes } = this.state;
    nextSecond(bytes, this.#format);
    bytes[RTC.c]! |= B.update;
    const matches = (time: number, alarm: number): boolean => bytes[alarm]! >= 0xc0 || bytes[alarm] === bytes[time];
    const alarms = [[RTC.second, RTC.secondAlarm], [RTC.minute, RTC.minuteAlarm], [RTC.hour, RTC.hourAlarm]] as const;
    if (alarms.every(([time, alarm]) => matches(time, alarm))) bytes[RTC.c]! |= B.alarm;
  }

  #changed(): void {
    const { bytes } = this.state;
    const requested = (bytes[RTC.c]! & bytes[RTC.b]! & (B.periodic | B.alarm | B.update)) !== 0;
    bytes[RTC.c] = (bytes[RTC.c]! & ~INTERRUPT) | (requested ? INTERRUPT : 0);
    this.#line(requested);
    this.restored();
  }

  /**
   * Waits for the next event that an enabled interrupt could report; without one the registers wait to be looked at.
   */
  protected override restored(): void {
    const { bytes, start, seconds, periods } = this.state;
    const enabled = this.#running ? bytes[RTC.b]! : 0;
    const due: number[] = [Infinity];
    if (enabled & (B.update | B.alarm) && !(enabled & B.set)) {
      due.push(this.#clock.at(start + (seconds + 1n) * RTC_HERTZ, RTC_HERTZ));
    }
    if (enabled & B.periodic && this.#period) {
      due.push(this.#clock.at(start + (periods + 1n) * this.#period, RTC_HERTZ));
    }
    this.#timer.set(bytes[RTC.c]! & INTERRUPT ? Infinity : Math.min(...due));
  }
}

/**
 * Time of day in BCD and 24-hour form, as firmware leaves it; the divider runs, 1,024 Hz are chosen, no interrupt is
 * enabled.
 */
function initialBytes(startTime: number, more: Readonly<Record<number, number>>): number[] {
  if (!Number.isSafeInteger(startTime)) {
    throw new RangeError(`the clock starts at a whole number of seconds since 1970, not ${startTime}`);
  }
  const date = new Date(startTime * 1000);
  const bcd = (value: number): number => Number.parseInt(String(value), 16);
  const bytes = Array.from({ length: 128 }, () => 0);
  const year = date.getUTCFullYear();
  const fields: Readonly<Record<number, number>> = {
    [RTC.second]: date.getUTCSeconds(), [RTC.minute]: date.getUTCMinutes(), [RTC.hour]: date.getUTCHours(),
    [RTC.weekday]: date.getUTCDay() + 1,
    [RTC.day]: date.getUTCDate(), [RTC.month]: date.getUTCMonth() + 1, [RTC.year]: year % 100,
    [RTC.century]: Math.trunc(year / 100),
  };
  for (const [register, value] of Object.entries(fields)) bytes[Number(register)] = bcd(value);
  Object.assign(bytes, more);
  bytes[RTC.a] = 0x26;
  bytes[RTC.b] = B.hours24;
  bytes[RTC.d] = VALID_RAM_AND_TIME;
  return bytes;
}
