/** A line for each instruction, event and change of a segment register. */

import type { Observer } from '../isa/connections.ts';
import type { Instruction } from '../isa/instruction.ts';
import { print } from '../isa/print.ts';
import { SEGMENT_NAMES } from '../state/fields.ts';
import type { Fault } from '../state/outcomes.ts';
import type { Segment } from '../state/state.ts';
import { type Processor, digits, longMode, printBytes, printPlace } from './dump.ts';
import { segmentWords } from './registers.ts';

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

/** Traces one processor; `name` tells it from others. */
export class Tracer implements Observer {
  readonly #options: TraceOptions;
  readonly #processor: Processor;
  readonly #time: () => number;
  readonly #name: string;
  #segments: readonly Segment[];

  constructor(options: TraceOptions, processor: Processor, time: () => number, name = '') {
    this.#options = options;
    this.#processor = processor;
    this.#time = time;
    this.#name = name && `  ${name}`;
    this.#segments = this.#read();
  }

  #read(): Segment[] {
    return SEGMENT_NAMES.map((_, index) => this.#processor.state.segment(index));
  }

  instruction(i: Instruction): void {
    if (this.#options.segments) this.#compare(this.#time() - 1);
    const { rip } = this.#processor.state;
    if (this.#options.instructions) {
      this.#line(`${printPlace(this.#processor, rip)}  ${printBytes(i)}  ${print(i, rip)}`);
    }
  }

  fault({ message }: Fault): void {
    if (this.#options.events) this.#line(`  ${message}`);
  }

  event(vector: number, errorCode: number | undefined): void {
    if (this.#options.events) {
      this.#line(`  → vector ${vector}${errorCode === undefined ? '' : `, error code 0x${errorCode.toString(16)}`}`);
    }
  }

  /** The run is over: what its last instruction changed. */
  end(): void {
    if (this.#options.segments) this.#compare(this.#time());
  }

  /** What differs from the instruction before, which was executed at `time`. */
  #compare(time: number): void {
    const { state } = this.#processor;
    const long = longMode(state);
    this.#segments.forEach((before, index) => {
      const now = state.segment(index);
      if (same(before, now)) return;
      const place = `${digits(before.selector, 4)} → ${digits(now.selector, 4)}`;
      const hidden = `base ${digits(now.base, long ? 16 : 8)}  limit ${digits(now.limit, 8)}  `
        + `${digits(now.attributes, 4)}`;
      this.#line(
        `  ${SEGMENT_NAMES[index]!.padEnd(4)} ${place}  ${hidden}  ${segmentWords(index, now.attributes, long)}`, time,
      );
    });
    this.#segments = this.#read();
  }

  #line(text: string, time = this.#time()): void {
    this.#options.write(`${String(time).padStart(COUNT)}${this.#name}  ${text}`);
  }
}

const same = (a: Segment, b: Segment): boolean =>
  a.selector === b.selector && a.base === b.base && a.limit === b.limit && a.attributes === b.attributes;
