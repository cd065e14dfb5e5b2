/** A line for each instruction, event and change of a segment register. */

import type { Observer } from '../isa/execution.ts';
import { SEGMENT_NAMES } from '../state/fields.ts';
import type { Segment } from '../state/state.ts';
import { digits, printInstruction, printPlace } from './dump.ts';
import { segmentWords } from './registers.ts';
import type { Target } from './target.ts';

export interface TraceOptions {
  instructions?: boolean;
  /** Faults as they are raised; interrupts and exceptions as they are delivered. */
  events?: boolean;
  /** Segment registers whose selector or hidden part changes. */
  segments?: boolean;
  write(line: string): void;
}

/** Columns of the count of instructions at the beginning of each line. */
const COUNT = 10;

export class Tracer implements Observer {
  readonly #options: TraceOptions;
  readonly #target: Target;
  #before: readonly Segment[] = [];

  constructor(options: TraceOptions, target: Target) {
    this.#options = options;
    this.#target = target;
  }

  /** An instruction is about to be executed. */
  begin(): void {
    const processor = this.#target.processors[this.#target.current]!;
    const { state } = processor;
    if (this.#options.segments) this.#before = SEGMENT_NAMES.map((_, index) => state.segment(index));
    if (!this.#options.instructions) return;
    const { bytes, text } = printInstruction(processor, state.rip);
    this.#line(`${printPlace(processor, state.rip)}  ${bytes.padEnd(24)}  ${text}`, 1);
  }

  /** It was executed, or what it raised was delivered. */
  end(): void {
    if (!this.#options.segments) return;
    const { state } = this.#target.processors[this.#target.current]!;
    const long = (state.efer & 0x400n) !== 0n;
    this.#before.forEach((before, index) => {
      const now = state.segment(index);
      if (same(before, now)) return;
      const place = `${digits(before.selector, 4)} → ${digits(now.selector, 4)}`;
      const hidden = `base ${digits(now.base, long ? 16 : 8)}  limit ${digits(now.limit, 8)}  ${digits(now.attributes, 4)}`;
      this.#line(`  ${SEGMENT_NAMES[index]!.padEnd(4)} ${place}  ${hidden}  ${segmentWords(index, now.attributes, long)}`);
    });
  }

  fault(fault: { readonly notation: string; readonly reason: string }): void {
    if (this.#options.events) this.#line(`  ${fault.notation}: ${fault.reason}`);
  }

  event(vector: number, errorCode: number | undefined): void {
    if (this.#options.events) this.#line(`  → vector ${vector}${errorCode === undefined ? '' : `, error code 0x${errorCode.toString(16)}`}`);
  }

  #line(text: string, ahead = 0): void {
    const time = String(this.#target.time + ahead);
    const several = this.#target.processors.length > 1 ? `  cpu${this.#target.current}` : '';
    this.#options.write(`${time.padStart(COUNT)}${several}  ${text}`);
  }
}

const same = (a: Segment, b: Segment): boolean =>
  a.selector === b.selector && a.base === b.base && a.limit === b.limit && a.attributes === b.attributes;
