/** IA-32e mode: in and out, gates of 64 bits, system calls, canonical addresses. */

import { bochsCase } from '../case.ts';
import { CODE, CODE3, D, DATA, DATA3, FLAT, G, L, PROTECTED, gate64, gdt, loadTask, segment } from './parts.ts';

/** A GDT for all modes; SYSRET wants 32-bit code, data and 64-bit code of level 3 in this order. */
const entries = (extra: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  code32: FLAT.code32, flat: FLAT.flat, code64: segment(0, 0xf_ffff, CODE, G | L), flat64: segment(0, 0xf_ffff, DATA, G | D),
  compatible3: segment(0, 0xf_ffff, CODE3, G | D), flat3: segment(0, 0xf_ffff, DATA3, G | D), code64_3: segment(0, 0xf_ffff, CODE3, G | L),
  task: 'dw 0x67, tss\n db 0, 0x89, 0, 0\n dq 0', ...extra,
});

/** Four levels: the first GiB in 2 MiB pages for everybody, once more at FFFF800000000000h. */
const LONG = `
${PROTECTED}
        mov    dword ptr [0x40000], 0x41007
        mov    dword ptr [0x40800], 0x41007
        mov    dword ptr [0x41000], 0x42007
        mov    edi, 0x42000
        mov    eax, 0x87
        mov    ecx, 16
fill:   mov    [edi], eax
        add    eax, 0x200000
        add    edi, 8
        loop   fill
        mov    eax, 0x40000
        mov    cr3, eax
        mov    eax, 0x10620
        mov    cr4, eax
        mov    ecx, 0xc0000080
        rdmsr
        or     eax, 0x101
        wrmsr
        point LME
        mov    eax, cr0
        or     eax, 0x80000000
        mov    cr0, eax
        point LMA
        jmp    code64:long
        bits 64
long:
        push   2
        popfq
`;
const tss = `
        align 8
tss:    dd 0
        dq 0x30000, 0x31000, 0x32000, 0
        dq 0x33000, 0x34008, 0x8000000000000000
        times 32 db 0
        dw 0, 0x68
`;
const idt = (gates: Readonly<Record<number, string>>, fallback = 'unexpected'): string => `
        align 8
idt:
${Array.from({ length: 0x48 }, (_, vector) => gates[vector] ?? gate64('code64', fallback, 0x8e)).join('\n')}
idt_end:
        dw 0
idtr:   dw idt_end - idt - 1
        dq idt
        bits 64
unexpected:
        point unexpected
        finish
`;

