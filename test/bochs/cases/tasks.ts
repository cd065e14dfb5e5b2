/** Task switches: what is saved, loaded, checked and marked busy. */

import { bochsCase } from '../case.ts';
import {
  type Attempt, DATA, FLAT, D, G, LLDT_AX, LTR_AX, PROTECTED, RECORD_BYTES, attempts, callFar, gate, gdt, jumpFar, loadTask, recordRange, recorder, segment, system,
  taskAt, tss16, tss32,
} from './parts.ts';

const TSS = 0x89, LIMIT = 0x67;
const tssRange = (at: string) => ({ at, bytes: 0x68 });

/** One field of the new task's state or of its descriptor, and what the switch says to it. */
const broken: readonly (readonly [name: string, patch: string])[] = [
  ['nothing', ''],
  ...['0', '3', '4', '0x1000', 'flat', 'absentCode', 'code3', 'code3 + 3', 'code32 + 3', 'conforming', 'conforming3', 'conforming + 3', 'systemSegment']
    .map((selector) => [`CS ${selector}`, `mov dword ptr [second + 0x4c], ${selector}`] as const),
  ...['0', '3', '4', '0x1000', 'code32', 'absent', 'flat3', 'flat + 3', 'readOnly', 'systemSegment'].map((selector) => [`SS ${selector}`, `mov dword ptr [second + 0x50], ${selector}`] as const),
  ...['0', '3', '4', '0x1000', 'code32', 'executeOnly', 'absent', 'flat3', 'flat3 + 3', 'flat + 3', 'readOnly', 'conforming', 'systemSegment'].map((selector) => [`DS ${selector}`, `mov dword ptr [second + 0x54], ${selector}`] as const),
  ...['4', '0x1000', 'absent'].flatMap((selector) => ['ES 0x48', 'FS 0x58', 'GS 0x5c'].map((place) => [`${place} ${selector}`, `mov dword ptr [second + ${place.slice(3)}], ${selector}`] as const)),
  ...['0', '4', '0x1000', 'flat', 'absentLdt', 'localTable', 'localTable + 3', 'first'].map((selector) => [`LDT ${selector}`, `mov dword ptr [second + 0x60], ${selector}`] as const),
  ['EIP', 'mov dword ptr [second + 0x20], 0x200\n mov dword ptr [second + 0x4c], short'],
  ['T', 'mov dword ptr [second + 0x64], 0x680001'],
  ['EFLAGS', 'mov dword ptr [second + 0x24], 0xffcdfed5'],
  ['level 3', 'mov dword ptr [second + 0x4c], code3 + 3\n mov dword ptr [second + 0x50], flat3 + 3'],
  ['busy', 'mov byte ptr [gdt_secondTask + 5], 0x8b'], ['absent', 'mov byte ptr [gdt_secondTask + 5], 0x09'], ['limit 66h', 'mov byte ptr [gdt_secondTask], 0x66'],
  ['LDT type', 'mov byte ptr [gdt_secondTask + 5], 0x82'], ['16-bit, limit 2Ah', 'mov byte ptr [gdt_secondTask + 5], 0x81\n mov byte ptr [gdt_secondTask], 0x2a'],
];
const VECTORS = [1, 10, 11, 12, 13];
const checks: readonly Attempt[] = ['jump', 'call'].flatMap((way) => broken.map(([name, patch]) => ({
  name: `${way}, ${name}`,
  before: `call fresh\n ${patch}`,
  code: way === 'jump' ? jumpFar('secondTask', 0) : callFar('secondTask', 0),
})));
const selectors: readonly Attempt[] = ['0', '3', '4', '0x1000', 'secondTask + 3', 'secondTask + 4', 'gateToTask', 'gateToTask + 3', 'gateAbsent', 'gateNull', 'gateBusy', 'gateData'].flatMap((selector) =>
  ['jump', 'call'].map((way) => ({ name: `${way} to ${selector}`, before: 'call fresh', code: way === 'jump' ? jumpFar(selector, 0) : callFar(selector, 0) })));

