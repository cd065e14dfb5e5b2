/** Runs an image until the guest ends it, or something else does. */

import { hex } from '../numbers/bits.ts';
import { ivyBridge } from '../cpus/index.ts';
import type { CpuProfile } from '../cpus/profile.ts';
import type { Observer } from '../isa/connections.ts';
import { flat } from '../machine/loaders/flat.ts';
import type { Image } from '../machine/loaders/image.ts';
import { multiboot } from '../machine/loaders/multiboot.ts';
import type { MultibootModule } from '../machine/loaders/multiboot-information.ts';
import { rom } from '../machine/loaders/rom.ts';
import { requireKnown, requireLimit } from '../machine/options.ts';
import type { PcStop } from '../machine/pc.ts';
import type { PortDevice } from '../machine/ports.ts';
import { DEFAULT_MEMORY } from '../machine/ram.ts';
import { Unmodelled } from '../state/outcomes.ts';
import { EXIT_CODES, type EndReason, Outcome, grouped } from './outcome.ts';
import { EXIT_PORT, Target } from './target.ts';
import { type TraceOptions, Tracer } from './trace.ts';

export interface RunOptions {
  /** Without `flat` and `rom` the file is a Multiboot kernel. */
  flat?: { readonly origin: number; readonly mode: 16 | 32 };
  rom?: boolean;
  /** Of a Multiboot kernel: the whole command line, by custom with the kernel's name as its first word. */
  commandLine?: string;
  modules?: readonly MultibootModule[];
  /** Default: `cpus.ivyBridge`. */
  cpu?: CpuProfile;
  /** Bytes of RAM, the hole below 1 MiB included. Default: 128 MiB. */
  memory?: number;
  /** Processors. Default: 1. */
  cpus?: number;
  /** Seed of the order in which several processors take turns. Default: they go in turn. */
  seed?: number;
  /**
   * Instructions per second of guest time, which is also what the time-stamp counter counts. Default: 1,000,000,000.
   */
  frequency?: number;
  /** Instructions after which the run ends. Default: 100 million. */
  limit?: number;
  /** Takes what the guest sends through its first serial port, byte by byte. */
  serial?: (byte: number) => void;
  /** Devices by I/O port. One at a port that the PC itself has is told of what is written there. */
  ports?: Readonly<Record<number, PortDevice>>;
  trace?: TraceOptions;
}

const DEFAULT_LIMIT = 100_000_000;
const OPTIONS: readonly (keyof RunOptions)[] = [
  'flat', 'rom', 'commandLine', 'modules', 'cpu', 'memory', 'cpus', 'seed', 'frequency', 'limit', 'serial', 'ports',
  'trace',
];

/** The file as the options say it is to be taken. Throws an `ImageError` when it is something else. */
export function load(file: Uint8Array, options: RunOptions = {}): Image {
  const { memory = DEFAULT_MEMORY } = options;
  if (options.flat) return flat(file, { ...options.flat, memory });
  if (options.rom) return rom(file);
  return multiboot(file, { memory, commandLine: options.commandLine, modules: options.modules });
}

/** Loads a file and runs it to its end. */
export function run(file: Uint8Array, options: RunOptions = {}): Outcome {
  const running = new Run(file, options);
  let outcome: Outcome | undefined;
  while (!outcome) outcome = running.advance(DEFAULT_LIMIT);
  return outcome;
}

/** A run that is taken forward piece by piece. */
export class Run {
  readonly image: Image;
  readonly target: Target;
  readonly limit: number;
  readonly #tracers: readonly Tracer[];
  /** The faults of one instruction and of what was delivered for it: why a shutdown happened. */
  #chain: string[] = [];
  #chainTime = -1;

  constructor(file: Uint8Array, options: RunOptions = {}) {
    checkOptions(options);
    const {
      cpu = ivyBridge, memory = DEFAULT_MEMORY, cpus = 1, limit = DEFAULT_LIMIT, seed, frequency, serial, ports = {},
      trace,
    } = options;
    this.limit = limit;
    this.image = load(file, options);
    this.target = new Target(this.image, { cpu, memory, cpus, seed, frequency, serial, ports });
    const { processors } = this.target;
    const name = (n: number): string => (processors.length > 1 ? `cpu${n}` : '');
    const traced = trace ? processors : [];
    this.#tracers = traced.map((processor, n) => new Tracer(trace!, processor, () => this.target.time, name(n)));
    processors.forEach((processor, n) => { processor.execution.observer = this.#observer(this.#tracers[n]); });
  }

  #observer(tracer: Tracer | undefined): Observer {
    return {
      instruction: tracer && ((i) => tracer.instruction(i)),
      event: (vector, errorCode) => tracer?.event(vector, errorCode),
      fault: (fault) => {
        tracer?.fault(fault);
        if (this.#chainTime !== this.target.time) this.#chain = [];
        this.#chainTime = this.target.time;
        this.#chain.push(fault.message);
      },
    };
  }

  /** Instructions executed so far. */
  get executed(): number {
    return this.target.time;
  }

  /** Executes up to `count` more instructions; the outcome when the run is over. */
  advance(count: number): Outcome | undefined {
    const most = Math.min(count, this.limit - this.target.time);
    try {
      return this.#outcomeOf(this.target.run(most));
    } catch (error) {
      if (error instanceof Unmodelled) {
        return this.#end('unmodelled', 'stopped', `: ${error.message}`, undefined, this.target.time - 1);
      }
      throw error;
    }
  }

  #outcomeOf({ reason, code }: PcStop): Outcome | undefined {
    switch (reason) {
      case 'exit':
        return this.#end(
          'exit port', `ended by the guest, which wrote ${hex(this.target.exit!.value)} to port ${hex(EXIT_PORT)},`, '',
          code! & 0xff,
        );
      case 'power off': return this.#end('power off', 'powered off by the guest');
      case 'reset': return this.#end('reset', 'stopped where the guest reset the machine,');
      case 'shutdown':
        return this.#end(
          'shutdown', 'shut down by a triple fault', this.#chain.map((fault) => `\n  ${fault}`).join(''),
        );
      case 'halted': return this.#end('halted', 'halted with interrupts off');
      case 'idle':
        return this.#end('idle', 'stopped', ': it waits for an interrupt, and no device is going to raise one');
      case 'limit': return this.target.time >= this.limit ? this.#end('limit', 'stopped at the limit') : undefined;
    }
  }

  /** Ends the run from outside; `what` says how. */
  interrupt(what = 'interrupted'): Outcome {
    return this.#end('interrupted', what);
  }

  #end(reason: EndReason, what: string, why = '', code?: number, executed = this.target.time): Outcome {
    for (const tracer of this.#tracers) tracer.end();
    const message = `${what} after ${grouped(executed)} instruction${executed === 1 ? '' : 's'}${why}`;
    return new Outcome(
      { reason, exitCode: code ?? EXIT_CODES[reason as keyof typeof EXIT_CODES], message, executed }, this.target,
    );
  }
}

function checkOptions(options: RunOptions): void {
  requireKnown('run', options, OPTIONS);
  if (options.flat && options.rom) throw new TypeError('run: flat and rom exclude each other');
  if (options.limit !== undefined) requireLimit(options.limit);
  if (options.cpus !== undefined && !(Number.isInteger(options.cpus) && options.cpus >= 1)) {
    throw new RangeError(`run: cpus is ${options.cpus}; it is a whole number, 1 or more`);
  }
}
