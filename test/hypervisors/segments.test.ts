import {
  type Consequence, type HiddenState, Machine, type Policy, assemble, consequences, cpus, explore, hiddenStateGuest, hiddenStates, policy, printCitation, segments,
  smallestGuest, tagMemory, unrealMode,
} from 'hidden-state';
import { describe, expect, test } from 'vitest';

const cpu = cpus.ivyBridge;

const states = hiddenStates;

/** What comes of a switch right before the guest reads through FS. */
function atUse(state: HiddenState, policy: Policy): Consequence {
  const { bareMetal, boundaries } = consequences(hiddenStateGuest(state), { cpu, policy, prepare: tagMemory, at: 'use' });
  expect(bareMetal).toEqual({ how: 'halted', where: 'guest' });
  expect(boundaries).toHaveLength(1);
  return boundaries[0]!;
}

/** Outcome and, where it is a fault, which and whose. */
const summary = ({ outcome, ending: { how, where } }: Consequence): string =>
  (outcome === 'faulting' ? `${how} in the ${where}` : outcome);

const general = ({ use }: HiddenState): string => (use === 'protected mode' ? '#GP(0)' : '#GP');

describe('policies for segment registers', () => {
  test('are called what they are exported as, cite a source, and stand oldest first', () => {
    const exported = segments as unknown as Record<string, unknown>;
    for (const policy of segments.history) {
      expect(exported[policy.id], policy.id).toBe(policy);
      expect(printCitation(policy.source)).not.toBe('');
    }
    const years = segments.history.map(({ year }) => year);
    expect(years).toEqual(years.toSorted());
    expect(new Set(segments.history)).toEqual(new Set(Object.values(segments).filter((value) => typeof value === 'object' && 'save' in value)));
  });

  // A guest that has no hidden parts to lose: segments as the table has them, or as real-address mode makes them.
  const plain = assemble(`
        mov    ax, 0x1234
        mov    ds, ax
        mov    es, ax
        push   ds
        pop    fs
        mov    gs, ax
        mov    byte ptr [5], 7
        mov    bl, gs:[5]
        cli
        pushf
        hlt`, { mode: 16 });

  test.each(segments.history.filter(({ covers }) => covers === 'nothing'))('$id keeps an ordinary real-address guest', (policy) => {
    const { worst, boundaries } = consequences(plain, { cpu, policy });
    expect(worst === 'identical' || boundaries.every(({ differences }) => differences.every(({ label }) => /memory at/u.test(label)))).toBe(true);
    expect(boundaries.length).toBe(11);
  });

  test.each(segments.history.filter(({ covers, mode }) => covers === 'data segment registers' && mode !== 16))('$id keeps a guest whose tables are as they were', (policy) => {
    const guest = assemble(`
        lgdt   [gdtr]
        mov    ax, 0x10
        mov    ds, ax
        mov    es, ax
        mov    fs, ax
        mov    gs, ax
loaded: mov    eax, fs:[gdt + 16]
        hlt
        align  8
gdt:    dq     0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdtr:   dw     23
        dd     gdt`, { mode: 32 });
    const { worst, boundaries } = consequences(guest, { cpu, policy, from: 'loaded' });
    expect([worst, boundaries.length]).toEqual(['identical', 2]);
  });
});

