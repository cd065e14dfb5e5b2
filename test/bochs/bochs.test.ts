/** The engine against Bochs 2.7: each case's ROM, point by point and field by field. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Unmodelled } from 'hidden-state';
import { afterAll, describe, expect, test } from 'vitest';
import { type BochsCase, IVY_BRIDGE } from './case.ts';
import { CASES, CHAPTERS } from './cases/index.ts';
import { compare } from './compare.ts';
import { DIFFERENCES } from './differences.ts';
import { type Dump, type DumpFile, parse } from './dump.ts';
import { runEngine } from './engine.ts';
import { type Rom, buildRom } from './rom.ts';

const stored = ({ name }: BochsCase): DumpFile =>
  parse(readFileSync(new URL(`dumps/${name}.json`, import.meta.url), 'utf8'));

/** For the longest texts, also on a busy machine. */
const TIME_LIMIT = 60_000;

/** Cases that ran to their end, and entries of the list of differences that they needed. */
let complete = 0;
const needed = new Set<string>();

interface Result {
  /** What differs up to the first point that the engine does not reach as Bochs does. */
  differences: string[];
  unmodelled?: Unmodelled;
}

function run(definition: BochsCase, rom: Rom, expected: readonly Dump[]): Result {
  const differences: string[] = [];
  let n = 0;
  try {
    for (const dump of runEngine(definition, rom, expected)) {
      const reference = expected[n++]!;
      if (dump.point !== reference.point) {
        const where = `the engine is at ${dump.point}, Bochs at ${reference.point}`;
        differences.push(`${definition.name}: after ${n - 1} points ${where}`);
        break;
      }
      differences.push(...compare(definition, reference, dump, needed));
    }
    return { differences };
  } catch (error) {
    if (!(error instanceof Unmodelled)) throw error;
    return { differences, unmodelled: error };
  }
}

for (const { title, cases } of CHAPTERS) {
  describe(`as in Bochs: ${title}`, () => {
    test.for(cases)('$name: $title', { timeout: TIME_LIMIT }, (definition, context) => {
      const rom = buildRom(definition);
      const { rom: captured, model, points } = stored(definition);
      const again = `its dump is of another ROM: run node --conditions=source test/bochs/capture.ts ${definition.name}`;
      expect(createHash('sha256').update(rom.bytes).digest('hex'), again).toBe(captured);
      expect(model, again).toBe((definition.processor ?? IVY_BRIDGE).model);
      const { differences, unmodelled } = run(definition, rom, points);
      expect(differences).toEqual([]);
      if (unmodelled) context.skip(unmodelled.message);
      complete++;
    });
  });
}

afterAll(() => {
  if (complete < CASES.length) return;
  const idle = DIFFERENCES.filter(({ what }) => !needed.has(what)).map(({ what }) => what);
  expect(idle, 'entries of differences.ts that no case needs').toEqual([]);
});
