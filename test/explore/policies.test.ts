import { Machine, World, asm64, cpus, explore, printCitation, xen } from 'hidden-state';
import { describe, expect, test } from 'vitest';

const profiles = Object.values(cpus);

describe("Xen's policies", () => {
  test('are called what they are exported as, cite a source, and stand oldest first', () => {
    const exported = xen as unknown as Record<string, unknown>;
    for (const policy of xen.history) {
      expect(exported[policy.id], policy.id).toBe(policy);
      expect(printCitation(policy.source)).not.toBe('');
    }
    const years = xen.history.map(({ year }) => year);
    expect(years).toEqual(years.toSorted());
  });

  test('history leaves none out', () => {
    const policies = Object.values(xen).filter((value) => typeof value === 'object' && 'save' in value);
    expect(new Set(xen.history)).toEqual(new Set(policies));
  });

  // What each must keep, whatever it does to the pointers: data, control and status, MXCSR and the XMM registers.
  const user = asm64`
        fninit
        fldcw  [control]
        fld1
        fld    tbyte ptr [extended]
        fmul   st(1), st(0)
        fxch   st(0), st(1)
        movups xmm0, [extended]
        movups xmm15, [control]
        ldmxcsr [mxcsr]
        pxor   xmm0, xmm15
        ffree  st(1)
        hlt
control: dw 0x0c7f
extended: dt 3.7
        dq 0x0123456789abcdef
mxcsr:  dd 0x9fc0
        dq 0x1122334455667788, 1
`;
  const pointers = new Set(['FOP', 'FIP', 'FCS', 'FDP', 'FDS', 'FIP[63:32]', 'FDP[63:32]']);

  test.each(xen.history)('$id loses nothing but pointers, on any processor', (policy) => {
    for (const cpu of profiles) {
      const { fields, ended, boundaries } = explore(user, { cpu, policy, shrink: false });
      expect(fields.filter((field) => !pointers.has(field)), cpu.name).toEqual([]);
      expect({ ended, boundaries }, cpu.name).toEqual({ ended: '', boundaries: 13 });
    }
  });

  test.each(xen.history)('$id keeps a pending exception pending', (policy) => {
    const pending = asm64`
        fninit
        fldcw  [unmasked]
        fld1
        fdiv   qword ptr [zero]
        fnstsw ax
        hlt
unmasked: dw 0x37b
zero:   dq 0
`;
    for (const cpu of profiles) {
      const { fields } = explore(pending, { cpu, policy, shrink: false });
      expect(fields.filter((field) => !pointers.has(field)), cpu.name).toEqual([]);
    }
  });
});

describe('with an unmasked exception pending', () => {
  const pending = asm64`
        fninit
        fldcw  [unmasked]
        fld1
        fdiv   qword ptr [zero]
        hlt
unmasked: dw 0x37b
zero:   dq 0
`;
  /** What a switch right after the FDIV loses. */
  const lost = (cpu: (typeof profiles)[number], policy: (typeof xen.history)[number]): string[] => {
    const machine = new Machine(pending, { cpu });
    const world = new World(machine, policy);
    world.start();
    machine.run({ limit: 4 });
    const before = machine.snapshot();
    world.reschedule();
    return machine.diff(before).fields.map(({ field }) => field.name);
  };

  test('AMD saves and restores the pointers too: the wide form loses only the selectors', () => {
    for (const cpu of [cpus.amdK10, cpus.zen3, cpus.zen4]) {
      for (const policy of [xen.alwaysWide, xen.fipWidth8, xen.scrubByFlags]) expect(lost(cpu, policy), `${policy.id} on ${cpu.name}`).toEqual(['FCS', 'FDS']);
    }
  });

  test('the narrow form loses only the upper halves, on every processor', () => {
    for (const cpu of profiles) expect(lost(cpu, xen.fipWidth4), cpu.name).toEqual(['FIP', 'FDP']);
  });
});
