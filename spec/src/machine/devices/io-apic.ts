/** I/O APIC with 24 pins. Intel 82093AA data sheet (290566-001, May 1996). */

import { Unmodelled } from '../../state/outcomes.ts';
import type { MemoryDevice } from '../memory/physical.ts';
import { type ApicBus, DELIVERY } from './apic-bus.ts';
import { Device } from './device.ts';

export const IO_APIC_ADDRESS = 0xfec0_0000n;
const PINS = 24;
/** Maximum redirection entry, and version. */
const VERSION = ((PINS - 1) << 16) | 0x11;

const ENTRY = {
  logical: 1n << 11n, polarity: 1n << 13n, remoteIrr: 1n << 14n, level: 1n << 15n, masked: 1n << 16n,
} as const;
/** What software can write: all but delivery status and remote IRR. */
const WRITABLE = 0xff00_0000_0001_afffn;

interface IoApicState {
  select: number;
  id: number;
  entries: bigint[];
  /** Bit n: the device at pin n asks for service. */
  lines: number;
}

export class IoApic extends Device<IoApicState> implements MemoryDevice {
  readonly #bus: ApicBus;

  constructor(bus: ApicBus, id: number) {
    super({ select: 0, id, entries: Array.from({ length: PINS }, () => ENTRY.masked), lines: 0 });
    this.#bus = bus;
    bus.onEnd((vector) => this.#ended(vector));
  }

  /** `asserted`: the device asks, at whichever voltage; the polarity bit describes the wire, of which there is none. */
  setLine(pin: number, asserted: boolean): void {
    const { state } = this;
    const bit = 1 << pin;
    const rises = asserted && !(state.lines & bit);
    state.lines = asserted ? state.lines | bit : state.lines & ~bit;
    const entry = state.entries[pin]!;
    // An edge at a masked pin is neither delivered nor kept.
    if (rises && !(entry & (ENTRY.level | ENTRY.masked))) this.#send(pin);
    else this.#serve(pin);
  }

  /** Sends a level-triggered interrupt whose device asks and that nobody serves. */
  #serve(pin: number): void {
    const { entries, lines } = this.state;
    if (lines & (1 << pin) && (entries[pin]! & (ENTRY.level | ENTRY.masked | ENTRY.remoteIrr)) === ENTRY.level) {
      this.#send(pin);
    }
  }

  #send(pin: number): void {
    const entry = this.state.entries[pin]!;
    const mode = Number((entry >> 8n) & 7n);
    const level = (entry & ENTRY.level) !== 0n;
    const destination = Number(entry >> 56n);
    const logical = (entry & ENTRY.logical) !== 0n;
    const keeps = level && (mode === DELIVERY.fixed || mode === DELIVERY.lowestPriority);
    if (keeps) this.state.entries[pin] = entry | ENTRY.remoteIrr;
    const accepted = this.#bus.send({
      vector: Number(entry & 0xffn), mode, level: keeps, destination: destination === 0xff ? 'all' : destination,
      logical,
    });
    if (!accepted && keeps) this.state.entries[pin] = entry;
  }

  /** A local APIC ended a level-triggered interrupt: a device that asks still is served anew. */
  #ended(vector: number): void {
    const { entries } = this.state;
    for (let pin = 0; pin < PINS; pin++) {
      if (!(entries[pin]! & ENTRY.remoteIrr) || Number(entries[pin]! & 0xffn) !== vector) continue;
      entries[pin]! &= ~ENTRY.remoteIrr;
      this.#serve(pin);
    }
  }

  // ---- registers

  read(offset: number, bytes: number): bigint {
    this.#check(offset, bytes);
    return BigInt((offset & 0x10 ? this.#register() : this.state.select) >>> 0);
  }

  write(offset: number, bytes: number, value: bigint): void {
    if (offset === 0 && bytes < 4) {
      this.state.select = Number(value & 0xffn);
      return;
    }
    this.#check(offset, bytes);
    if (offset & 0x10) this.#setRegister(value);
    else this.state.select = Number(value & 0xffn);
  }

  #check(offset: number, bytes: number): void {
    if (bytes !== 4 || (offset & 0xff) % 0x10 !== 0 || (offset & 0xff) > 0x10) {
      throw new Unmodelled(
        `an access to the I/O APIC of ${bytes} bytes at offset ${offset.toString(16)}h: IOREGSEL (0) and IOWIN (10h) `
          + 'are doublewords',
      );
    }
  }

  #register(): number {
    const { select, id, entries } = this.state;
    if (select === 0 || select === 2) return id << 24;
    if (select === 1) return VERSION;
    const entry = entries[(select - 0x10) >> 1];
    if (select < 0x10 || entry === undefined) return 0;
    return Number(select & 1 ? entry >> 32n : BigInt.asUintN(32, entry));
  }

  #setRegister(value: bigint): void {
    const { select, entries } = this.state;
    if (select === 0) this.state.id = Number((value >> 24n) & 15n);
    const pin = (select - 0x10) >> 1;
    const entry = entries[pin];
    if (select < 0x10 || entry === undefined) return;
    const [kept, put] = select & 1 ? [BigInt.asUintN(32, entry), value << 32n] : [(entry >> 32n) << 32n, value];
    const written = ((kept | put) & WRITABLE) | (entry & ENTRY.remoteIrr);
    // Kernels end an interrupt here by making it edge-triggered for a moment.
    entries[pin] = written & ENTRY.level ? written : written & ~ENTRY.remoteIrr;
    this.#serve(pin);
  }
}
