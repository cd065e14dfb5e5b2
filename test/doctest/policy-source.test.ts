import * as hiddenState from 'hidden-state';
import { kvm, segments, xen, xenVcpu } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { namesPolicy, policySource } from '../../src/site/policy-source.ts';

describe('the source of a policy', () => {
  test.each(xen.history.map(({ id }) => id))('xen.%s has both steps', (id) => {
    expect(Object.keys(policySource(`xen.${id}`).steps)).toEqual(['save', 'restore']);
  });
  test.each(xenVcpu.history.map(({ id }) => id))('xenVcpu.%s has both steps', (id) => {
    expect(Object.keys(policySource(`xenVcpu.${id}`).steps)).toEqual(['allocate', 'getContext']);
  });
  test.each(segments.history.map(({ id }) => id))('segments.%s has steps or rules', (id) => {
    expect(Object.keys(policySource(`segments.${id}`).steps).length).toBeGreaterThan(0);
  });
  test.each(kvm.history.map(({ id }) => id))('kvm.%s has its functions', (id) => {
    expect(Object.keys(policySource(`kvm.${id}`).steps)).toContain('vcpuEnterGuest');
  });
  test.each(['switchWide', 'compacted'])('xenVcpu.%s, which is a switch, has both steps', (id) => {
    expect(Object.keys(policySource(`xenVcpu.${id}`).steps)).toEqual(['save', 'restore']);
  });
  test('every namespace that exports policies is named; the trampolines of pv are bytes, not source', () => {
    const cited = (value: unknown) => typeof value === 'object' && value !== null && 'summary' in value && 'source' in value;
    const namespaces = Object.entries(hiddenState)
      .filter(([, value]) => typeof value === 'object' && Object.values(value).some(cited)).map(([name]) => name);
    expect(namespaces).toContain('xen');
    expect(namespaces.filter((name) => !namesPolicy(`${name}.any`))).toEqual(['pv']);
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
