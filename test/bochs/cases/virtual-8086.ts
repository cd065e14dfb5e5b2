/** Virtual-8086 mode and its extensions: entry, exit, what IOPL and VME let through. */

import { bochsCase } from '../case.ts';
import { type Attempt, FLAT, PROTECTED, attempts, gate, gdt, loadTask, recordRange, recorder, system, tss32 } from './parts.ts';

const IF = 0x200, VIF = 0x8_0000, VIP = 0x10_0000, IOPL = [0, 0x1000, 0x2000, 0x3000];

const INSTRUCTIONS: readonly string[] = [
  'cli', 'sti', 'pushf\n pop bx', 'db 0x66\n pushf\n pop ebx', 'push word 0x0202\n popf\n pushf\n pop bx', 'push word 0x0302\n popf', 'push word 0x4002\n popf\n pushf\n pop bx',
  'push dword 0x40202\n db 0x66\n popf\n db 0x66\n pushf\n pop ebx', 'push word 0x0202\n push word 0\n push word back_N\n iret\nback_N: mov bx, 0x77', 'push word 0x0302\n push word 0\n push word back_N\n iret\nback_N: mov bx, 0x77',
  'push dword 0x202\n push dword 0\n push dword back_N\n db 0x66\n iret\nback_N: mov bx, 0x77', 'int 0x21', 'int 0x31', 'int 0x30', 'int3', 'into', 'mov al, 0x7f\n add al, 1\n into', 'db 0xf1',
  'in al, 0x40', 'mov dx, 0x3f8\n in al, dx', 'mov dx, 0x3ff\n in ax, dx', 'hlt', 'mov eax, cr0', 'lgdt [0]', 'clts', 'smsw bx', 'db 0x0f, 0x00, 0xc8', 'db 0x63, 0xc0', 'mov bx, 0x1234\n mov es, bx\n mov bx, es',
  'mov ebx, 0x10000\n mov al, [ebx]', 'ud2', 'mov bl, 0\n div bl', 'jmp 0x100:far_N - 0x1000\nfar_N: mov bx, cs', 'sgdt [0x8000]\n mov bx, [0x8000]', 'invd', 'mov ebx, dr7', 'rdtsc\n mov bx, 0x66', 'xor bx, bx',
];

const virtual = (levels: readonly number[], extra: readonly number[], before = ''): readonly Attempt[] => levels.flatMap((level) => extra.flatMap((flags) =>
  INSTRUCTIONS.map((code, index) => ({
    name: `IOPL ${level >> 12}, flags ${flags.toString(16)}: ${code.replaceAll('\n', ';')}`,
    code: code.replaceAll('_N', `_${level}_${flags}_${index}`), user: 'virtual' as const, flags: level | flags, before,
  }))));

const plain = virtual([IOPL[0]!, IOPL[3]!], [0, IF]);
const extended = virtual([IOPL[0]!, IOPL[3]!], [0, VIF]);
const pending = virtual([IOPL[0]!], [VIP, VIF | VIP]);

/** The task state segment: I/O permission bitmap at 88h with ports 40h and 3F8h closed, interrupt redirection bitmap before it. */
const tss = `
${tss32('tss', { 100: 0x88_0000 })}
        db 0xff, 0xff, 0xff, 0xff, 0xfd, 0xff     ; vector 21h is the program's own, 31h goes to the IDT
        times 26 db 0xff
        times 8 db 0
        db 1
        times 118 db 0
        db 1, 0x80
        times 200 db 0xff
`;
/** The program's own handler of vector 21h in segment 0: leaves through HLT with BX = 2121h. */
const own = `
own_21: db     0xbb, 0x21, 0x21, 0xf4
`;
const body = (list: readonly Attempt[], cr4: number): string => `
${PROTECTED}
        lidt   [idtr]
        ${loadTask('taskSegment')}
        mov    dword ptr [4 * 0x21], own_21
        mov    dword ptr [4 * 3], own_21
        mov    dword ptr [4 * 4], own_21
        mov    dword ptr [4 * 1], own_21
        mov    eax, ${cr4}
        mov    cr4, eax
${attempts(list)}
        point after
        finish
${own}
${tss}
${recorder(list.length, { 0x21: gate('code32', 'stub_33', 0x8e), 0x31: gate('code32', 'stub_49', 0xee) })}
${gdt({ ...FLAT, taskSegment: system('tss', 0x200, 0x89) })}`;

export const VIRTUAL_8086_CASES = [
  bochsCase({
    name: 'virtual-8086-entry',
    title: 'IRETD into virtual-8086 mode, a gate out of it and IRETD back, a fault',
    memory: { stack: { at: 0x2_ffb0, bytes: 0x50 } },
    text: `
${PROTECTED}
        lidt   [idtr]
        ${loadTask('taskSegment')}
        push   0x6666
        push   0x5555
        push   0x4444
        push   0x3333
        push   0x2222
        push   0x12349000
        push   0x23202
        push   0x100
        push   entry - 0x1000
        iretd
        bits 16
entry:
        point inside
        int    0x40
        point back from a 32-bit gate
        mov    bx, 0x7777
        mov    es, bx
        pushf
        pop    cx
        hlt
        bits 32
gate32:
        point in the 32-bit gate
        mov    eax, flat
        mov    ds, ax
        iretd
out:
        point in #GP
        finish
${tss32('tss')}
${recorder(1, { 13: gate('code32', 'out', 0x8e), 0x40: gate('code32', 'gate32', 0xee) })}
${gdt({ ...FLAT, taskSegment: system('tss', 0x67, 0x89),  })}`,
  }),
  bochsCase({
    name: 'virtual-8086', title: 'what each instruction does at IOPL 0 and 3, IF 0 and 1',
    memory: { records: recordRange(plain) }, text: body(plain, 0),
  }),
  bochsCase({
    name: 'virtual-8086-extensions', title: 'the same with CR4.VME, VIF 0 and 1',
    memory: { records: recordRange(extended) }, text: body(extended, 1),
  }),
  bochsCase({
    name: 'virtual-8086-pending', title: 'the same with CR4.VME and VIP',
    memory: { records: recordRange(pending) }, text: body(pending, 1),
  }),
];
