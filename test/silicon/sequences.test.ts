/** Stored sequences: the engine has the processor's state at their end, and one in eight is asked after each of its instructions. */

import { statSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { FORMS } from '../isa/forms.ts';
import { randomFrom } from '../integer/random.ts';
import { chapterOf } from './generate/extended.ts';
import { SEQUENCE_EXCLUSIONS, poolOf, sequenceImage, sequenceOf, sequenceRecord } from './generate/sequence.ts';
import { Model } from './model.ts';
import { parseOptions } from './options.ts';
import { profileFor } from './profile.ts';
import { STORED_SEQUENCES, type StoredSequence, digestOf, readSequences } from './stored-sequences.ts';

const pools = { 32: poolOf(FORMS, 32), 64: poolOf(FORMS, 64) };

test('every form of these chapters is in a sequence or left out, with its reason', () => {
  const taken = new Set(([32, 64] as const).flatMap((mode) => Object.values(pools[mode]).flat()));
  const left = new Set(FORMS.filter((form) => chapterOf(form) !== 'integer' && !taken.has(form)).map(({ definition }) => definition.mnemonic));
  expect([...left].filter((mnemonic) => !SEQUENCE_EXCLUSIONS.some(({ names }) => names.test(mnemonic)))).toEqual([]);
  for (const { names, why } of SEQUENCE_EXCLUSIONS) {
    expect([...left].some((mnemonic) => names.test(mnemonic))).toBe(true);
    expect(why).toMatch(/^\S.{15,}$/);
  }
});

test('the same seed gives the same sequences, another one others', () => {
  const made = (seed: number): string => {
    const random = randomFrom(seed);
    return Array.from({ length: 20 }, (_, n) => Buffer.from(sequenceRecord(sequenceOf(pools, random, 6, 18), seed, n).code).toString('hex')).join();
  };
  expect(made(3)).toBe(made(3));
  expect(made(3)).not.toBe(made(4));
});

test.each([
  [['--sequences', 'x'], '--sequences wants a whole number, not "x"'],
  [['--length', '5'], '--length is that of sequences: give --sequences too'],
  [['--sequences', '5', '--length', '0'], '--length wants 1 to 40, not 0'],
  [['--sequences', '5', '--mode', '16'], '--sequences and --mode do not go together'],
  [['--alignment', 'on'], '--alignment wants checked, not "on"'],
  [['--alignment', 'checked', '--sequences', '5'], '--alignment and --sequences do not go together'],
])('%j is refused with a sentence', (args, sentence) => {
  expect(() => parseOptions(args)).toThrow(sentence);
});

describe.each(Object.entries(STORED_SEQUENCES))('sequences stored on a %s', (id, file) => {
  const { header, sequences } = readSequences(file);
  const { cpu } = profileFor(header.cpuid);
  const model = new Model(cpu, { data: sequenceImage(header.seed) }, header.fences);
  const digestAt = ({ sequence, index }: StoredSequence, taken?: number): string =>
    digestOf(model.run(sequenceRecord(sequence, header.seed, index, taken)), sequence.mode);

  test('the file is small, of this profile, and of thousands of sequences', () => {
    expect(statSync(file).size).toBeLessThan(600_000);
    expect(cpu.id).toBe(id);
    expect(sequences.length).toBeGreaterThan(2000);
    expect(new Set(sequences.flatMap(({ sequence }) => sequence.steps.map(({ mnemonic }) => mnemonic))).size).toBeGreaterThan(500);
  });

  const name = ({ sequence: { mode, steps } }: StoredSequence, until: number): string =>
    `${mode}-bit: ${steps.slice(0, until).map(({ mnemonic, code }) => `${mnemonic} ${Buffer.from(code).toString('hex')}`).join(', ')}`;

  test('each ends as on the processor', () => {
    const wrong = sequences.filter((stored) => digestAt(stored) !== stored.digests.at(-1));
    // The first instruction behind which it differs; live, `npm run conformance` says in what.
    expect(wrong.slice(0, 5).map((stored) => name(stored, stored.digests.findIndex((digest, taken) => digestAt(stored, taken) !== digest)))).toEqual([]);
  });

  test('one in eight is as on the processor after each of its instructions', () => {
    const wrong = sequences.filter((_, n) => n % 8 === 0).flatMap((stored) => {
      const first = stored.digests.findIndex((digest, taken) => digestAt(stored, taken) !== digest);
      return first < 0 ? [] : [name(stored, first)];
    });
    expect(wrong).toEqual([]);
  });
});
