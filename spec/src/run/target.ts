/** A PC with an image in its memory, at the image's first instruction. */

import type { CpuProfile } from '../cpus/profile.ts';
import type { Image } from '../machine/loaders/image.ts';
import { Pc, type PcStop } from '../machine/pc.ts';
import type { PortDevice } from '../machine/ports.ts';
import type { Processor } from './dump.ts';

export interface TargetOptions {
  readonly cpu: CpuProfile;
  readonly memory: number;
  readonly cpus: number;
  readonly seed?: number;
  readonly frequency?: number;
  readonly serial: ((byte: number) => void) | undefined;
  readonly ports: Readonly<Record<number, PortDevice>>;
}

/** Writing `value` to it ends the run with the code value * 2 + 1. */
export const EXIT_PORT = 0xf4;

/** Instructions of a turn at most, where the order is random. */
const LONGEST_TURN = 1000;

export class Target {
  readonly pc: Pc;
  /** The processor that shut down. */
  #ended: number | undefined;
  /** What was written to the exit port, and where the instruction is that wrote it. */
  exit: { readonly value: number; readonly ip: bigint } | undefined;

  constructor(image: Image, { cpu, memory, cpus, seed, frequency, serial, ports }: TargetOptions) {
    const startsInRom = image.parts.some(({ rom }) => rom);
    this.pc = new Pc({
      cpu, memory, cpus, frequency, serial, firmware: !startsInRom,
      schedule: seed === undefined ? undefined : { seed, most: LONGEST_TURN },
    });
    for (const { address, bytes, rom } of image.parts) {
      if (rom) this.pc.memory.rom(BigInt(address), bytes);
      else this.pc.memory.writeBytes(BigInt(address), bytes);
    }
    const [first] = this.pc.processors;
    first!.state.restore(image.state(cpu).snapshot());
    first!.paging.changed();
    this.pc.ports.tap(
      EXIT_PORT, (_bytes, value) => { this.exit = { value, ip: this.processors[this.current]!.state.rip }; },
    );
    for (const [port, device] of Object.entries(ports)) this.#attach(Number(port), device);
  }

  /** A device at a port of its own; where the PC has one already, it is told of what is written. */
  #attach(port: number, device: PortDevice): void {
    const { ports } = this.pc;
    if (ports.has(port)) ports.tap(port, (bytes, value) => device.write?.(port, bytes, value));
    else ports.attach(port, device);
  }

  /** The processor whose turn it is, or that ended the run. */
  get current(): number {
    return this.#ended ?? this.pc.current;
  }

  get processors(): readonly Processor[] {
    return this.pc.processors;
  }

  /** Instructions of all processors, and those that passed while all were halted. */
  get time(): number {
    return this.pc.time;
  }

  /** Executes up to `limit` instructions. Throws `Unmodelled` with RIP at the instruction. */
  run(limit: number): PcStop {
    const stop = this.pc.run({ limit });
    this.#ended = stop.processor;
    return stop;
  }
}
