/** Task switches: what goes wrong and where it is noticed, and what is saved and loaded. */

import { type BochsCase, bochsCase } from '../case.ts';
import { type Attempt, D, FLAT_CODE, FLAT_DATA, G, PROTECTED, callFar, gate, gdt, jumpFar, segment, system } from './parts.ts';

const RECORDS = 0x2_0000, RECORD_BYTES = 0x60;

/** Offsets in a 32-bit task state segment. */
const AT = { CR3: 0x1c, EIP: 0x20, EFLAGS: 0x24, EAX: 0x28, ESP: 0x38, ES: 0x48, CS: 0x4c, SS: 0x50, DS: 0x54, FS: 0x58, GS: 0x5c, LDT: 0x60, T: 0x64 } as const;
const SELECTORS = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'LDT'] as const;

const set = (field: keyof typeof AT, value: string | number): string => `mov ${SELECTORS.includes(field as never) || field === 'T' ? 'word' : 'dword'} ptr [tss_b + ${AT[field]}], ${value}`;
const type = (selector: string, access: number): string => `mov byte ptr [gdt + ${selector} + 5], ${access}`;
const limit = (selector: string, bytes: number): string => `mov word ptr [gdt + ${selector}], ${bytes}`;

const INT = 'int 0x30';
const loads: Attempt[] = SELECTORS.flatMap((field) => ['0', '3', 'flat', 'flat + 3', 'code32', 'data3', 'data3 + 3', 'code3 + 3', 'conforming', 'conforming + 3', 'conforming3', 'executeOnly', 'readOnly',
  'absentData', 'absentCode', 'local', 'absentLocal', 'taskB', '4', '0x1000'].map((value) => ({ name: `${field} = ${value}`, code: `${set(field, value)}\n ${INT}` })));
const user = `${set('CS', 'code3 + 3')}\n ${set('SS', 'data3 + 3')}\n ${set('DS', 0)}\n ${set('ES', 0)}`;
const outer: Attempt[] = ['DS', 'FS'].flatMap((field) => ['flat', 'data3', 'data3 + 3', 'conforming', 'code3', 'code3 + 3', 'executeOnly'].map((value) =>
  ({ name: `CPL 3, ${field} = ${value}`, code: `${user}\n ${set(field as 'DS', value)}\n ${INT}` })));

const VIRTUAL = `${set('EFLAGS', 0x2_3202)}\n ${set('CS', 0)}\n ${set('EIP', 'virtual')}\n ${set('SS', 0x40)}\n ${set('ESP', 0x500)}\n ${set('DS', 0x1000)}\n ${set('GS', 0x4444)}`;
const NESTED = 'pushfd\n or dword ptr [esp], 0x4000\n popfd';

