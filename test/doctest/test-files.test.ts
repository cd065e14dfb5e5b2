/** The names that a claim may give of a test file. */

import { expect, test } from 'vitest';
import { complaintAbout, isCalled } from '../../src/doctest/test-files.ts';

const FILES = ['test/fpu/silicon.test.ts', 'test/silicon/silicon.test.ts', 'test/fpu/fresh-vcpu.test.ts'];

test('the name of the file, where there is one of that name', () => {
  expect(complaintAbout('fresh-vcpu', FILES)).toBeUndefined();
  expect(complaintAbout('vcpu', FILES)).toBe('no file vcpu.test.ts under test/ or spec/');
});

test('two of one name want their folders', () => {
  expect(complaintAbout('silicon', FILES)).toBe('test/fpu/silicon.test.ts and test/silicon/silicon.test.ts are both called so: say in which folder');
  expect(complaintAbout('fpu/silicon', FILES)).toBeUndefined();
  expect(FILES.filter((path) => isCalled(path, 'silicon/silicon'))).toEqual(['test/silicon/silicon.test.ts']);
});
