import { expect, test } from 'vitest';

test('a claim of the fixture pages names this file', () => {
  expect(import.meta.filename).toMatch(/witness\.test\.ts$/);
});
