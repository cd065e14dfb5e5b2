import { expect, test } from 'vitest';
import { decode } from '../../spec/src/isa/decode.ts';
import { Fault, Unmodelled } from '../../spec/src/state/outcomes.ts';
import { MODES, Oracle, agree, ourLine } from './iced.ts';
import { STRIDE, randomBytes } from './random.ts';

const STRINGS = 300_000;

test.for(MODES)('random bytes decode in %s-bit mode as they do elsewhere', { timeout: 60_000 }, (mode) => {
  const bytes = randomBytes(STRINGS, mode);
  const oracle = new Oracle(bytes, mode);
  const outcomes = { instructions: 0, faults: 0, unmodelled: 0 };
  const disagreements: string[] = [];
  for (let at = 0; at < bytes.length; at += STRIDE) {
    const line = oracle.at(at);
    const theirs = line !== undefined && oracle.ofOtherProcessors ? undefined : line;
    let ours: string | undefined;
    try {
      const i = decode((n) => bytes[at + n]!, mode);
      ours = theirs === undefined ? i.form.text : ourLine(i, oracle.instruction.code);
      outcomes.instructions++;
    } catch (error) {
      if (error instanceof Unmodelled) {
        outcomes.unmodelled++;
        continue;
      }
      if (!(error instanceof Fault)) throw error;
      outcomes.faults++;
    }
    if (ours === undefined ? theirs !== undefined : theirs === undefined || !agree(ours, theirs)) {
      disagreements.push(`${Buffer.from(bytes.subarray(at, at + 15)).toString('hex')}: ours ${ours}, theirs ${theirs}`);
    }
  }
  oracle.free();
  expect(disagreements).toEqual([]);
  // The strings are not all of one kind.
  expect(outcomes.instructions).toBeGreaterThan(STRINGS / 2);
  expect(outcomes.faults).toBeGreaterThan(STRINGS / 100);
  expect(outcomes.unmodelled).toBeGreaterThan(STRINGS / 1000);
});
