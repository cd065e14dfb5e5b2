/** Every form of the table is run on the processor, or says why not. */

import { describe, expect, test } from 'vitest';
import { decode } from '../../spec/src/isa/decode.ts';
import type { Form } from '../../spec/src/isa/form.ts';
import { FORMS } from '../isa/forms.ts';
import { randomFrom } from '../integer/random.ts';
import { EXCLUSIONS, exclusionOf, generatedForms } from './generate/forms.ts';
import { MODES, type Vector, available, instanceOf } from './generate/index.ts';

const name = ({ definition, text }: Form): string => `${definition.mnemonic} ${text}`;

/** The form that the instance decodes to; LOCK and a code that ends early are faults, which are results like any other. */
function formOf({ code, mode }: Vector): Form | undefined {
  const bytes = [...code].filter((byte, n) => byte !== 0xf0 || n > 2 || [0xae, 0xd9].includes(code[n - 1]!));
  try {
    return decode((n) => bytes[n] ?? 0, mode).form;
  } catch {
    return undefined;
  }
}

describe('the generator', () => {
  const random = randomFrom(1);
  test.each(MODES)('makes what it means to make, in %d-bit code', (mode) => {
    const wrong = generatedForms.filter((form) => available(form, mode)).filter((form) =>
      !Array.from({ length: 60 }, () => formOf(instanceOf(form, mode, random))).includes(form));
    expect(wrong.map(name)).toEqual([]);
  });

  test('makes the same for the same seed', () => {
    const [first, again] = [7, 7].map((seed) => {
      const random = randomFrom(seed);
      return generatedForms.slice(0, 50).map((form) => instanceOf(form, 32, random).code);
    });
    expect(first).toEqual(again);
  });
});

describe('what is left out', () => {
  test.each(EXCLUSIONS.map(({ why }) => why))('has a reason that is a sentence: %s', (why) => {
    expect(why).toMatch(/^\S.{15,}$/);
  });

  test('each form is either generated or left out, and few are left out', () => {
    expect(generatedForms.length + FORMS.filter(exclusionOf).length).toBe(FORMS.length);
    expect(FORMS.filter(exclusionOf).length).toBeLessThan(25);
  });
});
