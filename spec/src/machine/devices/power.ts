/** ACPI fixed hardware: PM timer, PM1 event and control blocks. ACPI Specification 3.0b, 4.7.2 and 4.7.3. */

import { Unmodelled } from '../../state/outcomes.ts';
import type { PortDevice } from '../ports.ts';
import type { Clock, Timer } from './clock.ts';
import { Device, type Line } from './device.ts';

export const PM_TIMER_HERTZ = 3_579_545n;
/** I/O ports of the blocks: status and enable (2 bytes each), control (2), timer (4). */
export const PM1_EVENT = 0x600, PM1_CONTROL = 0x604, PM_TIMER = 0x608;
/** SLP_TYP of soft off: what \_S5 of the DSDT says. */
export const SLEEP_S5 = 5;

const STATUS = { timer: 1, powerButton: 0x100 } as const;
const STATUS_BITS = 0x8531, ENABLE_BITS = 0x4521;
const CONTROL = { sciEnable: 1, busMasterReload: 2, sleepEnable: 0x2000 } as const;

interface AcpiPowerState {
  status: number;
  enable: number;
  control: number;
  /** Changes of the timer's highest bit that are counted. */
  changes: bigint;
}

export interface AcpiPowerOptions {
  /** Width of the timer in bits. */
  timerBits?: 24 | 32;
  powerOff?: () => void;
}

export class AcpiPower extends Device<AcpiPowerState> implements PortDevice {
  readonly width = 1;
  static readonly FIRST = PM1_EVENT;
  static readonly PORTS = 12;
  readonly timerBits: 24 | 32;
  readonly #clock: Clock;
  readonly #line: Line;
  readonly #timer: Timer;
  readonly #powerOff: () => void;

  /** `line` is the system control interrupt. There is no legacy mode, so SCI_EN is 1 from the beginning. */
  constructor(clock: Clock, line: Line, { timerBits = 32, powerOff = () => {} }: AcpiPowerOptions = {}) {
    super({ status: 0, enable: 0, control: CONTROL.sciEnable, changes: 0n });
    this.timerBits = timerBits;
    this.#clock = clock;
    this.#line = line;
    this.#powerOff = powerOff;
    this.#timer = clock.timer(() => this.#catchUp());
  }

  pressPowerButton(): void {
    this.state.status |= STATUS.powerButton;
    this.#catchUp();
  }

  get #ticks(): bigint {
    return this.#clock.ticks(PM_TIMER_HERTZ);
  }

  read(port: number): number {
    this.#catchUp();
    const { status, enable, control } = this.state;
    const offset = port - PM1_EVENT, shift = 8 * (offset & 1);
    if (offset >= 8) return Number((BigInt.asUintN(this.timerBits, this.#ticks) >> BigInt(8 * (offset & 3))) & 0xffn);
    return (([status, enable, control][offset >> 1] ?? 0) >> shift) & 0xff;
  }

  /** Status bits are cleared by ones. */
  write(port: number, _bytes: number, value: number): void {
    this.#catchUp();
    const { state } = this;
    const offset = port - PM1_EVENT, shift = 8 * (offset & 1), bits = value << shift, others = 0xff00 >> shift;
    switch (offset >> 1) {
      case 0: state.status &= ~bits; break;
      case 1: state.enable = (state.enable & others) | (bits & ENABLE_BITS); break;
      case 2: this.#control((state.control & others) | bits); break;
    }
    this.#catchUp();
  }

  /** SLP_EN starts the transition to the sleep state that SLP_TYP names; it reads as 0. */
  #control(value: number): void {
    this.state.control = (value & 0x1c02) | CONTROL.sciEnable;
    if (!(value & CONTROL.sleepEnable)) return;
    const type = (value >> 10) & 7;
    if (type !== SLEEP_S5) {
      throw new Unmodelled(`the sleep state of SLP_TYP ${type}: only ${SLEEP_S5}, soft off, is there`);
    }
    this.#powerOff();
  }

  /** The timer reports each change of its highest bit. */
  #catchUp(): void {
    const { state } = this;
    const changes = this.#ticks >> BigInt(this.timerBits - 1);
    if (changes !== state.changes) state.status |= STATUS.timer;
    state.changes = changes;
    state.status &= STATUS_BITS;
    this.#line((state.status & state.enable) !== 0);
    this.restored();
  }

  protected override restored(): void {
    const next = (this.state.changes + 1n) << BigInt(this.timerBits - 1);
    this.#timer.set(this.state.enable & STATUS.timer ? this.#clock.at(next, PM_TIMER_HERTZ) : Infinity);
  }
}
