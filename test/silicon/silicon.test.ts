/** Every stored vector is computed bit for bit, and also the flags that the engine calls undefined, as its profile is known to have them. */

import { statSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { AF, CF, OF, PF, SF, STATUS, ZF } from '../../spec/src/isa/flags.ts';
import { image } from './generate/index.ts';
import { Model } from './model.ts';
import { profileFor } from './profile.ts';
import { STORED_SETS, readStored } from './stored.ts';
import { KNOWN_DIFFERENCES, type KnownDifference } from './known.ts';
import { judge } from './tally.ts';
import { mnemonicOf } from './vectors.ts';

const INTEGER = [0, 3, 4, 5, 6, 11, 12, 13, 14];
/** The first set is of integer instructions, the second of others too. */
const VECTORS: Readonly<Record<string, readonly number[]>> = { zen4: INTEGER, sapphireRapids: [...INTEGER, 16] };
const SETS = Object.entries(STORED_SETS).map(([id, file]) => ({ id, file }));

/** What the manual leaves undefined, by mnemonic. SDM vol. 2. */
const UNDEFINED: Readonly<Record<string, number>> = {
  AND: AF, OR: AF, XOR: AF, TEST: AF, SHL: AF | OF | CF, SHR: AF | OF | CF, SAR: AF | OF, ROL: OF, ROR: OF, RCL: OF, RCR: OF,
  SHLD: STATUS, SHRD: STATUS, MUL: SF | ZF | AF | PF, IMUL: SF | ZF | AF | PF, DIV: STATUS, IDIV: STATUS,
  BT: OF | SF | AF | PF, BTS: OF | SF | AF | PF, BTR: OF | SF | AF | PF, BTC: OF | SF | AF | PF,
  BSF: CF | OF | SF | AF | PF, BSR: CF | OF | SF | AF | PF, LZCNT: OF | SF | AF | PF, TZCNT: OF | SF | AF | PF,
  AAA: OF | SF | ZF | PF, AAS: OF | SF | ZF | PF, AAM: OF | AF | CF, AAD: OF | AF | CF, DAA: OF, DAS: OF,
  ANDN: AF | PF, BLSI: AF | PF, BLSMSK: AF | PF, BLSR: AF | PF, BZHI: AF | PF, BEXTR: AF | SF | PF,
};

describe.each(SETS)('vectors stored on a $id', ({ id, file }) => {
  const { header, vectors } = readStored(file);
  const stored = [...vectors()];
  const byMnemonic = Map.groupBy(stored, ({ vector }) => mnemonicOf(vector));

  test('the file is small, and says which processor it is from', () => {
    expect(statSync(file).size).toBeLessThan(6 << 20);
    expect(header.cpuid.find(({ leaf }) => leaf === 1)!.eax).not.toBe(0);
    expect(profileFor(header.cpuid)).toMatchObject({ exact: id === 'zen4', cpu: { id } });
  });

  test('there is code of all three kinds, in the LDT too, and faults of every vector that user code can raise', () => {
    for (const mode of [16, 32, 64]) expect(stored.filter(({ vector }) => vector.mode === mode).length).toBeGreaterThan(stored.length / 6);
    expect(stored.filter(({ vector }) => vector.segments[1]! & 4).length).toBeGreaterThan(stored.length / 4);
    const events = new Set(stored.map(({ result }) => result.vector));
    expect(VECTORS[id]!.filter((vector) => !events.has(vector))).toEqual([]);
  });

  const needed = new Set<KnownDifference>();
  const model = new Model(profileFor(header.cpuid).cpu, image(header.seed), header.fences);
  test.each([...byMnemonic].sort(([a], [b]) => (a < b ? -1 : 1)))('%s', (mnemonic, entries) => {
    const wrong: string[] = [];
    let undefinedFlags = 0;
    const otherwise: string[] = [];
    for (const { vector, record, result } of entries) {
      const verdict = judge(vector, record, result, model);
      undefinedFlags |= verdict.undefinedFlags;
      const code = `${Buffer.from(vector.code).toString('hex')} (${vector.mode}-bit)`;
      const differing = verdict.undefinedFlags & ~verdict.agreeing;
      if (differing) otherwise.push(`${code}: ${differing.toString(16)}h of RFLAGS`);
      const found = verdict.found.map(({ text }) => text).join('; ');
      const known = KNOWN_DIFFERENCES.filter((difference) => difference.id === id && difference.mnemonics.test(mnemonic) && difference.differences.test(found));
      known.forEach((difference) => needed.add(difference));
      if (found !== '' && known.length === 0) wrong.push(`${code}: ${found}`);
    }
    expect(wrong).toEqual([]);
    expect(otherwise, 'undefined flags that the processor had otherwise').toEqual([]);
    expect(undefinedFlags, 'flags called undefined').toBe(UNDEFINED[mnemonic] ?? 0);
  });

  test('each known difference is needed by one of these vectors', () => {
    expect(KNOWN_DIFFERENCES.filter((difference) => difference.id === id && !needed.has(difference))).toEqual([]);
  });
});
