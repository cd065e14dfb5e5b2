/** Says where two results differ, field by field, addresses as offsets of the data region. */

import type { Piece, RunResult } from './records.ts';

const hex = (value: number | bigint): string => `${value.toString(16)}h`;

/** RF is 1 in the flags that a fault saves; the processor's own RF is not. SDM vol. 3A, 17.3.1.1. */
const RF = 1 << 16;

export interface CompareOptions {
  /** Bits of RFLAGS to pass over: those that the instruction leaves undefined. */
  readonly undefinedFlags?: number;
}

/** One line for each difference; empty when the model did what the processor did. */
export function disagreements(processor: RunResult, model: RunResult, { undefinedFlags = 0 }: CompareOptions = {}): string[] {
  const lines: string[] = [];
  const compare = (name: string, a: number | bigint, b: number | bigint): void => {
    if (a !== b) lines.push(`${name}: processor ${hex(a)}, model ${hex(b)}`);
  };
  for (const name of ['vector', 'errorCode', 'cr2', 'rip', 'fcw', 'fsw', 'ftw', 'mxcsr'] as const) compare(name, processor[name], model[name]);
  compare('rflags', processor.rflags & ~(RF | undefinedFlags), model.rflags & ~(RF | undefinedFlags));
  for (const name of ['gpr', 'st', 'xmm'] as const) {
    for (const [n, value] of processor[name].entries()) compare(`${name}[${n}]`, value, model[name][n]!);
  }
  const [a, b] = [cells(processor.written), cells(model.written)];
  for (const offset of [...new Set([...a.keys(), ...b.keys()])].sort((x, y) => x - y)) {
    if (a.get(offset) !== b.get(offset)) lines.push(`byte ${hex(offset)}: processor ${byte(a, offset)}, model ${byte(b, offset)}`);
  }
  return lines;
}

const byte = (cells: Map<number, number>, offset: number): string => (cells.has(offset) ? hex(cells.get(offset)!) : 'unchanged');

function cells(pieces: readonly Piece[]): Map<number, number> {
  const found = new Map<number, number>();
  for (const { offset, bytes } of pieces) bytes.forEach((value, n) => found.set(offset + n, value));
  return found;
}
