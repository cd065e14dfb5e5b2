import { Machine, type Policy, World, asm64, cpus, explore, policy, printVerdict, xen } from 'hidden-state';
import { describe, expect, test, vi } from 'vitest';
import { integerOnly, verifier } from './guests.ts';

const cpu = cpus.ivyBridge;

describe('explore', () => {
  test('finds every policy transparent for a guest that does not use the FPU, on processors that keep the pointers', () => {
    for (const each of xen.history) {
      for (const profile of [cpus.ivyBridge, cpus.haswell, cpus.sapphireRapids]) {
        expect(explore(integerOnly, { cpu: profile, policy: each }), `${each.id} on ${profile.id}`).toMatchObject({ transparent: true, ended: '' });
      }
    }
  });

  test('tries every boundary, the one before the first instruction and the one after the last included', () => {
    // MOV, five times ADD, PUSH and LOOP, HLT: 17 instructions.
    expect(explore(integerOnly, { cpu, policy: xen.fipWidth8 }).boundaries).toBe(18);
  });

  test('stops at its limit', () => {
    expect(explore(integerOnly, { cpu, policy: xen.fipWidth8, limit: 4 }).boundaries).toBe(4);
  });

  test('names the first boundary, both values and everything that differs', () => {
    const { counterexample, fields } = explore(verifier('xsave'), { cpu, policy: xen.fipWidth4 });
    expect(counterexample).toMatchObject({
      boundary: 2, switches: 1, field: 'FIP', label: 'FIP[63:32]', bareMetal: 0xffff_f803_0000_1002n, underPolicy: 0x1002n, kind: 'lost',
    });
    expect(counterexample!.differences.map(({ label }) => label)).toEqual(['FIP[63:32]', 'FDP[63:32]']);
    expect(fields).toEqual(['FIP[63:32]', 'FDP[63:32]']);
  });

  test('shrinks the guest to the instruction that is needed', () => {
    expect(explore(verifier('xsave'), { cpu, policy: xen.fipWidth8 }).counterexample!.smallest).toEqual(['fld qword ptr [value]']);
  });

  test('says why a guest ended early', () => {
    expect(explore(verifier('xsave'), { cpu: cpus.amdK10, policy: xen.fipWidth8 }).ended).toMatch(/^#UD .* AMD K10 has no XSAVE/);
  });

  test('calls a value that follows another vCPU leaked, and one of the hypervisor lost', () => {
    const kinds = (each: Policy) => new Set(explore(verifier('fxsave'), { cpu: cpus.amdK10, policy: each }).counterexample!.differences.map(({ kind }) => kind));
    expect(kinds(xen.unscrubbed)).toEqual(new Set(['leaked']));
    expect(kinds(xen.xsaveUnscrubbed)).toContain('leaked');
    for (const each of xen.history.filter(({ id }) => !/unscrubbed/i.test(id))) expect(kinds(each), each.id).toEqual(new Set(['lost']));
  });

  test('the selectors leak with the addresses: the neighbours differ in everything an x87 unit remembers', () => {
    const { differences } = explore(verifier('fxsave'), { cpu: cpus.amdK10, policy: xen.unscrubbed }).counterexample!;
    expect(differences.map(({ field, kind }) => `${field} ${kind}`)).toEqual(['FOP', 'FIP', 'FCS', 'FDP', 'FDS'].map((field) => `${field} leaked`));
  });

  test('sees a policy that restores nothing lose the XMM registers to another vCPU', () => {
    const nothing = policy({ ...xen.fipWidth8, id: 'nothing', *restore() {} });
    const found = explore(integerOnly, { cpu, policy: nothing }).counterexample!.differences;
    expect(found.find(({ field }) => field === 'XMM0')).toMatchObject({ kind: 'leaked', bareMetal: 0n });
  });

  test('sees a policy that writes guest memory', () => {
    const guest = asm64`
        nop
        hlt
cell:   dq 0
`;
    const cell = guest.symbols.cell!;
    const scribbling = policy({
      ...xen.fipWidth8,
      id: 'scribbling',
      *save(host) {
        yield* xen.fipWidth8.save(host);
        yield* host.run`mov rcx, ${cell}
                        mov byte ptr [rcx], 7`;
      },
    });
    expect(explore(guest, { cpu, policy: scribbling }).counterexample).toMatchObject({ field: 'memory', bareMetal: 0, underPolicy: 7 });
  });

  test('needs two switches in a row for the fault that c58d9f2f48 fixed', () => {
    const guest = asm64`
        org    0x401000
        fninit
        fld1
        hlt
`;
    expect(explore(guest, { cpu, policy: xen.guessByHighHalf }).counterexample).toMatchObject({ switches: 2, label: 'FIP[63:32]' });
    expect(explore(guest, { cpu, policy: xen.guessAndPutBack }).transparent).toBe(true);
    expect(explore(guest, { cpu, policy: xen.poisonedFip }).transparent).toBe(true);
  });

  test('leaves the trunk run as it would have been', () => {
    const guest = verifier('xsave');
    const plain = new Machine(guest, { cpu });
    plain.run();
    const { timeline } = explore(guest, { cpu, policy: xen.fipWidth8 });
    const last = timeline.steps.at(-1)!;
    expect(last.text).toBe('hlt');
    expect(last.values.FIP).toBe(plain.state.fip);
  });

  test('gives the same answer each time', () => {
    const once = () => explore(verifier('xsave'), { cpu, policy: xen.fipWidthAuto });
    expect(once()).toEqual(once());
  });
});

test('the cost is linear in the guest: twice the instructions, twice the steps', () => {
  const steps = (iterations: number): number => {
    const step = vi.spyOn(Machine.prototype, 'step');
    explore(asm64`
        mov    ecx, ${iterations}
again:  fld1
        fstp   st(0)
        loop   again
        hlt
`, { cpu: cpus.haswell, policy: xen.fipWidth8, shrink: false });
    const count = step.mock.calls.length;
    step.mockRestore();
    return count;
  };
  const [single, twice] = [steps(40), steps(80)];
  expect(single).toBeGreaterThan(40 * 3);
  expect(twice / single).toBeLessThan(2.05);
});

describe('what a timeline marks', () => {
  const { timeline } = explore(verifier('xsave'), { cpu, policy: xen.fipWidthAuto });

  test('lanes follow each other: guest, hypervisor, another vCPU, hypervisor, guest', () => {
    const lanes = timeline.steps.map(({ lane }) => lane).filter((lane, n, all) => lane !== all[n - 1]);
    expect(lanes).toEqual(['guest', 'hypervisor', 'other', 'hypervisor', 'guest']);
  });

  test('the selectors are wrong from the restore on', () => {
    const steps = timeline.steps.filter(({ wrong }) => wrong.length > 0);
    expect(steps[0]).toMatchObject({ lane: 'hypervisor', text: 'xrstor64 [area]', wrong: ['FCS', 'FDS'] });
    expect(steps.at(-1)).toMatchObject({ lane: 'guest', text: 'hlt', wrong: ['FCS', 'FDS'] });
  });
});

describe('bad input', () => {
  const guest = integerOnly;

  test('explore says which option is wrong', () => {
    expect(() => explore(guest, { cpu, policy: xen.fipWidth8, boundaries: 3 } as never)).toThrow(/unknown option "boundaries"; there are cpu, policy/);
    expect(() => explore(guest, { policy: xen.fipWidth8 } as never)).toThrow(/cpu must be a CPU profile, for example cpus.ivyBridge/);
    expect(() => explore(guest, { cpu } as never)).toThrow(/policy must be a policy, for example xen.fipWidthAuto/);
    expect(() => explore(guest, { cpu, policy: xen.fipWidth8, limit: 0 })).toThrow(/limit is 0/);
    expect(() => explore('nop' as never, { cpu, policy: xen.fipWidth8 })).toThrow(/first argument is a program/);
  });

  test('policy says which step is missing or is no generator', () => {
    expect(() => policy({ ...xen.fipWidth8, save: undefined } as never)).toThrow(/save is undefined, it must be a function/);
    expect(() => policy({ ...xen.fipWidth8, restore: () => {} } as never)).toThrow(/restore must be a generator function, written \*restore/);
  });

  test('a step that loops for ever is broken off and named', () => {
    const endless = policy({ ...xen.fipWidth8, id: 'endless', *save({ run }) { yield* run`again: jmp again`; } });
    expect(() => explore(guest, { cpu, policy: endless })).toThrow(/"endless" .* more than [\d,]+ instructions/);
  });

  test('assembly in a step is reported with its place', () => {
    const wrong = policy({ ...xen.fipWidth8, id: 'wrong', *save({ run }) { yield* run`xsafe [0x1000]`; } });
    expect(() => explore(guest, { cpu, policy: wrong })).toThrow(/line 1, column 1: "xsafe" is no instruction/);
  });
});

test('what a policy prints for people', () => {
  expect(printVerdict(explore(verifier('xsave'), { cpu, policy: xen.fipWidthAuto }))).toBe(
    `✗ width 0 (auto) on Ivy Bridge: 8 boundaries
  the guest can tell after 2 instructions, the last one fld qword ptr [0xfffff8030000101e]
  FCS: 0x10 on bare metal, 0x0 under the policy
  FDS: 0x2b on bare metal, 0x0 under the policy
  smallest guest: fld qword ptr [value]`);
});

test('XSA-172: an image with FSW.ES and no exception turns the scrub of 2013 off', () => {
  const secret = 0x7f11_2233_4000n;
  const fipAfterLoad = (each: Policy): bigint => {
    const machine = new Machine(asm64`hlt`, { cpu: cpus.amdK10 });
    const world = new World(machine, each);
    machine.state.fip = secret;
    world.area.fsw = 0x80;
    world.start();
    return machine.state.fip;
  };
  expect(fipAfterLoad(xen.xsaveScrubbed)).toBe(secret);
  expect(fipAfterLoad(xen.poisonedFip)).toBe(secret);
  expect(fipAfterLoad(xen.scrubByFlags)).not.toBe(secret);
});