const attempts: readonly Attempt[] = [
  { name: 'nothing wrong', code: INT }, { name: 'flags', code: `${set('EFLAGS', 0xffc8_80d7)}\n ${INT}` }, { name: 'NT in the image', code: `${set('EFLAGS', 0x4002)}\n ${INT}` },
  { name: 'NT before', code: `${NESTED}\n ${INT}` },
  ...loads, ...outer,
  { name: 'EIP beyond CS', code: `${set('CS', 'conforming')}\n ${set('EIP', 0x1_0000)}\n ${INT}` },
  { name: 'gate not present', code: 'and byte ptr [idt + 8 * 0x30 + 5], 0x7f\n int 0x30' },
  ...[0x09, 0x8b, 0x83, 0x82, 0x9b, 0x93, 0x85, 0x0b].map((access) => ({ name: `task of type ${access.toString(16)}`, code: `${type('taskB', access)}\n ${INT}` })),
  { name: 'limit 66', code: `${limit('taskB', 0x66)}\n ${INT}` }, { name: 'limit 67', code: `${limit('taskB', 0x67)}\n ${INT}` },
  { name: '16-bit', code: 'int 0x31' }, { name: '16-bit, limit 2a', code: `${limit('taskS', 0x2a)}\n int 0x31` },
  { name: '16-bit, limit 2b', code: `${limit('taskS', 0x2b)}\n int 0x31` },
  { name: 'gate to the LDT', code: 'int 0x32' }, { name: 'gate to null', code: 'int 0x33' }, { name: 'gate beyond the GDT', code: 'int 0x34' }, { name: 'gate to itself', code: 'int 0x35' },
  { name: 'fault', code: 'ud2' }, { name: 'fault with an error code', code: 'mov ax, 0x1000\n mov fs, ax' },
  { name: 'fault to a busy task', code: `${type('taskU', 0x8b)}\n ud2` },
  { name: 'virtual-8086', code: `${VIRTUAL}\n ${INT}` }, { name: 'virtual-8086 with an LDT', code: `${VIRTUAL}\n ${set('LDT', 'local')}\n ${INT}` },
  { name: 'virtual-8086 with a bad LDT', code: `${VIRTUAL}\n ${set('LDT', 'flat')}\n ${INT}` }, { name: 'virtual-8086, EIP beyond', code: `${VIRTUAL}\n ${set('EIP', 0x1_0000)}\n ${INT}` },
  { name: 'T', code: `${set('T', 1)}\n ${INT}` },
  { name: 'IRET to an available task', code: `mov word ptr [tss_a], taskB\n ${NESTED}\n iretd` },
  { name: 'IRET', code: `mov word ptr [tss_a], taskB\n ${type('taskB', 0x8b)}\n ${NESTED}\n iretd` },
  { name: '16-bit IRET', code: `mov word ptr [tss_a], taskB\n ${type('taskB', 0x8b)}\n ${NESTED}\n db 0x66\n iretd` },
  { name: 'IRET with a null link', code: `${NESTED}\n iretd` }, { name: 'IRET with a link to the LDT', code: `mov word ptr [tss_a], 4\n ${NESTED}\n iretd` },
  { name: 'IRET with a link beyond the GDT', code: `mov word ptr [tss_a], 0x1000\n ${NESTED}\n iretd` },
  { name: 'IRET to an absent task', code: `mov word ptr [tss_a], taskB\n ${type('taskB', 0x0b)}\n ${NESTED}\n iretd` },
  { name: 'IRET to data', code: `mov word ptr [tss_a], flat\n ${NESTED}\n iretd` },
  { name: 'IRET to a bad SS', code: `mov word ptr [tss_a], taskB\n ${type('taskB', 0x8b)}\n ${set('SS', 'readOnly')}\n ${NESTED}\n iretd` },
];
const far = (how: string, selector: string): string => (how === 'jmp' ? jumpFar : callFar)(selector, 0);
const farAttempts: readonly Attempt[] = ['jmp', 'call'].flatMap((how) => [
  { name: `${how} to a task`, code: far(how, 'taskB') }, { name: `${how} to a 16-bit task`, code: far(how, 'taskS') },
  { name: `${how} through a task gate`, code: far(how, 'gateB') }, { name: `${how} to a busy task`, code: `${type('taskB', 0x8b)}\n ${far(how, 'taskB')}` },
  { name: `${how} to an absent task`, code: `${type('taskB', 0x09)}\n ${far(how, 'taskB')}` }, { name: `${how} with RPL 3`, code: far(how, 'taskB + 3') },
  { name: `${how} through a gate with RPL 3`, code: far(how, 'gateB + 3') }, { name: `${how} through an absent gate`, code: `${type('gateB', 0x05)}\n ${far(how, 'gateB')}` },
  { name: `${how} to a short task`, code: `${limit('taskB', 0x66)}\n ${far(how, 'taskB')}` }, { name: `${how} to a bad DS`, code: `${set('DS', 0x1000)}\n ${far(how, 'taskB')}` },
]);

const HANDLERS = [10, 11, 12, 13];
const program = (list: readonly Attempt[]): string => `
${PROTECTED}
        lidt   [idtr]
        mov    eax, 0x2ff
        mov    dr7, eax
${list.map(({ code }, n) => `
        mov    dword ptr [resume], next_${n}
        call   prepare
        stc
        mov    eax, 0x1234
        ${code}
        mov    byte ptr [vector], 0xee      ; nothing came: vector EEh
        jmp    far_record
