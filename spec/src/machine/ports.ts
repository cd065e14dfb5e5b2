/** The I/O address space: 64 Ki ports, each with a device or none. */

import { hex } from '../numbers/bits.ts';
import type { PortSpace } from '../isa/connections.ts';
import { Unmodelled } from '../state/outcomes.ts';

/** A device as its ports see it. A direction that it does not have is one that no device answers. */
export interface PortDevice {
  /** 1: a device on an 8-bit bus. A wider access reaches consecutive ports as one access a byte, low byte first. */
  readonly width?: 1;
  /** The value of `bytes` bytes (1, 2 or 4) at `port`. */
  read?(port: number, bytes: number): number;
  write?(port: number, bytes: number, value: number): void;
}

export class Ports implements PortSpace {
  /**
   * What a port without a device does: `Unmodelled`; or, as the bus of a PC does, it reads all ones and drops writes.
   */
  absent: 'unmodelled' | 'open bus' = 'unmodelled';
  readonly #devices = new Map<number, PortDevice>();
  /** Who is told of writes besides the device. */
  readonly #taps = new Map<number, (bytes: number, value: number) => void>();

  /** Gives `count` ports from `first` on to a device. A port that is taken is a `RangeError`. */
  attach(first: number, device: PortDevice, count = 1): void {
    if (!Number.isInteger(first) || first < 0 || first + count > 0x1_0000) {
      throw new RangeError(`ports are 0 to FFFFh, not ${first} to ${first + count - 1}`);
    }
    for (let port = first; port < first + count; port++) {
      if (this.#devices.has(port)) throw new RangeError(`port ${hex(port)} has a device already`);
    }
    for (let port = first; port < first + count; port++) this.#devices.set(port, device);
  }

  has(port: number): boolean {
    return this.#devices.has(port);
  }

  /** Tells `listener` of every write to `port`, before the device that is there, if any. */
  tap(port: number, listener: (bytes: number, value: number) => void): void {
    const before = this.#taps.get(port);
    this.#taps.set(port, before ? (bytes, value) => (before(bytes, value), listener(bytes, value)) : listener);
  }

  read(port: number, bytes: number): bigint {
    const device = this.#devices.get(port);
    if (bytes > 1 && this.#splits(device, port, bytes)) {
      return this.read(port, bytes / 2) | (this.read(port + bytes / 2, bytes / 2) << BigInt(4 * bytes));
    }
    if (!device?.read && this.absent === 'open bus') return BigInt.asUintN(8 * bytes, -1n);
    if (!device?.read) {
      throw new Unmodelled(`reading I/O port ${hex(port)}: no device is attached there that can be read`);
    }
    return BigInt.asUintN(8 * bytes, BigInt(device.read(port, bytes)));
  }

  write(port: number, bytes: number, value: bigint): void {
    const device = this.#devices.get(port);
    if (bytes > 1 && this.#splits(device, port, bytes)) {
      this.write(port, bytes / 2, BigInt.asUintN(4 * bytes, value));
      return this.write(port + bytes / 2, bytes / 2, value >> BigInt(4 * bytes));
    }
    this.#taps.get(port)?.(bytes, Number(value));
    if (!device?.write && this.absent === 'open bus') return;
    if (!device?.write) {
      throw new Unmodelled(`writing I/O port ${hex(port)}: no device is attached there that can be written`);
    }
    device.write(port, bytes, Number(value));
  }

  /**
   * A wide access goes out as narrower ones: at an 8-bit device, and where the upper half on the open bus is another's.
   */
  #splits(device: PortDevice | undefined, port: number, bytes: number): boolean {
    if (device) return device.width === 1;
    const others = Array.from({ length: bytes - 1 }, (_, n) => this.#devices.get(port + 1 + n));
    return this.absent === 'open bus' && others.some((other) => other !== undefined);
  }
}

/** The debug port of Bochs and QEMU (E9h): collects the bytes written to it as text. */
export class DebugPort implements PortDevice {
  text = '';

  /** Bochs answers a read with the port's own number, by which programs find it. */
  read(port: number): number {
    return port & 0xff;
  }

  write(_port: number, _bytes: number, value: number): void {
    this.text += String.fromCharCode(value & 0xff);
  }
}
