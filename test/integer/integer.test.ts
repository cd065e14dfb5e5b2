/** Every captured vector is computed bit for bit; only flags that the manual leaves undefined are passed over. */

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { decode } from '../../spec/src/isa/decode.ts';
import type { Form } from '../../spec/src/isa/form.ts';
import { AF, CF, OF, PF, SF, STATUS, ZF } from '../../spec/src/isa/flags.ts';
import { Model } from '../fpu/model.ts';
import { type Vector, image, integerForms } from './generate.ts';
import { type Outcome, outcomeOf, readHeader, readVectors, recordOf } from './vectors.ts';

const file = gunzipSync(readFileSync(new URL('integer-vectors.bin.gz', import.meta.url)));
const header = readHeader(file);
/** The form without LOCK, which some of them do not allow: that #UD is a result like any other. */
function formOf({ code, mode }: Vector): Form {
  const bytes = code[0] === 0xf0 ? code.subarray(1) : code;
  return decode((n) => bytes[n]!, mode).form;
}
const vectors = [...readVectors(file)].map((entry) => ({ ...entry, form: formOf(entry.vector) }));
const byMnemonic = Map.groupBy(vectors, ({ form }) => form.definition.mnemonic);

/** What the manual leaves undefined, by mnemonic. SDM vol. 2. */
const UNDEFINED: Readonly<Record<string, number>> = {
  AND: AF, OR: AF, XOR: AF, TEST: AF, SHL: AF | OF | CF, SHR: AF | OF | CF, SAR: AF | OF, ROL: OF, ROR: OF, RCL: OF, RCR: OF,
  SHLD: STATUS, SHRD: STATUS, MUL: SF | ZF | AF | PF, IMUL: SF | ZF | AF | PF, DIV: STATUS, IDIV: STATUS,
  BT: OF | SF | AF | PF, BTS: OF | SF | AF | PF, BTR: OF | SF | AF | PF, BTC: OF | SF | AF | PF,
  BSF: CF | OF | SF | AF | PF, BSR: CF | OF | SF | AF | PF, LZCNT: OF | SF | AF | PF, TZCNT: OF | SF | AF | PF,
  AAA: OF | SF | ZF | PF, AAS: OF | SF | ZF | PF, AAM: OF | AF | CF, AAD: OF | AF | CF, DAA: OF, DAS: OF,
  ANDN: AF | PF, BLSI: AF | PF, BLSMSK: AF | PF, BLSR: AF | PF, BZHI: AF | PF, BEXTR: AF | SF | PF,
};
/** Set in the flags that a fault saves, not in RFLAGS. */
const RF = 1 << 16;

const print = (outcome: Outcome, ignored: number): string => JSON.stringify({
  vector: outcome.vector, errorCode: outcome.errorCode, rip: outcome.rip.toString(16), rflags: (outcome.rflags & 0xffff & ~ignored).toString(16),
  registers: [...outcome.gpr].map(([n, value]) => `${n}: ${value.toString(16)}`), memory: outcome.written.map(({ offset, bytes }) => `${offset}: ${bytes.join(' ')}`),
});

describe(`integer vectors captured on ${header.processor}`, () => {
  test('at least 20,000 of them are 64-bit, and every form of the table occurs', () => {
    expect(vectors.filter(({ vector }) => vector.mode === 64).length).toBeGreaterThanOrEqual(20_000);
    const covered = new Set(vectors.map(({ form }) => form));
    expect(integerForms.filter((form) => !covered.has(form)).map(({ text, definition }) => `${definition.mnemonic} ${text}`)).toEqual([]);
  });

  const model = new Model(cpus.zen4, image(header.seed));
  test.each([...byMnemonic])('%s', (mnemonic, entries) => {
    const wrong: string[] = [];
    let undefinedFlags = 0;
    for (const { vector, outcome, index } of entries) {
      const record = recordOf(vector, header.seed, index);
      const computed = outcomeOf(record, model.run(record));
      undefinedFlags |= model.undefinedFlags;
      const [processor, ours] = [outcome, computed].map((each) => print(each, model.undefinedFlags | RF));
      if (processor !== ours) wrong.push(`${Buffer.from(vector.code).toString('hex')} (${vector.mode}-bit): processor ${processor}, model ${ours}`);
    }
    expect(wrong).toEqual([]);
    expect(undefinedFlags, 'flags called undefined').toBe(UNDEFINED[mnemonic] ?? 0);
  });
});
