/** Serial port with FIFOs. National Semiconductor PC16550D data sheet (TL/C/8652, June 1995). */

import type { PortDevice } from '../ports.ts';
import type { Clock, Timer } from './clock.ts';
import { Device, type Line } from './device.ts';

/** The crystal of a PC's serial port; a bit takes 16 periods times the divisor. */
const UART_HERTZ = 1_843_200n;
const FIFO_BYTES = 16;

const IER = { received: 1, empty: 2, line: 4, modem: 8 } as const;
const LSR = { ready: 1, overrun: 2, empty: 0x20, idle: 0x40 } as const;
const ERRORS = 0x1e;
const LCR_DLAB = 0x80;
const MCR = { dtr: 1, rts: 2, out1: 4, out2: 8, loop: 0x10 } as const;
const TRIGGER = [1, 4, 8, 14] as const;
/** CTS, DSR and DCD, as a terminal at the other end holds them. */
const TERMINAL_READY = 0xb0;
const IIR = { none: 1, modem: 0, empty: 2, received: 4, line: 6, timeout: 0xc } as const;

interface UartState {
  ier: number;
  lcr: number;
  mcr: number;
  /** Overrun, parity, framing and break: the bits of LSR that reading clears. */
  errors: number;
  /** Lines in bits 7:4, their changes in bits 3:0. */
  msr: number;
  scratch: number;
  divisor: number;
  fifo: boolean;
  trigger: number;
  received: number[];
  transmit: number[];
  /** The byte in the shift register and the time at which it is out; -1 when there is none. */
  shifting: number;
  shiftedAt: number;
  /** THRE has been reported neither by a read of IIR nor ended by a write. */
  emptyPending: boolean;
  /** When the character timeout strikes; Infinity when no character waits. */
  timeoutAt: number;
  timedOut: boolean;
  /** Bytes that the other end sends as soon as there is room. */
  input: number[];
}

export interface UartOptions {
  /**
   * `immediate`: a byte is out at once, as if the line were endlessly fast. `baud`: it takes as long as divisor and
   * format say.
   */
  timing?: 'immediate' | 'baud';
  /** Takes what is sent. */
  output?: (byte: number) => void;
}

export class Uart extends Device<UartState> implements PortDevice {
  readonly width = 1;
  static readonly PORTS = 8;
  readonly #clock: Clock;
  readonly #line: Line;
  readonly #timer: Timer;
  readonly #timing: 'immediate' | 'baud';
  readonly #output: (byte: number) => void;

  constructor(clock: Clock, line: Line, { timing = 'immediate', output = () => {} }: UartOptions = {}) {
    super({
      ier: 0, lcr: 0, mcr: 0, errors: 0, msr: TERMINAL_READY, scratch: 0, divisor: 12, fifo: false, trigger: 1,
      received: [], transmit: [],
      shifting: -1, shiftedAt: Infinity, emptyPending: false, timeoutAt: Infinity, timedOut: false, input: [],
    });
    this.#clock = clock;
    this.#line = line;
    this.#timing = timing;
    this.#output = output;
    this.#timer = clock.timer(() => this.#tick());
  }

  /** Bytes for the guest to read: each is received when there is room for it. */
  send(bytes: Iterable<number>): void {
    this.state.input.push(...bytes);
    this.#changed();
  }

  /** A byte arrives on the wire, room or not: without room it is an overrun. A full FIFO keeps what it has. */
  receive(byte: number): void {
    this.#receive(byte);
    this.#changed();
  }

  /** Sets modem inputs: CTS 10h, DSR 20h, RI 40h, DCD 80h. Changes are noted; of RI only its end. */
  setModemLines(lines: number): void {
    const { msr } = this.state;
    const changed = (lines ^ msr) & 0xb0, ringEnded = msr & ~lines & 0x40;
    this.state.msr = (lines & 0xf0) | (msr & 15) | ((changed | ringEnded) >> 4);
    this.#changed();
  }

