/**
 * Reporting of x87 exceptions as the PC AT does it, for processors whose CR0.NE is 0: FERR# raises IRQ 13; a write to
 * port F0h takes the request back and asserts IGNNE#, until FERR# goes away. IBM PC AT Technical Reference, math
 * coprocessor control; Intel I/O Controller Hub data sheets, COPROC_ERR (from memory).
 */

import type { CoprocessorPins } from '../../isa/connections.ts';
import type { PortDevice } from '../ports.ts';
import { Device, type Line } from './device.ts';

interface CoprocessorState {
  /** Processors that assert FERR#, a bit each. */
  error: number;
  /** IRQ 13 is requested. */
  requested: boolean;
  /** IGNNE#, of all processors. */
  ignored: boolean;
}

export class CoprocessorError extends Device<CoprocessorState> implements PortDevice {
  readonly width = 1;
  static readonly PORT = 0xf0;
  readonly #line: Line;

  constructor(line: Line) {
    super({ error: 0, requested: false, ignored: false });
    this.#line = line;
  }

  /** The pins of one processor. */
  pins(processor: number): CoprocessorPins {
    const isIgnored = (): boolean => this.state.ignored;
    return {
      get ignored() {
        return isIgnored();
      },
      drive: (error) => this.#drive(1 << processor, error),
    };
  }

  #drive(bit: number, error: boolean): void {
    const { state } = this;
    const before = state.error;
    if (error === ((before & bit) !== 0)) return;
    state.error = before ^ bit;
    if (state.error === 0) state.ignored = false;
    if (before === 0) this.#request(true);
  }

  #request(level: boolean): void {
    this.state.requested = level;
    this.#line(level);
  }

  /** Any value. */
  write(): void {
    if (this.state.requested) this.#request(false);
    this.state.ignored = this.state.error !== 0;
  }
}
