/** Says where two results differ, field by field, and what kind of difference it is. */

import { fromBytes, u } from '../../spec/src/numbers/bits.ts';
import { SELECTOR } from './environment.ts';
import { type Piece, type RunResult, YMM_AT } from './records.ts';

const hex = (value: number | bigint): string => `${value.toString(16)}h`;

const RF = 1 << 16;

/** What differs, as the table of the conformance run counts it. */
export type Cause = 'event' | 'error code' | 'CR2' | 'RIP' | 'RF' | 'flags' | 'registers' | 'segments' | 'memory' | 'x87' | 'SSE and AVX' | 'not modelled';
export interface Disagreement { readonly cause: Cause; readonly text: string }

export interface CompareOptions {
  /** Bits of RFLAGS to pass over: those that the instruction leaves undefined. */
  readonly undefinedFlags?: number;
  /** The record began in 16 or 32-bit code, in which bits 63:32 of RSP are undefined. SDM vol. 1, 3.4.1.1. */
  readonly narrow?: boolean;
  /** Neither the x87 and SSE registers: integer instructions do not touch them. */
  readonly integerOnly?: boolean;
}

/**
 * On its way back to user code the kernel's IRET turns null selectors of RPL 1 to 3 into 0, now or at the next
 * interrupt: which of the four it was is not compared. SDM vol. 3A, 5.8.6.
 */
export const visible = (selector: number): number => (selector < 4 ? 0 : selector);

/** One entry for each difference; empty when the model did what the processor did. */
export function disagreements(processor: RunResult, model: RunResult, { undefinedFlags = 0, narrow = false, integerOnly = false }: CompareOptions = {}): Disagreement[] {
  const found: Disagreement[] = [];
  const compare = (cause: Cause, name: string, a: number | bigint, b: number | bigint): void => {
    if (a !== b) found.push({ cause, text: `${name}: processor ${hex(a)}, model ${hex(b)}` });
  };
  const both = (cause: Cause, name: 'gpr' | 'st' | 'xmm' | 'bases' | 'segments', read: (value: number | bigint) => number | bigint = (value) => value): void =>
    processor[name].forEach((value, n) => compare(cause, `${name}[${n}]`, read(value), read(model[name][n]!)));
  compare('event', 'vector', processor.vector, model.vector);
  // Of its own half of the addresses Linux says to user code that all of it is present.
  const hidden = processor.vector === 14 && processor.cr2 >> 47n ? 1 : 0;
  compare('error code', 'error code', processor.errorCode & ~hidden, model.errorCode & ~hidden);
  compare('CR2', 'CR2', processor.cr2, model.cr2);
  compare('RIP', 'RIP', processor.rip, model.rip);
  compare('RF', 'RF', processor.rflags & RF, model.rflags & RF);
  compare('flags', 'RFLAGS', processor.rflags & ~(RF | undefinedFlags), model.rflags & ~(RF | undefinedFlags));
  // Code with a 16-bit stack keeps bits of RSP above ESP, or loses them: no such code can look at them.
  const cut = narrow || (processor.segments.length > 0 && processor.segments[1] !== SELECTOR.code64);
  const seen = (n: number, value: bigint): bigint => (cut && n === 4 ? u(32, value) : value);
  processor.gpr.forEach((value, n) => compare('registers', `gpr[${n}]`, seen(n, value), seen(n, model.gpr[n]!)));
  if (processor.segments.length > 0) both('segments', 'segments', (selector) => visible(Number(selector)));
  if (processor.segments.length > 0) both('segments', 'bases');
  if (!integerOnly) {
    for (const name of ['fcw', 'fsw', 'ftw'] as const) compare('x87', name, processor[name], model[name]);
    compare('SSE and AVX', 'mxcsr', processor.mxcsr, model.mxcsr);
    both('x87', 'st');
    both('SSE and AVX', 'xmm');
  }
  if (processor.area && model.area) {
    for (const { cause, name, offset, bytes } of AREA_FIELDS) {
      if (sameBytes(processor.area, model.area, offset, bytes)) continue;
      compare(cause, name, fromBytes(processor.area, offset, bytes), fromBytes(model.area, offset, bytes));
    }
  }
  if (samePieces(processor.written, model.written)) return found;
  const [a, b] = [cells(processor.written), cells(model.written)];
  for (const offset of [...new Set([...a.keys(), ...b.keys()])].sort((x, y) => x - y)) {
    if (a.get(offset) !== b.get(offset)) found.push({ cause: 'memory', text: `byte ${hex(offset)}: processor ${byte(a, offset)}, model ${byte(b, offset)}` });
  }
  return found;
}

/** What is compared of a record's XSAVE area. */
export const AREA_FIELDS: readonly { readonly cause: Cause; readonly name: string; readonly offset: number; readonly bytes: number }[] = [
  ...([['FCW', 0, 2], ['FSW', 2, 2], ['FTW', 4, 1], ['FOP', 6, 2], ['FIP', 8, 8], ['FDP', 16, 8]] as const).map(([name, offset, bytes]) => ({ cause: 'x87' as const, name, offset, bytes })),
  ...Array.from({ length: 8 }, (_, n) => ({ cause: 'x87' as const, name: `ST(${n})`, offset: 32 + 16 * n, bytes: 10 })),
  { cause: 'SSE and AVX', name: 'MXCSR', offset: 24, bytes: 4 },
  ...Array.from({ length: 16 }, (_, n) => ({ cause: 'SSE and AVX' as const, name: `XMM${n}`, offset: 160 + 16 * n, bytes: 16 })),
  ...Array.from({ length: 16 }, (_, n) => ({ cause: 'SSE and AVX' as const, name: `YMM${n}[255:128]`, offset: YMM_AT + 16 * n, bytes: 16 })),
];

/** Most results are equal: that costs no more than a look at their bytes. */
function sameBytes(a: Uint8Array, b: Uint8Array, offset: number, bytes: number): boolean {
  for (let n = offset; n < offset + bytes; n++) if (a[n] !== b[n]) return false;
  return true;
}

const samePieces = (a: readonly Piece[], b: readonly Piece[]): boolean => a.length === b.length && a.every(({ offset, bytes }, n) =>
  offset === b[n]!.offset && bytes.length === b[n]!.bytes.length && sameBytes(bytes, b[n]!.bytes, 0, bytes.length));

const byte = (cells: Map<number, number>, offset: number): string => (cells.has(offset) ? hex(cells.get(offset)!) : 'unchanged');

function cells(pieces: readonly Piece[]): Map<number, number> {
  const found = new Map<number, number>();
  for (const { offset, bytes } of pieces) bytes.forEach((value, n) => found.set(offset + n, value));
  return found;
}