/** Handlers that are tasks of their own: nothing that the new task lacks can stop them. */
const recorders = (count: number): string => `
fresh:  cld
        mov    esi, template
        mov    edi, second
        mov    ecx, 26
        rep movsd
        mov    byte ptr [gdt_secondTask], 0x67
        mov    byte ptr [gdt_secondTask + 5], 0x89
        mov    byte ptr [gdt_first + 5], 0x89
${VECTORS.map((vector) => `mov byte ptr [gdt_handler${vector} + 5], 0x89\n mov dword ptr [task${vector}], 0`).join('\n')}
        mov    eax, 0
        ${LLDT_AX}
        mov    eax, first
        ${LTR_AX}
        pushfd
        and    dword ptr [esp], 0xffffbeff
        popfd
        clts
        mov    eax, 0
        ret
${VECTORS.map((vector) => `handler_${vector}: ${vector === 1 ? 'push 0' : ''}\n mov ecx, ${vector}\n mov edx, [task${vector}]\n jmp task_record`).join('\n')}
task_record:
        pop    eax
        mov    edi, [cursor]
        mov    [edi], ecx
        mov    [edi + 4], eax
        mov    eax, [second + 0x20]
        mov    [edi + 8], eax
        mov    [edi + 12], edx
        mov    eax, [second + 0x24]
        mov    [edi + 16], eax
        mov    eax, [gdt_secondTask + 4]
        mov    [edi + 20], eax
        add    dword ptr [cursor], ${RECORD_BYTES}
        mov    esp, [saved_esp]
        jmp    dword ptr [resume]
arrived:                                 ; the new task's first instruction
        mov    eax, cr0
        mov    edx, [second]
        mov    edi, [cursor]
        mov    ecx, [gdt_first + 4]
        mov    dword ptr [edi], 0xee
        mov    [edi + 4], eax
        mov    [edi + 8], edx
        mov    [edi + 12], ecx
        mov    ecx, [gdt_secondTask + 4]
        mov    [edi + 16], ecx
        mov    ecx, [task0 + 0x24]
        mov    [edi + 20], ecx
        add    dword ptr [cursor], ${RECORD_BYTES}
        mov    esp, [saved_esp]
        jmp    dword ptr [resume]
${tss32('template', taskAt('arrived', 0x2_8000))}
${tss32('second')}
${tss32('task0')}
${VECTORS.map((vector) => tss32(`task${vector}`, taskAt(`handler_${vector}`, 0x2_0000))).join('\n')}
${recorder(count, Object.fromEntries(VECTORS.map((vector) => [vector, gate(`handler${vector}`, 0, 0x85)])))}
${gdt({
    ...FLAT, absent: segment(0, 0xf_ffff, DATA & ~0x80, G | D), absentCode: segment(0, 0xf_ffff, 0x1a, G | D), conforming: segment(0, 0xf_ffff, 0x9e, G | D),
    conforming3: segment(0, 0xf_ffff, 0xfe, G | D), readOnly: segment(0, 0xf_ffff, 0x90, G | D), executeOnly: segment(0, 0xf_ffff, 0x98, G | D), short: segment(0, 0xff, 0x9a, D),
    systemSegment: system('task0', LIMIT, 0x82), absentLdt: system('task0', 0xf, 0x02), localTable: system('task0', 0xf, 0x82), first: system('task0', LIMIT, TSS), secondTask: system('second', LIMIT, TSS),
    gateToTask: gate('secondTask', 0, 0x85), gateAbsent: gate('secondTask', 0, 0x05), gateNull: gate(0, 0, 0x85), gateBusy: gate('first', 0, 0x85), gateData: gate('flat', 0, 0x85),
    ...Object.fromEntries(VECTORS.map((vector) => [`handler${vector}`, system(`task${vector}`, LIMIT, TSS)])),
  })}`;

