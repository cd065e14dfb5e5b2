/** Ports with little behind them: the end of a run, power-on self-test codes, port 92h. */

import { Unmodelled } from '../../state/outcomes.ts';
import type { PortDevice } from '../ports.ts';

/** Ends a run: the exit code is twice the value written, plus 1. What QEMU's isa-debug-exit device does at F4h. */
export class ExitPort implements PortDevice {
  static readonly PORT = 0xf4;
  readonly #exit: (code: number) => void;

  constructor(exit: (code: number) => void) {
    this.#exit = exit;
  }

  read(): number {
    return 0;
  }

  write(_port: number, _bytes: number, value: number): void {
    this.#exit(value * 2 + 1);
  }
}

/** Takes the codes of a power-on self-test; reads back the last. IBM PC AT Technical Reference: port 80h. */
export class PostPort implements PortDevice {
  readonly width = 1;
  static readonly PORTS = [0x80, 0x190] as const;
  readonly #sink: (code: number) => void;
  #last = 0;

  constructor(sink: (code: number) => void = () => {}) {
    this.#sink = sink;
  }

  read(): number {
    return this.#last;
  }

  write(_port: number, _bytes: number, value: number): void {
    this.#last = value;
    this.#sink(value);
  }

  snapshot(): number {
    return this.#last;
  }

  restore(last: number): void {
    this.#last = last;
  }
}

/** Address line 20 forced to 0: memory would repeat every second MiB. */
export function requireA20(on: boolean, by: string): void {
  if (!on) throw new Unmodelled(`address line 20 turned off by ${by}`);
}

/**
 * Port 92h: bit 1 opens address line 20, a rising bit 0 resets. IBM PS/2 Hardware Interface Technical Reference, system
 * control port A.
 */
export class SystemControlPort implements PortDevice {
  readonly width = 1;
  static readonly PORT = 0x92;
  readonly #reset: () => void;

  constructor(reset: () => void) {
    this.#reset = reset;
  }

  read(): number {
    return 2;
  }

  write(_port: number, _bytes: number, value: number): void {
    requireA20((value & 2) !== 0, 'port 92h');
    if (value & 1) this.#reset();
  }
}