describe('every hidden state, a switch right before the use (open question 1)', () => {
  test.each(states)('$use, limit $limit, base $base, table $table: what the hardware keeps, and what interpretation keeps, is identical', (state) => {
    for (const policy of [segments.hardware, segments.interpreted, segments.privateDescriptor, segments.kvm]) {
      expect(summary(atUse(state, policy)), policy.id).toBe('identical');
    }
  });

  test.each(states)('$use, limit $limit, base $base, table $table: a reload in protected mode is right exactly where the table is the same', (state) => {
    const expected = {
      'same': 'identical', 'rewritten': state.limit === '4G' ? `${general(state)} in the guest` : 'wrong',
      'not present': '#NP(0x28) in the hypervisor', 'out of range': '#GP(0x28) in the hypervisor',
    }[state.table];
    expect(summary(atUse(state, segments.reloadProtected))).toBe(expected);
  });

  test.each(states)('$use, limit $limit, base $base, table $table: with an exception table the fault is the guest\'s', (state) => {
    const expected = {
      'same': 'identical', 'rewritten': state.limit === '4G' ? `${general(state)} in the guest` : 'wrong',
      'not present': `${general(state)} in the guest`, 'out of range': `${general(state)} in the guest`,
    }[state.table];
    for (const policy of [segments.xenPv, segments.linuxSelectors]) expect(summary(atUse(state, policy))).toBe(expected);
  });

  test.each(states)('$use, limit $limit, base $base, table $table: with FSGSBASE a new limit comes with the old base', (state) => {
    const expected = {
      'same': 'identical', 'rewritten': state.limit === '4G' ? `${general(state)} in the guest` : 'identical',
      'not present': `${general(state)} in the guest`, 'out of range': `${general(state)} in the guest`,
    }[state.table];
    expect(summary(atUse(state, segments.linuxFsgsbase))).toBe(expected);
  });

  test.each(states)('$use, limit $limit, base $base, table $table: a reload in real-address mode does not look at the table; it has a base of the selector and somebody\'s limit', (state) => {
    const one = atUse(state, segments.reloadReal);
    // One neighbour leaves a limit of 3FFFh, which is too small; the other one of 4 GiB.
    const expected = state.base === 'other' ? ['wrong', 'faulting'] : ['faulting', 'identical'];
    expect([one.outcome, one.otherwise]).toEqual(expected);
  });

  test.each(states)('$use, limit $limit, base $base, table $table: virtual-8086 mode loses the limit in unreal mode, and shows the selector of the base', (state) => {
    const unreal = state.use === 'real-address mode' && state.limit === '4G';
    const moved = state.use === 'real-address mode' && state.base === 'other';
    expect(summary(atUse(state, segments.virtual8086))).toBe(unreal ? '#GP in the guest' : moved ? 'wrong' : 'identical');
    for (const policy of [segments.xenGuess, segments.kvmMadeToFit]) {
      const { outcome, differences } = atUse(state, policy);
      expect([outcome, differences.map(({ label }) => label)], policy.id).toEqual(moved ? ['wrong', ['FS']] : ['identical', []]);
    }
  });
});

const alphabet = ['mov cx, fs', 'mov fs, ax', 'mov ebx, fs:[0x20]', 'mov ebx, fs:[esi]', 'mov byte ptr [gdt + 42], 6'];

describe('the smallest guests (open question 2)', () => {
  const smallest = (policy: Policy, base: number, longest = 2): string | undefined =>
    smallestGuest({ ...unrealMode({ base }), alphabet, longest, cpu, policy, prepare: tagMemory }).found?.instructions.join('; ');

  test("Xen's guess of 2008: a load of another base loses the limit, which the processor keeps", () => {
    expect(smallest(segments.xenGuess, 0x280)).toBe('mov fs, ax; mov ebx, fs:[esi]');
  });

  test('it is the other base that it is wrong about: a load of the same base is no guest on which it is', () => {
    const reload = ['mov cx, fs', 'mov fs, cx', 'mov ebx, fs:[esi]', 'mov ebx, fs:[0x20]'];
    const { found, tried } = smallestGuest({
      ...unrealMode({ base: 0x280 }), alphabet: reload, longest: 3, cpu, policy: segments.xenGuess, prepare: tagMemory,
    });
    expect(found).toBe(undefined);
    expect(tried).toBeGreaterThan(50);
  });

  test('with a base that the selector does not give, one instruction is enough: the guest reads its selector', () => {
    for (const policy of [segments.xenGuess, segments.kvmMadeToFit, segments.virtual8086]) {
      expect(smallest(policy, 0x5_0000), policy.id).toBe('mov cx, fs');
    }
  });

  test("KVM's rule is the processor's: no sequence of two shows a difference where the base fits", () => {
    expect(smallest(segments.kvmMadeToFit, 0x280)).toBe(undefined);
  });

  test.each([segments.hardware, segments.interpreted, segments.privateDescriptor, segments.kvm])('$id: none of two instructions, at any base', (policy) => {
    for (const base of [0, 0x280, 0x5_0000]) expect(smallest(policy, base), String(base)).toBe(undefined);
  });

  test('a stack segment with 4 GiB never survives the exception for SS, and does without it', () => {
    const stack = (policy: Policy) => smallestGuest({
      ...unrealMode({ base: 0x280, register: 'ss' }), alphabet: ['mov ebx, ss:[esi]'], longest: 1, cpu, policy, prepare: tagMemory,
    }).found?.consequence.ending.how;
    expect([stack(segments.xenGuess), stack(segments.xenGuessKeepingSs), stack(segments.kvm)]).toEqual(['#SS', undefined, undefined]);
  });
});

