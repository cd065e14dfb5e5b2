import { expect, test } from 'vitest';
import { INSTRUCTIONS } from '../../spec/src/isa/table.ts';

test.for(INSTRUCTIONS.map((definition) => [definition.mnemonic, definition] as const))('%s says where it is written down', ([, { source }]) => {
  expect(source).toMatchObject({
    kind: 'manual',
    manual: expect.stringMatching(/^(Intel SDM|AMD APM)$/),
    volume: expect.stringMatching(/^[1-4][A-D]?$/),
    section: expect.stringMatching(/\S/),
    edition: expect.stringMatching(/\b(19|20)\d\d\b/),
  });
});

test('there are instructions, and none is declared twice', () => {
  expect(INSTRUCTIONS.length).toBeGreaterThan(50);
  const forms = INSTRUCTIONS.flatMap(({ mnemonic, forms }) => forms.map((form) => `${mnemonic} ${form}`));
  expect(forms.filter((form, at) => forms.indexOf(form) !== at)).toEqual([]);
});
