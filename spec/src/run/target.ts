/** The machine as a run needs it, and the one that there is: processors, ports, memory to fill, instructions to execute. */

import type { CpuProfile } from '../cpus/profile.ts';
import type { Image } from '../machine/loaders/image.ts';
import { ramRanges } from '../machine/loaders/layout.ts';
import { Machine, type Stop } from '../machine/machine.ts';
import type { PortDevice } from '../machine/ports.ts';
import { Unmodelled } from '../state/outcomes.ts';
import type { Processor } from './dump.ts';

export interface Target {
  readonly processors: readonly Processor[];
  /** The processor that executes next, or that stopped. */
  readonly current: number;
  /** Instructions executed, those that faulted included. */
  readonly time: number;
  attach(port: number, device: PortDevice): void;
  /** Executes up to `limit` instructions. Throws `Unmodelled` with RIP at the instruction. */
  run(limit: number): Stop;
}

/** One processor, RAM and ROM, and no device but those that are attached. */
export class MachineTarget implements Target {
  readonly #machine: Machine;
  readonly processors: readonly Processor[];
  readonly current = 0;

  constructor(image: Image, { cpu, memory, cpus }: { cpu: CpuProfile; memory: number; cpus: number }) {
    if (cpus > 1) throw new Unmodelled(`${cpus} processors: the machine that runs images has one`);
    this.#machine = new Machine(undefined, { cpu, faults: 'deliver' });
    this.processors = [this.#machine];
    const { memory: physical } = this.#machine;
    for (const { start, end } of ramRanges(memory)) physical.ram(BigInt(start), end - start);
    for (const { address, bytes, rom } of image.parts) {
      if (rom) physical.rom(BigInt(address), bytes);
      else physical.writeBytes(BigInt(address), bytes);
    }
    this.#machine.state.restore(image.state(cpu).snapshot());
  }

  get time(): number {
    return this.#machine.execution.time;
  }

  attach(port: number, device: PortDevice): void {
    this.#machine.ports.attach(port, device);
  }

  run(limit: number): Stop {
    return this.#machine.run({ limit });
  }
}