export const TASK_CASES = [
  bochsCase({
    name: 'task-switches',
    title: 'JMP, CALL, INT and IRET between 32-bit tasks: saved and loaded state, busy bits, NT, TS, the link',
    memory: { first: tssRange('first'), second: tssRange('second'), gdt: { at: 'gdt', bytes: 0x40 } },
    text: `
${PROTECTED}
        lidt   [idtr]
        ${loadTask('firstTask')}
        mov    eax, 0x11111111
        mov    ecx, 0x22222222
        mov    ebp, 0x33333333
        point before
        ${jumpFar('secondTask', 0x1234)}
        point first again by JMP
        clts
        ${callFar('secondTask', 0)}
        point first again by IRET
        int    0x40
        point first again by IRET from INT
        stc
        ${callFar('gateToTask', 0)}
        point first again by IRET from a gate
        finish
entry:
        point second
        mov    eax, 0xaaaa
        mov    dword ptr [second + 0x28], 0
        ${jumpFar('firstTask', 0)}
        point second by CALL
        std
        iretd
        point second by INT
        clts
        iretd
        point second by a gate
        iretd
${tss32('first')}
${tss32('second', { ...taskAt('entry', 0x2_8000), 0x28: 0xa0a0_a0a0, 0x2c: 0xc0c0_c0c0, 0x44: 0xd1d1_d1d1, 0x54: 'small', 0x58: 0, 0x60: 'local', 0x24: 0x0a03 })}
ldt:    dq 0, 0
${recorder(1, { 0x40: gate('secondTask', 0, 0x85) })}
${gdt({ ...FLAT, firstTask: system('first', LIMIT, TSS), secondTask: system('second', LIMIT, TSS), gateToTask: gate('secondTask', 0, 0x85), small: segment(0, 0xf_ffff, DATA, G), local: system('ldt', 0xf, 0x82) })}`,
  }),
  bochsCase({
    name: 'task-16',
    title: 'between 32-bit and 16-bit tasks: what the short image keeps and what it loses',
    memory: { first: tssRange('first'), second: { at: 'second', bytes: 44 }, gdt: { at: 'gdt', bytes: 0x40 } },
    text: `
${PROTECTED}
        lidt   [idtr]
        ${loadTask('firstTask')}
        mov    eax, 0x11111111
        mov    ecx, 0x22222222
        mov    ebp, 0x33333333
        ${jumpFar('secondTask', 0)}
        point first by JMP
        ${callFar('secondTask', 0)}
        point first by IRET
        finish
entry:
        point second
        mov    eax, 0x44444444
        ${jumpFar('firstTask', 0)}
        point second by CALL
        iretd
${tss32('first')}
${tss16('second', { 0x0e: 'entry', 0x10: 2, 0x12: 0xa0a0, 0x14: 0xc0c0, 0x16: 0xd0d0, 0x18: 0xb0b0, 0x1a: 0x8000, 0x1c: 0xbbbb, 0x22: 'flat', 0x24: 'code32', 0x26: 'flat', 0x28: 'flat' })}
${recorder(1)}
${gdt({ ...FLAT, firstTask: system('first', LIMIT, TSS), secondTask: system('second', 0x2b, 0x81) })}`,
  }),
  bochsCase({
    name: 'task-error-code',
    title: 'an exception with an error code through a task gate: it is on the new task’s stack',
    memory: { first: tssRange('first'), handler: tssRange('handler'), stack: { at: 0x2_7ff0, bytes: 0x10 } },
    text: `
${PROTECTED}
        lidt   [idtr]
        ${loadTask('firstTask')}
        mov    eax, 0x1000
        mov    fs, ax
        point back
        finish
entry:
        point in the handler
        add    esp, 4
        add    dword ptr [first + 0x20], 2
        iretd
${tss32('first')}
${tss32('handler', taskAt('entry', 0x2_8000))}
${recorder(1, { 13: gate('handlerTask', 0, 0x85) })}
${gdt({ ...FLAT, firstTask: system('first', LIMIT, TSS), handlerTask: system('handler', LIMIT, TSS) })}`,
  }),
  bochsCase({
    name: 'task-virtual-8086',
    title: 'a task whose EFLAGS have VM: selectors become bases; #GP leaves it through the inner stack',
    memory: { second: tssRange('second'), stack: { at: 0x2_ffd0, bytes: 0x30 } },
    text: `
${PROTECTED}
        lidt   [idtr]
        ${loadTask('firstTask')}
        ${jumpFar('secondTask', 0)}
        bits 16
entry:
        point in virtual-8086 mode
        hlt
        bits 32
out:
        point out of it
        finish
${tss32('first')}
${tss32('second', { 0x20: 'entry - 0x1000', 0x24: 0x2_3002, 0x38: 0x9000, 0x48: 0x1111, 0x4c: 0x100, 0x50: 0x2222, 0x54: 0x3333, 0x58: 0x4444, 0x5c: 0x5555 })}
${recorder(1, { 13: gate('code32', 'out', 0x8e) })}
${gdt({ ...FLAT, firstTask: system('first', LIMIT, TSS), secondTask: system('second', LIMIT, TSS) })}`,
  }),
  bochsCase({
    name: 'task-checks',
    title: 'every check of a task switch: the new task’s selectors one by one, and its descriptor',
    memory: { records: recordRange(checks) },
    text: `
${PROTECTED}
        lidt   [idtr]
${attempts(checks)}
        point after
        finish
${recorders(checks.length)}`,
  }),
  bochsCase({
    name: 'task-selectors',
    title: 'JMP and CALL to task state segments and task gates: selectors, RPL, gates that are broken',
    memory: { records: recordRange(selectors) },
    text: `
${PROTECTED}
        lidt   [idtr]
${attempts(selectors)}
        point after
        finish
${recorders(selectors.length)}`,
  }),
];
