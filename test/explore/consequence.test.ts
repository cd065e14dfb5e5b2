import { asm32, assemble, consequenceTimeline, consequences, cpus, explore, policy, printTable, segments, tabulateConsequences, xen } from 'hidden-state';
import { describe, expect, test } from 'vitest';

const cpu = cpus.ivyBridge;

/** FS in unreal mode, and what is done with it. */
const unrealGuest = (rest: string) => assemble(`
        cli
        lgdt   [gdtr]
        mov    eax, cr0
        mov    ecx, eax
        or     al, 1
        mov    cr0, eax
        mov    bx, 0x10
        mov    fs, bx
        mov    cr0, ecx
        mov    eax, 0x18000
${rest}
        align  8
gdt:    dq     0, 0, 0x00cf93000000ffff
gdtr:   dw     23
        dd     gdt`, { mode: 16 });

/** A store that needs the limit. */
const unreal = unrealGuest(`
use:    mov    byte ptr fs:[eax], 7
        hlt`);

describe('consequences', () => {
  test('are counted at every boundary before the end, and compare registers and memory at the end', () => {
    const { boundaries, worst, bareMetal } = consequences(unreal, { cpu, policy: segments.reloadReal });
    expect(boundaries.map(({ boundary }) => boundary)).toEqual([...Array.from({ length: 12 }).keys()]);
    expect(bareMetal).toEqual({ how: 'halted', where: 'guest' });
    expect(worst).toBe('wrong');
    const { outcome, otherwise, differences } = boundaries[10]!;
    expect([outcome, otherwise]).toEqual(['wrong', 'faulting']);
    // Base 100h with somebody's 4 GiB: the byte goes 100h too far.
    expect(differences.map(({ label, bareMetal: is, underPolicy }) => [label, is, underPolicy])).toEqual([
      ['memory at 0x18000', 7, 0], ['memory at 0x18100', 0, 7],
    ]);
  });

  test('before a label only', () => {
    const { boundaries } = consequences(unreal, { cpu, policy: segments.reloadReal, at: 'use' });
    expect(boundaries.map(({ boundary, after }) => [boundary, after])).toEqual([[10, 'mov eax, 0x18000']]);
    expect(consequences(unreal, { cpu, policy: segments.reloadReal, from: 'use' }).boundaries.map(({ boundary }) => boundary)).toEqual([10, 11]);
  });

  test('leave the run as it was: a boundary is the same alone and after all others', () => {
    for (const each of segments.history) {
      const all = consequences(unreal, { cpu, policy: each }).boundaries[10];
      expect(consequences(unreal, { cpu, policy: each, at: 'use' }).boundaries[0], each.id).toEqual(all);
    }
  });

  test('a fault of the hypervisor is told from one of the guest', () => {
    const guest = (rest: string) => asm32`
        lgdt   [gdtr]
        mov    ax, 0x10
        mov    ds, ax
        mov    es, ax
        mov    fs, ax
        mov    gs, ax
        ${rest}
use:    mov    eax, fs:[gdt]
        hlt
        align  8
gdt:    dq     0, 0, 0x00cf93000000ffff
gdtr:   dw     23
        dd     gdt`;
    const at = (rest: string) => consequences(guest(rest), { cpu, policy: segments.reloadProtected, at: 'use' }).boundaries[0]!.ending;
    expect(at('mov byte ptr [gdt + 21], 0x13')).toEqual({ how: '#NP(0x10)', where: 'hypervisor' });
    expect(at('mov dword ptr [gdt + 20], 0x409300')).toEqual({ how: '#GP(0)', where: 'guest' });
  });

  test('an instruction that the processor does not have is a mistake of the policy, and thrown', () => {
    const mistaken = policy({
      ...segments.reloadProtected, id: 'mistaken',
      *save({ run }) {
        yield* run`ud2`;
      },
    });
    expect(() => consequences(unreal, { cpu, policy: mistaken })).toThrow(/#UD/u);
    expect(() => explore(unreal, { cpu, policy: mistaken })).toThrow(/#UD/u);
  });

  test('a guest that faults on bare metal in the same way is identical; one that never ends is wrong', () => {
    const faulting = asm32`
        ud2
        hlt`;
    expect(consequences(faulting, { cpu, policy: segments.hardware })).toMatchObject({ worst: 'identical', bareMetal: { how: '#UD' } });
    const waiting = unrealGuest(`
use:    cmp    byte ptr fs:[cell], 1
        jne    use
        hlt
cell:   db     1`);
    const { worst, boundaries } = consequences(waiting, { cpu, policy: segments.reloadReal, at: 'use', budget: 100 });
    expect([worst, boundaries[0]!.ending.how]).toEqual(['wrong', 'running']);
  });

  test('extended state counts as well, once a program looks at it', () => {
    const guest = asm32`
        fld1
        fnstenv [environment]
        hlt
environment: resb 28`;
    expect(consequences(guest, { cpu, policy: xen.fipWidth8 }).worst).toBe('wrong');
    expect(consequences(guest, { cpu, policy: xen.fipWidth4 }).worst).toBe('identical');
  });

  test('instructions that the hypervisor executed are counted', () => {
    const emulated = (which: typeof segments.kvm) => consequences(unreal, { cpu, policy: which, at: 'use' }).boundaries[0]!.emulated;
    expect([emulated(segments.hardware), emulated(segments.interpreted)]).toEqual([0, 12]);
    expect(emulated(segments.xenGuess)).toBeLessThan(emulated(segments.kvm));
  });

  test('bad options are refused with what to do', () => {
    expect(() => consequences(unreal, { cpu, policy: undefined as never })).toThrow(/segments\.reloadProtected/u);
    expect(() => consequences(unreal, { cpu, policy: segments.hardware, at: 'nowhere' })).toThrow(/no symbol "nowhere"/u);
    expect(() => consequences(unreal, { cpu, policy: segments.hardware, limit: 0 })).toThrow(/limit is 0/u);
    expect(() => consequences('x' as never, { cpu, policy: segments.hardware })).toThrow(/is a program/u);
  });
});

describe('explore', () => {
  test('refuses a policy that decides how the guest is executed, and says whom to ask', () => {
    expect(() => explore(unreal, { cpu, policy: segments.xenGuess })).toThrow(/ask consequences\(\)/u);
  });

  test('finds hidden parts lost, and leaked where they are the neighbour\'s', () => {
    const { counterexample } = explore(unreal, { cpu, policy: segments.reloadReal, shrink: false });
    const limit = counterexample!.differences.find(({ field }) => field === 'FS.limit');
    expect(limit).toMatchObject({ kind: 'leaked', bareMetal: 0xffff, underPolicy: 0x3fff });
  });

  test('says where the hypervisor faults', () => {
    const guest = asm32`
        mov    dword ptr [gdt + 20], 0
        hlt
gdt:    dq     0, 0, 0`;
    const { fields } = explore(guest, { cpu, policy: segments.reloadProtected, shrink: false });
    expect(fields).toEqual(['#GP(0x30) in the hypervisor']);
  });
});

describe('tables and timelines', () => {
  test('a table of consequences names what became of each case', () => {
    const cases = [{ id: 'unreal', name: 'unreal', guest: unreal, cpu, at: 'use' }];
    const table = tabulateConsequences({ cases, policies: [segments.hardware, segments.virtual8086, segments.reloadReal, segments.xenGuess] });
    expect(printTable(table)).toMatchInlineSnapshot(`
      "                              unreal
      2009 VMX unrestricted, SVM    ✓ identical
      2005 virtual-8086, no memory  ✗ #GP
      2006 reload, real mode        ✗ wrong: memory at 0x18000, memory at 0x18100, or a fault
      2008 Xen, guess by the base   ✗ wrong: FS"
    `);
  });

  test('a run of bytes of memory is called by its first', () => {
    const guest = assemble(`
        mov    ax, 0x1800
        mov    fs, ax
use:    mov    dword ptr fs:[0], 0x01020304
        mov    word ptr fs:[8], 0x0506
        hlt`, { mode: 16 });
    const other = policy({
      ...segments.reloadReal, id: 'other',
      *restore({ run }) {
        yield* run`pop gs
                   pop fs
                   pop es
                   pop ds
                   mov ax, 0x1900
                   mov fs, ax`;
      },
    });
    const table = tabulateConsequences({ cases: [{ id: 'guest', name: 'guest', guest, cpu, at: 'use' }], policies: [other] });
    expect(table.rows[0]!.cells[0]!.consequence!.text).toBe('wrong: FS, memory at 0x18000, memory at 0x18008 +2');
    expect(table.rows[0]!.cells[0]!.fields).toHaveLength(1 + 6 + 6);
  });

  test('a timeline shows the switch at the label', () => {
    const { steps, fields } = consequenceTimeline(unreal, { cpu, policy: segments.reloadReal, at: 'use' });
    expect(fields.map(({ name }) => name)).toEqual(['FS', 'FS.base', 'FS.limit']);
    const back = steps.findIndex(({ text }) => text === 'pop fs');
    expect(steps[back]!.values).toEqual({ 'FS': 0x10, 'FS.base': 0x100n, 'FS.limit': 0x3fff });
    expect(steps.at(-1)).toMatchObject({ lane: 'guest', text: '#GP', wrong: ['FS.base', 'FS.limit'] });
  });
});
