import { xen, xenVcpu } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { namesPolicy, policySource } from '../../src/site/policy-source.ts';

describe('the source of a policy', () => {
  test.each(xen.history.map(({ id }) => id))('xen.%s has both steps', (id) => {
    expect(Object.keys(policySource(`xen.${id}`).steps)).toEqual(['save', 'restore']);
  });
  test.each(xenVcpu.history.map(({ id }) => id))('xenVcpu.%s has both steps', (id) => {
    expect(Object.keys(policySource(`xenVcpu.${id}`).steps)).toEqual(['allocate', 'getContext']);
  });
  test('a step that is shared comes from the policy that it is from', () => {
    const { commit, steps } = policySource('xenVcpu.emptyTag');
    expect(commit).toBe('');
    expect(steps['getContext']).toBe(policySource('xenVcpu.merged').steps['getContext']);
    expect(steps['allocate']).toBe(policySource('xenVcpu.beforeSeries').steps['allocate']);
  });
  test('what is no policy of the engine is a block\'s export', () => {
    expect(['xen.fipWidth4', 'xenVcpu.merged', 'exercise.mine', 'xenomorph.x'].map(namesPolicy)).toEqual([true, true, false, false]);
    expect(() => policySource('xenVcpu.nobody')).toThrow(/no policy `xenVcpu.nobody`; there are .*merged/);
  });
});
