/** Every instruction of the x87 unit from states captured on a processor: the whole unit, memory, flags and #MF compared. */

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { FORMS } from '../isa/forms.ts';
import { X87 } from '../../spec/src/isa/x87/index.ts';
import { RECORD_BYTES, type StateRecord, bytesOf, readHeader, recordAt } from './states.ts';
import { Unit, type Verdict, judge } from './unit.ts';

interface Capture {
  readonly processor: string;
  readonly records: ReadonlyMap<string, readonly StateRecord[]>;
}

function read(name: string): Capture {
  const file = gunzipSync(readFileSync(new URL(name, import.meta.url)));
  const { header: { cpu, instructions }, start } = readHeader(file);
  const records = new Map<string, StateRecord[]>(instructions.map((instruction) => [instruction, []]));
  for (let at = start; at < file.length; at += RECORD_BYTES) {
    const record = recordAt(file, at, instructions);
    records.get(record.instruction)!.push(record);
  }
  return { processor: `${cpu.vendor} ${cpu.leaf1Eax.toString(16)}h`, records };
}

const states = read('states.bin.gz'), functions = read('functions.bin.gz');
const unit = new Unit(cpus.sapphireRapids);
const linesOf = (verdicts: readonly Verdict[], kind: 'last bit' | 'different'): string[] =>
  verdicts.flatMap((verdict) => (verdict.kind === kind ? [verdict.line] : []));

describe(`captured on ${states.processor}`, () => {
  test('each form of the table takes part', () => {
    const names = [...states.records.keys()].map((name) => unit.instruction(name).form);
    const missing = FORMS.filter((form) => X87.includes(form.definition) && !names.includes(form));
    // EMMS, which is MMX's.
    expect(missing.map(({ text }) => text)).toEqual(['NP 0F 77']);
  });

  test('exceptions occur masked and unmasked, as do pending ones, in all rounding and precision controls', () => {
    let masked = 0, unmasked = 0, faults = 0;
    const controls = new Set<number>();
    for (const { before, after, fault } of [...states.records.values()].flat()) {
      const raised = after.fsw & ~before.fsw & 0x7f;
      masked |= raised & (before.fcw | 0x40);
      unmasked |= raised & ~before.fcw;
      faults += fault ? 1 : 0;
      controls.add(before.fcw & 0xf00);
    }
    expect([masked & 0x7f, unmasked & 0x3f, controls.size]).toEqual([0x7f, 0x3f, 16]);
    expect(faults).toBeGreaterThan(20);
  });

  test.each([...states.records])('%s', (_, records) => {
    expect(linesOf(records.map((record) => judge(unit, record)), 'different')).toEqual([]);
  });
});

/** Of the stored records of each, those whose last bit is not the processor's; it is one unit off then, never more. */
const LAST_BITS: Readonly<Record<string, number>> = {
  D9F0: 0, D9F1: 0, D9F2: 8, D9F3: 1, D9F9: 6, D9FB: 8, D9FE: 2, D9FF: 1,
};

describe(`transcendental functions, captured on ${functions.processor}`, () => {
  test.each([...functions.records])('%s is right to the last bit, or one unit of it off', (name, records) => {
    const verdicts = records.map((record) => judge(unit, record));
    expect(linesOf(verdicts, 'different')).toEqual([]);
    expect(linesOf(verdicts, 'last bit')).toHaveLength(LAST_BITS[name]!);
  });
});

test('names of instructions are bytes', () => {
  expect(bytesOf('66D9/4')).toEqual(Uint8Array.of(0x66, 0xd9, 0x26));
  expect(bytesOf('D9F0')).toEqual(Uint8Array.of(0xd9, 0xf0));
});
