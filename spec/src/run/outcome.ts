/** How a run ended, as a code for the shell, a sentence and the registers. */

import { HLT, WAIT_FOR_SIPI } from '../state/state.ts';
import { type DumpOptions, dump } from './dump.ts';
import { PLAIN } from './style.ts';
import type { Target } from './target.ts';

export type EndReason = 'exit port' | 'halted' | 'power off' | 'shutdown' | 'limit' | 'unmodelled' | 'reset' | 'idle'
  | 'interrupted';

/** Codes of ends that are not the guest's own choice: even, because those that it writes to port F4h are odd. */
export const EXIT_CODES: Readonly<Record<Exclude<EndReason, 'exit port'>, number>> =
  { halted: 0, 'power off': 0, shutdown: 4, limit: 6, unmodelled: 8, reset: 10, idle: 12, interrupted: 130 };

export class Outcome {
  readonly reason: EndReason;
  readonly exitCode: number;
  /** What happened, in a sentence or a few. */
  readonly message: string;
  /** Instructions executed. */
  readonly executed: number;
  readonly target: Target;

  constructor(end: { reason: EndReason; exitCode: number; message: string; executed: number }, target: Target) {
    this.reason = end.reason;
    this.exitCode = end.exitCode;
    this.message = end.message;
    this.executed = end.executed;
    this.target = target;
  }

  /** A register of the processor that ended the run, by its manual name: `RAX`, `CS.base`, `CR0`. */
  register(name: string): number | bigint {
    return this.target.processors[this.target.current]!.state.get(name);
  }

  /** What happened, where, and all registers. */
  report(options: DumpOptions = {}): string {
    const { style = PLAIN } = options;
    const { processors } = this.target;
    const well = this.exitCode === 0 || (this.reason === 'exit port' && this.exitCode === 1);
    const dumps = processors.map((processor, n) =>
      (processors.length > 1 ? this.#named(n, options) : dump(processor, this.#at(n), options)));
    const [head, ...reasons] = this.message.split('\n');
    return [[style.strong((well ? style.good : style.bad)(head!)), ...reasons].join('\n'), ...dumps].join('\n\n');
  }

  #named(n: number, options: DumpOptions): string {
    const { style = PLAIN } = options;
    const processor = this.target.processors[n]!;
    const name = style.strong(`processor ${n}`);
    if (processor.state.activity === WAIT_FOR_SIPI) return `${name}: waits for a start-up IPI`;
    const meanwhile = n === this.target.current ? '' : style.quiet(', meanwhile');
    return `${name}${meanwhile}\n\n${dump(processor, this.#at(n), options)}`;
  }

  /** The instruction to point at. A halted processor is behind its HLT, whose last byte is the opcode. */
  #at(n: number): bigint {
    const { state } = this.target.processors[n]!;
    if (this.reason === 'exit port' && n === this.target.current) return this.target.exit!.ip;
    return state.activity === HLT ? state.rip - 1n : state.rip;
  }
}

/** 1234567 as people read it: 1,234,567. */
export const grouped = (value: number): string => String(value).replaceAll(/\B(?=(\d{3})+$)/g, ',');
