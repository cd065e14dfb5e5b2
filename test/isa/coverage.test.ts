import { expect, test } from 'vitest';
import { decode } from '../../spec/src/isa/decode.ts';
import type { Mode } from '../../spec/src/isa/instruction.ts';
import { INSTRUCTIONS } from '../../spec/src/isa/table.ts';
import { Fault, Unmodelled } from '../../spec/src/state/outcomes.ts';
import { CODES, type CodeFacts, MODES, OTHER_NAMES, agree, factsOf, ourLine, Oracle } from './iced.ts';
import { VARIANTS, instanceOf } from './instances.ts';
import { LEFT_OUT } from './left-out.ts';

const ours = new Set(INSTRUCTIONS.map(({ mnemonic }) => OTHER_NAMES[mnemonic.toLowerCase()] ?? mnemonic.toLowerCase()));

/** Their encodings of the instructions that are in our table, without those of options for old processors. */
const claimed = CODES.filter((code) => code.legacyEncoding && ours.has(code.mnemonic) && !code.needsOption);
const leftOut = (code: CodeFacts): boolean => LEFT_OUT.some(({ codes }) => codes.test(code.name));

type Outcome = { line: string } | { unmodelled: string } | { fault: string };
function outcome(bytes: Uint8Array, mode: Mode, code: CodeFacts): Outcome {
  try {
    return { line: ourLine(decode((n) => bytes[n] ?? 0, mode), code.code) };
  } catch (error) {
    if (error instanceof Unmodelled) return { unmodelled: error.message };
    if (error instanceof Fault) return { fault: error.message };
    throw error;
  }
}

test.for(MODES)('another table lists for our instructions in %s-bit mode only what is here or left out', (mode) => {
  const problems: string[] = [];
  let alike = 0;
  for (const code of claimed.filter(({ modes }) => modes.includes(mode))) {
    for (let variant = 0; variant < VARIANTS; variant++) {
      let bytes: Uint8Array;
      try {
        bytes = instanceOf(code, mode, variant);
      } catch (error) {
        problems.push(`${code.name}: ${(error as Error).message ?? String(error)}`);
        continue;
      }
      const oracle = new Oracle(bytes, mode);
      const theirs = oracle.at(0);
      const read = theirs === undefined ? code : factsOf(oracle.instruction.code);
      oracle.free();
      const found = outcome(bytes, mode, read);
      // POP CS was an 8086 instruction: they encode it and do not decode it; 0F begins another map since.
      // UD0 without ModRM is theirs for old AMD processors: encoded, and not decoded either.
      if (code.name === 'Popw_CS' || code.name === 'Ud0') continue;
      const same = 'line' in found && theirs !== undefined && agree(found.line, theirs);
      if (same) alike++;
      if (leftOut(read) ? !('unmodelled' in found) : !same) {
        const hexBytes = Buffer.from(bytes).toString('hex');
        problems.push(`${code.name} ${hexBytes}: ours ${JSON.stringify(found)}, theirs ${theirs}`);
      }
    }
  }
  expect(problems).toEqual([]);
  expect(alike).toBeGreaterThan(2000);
});

test.for(LEFT_OUT)('what is left out exists: $codes', ({ codes, why }) => {
  expect(claimed.filter(({ name }) => codes.test(name)).map(({ name }) => name)).not.toEqual([]);
  expect(why).toMatch(/\S\.$/);
});
