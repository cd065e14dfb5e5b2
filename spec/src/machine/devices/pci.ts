/**
 * PCI configuration mechanism 1, with a host bridge and nothing behind it. PCI Local Bus Specification 2.2, 3.2.2.3.
 */

import type { PortDevice } from '../ports.ts';
import { Device } from './device.ts';

interface PciState {
  /** CONFIG_ADDRESS. */
  address: number;
  resetControl: number;
}

/**
 * Header of the bridge at bus 0, device 0, function 0: Intel 82441FX (290549-001), 3.2. Doublewords by offset; the
 * others are 0.
 */
const HOST_BRIDGE: Readonly<Record<number, number>> = { 0: 0x1237_8086, 4: 0x0280_0006, 8: 0x0600_0002 };
const ENABLED = 0x8000_0000;

export class PciConfiguration extends Device<PciState> implements PortDevice {
  static readonly FIRST = 0xcf8;
  static readonly PORTS = 8;
  readonly #reset: () => void;

  constructor(reset: () => void) {
    super({ address: 0, resetControl: 0 });
    this.#reset = reset;
  }

  read(port: number, bytes: number): number {
    if (port === 0xcf8 && bytes === 4) return this.state.address;
    if (port === 0xcf9 && bytes === 1) return this.state.resetControl;
    return port < 0xcfc ? -1 : this.#data(port & 3);
  }

  /** A register of the addressed function, from byte `first` on; all ones when there is no function. */
  #data(first: number): number {
    const { address } = this.state;
    if (!(address & ENABLED) || (address >> 8) & 0xff_ff) return -1;
    return (HOST_BRIDGE[address & 0xfc] ?? 0) >>> (8 * first);
  }

  /** The bridge's registers keep what they are. */
  write(port: number, bytes: number, value: number): void {
    if (port === 0xcf8 && bytes === 4) this.state.address = (value & 0x80ff_fffc) >>> 0;
    else if (port === 0xcf9 && bytes === 1) this.#writeReset(value);
  }

  /** CF9h: a rising bit 2 resets. Intel 82371SB data sheet (290550-002), 2.5.5. */
  #writeReset(value: number): void {
    const rises = value & ~this.state.resetControl & 4;
    this.state.resetControl = value & 6;
    if (rises) this.#reset();
  }
}