/** An FS with 4 GiB that is loaded once more in real-address mode, which makes the base and leaves the limit; and then `use`. */
const loadedAgain = (selector: number, use: string) => assemble(`
        cli
        lgdt   [gdtr]
        mov    eax, cr0
        mov    edx, eax
        or     al, 1
        mov    cr0, eax
        mov    bx, 8
        mov    fs, bx
        mov    cr0, edx
        mov    bx, ${selector}
        mov    fs, bx
        ${use}
        hlt
        align  8
gdt:    dq     0, 0x00cf93000000ffff
gdtr:   dw     15
        dd     gdt`, { mode: 16 });

describe("the page's table and its exercise", () => {
  test('what becomes of a guest is the same on every processor, but for Linux without FSGSBASE', () => {
    const outcomes = (one: Policy, processor: (typeof cpus)[keyof typeof cpus]): string[] =>
      states.filter(({ base }) => base === 'other').map((state) => summary(
        consequences(hiddenStateGuest(state), { cpu: processor, policy: one, prepare: tagMemory, at: 'use' }).boundaries[0]!,
      ));
    for (const each of segments.history) {
      for (const processor of Object.values(cpus)) {
        const like = each === segments.linuxFsgsbase && !processor.features.has('FSGSBASE') ? segments.linuxSelectors : each;
        expect(outcomes(each, processor), `${each.id}, ${processor.id}`).toEqual(outcomes(like, cpu));
      }
    }
    expect(outcomes(segments.linuxFsgsbase, cpus.amdK10)).not.toEqual(outcomes(segments.linuxFsgsbase, cpu));
  });

  test("the exercise has an answer: the processor's rule", () => {
    const answer = policy({
      ...segments.xenGuess, id: 'answer',
      ...segments.throughVirtual8086({
        set: ({ base }) => ({ selector: Number(base >> 4n), base, limit: 0xffff, attributes: 0xf3 }),
        note: (seen, remembered) => (seen.base === remembered.base ? remembered : { ...remembered, selector: seen.selector, base: seen.base }),
      }),
    });
    const guest = loadedAgain(0x1000, 'mov eax, 0x20000\n mov ebx, fs:[eax]');
    expect(consequences(guest, { cpu, policy: answer }).worst).toBe('identical');
    expect(consequences(guest, { cpu, policy: segments.xenGuess }).worst).toBe('faulting');
  });
});

describe('VM entry to virtual-8086 mode', () => {
  const fits = { selector: 0x1000, base: 0x1_0000n, limit: 0xffff, attributes: 0xf3 };
  test.each([{ base: 0x1_0010n }, { limit: 0xffff_ffff }, { attributes: 0x93 }])('fails with an unreal segment, or one that is not as the mode has it: %o', (change) => {
    const refused = policy({
      ...segments.virtual8086, id: 'refused',
      ...segments.throughVirtual8086({ set: (_, segment) => ({ ...fits, ...(segment === 4 ? change : {}) }), note: (seen) => seen }),
    });
    const { mode, before, behind } = unrealMode({ base: 0x280 });
    const guest = assemble(`${before}\nuse: hlt${behind}`, { mode });
    expect(() => consequences(guest, { cpu, policy: refused })).toThrow(/VM entry fails: in virtual-8086 mode FS cannot have/);
  });
});

describe('an interrupt between the writes to the table and the use', () => {
  const guest = (handler: string) => assemble(`
        lgdt   [gdtr]
        lidt   [idtr]
        mov    esp, 0x6000
        mov    ax, 0x10
        mov    ds, ax
        mov    ax, 0x28
        mov    fs, ax
        mov    byte ptr [gdt + 43], 0x20
        int    0x20
        hlt
handle: ${handler}
        iretd
        align  8
idt:    resb   256
        dw     handle, 8, 0x8e00, 0
gdt:    dq     0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0, 0, 0x0040930010001000
gdtr:   dw     47
        dd     gdt
idtr:   dw     263
        dd     idt`, { mode: 32, origin: 0x7c00n });
  const baseAfter = (handler: string): bigint => {
    const machine = new Machine(guest(handler), { cpu });
    machine.memory.map(0x5000n, 0x1000);
    machine.run();
    return machine.state.segment(4).base;
  };

  test('does nothing to FS by itself; a handler that saves and reloads FS does what a monitor does', () => {
    expect(baseAfter('nop')).toBe(0x1000n);
    expect(baseAfter('push fs\n pop fs')).toBe(0x2000n);
  });
});

