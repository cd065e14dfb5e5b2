/**
 * Keyboard controller and the keyboard behind it, as far as boot code goes. Intel UPI-42 as an IBM PC AT uses it: IBM
 * PC AT Technical Reference, "Keyboard controller"; IBM PS/2 Hardware Interface Technical Reference, "Keyboard and
 * auxiliary device controller".
 */

import type { PortDevice } from '../ports.ts';
import { Device, type Line } from './device.ts';
import { requireA20 } from './simple-ports.ts';

const STATUS = { full: 1, system: 4, command: 8, unlocked: 0x10 } as const;
const COMMAND_BYTE = { interrupt: 1, system: 4, disabled: 0x10 } as const;
/** Output port: reset not asserted, A20 open; the rest as pulled up. */
const OUTPUT_PORT = 0xcf, A20 = 2, NOT_RESET = 1;
const ACKNOWLEDGE = 0xfa, RESEND = 0xfe;

interface KeyboardControllerState {
  commandByte: number;
  /** The last write was a command: status bit 3. */
  wasCommand: boolean;
  /** The controller's command, or the keyboard's, that takes the next byte at port 60h. */
  awaits: { by: 'controller' | 'keyboard'; command: number } | undefined;
  output: number[];
  outputPort: number;
}

export class KeyboardController extends Device<KeyboardControllerState> implements PortDevice {
  readonly width = 1;
  static readonly PORTS = [0x60, 0x64] as const;
  readonly #line: Line;
  readonly #reset: () => void;

  /** `line` is IRQ 1: a byte waits and its interrupt is enabled. */
  constructor(line: Line, reset: () => void) {
    super({
      commandByte: COMMAND_BYTE.system | 0x41, wasCommand: false, awaits: undefined, output: [],
      outputPort: OUTPUT_PORT,
    });
    this.#line = line;
    this.#reset = reset;
  }

  /** Bytes from the keyboard. */
  press(scanCodes: Iterable<number>): void {
    this.#answer(...scanCodes);
    this.#changed();
  }

  read(port: number): number {
    const { state } = this;
    if (port === 0x64) {
      return (state.output.length ? STATUS.full : 0) | (state.commandByte & COMMAND_BYTE.system ? STATUS.system : 0)
        | (state.wasCommand ? STATUS.command : 0) | STATUS.unlocked;
    }
    const byte = state.output.shift() ?? 0;
    // Each byte that comes up raises the line anew.
    this.#line(false);
    this.#changed();
    return byte;
  }

  write(port: number, _bytes: number, value: number): void {
    const { state } = this;
    state.wasCommand = port === 0x64;
    const { awaits } = state;
    state.awaits = undefined;
    if (port === 0x64) this.#command(value);
    else if (awaits?.by === 'controller') this.#parameter(awaits.command, value);
    else if (awaits) this.#answer(ACKNOWLEDGE);
    else this.#keyboard(value);
    this.#changed();
  }

  #answer(...bytes: number[]): void {
    this.state.output.push(...bytes);
  }

  #command(command: number): void {
    const { state } = this;
    switch (command) {
      case 0x20: this.#answer(state.commandByte); return;
      case 0x60: case 0xd1: case 0xd2: case 0xd3: case 0xd4: state.awaits = { by: 'controller', command }; return;
      case 0xaa: this.#answer(0x55); return;
      case 0xa9: this.#answer(0xff); return; // no auxiliary device
      case 0xab: this.#answer(0); return;
      case 0xad: state.commandByte |= COMMAND_BYTE.disabled; return;
      case 0xae: state.commandByte &= ~COMMAND_BYTE.disabled; return;
      case 0xc0: this.#answer(0xbf); return;
      case 0xd0: this.#answer(state.outputPort); return;
      default:
        // F0h to FFh pulse the output port's bits 3:0 that are 0 in the command: bit 0 is the processor's reset.
        if (command >= 0xf0 && !(command & NOT_RESET)) this.#reset();
    }
  }

  #parameter(command: number, value: number): void {
    switch (command) {
      case 0x60: this.state.commandByte = value; return;
      case 0xd1:
        requireA20((value & A20) !== 0, 'the keyboard controller');
        this.state.outputPort = value;
        if (!(value & NOT_RESET)) this.#reset();
        return;
      case 0xd2: this.#answer(value);
    }
  }

  /** A command to the keyboard itself. */
  #keyboard(command: number): void {
    switch (command) {
      case 0xed: case 0xf0: case 0xf3:
        this.state.awaits = { by: 'keyboard', command };
        this.#answer(ACKNOWLEDGE);
        return;
      case 0xee: this.#answer(0xee); return;
      case 0xf2: this.#answer(ACKNOWLEDGE, 0xab, 0x83); return;
      case 0xf4: case 0xf5: case 0xf6: this.#answer(ACKNOWLEDGE); return;
      case 0xff: this.#answer(ACKNOWLEDGE, 0xaa); return;
      default: this.#answer(RESEND);
    }
  }

  #changed(): void {
    this.#line(this.state.output.length > 0 && (this.state.commandByte & COMMAND_BYTE.interrupt) !== 0);
  }
}
