/** How a run ended, as a code for the shell, a sentence and the registers. */

import { HLT } from '../state/state.ts';
import { type DumpOptions, dump } from './dump.ts';
import { PLAIN } from './style.ts';
import type { Target } from './target.ts';

export type EndReason = 'exit port' | 'halted' | 'shutdown' | 'limit' | 'unmodelled' | 'interrupted';

/** Codes of ends that are not the guest's own choice: even, because those that it writes to port F4h are odd. */
export const EXIT_CODES: Readonly<Record<Exclude<EndReason, 'exit port'>, number>> =
  { halted: 0, shutdown: 4, limit: 6, unmodelled: 8, interrupted: 130 };

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
    const { processors, current } = this.target;
    const well = this.reason === 'halted' || (this.reason === 'exit port' && this.exitCode === 1);
    const dumps = processors.map((processor, n) => {
      // A halted processor is behind its HLT, whose last byte is the opcode.
      const ip = processor.state.activity === HLT ? processor.state.rip - 1n : processor.state.rip;
      const name = processors.length > 1 ? `${style.strong(`processor ${n}${n === current ? '' : ' (elsewhere)'}`)}\n\n` : '';
      return name + dump(processor, ip, options);
    });
    const [head, ...reasons] = this.message.split('\n');
    return [[style.strong((well ? style.good : style.bad)(head!)), ...reasons].join('\n'), ...dumps].join('\n\n');
  }
}

/** 1234567 as people read it: 1,234,567. */
export const grouped = (value: number): string => String(value).replaceAll(/\B(?=(\d{3})+$)/g, ',');