next_${n}:`).join('\n')}
        point  done
        finish
far_record:
        jmp    record

prepare:                                    ; all task state segments and the GDT as they were
        mov    ax, flat
        mov    ds, ax
        mov    es, ax
        mov    ss, ax
        mov    esi, gdt_copy
        mov    edi, gdt
        mov    ecx, gdt_end - gdt
        rep movsb
        mov    esi, idt_copy
        mov    edi, idt + 8 * 0x30
        mov    ecx, 8
        rep movsb
        mov    esi, tasks_copy
        mov    edi, tss_a
        mov    ecx, tasks_end - tss_a
        rep movsb
        mov    byte ptr [vector], 0xff
        mov    ax, taskA
        ltr    ax
        xor    eax, eax
        lldt   ax
        mov    fs, ax
        mov    gs, ax
        mov    dr6, eax
        mov    eax, 0x3ff
        mov    dr7, eax
        clts
        ret

entered:                                    ; the task that is switched to; SS has base 0 or the level-0 stack is taken
        mov    ss:[got + 0], eax
        mov    ss:[got + 4], esp
        mov    ss:[got + 8], edi
        mov    ax, ds
        mov    ss:[got + 12], ax
        mov    ax, es
        mov    ss:[got + 14], ax
        mov    ax, fs
        mov    ss:[got + 16], ax
        mov    ax, gs
        mov    ss:[got + 18], ax
        mov    ax, ss
        mov    ss:[got + 20], ax
        mov    ax, cs
        mov    ss:[got + 22], ax
        int    0x36                         ; to level 0 from anywhere; the frame has the flags
in_level_0:
        mov    ax, flat
        mov    ds, ax
        mov    eax, [esp + 8]
        mov    [got + 24], eax
        jmp    record
${HANDLERS.map((vector) => `handler_${vector}: mov byte ptr [vector], ${vector}\n pop dword ptr [error]\n jmp record`).join('\n')}
undefined:                                  ; a task for #UD, without an error code
        mov    byte ptr [vector], 6
        mov    [error], esp
        jmp    record
double: mov    byte ptr [vector], 8
        pop    dword ptr [error]
        jmp    record
debug:
        mov    ax, flat
        mov    ds, ax
        mov    byte ptr [vector], 1
        mov    eax, dr6
        mov    [error], eax
        jmp    record
        bits 16
virtual:
        mov    cs:[got], eax
        int    0x37                         ; below: to level 0
        bits 32
from_virtual:
        mov    ax, flat
        mov    ds, ax
        mov    byte ptr [vector], 0x37
        mov    eax, [esp + 8]
        mov    [got + 24], eax
        mov    eax, [esp + 12]
        mov    [got + 4], eax
        mov    eax, [esp + 28]
        mov    [got + 12], eax
        mov    eax, [esp + 32]
        mov    [got + 16], eax
record:
        mov    edi, [cursor]
        mov    ax, flat
        mov    es, ax
        mov    al, [vector]
        mov    ah, 0
        mov    [edi], ax
        str    ax
        mov    [edi + 2], ax
        mov    eax, [error]
        mov    [edi + 4], eax
        mov    eax, dr7
        mov    [edi + 8], ax
        mov    eax, cr0
        mov    [edi + 10], ax
        sldt   ax
        mov    [edi + 12], ax
        mov    ax, [tss_b]
        mov    [edi + 14], ax
        mov    al, [gdt + taskA + 5]
        mov    [edi + 16], al
        mov    al, [gdt + taskB + 5]
        mov    [edi + 17], al
        mov    al, [gdt + taskS + 5]
        mov    [edi + 18], al
        mov    eax, [tss_a + 0x20]
        mov    [edi + 20], eax
        mov    eax, [tss_a + 0x24]
        mov    [edi + 24], eax
        mov    eax, [tss_a + 0x28]
        mov    [edi + 28], eax
        mov    eax, [tss_b + 0x20]
        mov    [edi + 32], eax
        mov    eax, [tss_b + 0x24]
        mov    [edi + 36], eax
        mov    eax, [tss_b + 0x38]
        mov    [edi + 40], eax
        mov    ecx, 0
selectors:
        mov    ax, [tss_b + 0x48 + ecx * 4]
        mov    [edi + 44 + ecx * 2], ax
        inc    ecx
        cmp    ecx, 6
        jb     selectors
        mov    ecx, 0
results:
        mov    eax, [got + ecx * 4]
        mov    [edi + 56 + ecx * 4], eax
        mov    dword ptr [got + ecx * 4], 0
        inc    ecx
        cmp    ecx, 7
        jb     results
        mov    dword ptr [error], 0
        add    edi, ${RECORD_BYTES}
        mov    [cursor], edi
        mov    ax, flat
        mov    ss, ax
        mov    esp, 0x1000
        push   2
        popfd
        jmp    dword ptr [resume]
        align 4
resume: dd 0
cursor: dd ${RECORDS}
error:  dd 0
vector: dd 0
got:    dd 0, 0, 0, 0, 0, 0, 0, 0
        align 8
idt:
${Array.from({ length: 0x38 }, (_, vector) => {
    const special: Record<number, string> = {
      1: gate('code32', 'debug', 0x8e), 6: gate('taskU', 0, 0x85), 8: gate('taskD', 0, 0x85), 0x30: gate('taskB', 0, 0x85), 0x31: gate('taskS', 0, 0x85),
      0x32: gate('taskB + 4', 0, 0x85), 0x33: gate(0, 0, 0x85), 0x34: gate(0x1000, 0, 0x85), 0x35: gate('taskA', 0, 0x85),
      0x36: gate('code32', 'in_level_0', 0xee), 0x37: gate('code32', 'from_virtual', 0xee),
    };
    return special[vector] ?? (HANDLERS.includes(vector) ? gate(`task${vector}`, 0, 0x85) : gate('code32', 'debug', 0x8e));
  }).join('\n')}
idtr:   dw 0x38 * 8 - 1
        dd idt, 0
        align 8
idt_copy: ${gate('taskB', 0, 0x85)}
        align 8
${['', '_copy'].map((copy) => `
${copy ? 'tasks_copy:' : 'tss_a:'}
        dd 0, 0x900, flat
        times 0x68 - 12 db 0x5a
