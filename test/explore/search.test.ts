import { HYPERVISOR_OPERATORS, IN_GUEST_CONTEXT, cpus, searchRestores } from 'hidden-state';
import { describe, expect, test } from 'vitest';

const keepingSelectors = [cpus.ivyBridge, cpus.amdK10, cpus.zen3, cpus.zen4];

describe('search over restores', () => {
  test.each(keepingSelectors)('no sequence of any length preserves all four on $name', (cpu) => {
    const { reached, preserving } = searchRestores({ cpu });
    expect(preserving).toBe(undefined);
    expect(Math.max(...reached.map(({ kept }) => kept.length))).toBe(2);
  });

  test.each(keepingSelectors)('an x87 instruction in the guest\'s own context does, on $name', (cpu) => {
    expect(searchRestores({ cpu, operators: [...HYPERVISOR_OPERATORS, IN_GUEST_CONTEXT] }).preserving?.path).toEqual([IN_GUEST_CONTEXT.name]);
  });

  test('on a processor with FDP_EXCPTN_ONLY even that sets no FDP', () => {
    const { reached } = searchRestores({ cpu: cpus.sapphireRapids, operators: [IN_GUEST_CONTEXT] });
    expect(reached[1]!.kept).toEqual(['fip', 'fcs', 'fds']);
  });

  test.each([cpus.haswell, cpus.sapphireRapids])('where FCS and FDS are deprecated one wide load is enough: $name', (cpu) => {
    expect(searchRestores({ cpu }).preserving?.path).toHaveLength(1);
  });

  test('the answer is closed: every operator from every reached state leads back into the set', () => {
    const { reached, operators } = searchRestores({ cpu: cpus.ivyBridge });
    const known = new Set(reached.map(({ pointers }) => Object.values(pointers).join()));
    expect(known.size).toBe(reached.length);
    const single = HYPERVISOR_OPERATORS.filter(({ name }) => operators.includes(name))
      .flatMap((operator) => searchRestores({ cpu: cpus.ivyBridge, operators: [operator] }).reached.slice(1));
    expect(single.length).toBeGreaterThan(operators.length / 2);
    expect(single.filter(({ pointers }) => !known.has(Object.values(pointers).join()))).toEqual([]);
  });
});