describe('the private descriptor', () => {
  // What real-address mode can have that protected mode would refuse: null selectors and selectors with an RPL.
  test.each([0, 3, 4, 0x28, 0x2f, 0x1234, 0xffff])('reproduces an unreal segment with selector %i', (selector) => {
    const guest = loadedAgain(selector, 'nop');
    const { transparent, fields, boundaries } = explore(guest, { cpu, policy: segments.privateDescriptor });
    expect({ transparent, fields, boundaries }).toEqual({ transparent: true, fields: [], boundaries: 14 });
  });

  test('follows a local descriptor table', () => {
    const guest = assemble(`
        lgdt   [gdtr]
        mov    ax, 8
        lldt   ax
        mov    ax, 0x1f
        mov    fs, ax
        mov    dword ptr [ldt + 24], 0x5000ffff
        mov    ebx, fs:[0]
        hlt
        align  8
ldt:    dq     0, 0, 0, 0x0040f3300000ffff
gdt:    dq     0, 0x0000820000000000 + ldt * 0x10000 + 31
gdtr:   dw     15
        dd     gdt`, { mode: 32 });
    const prepare = (machine: Machine): void => {
      machine.memory.map(0x30_0000n, 0x1000);
      // As a null selector leaves it.
      machine.state.setSegment(5, { selector: 0, base: 0n, limit: 0, attributes: 0 });
    };
    const { transparent, fields } = explore(guest, { cpu, policy: segments.privateDescriptor, prepare });
    expect({ transparent, fields }).toEqual({ transparent: true, fields: [] });
  });
});

describe('a monitor with selector reload only (open question 3)', () => {
  const guest = (between: string) => assemble(`
        lgdt   [gdtr]
        mov    ax, 0x10
        mov    ds, ax
        mov    es, ax
        mov    gs, ax
        mov    ax, 0x18
        mov    fs, ax
        ${between}
use:    mov    ebx, fs:[0]
        hlt
        align  8
gdt:    dq     0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x0040930401000fff
gdtr:   dw     31
        dd     gdt`, { mode: 32 });
  const outcome = (between: string) => consequences(guest(between), {
    cpu, policy: segments.reloadProtected, at: 'use', prepare: (machine) => machine.memory.map(0x4_0000n, 0x2_0000),
  }).worst;

  test('is right while the entry is what was loaded, whatever else is written', () => {
    expect(outcome('')).toBe('identical');
    expect(outcome('mov dword ptr [gdt + 24], 0x01000fff')).toBe('identical');
    expect(outcome('mov dword ptr [gdt + 16], 0x1234')).toBe('identical');
  });

  test('is not when the register was loaded in real-address mode; and there only with the limit that is left by chance', () => {
    const real = (limit: number) => assemble(`
        mov    bx, 0x1234
        mov    fs, bx
        mov    ebx, ${limit}
use:    mov    al, fs:[ebx]
        hlt`, { mode: 16 });
    const at = (policy: Policy, limit: number) => consequences(real(limit), { cpu, policy, at: 'use' }).boundaries[0]!;
    expect(at(segments.reloadProtected, 0).ending).toEqual({ how: '#GP(0x1234)', where: 'hypervisor' });
    expect([at(segments.reloadReal, 0x3fff).outcome, at(segments.reloadReal, 0x3fff).otherwise]).toEqual(['identical', 'identical']);
    expect([at(segments.reloadReal, 0x4000).outcome, at(segments.reloadReal, 0x4000).otherwise]).toEqual(['faulting', 'identical']);
  });

  test('is not when the entry is another, or the table is', () => {
    expect(outcome('mov word ptr [gdt + 24], 0')).toBe('faulting');
    expect(outcome('mov byte ptr [gdt + 29], 0x13')).toBe('faulting');
    expect(outcome('mov word ptr [gdtr], 23\n lgdt [gdtr]')).toBe('faulting');
  });
});