export const LONG_MODE_CASES = [
  bochsCase({
    name: 'long-mode',
    title: 'into IA-32e mode, compatibility mode, and out again',
    memory: { tables: { at: 0x4_0000, bytes: 8 }, gdt: { at: 'gdt', bytes: 0x30 } },
    text: `
${LONG}
        point 64-bit mode
        mov    rax, 0x123456789abcdef0
        mov    r15, rax
        mov    eax, 0
        mov    ds, ax
        mov    fs, ax
        mov    ss, ax
        point null selectors
        mov    eax, flat64
        mov    fs, ax
        mov    ss, ax
        mov    ecx, 0xc0000100
        mov    eax, 0x11111111
        mov    edx, 0
        wrmsr
        rdfsbase rbx
        point FS base
        mov    fs, word ptr [selector]
        mov    rbx, 0x55
        mov    ecx, 0xc0000100
        rdmsr
        point FS loaded
        mov    esp, 0x28000
        push   code32
        push   compatible
        retfq
        bits 32
compatible:
        point compatibility mode
        mov    ax, flat
        mov    ds, ax
        mov    es, ax
        mov    ss, ax
        mov    eax, cr0
        and    eax, 0x7fffffff
        mov    cr0, eax
        point paging off
        mov    ecx, 0xc0000080
        rdmsr
        and    eax, 0xfffffeff
        wrmsr
        mov    eax, 0
        mov    cr4, eax
        point LME clear
        jmp    code16:narrow
        bits 16
narrow:
        mov    eax, cr0
        and    al, 0xfe
        mov    cr0, eax
        jmp    0:real
real:
        point real-address mode
        finish
selector: dw flat64
${tss}
${gdt(entries({ code16: segment(0, 0xffff, CODE) }))}`.replace('        retfq', '        db 0x48, 0xcb'),
  }),
  bochsCase({
    name: 'long-gates',
    title: '64-bit gates: same and inner level, IST, error code, alignment of RSP, IRETQ in both directions',
    memory: { level0: { at: 0x2_ff90, bytes: 0x70 }, ist1: { at: 0x3_2fc0, bytes: 0x40 }, ist2: { at: 0x3_3fc0, bytes: 0x40 }, own: { at: 0x2_7fb0, bytes: 0x50 } },
    text: `
${LONG}
        lidt   [idtr]
        ${loadTask('task')}
        mov    rsp, 0x27ffb
        int    0x40
        point back from the same level
        mov    rsp, 0x28000
        int    0x41
        point back from IST 1
        int    0x42
        point back from IST 2
        mov    eax, 0x1000
        mov    fs, ax
        point back from #GP
        push   flat3 + 3
        push   0x20000
        push   0x202
        push   code64_3 + 3
        push   user
        iretq
user:
        point CPL 3
        int    0x40
        point back at CPL 3
        int    0x41
        point back at CPL 3 from IST 1
        mov    rax, 0x8000000000000000
        mov    al, [rax]
        point back from a canonical fault
        push   rax
        pop    rbp
        mov    bl, [rbp]
        point back from a canonical fault of the stack
        int    0x43
        point back from an absent gate
        int    0x44
same:
        point in the handler
        iretq
ist:
        point on IST
        iretq
last:
        point the last
        finish
protection:
        point in #GP
        add    rsp, 8
        add    qword ptr [rsp], 2
        iretq
stack:
        point in #SS
        add    rsp, 8
        add    qword ptr [rsp], 3
        iretq
absent:
        point in #NP
        add    rsp, 8
        add    qword ptr [rsp], 2
        iretq
${tss}
${idt({ 11: gate64('code64', 'absent', 0x8e), 12: gate64('code64', 'stack', 0x8e), 13: gate64('code64', 'protection', 0x8e), 0x40: gate64('code64', 'same', 0xee), 0x41: gate64('code64', 'ist', 0xee, 1), 0x42: gate64('code64', 'ist', 0xee, 2), 0x43: gate64('code64', 'ist', 0x6e), 0x44: gate64('code64', 'last', 0xef) })}
${gdt(entries())}`,
  }),
  bochsCase({
    name: 'long-compatible',
    title: 'interrupts out of compatibility mode, and IRET to it',
    memory: { level0: { at: 0x2_ff90, bytes: 0x70 } },
    text: `
${LONG}
        lidt   [idtr]
        ${loadTask('task')}
        mov    rsp, 0x28000
        push   flat3 + 3
        push   0x20000
        push   0x202
        push   compatible3 + 3
        push   user
        iretq
        bits 32
user:
        point compatibility mode at CPL 3
        mov    eax, flat3 + 3
        mov    ds, ax
        int    0x40
        point back
        mov    eax, -1
        inc    eax
        int    0x41
        bits 64
same:
        point in the handler
        iretq
last:
        point the last
        finish
${tss}
${idt({ 0x40: gate64('code64', 'same', 0xee), 0x41: gate64('code64', 'last', 0xee) })}
${gdt(entries())}`,
  }),
  bochsCase({
    name: 'call-gate-64',
    title: 'call gates of 64 bits, to the same and to an inner level, and RETF back',
    memory: { level0: { at: 0x2_ff90, bytes: 0x70 }, own: { at: 0x2_7fd0, bytes: 0x30 } },
    text: `
${LONG}
        lidt   [idtr]
        ${loadTask('task')}
        mov    rsp, 0x28000
        db     0xff, 0x1c, 0x25            ; CALL FAR [pointer]
        dd     pointer
        point back at the same level
        push   flat3 + 3
        push   0x20000
        push   0x202
        push   code64_3 + 3
        push   user
        iretq
user:
        db     0xff, 0x1c, 0x25
        dd     pointer
        point back at CPL 3
        db     0xff, 0x1c, 0x25
        dd     lastPointer
inner:
        point inside
        db     0x48, 0xcb                  ; RETF
last:
        point the last
        finish
pointer: dd 0
        dw caller + 3
lastPointer: dd 0
        dw caller2 + 3
${tss}
${idt({})}
${gdt(entries({ caller: gate64('code64', 'inner', 0xec), caller2: gate64('code64', 'last', 0xec) }))}`,
  }),
  bochsCase({
    name: 'system-calls',
    title: 'SYSCALL, SYSRET, SYSENTER, SYSEXIT, SWAPGS: hidden parts of CS and SS, RFLAGS',
    text: `
${LONG}
        lidt   [idtr]
        ${loadTask('task')}
        mov    ecx, 0xc0000081
        mov    eax, 0
        mov    edx, ((compatible3 + 3) << 16) + code64
        wrmsr
        mov    ecx, 0xc0000082
        mov    eax, entry
        mov    edx, 0
        wrmsr
        mov    ecx, 0xc0000084
        mov    eax, 0x40600
        wrmsr
        mov    ecx, 0x174
        mov    eax, code64
        wrmsr
        mov    ecx, 0x175
        mov    eax, 0x29000
        wrmsr
        mov    ecx, 0x176
        mov    eax, fast
        wrmsr
        mov    ecx, 0xc0000101
        mov    eax, 0x1000
        wrmsr
        mov    ecx, 0xc0000102
        mov    eax, 0x2000
        wrmsr
        mov    rsp, 0x28000
        push   flat3 + 3
        push   0x20000
        push   0x40ad7
        push   code64_3 + 3
        push   user
        iretq
user:
        point CPL 3
        mov    ebx, 0
        syscall
        point back by SYSRET
        mov    ebx, 1
        syscall
        bits 32
narrow:
        point back by SYSRET to compatibility mode
        mov    eax, cs
        mov    ecx, 0x20000
        mov    edx, after
        sysenter
        bits 64
entry:
        point in SYSCALL
        swapgs
        point SWAPGS
        cmp    ebx, 0
        jne    second
        db     0x48, 0x0f, 0x07            ; SYSRET
second: mov    ecx, narrow
        mov    r11d, 0x202
        db     0x0f, 0x07
fast:
        point in SYSENTER
        cmp    ebx, 7
        je     third
        mov    ebx, 7
        mov    ecx, 0x20000
        mov    edx, after
        db     0x0f, 0x35                  ; SYSEXIT
third:
        mov    ecx, 0x20000
        mov    edx, wide
        db     0x48, 0x0f, 0x35
        bits 32
after:
        point back by SYSEXIT
        sysenter
        bits 64
wide:
        point back by SYSEXIT to 64-bit mode
        int    0x40
last:
        point the last
        finish
${tss}
${idt({ 0x40: gate64('code64', 'last', 0xee) })}
${gdt(entries())}`.replaceAll('        syscall', '        db 0x0f, 0x05').replaceAll('        sysenter', '        db 0x0f, 0x34').replaceAll('        swapgs', '        db 0x0f, 0x01, 0xf8'),
  }),
];