  // ---- registers

  read(port: number): number {
    const { state } = this;
    const value = this.#read(port & 7, state);
    this.#changed();
    return value;
  }

  #read(register: number, state: UartState): number {
    switch (register) {
      case 0: return state.lcr & LCR_DLAB ? state.divisor & 0xff : this.#take();
      case 1: return state.lcr & LCR_DLAB ? state.divisor >> 8 : state.ier;
      case 2: return this.#identify();
      case 3: return state.lcr;
      case 4: return state.mcr;
      case 5: return this.#status();
      case 6: return this.#modemStatus();
      default: return state.scratch;
    }
  }

  write(port: number, _bytes: number, value: number): void {
    const { state } = this;
    switch (port & 7) {
      case 0:
        if (state.lcr & LCR_DLAB) state.divisor = (state.divisor & 0xff00) | value;
        else this.#transmit(value);
        break;
      case 1:
        if (state.lcr & LCR_DLAB) state.divisor = (state.divisor & 0xff) | (value << 8);
        else this.#enable(value & 15);
        break;
      case 2: this.#controlFifo(value); break;
      case 3: state.lcr = value; break;
      case 4: this.#controlModem(value & 0x1f); break;
      case 7: state.scratch = value; break;
    }
    this.#changed();
  }

  /** Enabling the interrupt of an empty transmitter requests it if it is empty. */
  #enable(value: number): void {
    if (value & ~this.state.ier & IER.empty && this.state.transmit.length === 0) this.state.emptyPending = true;
    this.state.ier = value;
  }

  /** Reading it ends the request of an empty transmitter, if that is what it says. */
  #identify(): number {
    const id = this.#interrupt;
    if (id === IIR.empty) this.state.emptyPending = false;
    return id | (this.state.fifo ? 0xc0 : 0);
  }

  #status(): number {
    const { state } = this;
    const empty = state.transmit.length === 0;
    const value = (state.received.length ? LSR.ready : 0) | state.errors | (empty ? LSR.empty : 0)
      | (empty && state.shifting < 0 ? LSR.idle : 0);
    state.errors = 0;
    return value;
  }

  /** In loopback the outputs come back: RTS as CTS, DTR as DSR, OUT1 as RI, OUT2 as DCD. */
  #modemStatus(): number {
    const { state } = this;
    const value = state.msr;
    state.msr &= 0xf0;
    return value;
  }

  /** FCR: changing bit 0 empties both FIFOs; without bit 0 the others do nothing. */
  #controlFifo(value: number): void {
    const { state } = this;
    const enabled = (value & 1) !== 0;
    if (enabled !== state.fifo || (enabled && value & 2)) this.#clearReceived();
    if ((enabled !== state.fifo || (enabled && value & 4)) && state.transmit.length > 0) {
      state.transmit = [];
      state.emptyPending = true;
    }
    state.fifo = enabled;
    state.trigger = enabled ? TRIGGER[value >> 6]! : 1;
  }

  #clearReceived(): void {
    this.state.received = [];
    this.state.timedOut = false;
    this.state.timeoutAt = Infinity;
  }

  #controlModem(value: number): void {
    const { state } = this;
    const looped = (value & MCR.loop) !== 0;
    const lines = (value & MCR.rts ? 0x10 : 0) | (value & MCR.dtr ? 0x20 : 0) | (value & MCR.out1 ? 0x40 : 0)
      | (value & MCR.out2 ? 0x80 : 0);
    const was = state.mcr & MCR.loop;
    state.mcr = value;
    if (looped) this.setModemLines(lines);
    else if (was) this.setModemLines(TERMINAL_READY);
  }

  // ---- data

  /** The oldest byte received; 0 when there is none. */
  #take(): number {
    const { state } = this;
    state.timedOut = false;
    const byte = state.received.shift() ?? 0;
    this.#restartTimeout();
    return byte;
  }

  #receive(byte: number): void {
    const { state } = this;
    if (state.received.length >= (state.fifo ? FIFO_BYTES : 1)) {
      state.errors |= LSR.overrun;
      if (!state.fifo) state.received = [byte];
      return;
    }
    state.received.push(byte);
    this.#restartTimeout();
  }

  /** A character timeout strikes when characters wait and for four character times none came or was read. */
  #restartTimeout(): void {
    const { fifo, received } = this.state;
    this.state.timeoutAt = fifo && received.length > 0 ? this.#clock.now + 4 * this.#characterTime : Infinity;
  }

  #transmit(byte: number): void {
    const { state } = this;
    state.emptyPending = false;
    if (state.transmit.length >= (state.fifo ? FIFO_BYTES : 1)) state.transmit.pop();
    state.transmit.push(byte);
    this.#signal(); // however short the time until the transmitter is empty again, the line goes low
    this.#shift();
  }

  /** Moves the next byte into the shift register if that is empty. */
  #shift(): void {
    const { state } = this;
    while (state.shifting < 0 && state.transmit.length > 0) {
      state.shifting = state.transmit.shift()!;
      if (state.transmit.length === 0) state.emptyPending = true;
      if (this.#timing === 'immediate') this.#shifted();
      else state.shiftedAt = this.#clock.now + this.#characterTime;
    }
  }

  #shifted(): void {
    const { state } = this;
    const byte = state.shifting;
    state.shifting = -1;
    state.shiftedAt = Infinity;
    if (state.mcr & MCR.loop) this.#receive(byte);
    else this.#output(byte);
  }

  /** Start bit, 5 to 8 data bits, parity, and 1, 1.5 or 2 stop bits, in instructions, rounded up. */
  get #characterTime(): number {
    const { lcr, divisor } = this.state;
    const data = 5 + (lcr & 3);
    const halfBits = 2 * (1 + data) + (lcr & 8 ? 2 : 0) + (lcr & 4 ? (data === 5 ? 3 : 4) : 2);
    return Math.max(1, this.#clock.at(BigInt(halfBits * 8 * (divisor || 0x1_0000)), UART_HERTZ));
  }

  // ---- interrupts and time

  /** The interrupt of highest priority, as IIR has it. */
  get #interrupt(): number {
    const { ier, errors, received, trigger, timedOut, emptyPending, msr } = this.state;
    if (ier & IER.line && errors & ERRORS) return IIR.line;
    if (ier & IER.received && received.length >= trigger) return IIR.received;
    if (ier & IER.received && timedOut) return IIR.timeout;
    if (ier & IER.empty && emptyPending) return IIR.empty;
    return ier & IER.modem && msr & 15 ? IIR.modem : IIR.none;
  }

  #tick(): void {
    const { state } = this;
    if (state.shiftedAt <= this.#clock.now) {
      this.#shifted();
      this.#shift();
    }
    if (state.timeoutAt <= this.#clock.now) {
      state.timeoutAt = Infinity;
      state.timedOut = true;
    }
    this.#changed();
  }

  /** The PC gates the interrupt with OUT2, which loopback makes inactive. */
  #signal(): void {
    this.#line(this.#interrupt !== IIR.none && (this.state.mcr & (MCR.out2 | MCR.loop)) === MCR.out2);
  }

  /**
   * The line shows what software did before more is received: an edge-triggered interrupt controller sees each byte.
   */
  #changed(): void {
    const { state } = this;
    this.#signal();
    const room = state.mcr & MCR.loop ? 0 : (state.fifo ? FIFO_BYTES : 1);
    while (state.input.length > 0 && state.received.length < room) this.#receive(state.input.shift()!);
    this.#signal();
    this.restored();
  }

  protected override restored(): void {
    this.#timer.set(Math.min(this.state.shiftedAt, this.state.timeoutAt));
  }
}