${copy ? '' : 'tss_b:'}
        dd 0x5a5a5a5a, 0xa00, flat, 0, 0, 0, 0, 0
        dd entered, 0x246, 0x11111111, 0x22222222, 0x33333333, 0x44444444, 0xb00, 0x66666666, 0x77777777, 0x88888888
        dd flat, code32, flat, flat, 0, 0, 0
        dw 0, 0x68
${copy ? '' : 'tss_s:'}
        dw 0, 0xa00, flat, 0, 0, 0, 0, entered, 0x246, 0x1111, 0x2222, 0x3333, 0x4444, 0xb00, 0x6666, 0x7777, 0x8888, flat, code32, small, flat, 0
        align 4
${[...HANDLERS.map((vector) => `handler_${vector}`), 'undefined', 'double'].map((name) => `
${copy ? '' : `tss_${name}:`}
        dd 0, 0, 0, 0, 0, 0, 0, 0
        dd ${name}, 2, 0, 0, 0, 0, 0xc00, 0, 0, 0
        dd flat, code32, flat, flat, 0, 0, 0
        dw 0, 0x68`).join('\n')}
${copy ? '' : 'tasks_end:'}
`).join('\n')}
${['gdt', 'copy'].map((which) => {
    const text = gdt({
      code32: FLAT_CODE, flat: FLAT_DATA, small: segment(0, 0xffff, 0x92), code3: segment(0, 0xf_ffff, 0xfa, G | D), data3: segment(0, 0xf_ffff, 0xf2, G | D),
      conforming: segment(0, 0xffff, 0x9e, D), conforming3: segment(0, 0xffff, 0xfe, D), executeOnly: segment(0, 0xffff, 0x98, D), readOnly: segment(0, 0xffff, 0x90, D),
      absentData: segment(0, 0xffff, 0x12, D), absentCode: segment(0, 0xffff, 0x1a, D), local: segment(0, 7, 0x82), absentLocal: segment(0, 7, 0x02),
      taskA: system('tss_a', 0x67, 0x89), taskB: system('tss_b', 0x67, 0x89), taskS: system('tss_s', 0x2b, 0x81), gateB: gate('taskB', 0, 0x85),
      ...Object.fromEntries(HANDLERS.map((vector) => [`task${vector}`, system(`tss_handler_${vector}`, 0x67, 0x89)])),
      taskU: system('tss_undefined', 0x67, 0x89), taskD: system('tss_double', 0x67, 0x89),
    });
    return which === 'gdt' ? text : text.replaceAll(/^gdt_\w+:\s*$/gm, '').replaceAll(/^\w+ equ .*$/gm, '').replace(/gdt:/, 'gdt_copy:').replace(/gdtr:[\s\S]*/, '');
  }).join('\n')}
`;

const records = (list: readonly Attempt[]) =>
  ({ records: { at: RECORDS, bytes: RECORD_BYTES * list.length, records: { bytes: RECORD_BYTES, names: list.map(({ name }) => name) } } });

export const TASK_FAULT_CASES: readonly BochsCase[] = [
  bochsCase({ name: 'task-faults', title: 'switches through task gates and by IRET', text: program(attempts), memory: records(attempts) }),
  bochsCase({ name: 'task-transfers', title: 'switches by JMP and CALL', text: program(farAttempts), memory: records(farAttempts) }),
];
