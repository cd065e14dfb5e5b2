import { type CpuProfile, Pc, assemble, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { FLAT_TABLE, intoFlat } from './flat.ts';

/** From real mode to 64-bit mode with the first 2 MiB and the 1 GiB that holds the APICs mapped flat; then `body`. */
const kernel64 = (body: string, data = '') => assemble(`
        bits   16
        cli
        xor    ax, ax
        mov    ds, ax
        mov    dword ptr [0x1000], 0x2003
        mov    dword ptr [0x2000], 0x3003
        mov    dword ptr [0x2018], 0xc0000083
        mov    dword ptr [0x3000], 0x83
        mov    eax, 0x1000
        mov    cr3, eax
        mov    eax, 0x20
        mov    cr4, eax
        mov    ecx, 0xc0000080
        rdmsr
        or     ah, 1
        wrmsr
        lgdt   [table]
        mov    eax, cr0
        or     eax, 0x80000001
        mov    cr0, eax
        jmp    0x8:long
        bits   64
long:   mov    esp, 0x7000
        lidt   [idt]
${body}
        align  8
gdt:    dq     0, 0x00af9b000000ffff, 0x00cf93000000ffff
table:  dw     23
        dd     gdt
idt:    dw     0xfff
        dq     0x4000
${data}
`, { mode: 16, origin: 0x7c00n });

const withX2apic: CpuProfile = { ...cpus.haswell, features: new Set([...cpus.haswell.features, 'X2APIC', 'TSC_DEADLINE']) };

/** Text that makes vector `vector` lead to `label`. */
const gate = (vector: number, label: string): string => `
        lea    rax, [${label}]
        mov    [${0x4000 + 16 * vector}], ax
        mov    word ptr [${0x4002 + 16 * vector}], 8
        mov    word ptr [${0x4004 + 16 * vector}], 0x8e00
`;
/** Writes an MSR from constants. */
const wrmsr = (msr: number, high: number, low: number): string => `
        mov    ecx, ${msr}
        mov    edx, ${high}
        mov    eax, ${low}
        wrmsr
`;

describe('64-bit guests', () => {
  test('the PIT through pin 2 of the I/O APIC, with remote EOI by MMIO', () => {
    const pc = new Pc({ cpu: cpus.haswell, program: kernel64(`
        ${gate(0x30, 'tick')}
        mov    ebx, 0xfee00000
        mov    dword ptr [rbx + 0xf0], 0x1ff
        mov    edx, 0xfec00000
        mov    dword ptr [rdx], 0x15
        mov    dword ptr [rdx + 0x10], 0
        mov    dword ptr [rdx], 0x14
        mov    dword ptr [rdx + 0x10], 0x30
        mov    al, 0x34
        out    0x43, al
        mov    al, 0xa9
        out    0x40, al
        mov    al, 4
        out    0x40, al
        sti
wait:   hlt
        cmp    r8, 3
        jb     wait
        mov    al, r8b
        out    0xf4, al
        hlt
tick:   inc    r8
        mov    dword ptr [rbx + 0xb0], 0
        iretq
`) });
    const stop = pc.run({ limit: 10_000_000 });
    expect(stop).toMatchObject({ reason: 'exit', code: 7 });
    expect(stop.time).toBeGreaterThan(2_999_000);
    expect(stop.time).toBeLessThan(3_001_000);
  });

  test('x2APIC and TSC deadline by MSRs; CR8 keeps the interrupt out until it is lowered', () => {
    const pc = new Pc({ cpu: withX2apic, program: kernel64(`
        ${gate(0x45, 'timer')}
        ${wrmsr(0x1b, 0, 0xfee00d00)}
        ${wrmsr(0x80f, 0, 0x1ff)}
        ${wrmsr(0x832, 0, 0x4_0045)}
        rdtsc
        add    eax, 1000
        mov    ecx, 0x6e0
        wrmsr
        mov    eax, 4
        mov    cr8, rax
        sti
        mov    ecx, 2000
spin:   dec    ecx
        jnz    spin
        mov    r9, r8               ; nothing by now
        xor    eax, eax
        mov    cr8, rax
        nop
        mov    ecx, 0x6e0
        rdmsr
        mov    r10, rax             ; disarmed
        mov    al, r8b
        out    0xf4, al
        hlt
timer:  inc    r8
        ${wrmsr(0x80b, 0, 0)}
        iretq
`) });
    expect(pc.run({ limit: 100_000 })).toMatchObject({ reason: 'exit', code: 3 });
    const { state } = pc.processors[0]!;
    expect([state.get('R9'), state.get('R10')]).toEqual([0n, 0n]);
  });

  test('in xAPIC mode the MSRs of x2APIC are #GP, and in x2APIC mode nothing answers at FEE0_0000h', () => {
    const pc = new Pc({ cpu: withX2apic, program: kernel64(`
        ${gate(13, 'refused')}
        mov    ebx, 0xfee00000
        mov    r9d, dword ptr [rbx + 0x30]
        mov    ecx, 0x803
        rdmsr
        hlt
refused:
        ${wrmsr(0x1b, 0, 0xfee00d00)}
        mov    ecx, 0x803
        rdmsr
        mov    r10, rax
        mov    r11d, dword ptr [rbx + 0x30]
        ${wrmsr(0x1b, 0, 0xfee00100)}
        ${wrmsr(0x1b, 0, 0xfee00900)}
        mov    r12d, dword ptr [rbx + 0xf0]
        mov    al, 0
        out    0xf4, al
        hlt
`) });
    expect(pc.run({ limit: 10_000 })).toMatchObject({ reason: 'exit', code: 1 });
    const { state } = pc.processors[0]!;
    // Enabled anew it is as after RESET.
    expect(['R9', 'R10', 'R11', 'R12'].map((name) => state.get(name))).toEqual([0x5_0014n, 0x5_0014n, 0xffff_ffffn, 0xffn]);
  });

  test('moving the local APIC is not modelled, and says so', () => {
    const pc = new Pc({ cpu: cpus.haswell, program: kernel64(wrmsr(0x1b, 0, 0xfed00900)) });
    expect(() => pc.run({ limit: 1000 })).toThrow(/moving the registers of the local APIC/);
  });

  test('the time-stamp counter is one for all processors: in any schedule it never goes back', () => {
    // Both take turns by a flag in memory and note what RDTSC says; each checks that it is more than the other saw.
    const text = (mine: number, other: number): string => `
        mov    esi, 100
turn${mine}: cmp    byte ptr [0x5000], ${mine}
        jne    turn${mine}
        rdtsc
        cmp    eax, dword ptr [0x5004]
        jbe    bad
        mov    dword ptr [0x5004], eax
        mov    byte ptr [0x5000], ${other}
        dec    esi
        jnz    turn${mine}`;
    const program = assemble(`
        bits   16
        cli
        ${intoFlat('flat')}
        mov    ax, 0x10
        mov    ds, ax
        mov    es, ax
        mov    esi, second
        mov    edi, 0x8000
        mov    ecx, 0x100
        rep movsb
        mov    ebx, 0xfee00000
        mov    dword ptr [ebx + 0x300], 0xc4500
        mov    dword ptr [ebx + 0x300], 0xc4608
        ${text(0, 1)}
        mov    al, 0
        jmp    end
bad:    mov    al, 1
end:    out    0xf4, al
        hlt
second: bits   16
        ${intoFlat('flat2')}
        mov    ax, 0x10
        mov    ds, ax
        ${text(1, 0)}
        hlt
        ${FLAT_TABLE}
`, { mode: 16, origin: 0x7c00n });
    for (const seed of [1, 2, 3]) {
      const pc = new Pc({ cpus: 2, cpu: cpus.haswell, program, schedule: { seed, most: 20 } });
      expect(pc.run({ limit: 1_000_000 })).toMatchObject({ reason: 'exit', code: 1 });
    }
  });
});
