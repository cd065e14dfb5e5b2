/** What segment registers hold behind their selectors, across changes of mode. */

import { bochsCase } from '../case.ts';
import {
  type Attempt, CODE, CODE3, D, DATA, DATA3, FLAT_CODE, FLAT_DATA, G, LAR_EBX_EAX, LLDT_AX, LSL_EBX_EAX, PROTECTED, SLDT_EAX,
  STR_EAX, VERR_AX, VERW_AX, attempts, gdt, realAttempts, realRecordRange, realRecorder, realRecords, recordRange, recorder, segment, system,
} from './parts.ts';

const GDT_RANGE = { at: 'gdt', bytes: 0x40 };

/** Descriptors of all 32 types at one DPL. */
const typesAt = (dpl: number): Record<string, string> => Object.fromEntries(Array.from({ length: 32 }, (_, type) =>
  [`type${type}`, segment(0x1_0000, 0x1234, 0x80 | (dpl << 5) | type, 0)]));

const asks: readonly Attempt[] = [0, 3].flatMap((rpl) => Array.from({ length: 32 }, (_, type) => {
  const flags = (bit: string): string => `setz al\n movzx eax, al\n shl eax, ${bit}\n or ecx, eax`;
  return {
    name: `type ${type.toString(16)}, RPL ${rpl}`,
    code: `
        xor    ecx, ecx
        mov    eax, type${type} + ${rpl}
        ${VERR_AX}
        ${flags('0')}
        mov    eax, type${type} + ${rpl}
        ${VERW_AX}
        ${flags('4')}
        mov    eax, type${type} + ${rpl}
        mov    ebx, 0x55555555
        ${LAR_EBX_EAX}
        mov    edx, ebx
        ${flags('8')}
        mov    eax, type${type} + ${rpl}
        mov    ebx, 0x66666666
        ${LSL_EBX_EAX}
        ${flags('12')}
        xor    eax, eax
        mov    eax, edx`,
  };
}));

/** What loads of DS, SS and ES do with each type. */
const loads: readonly Attempt[] = ['ds', 'ss'].flatMap((register) => Array.from({ length: 32 }, (_, type) => ({
  name: `${register} from type ${type.toString(16)}`,
  code: `mov eax, type${type}\n mov ${register}, ax\n xor eax, eax\n mov ebx, ${register}\n mov eax, flat\n mov ds, ax\n mov ss, ax`,
})));

const brokenSegments: Record<string, string> = {
  absent: segment(0, 0xffff, DATA & ~0x80), inner: segment(0, 0xffff, DATA), outer: segment(0, 0xffff, DATA3),
  conforming: segment(0, 0xffff, 0x9e, D), conforming3: segment(0, 0xffff, 0xfe, D), absentCode: segment(0, 0xffff, CODE & ~0x80, D),
  readOnly: segment(0, 0xffff, 0x90), code3: segment(0, 0xffff, CODE3, D), system0: segment(0, 0xffff, 0x80),
};
const registers = ['es', 'ss', 'ds', 'fs', 'gs'];
const checks: readonly Attempt[] = [...Object.keys(brokenSegments), '0', '4', '0x1000', '0x1004', '1', '3'].flatMap((selector) => registers.flatMap((register) =>
  (/^\d/.test(selector) ? [''] : ['', ' + 1', ' + 3', ' + 4']).map((rpl) => ({
    name: `${register} from ${selector}${rpl}`,
    code: `mov eax, ${selector}${rpl}\n mov ${register}, ax\n xor eax, eax\n mov ebx, ${register}\n mov eax, flat\n mov ds, ax\n mov ss, ax`,
  }))));

const jumps: readonly Attempt[] = [...Object.keys(brokenSegments), '0', '3', '4', '0x1000', '0x1004'].flatMap((selector, index) =>
  (/^\d/.test(selector) ? [0] : [0, 1, 3, 4]).map((rpl) => ({
    name: `jump to ${selector} + ${rpl}`,
    code: `jmp ${selector} + ${rpl}:there_${index}_${rpl}\nthere_${index}_${rpl}:\n mov ebx, cs\n xor eax, eax\n jmp code32:back_${index}_${rpl}\nback_${index}_${rpl}:\n xor ecx, ecx`,
  })));

/** Real-address mode with DS read-only, ES code that can be read, CS (until the jump) execute-only. */
const realAccesses: readonly Attempt[] = [
  'mov byte ptr cs:[cell], 5', 'mov al, cs:[cell]', 'mov byte ptr ds:[cell], 6', 'mov al, ds:[cell]', 'mov byte ptr es:[cell], 7', 'mov al, es:[cell]',
  'jmp 0:far_home\nfar_home:', 'mov byte ptr cs:[cell], 8', 'mov al, cs:[cell]',
  'mov bx, 0\n mov ds, bx\n mov es, bx', 'mov byte ptr ds:[cell], 9', 'mov byte ptr es:[cell], 10', 'mov bl, es:[cell]',
  'mov ebx, 0x10000\n mov al, gs:[ebx]', 'mov bx, 0xffff\n mov ax, gs:[bx]', 'mov ebx, 0xffff\n mov al, gs:[ebx]',
].map((code) => ({ name: code.replaceAll('\n', ';'), code: `mov ax, 0\n mov bx, 0\n ${code}` }));

/** Selector in FS, offset, and the access. */
const accesses: readonly Attempt[] = ([
  ['word16', 0xffff, 'mov cl, fs:[ebx]'], ['word16', 0xffff, 'mov cx, fs:[ebx]'], ['word16', 0x1_0000, 'mov cl, fs:[ebx]'],
  ['pages', 0x1fff, 'mov cl, fs:[ebx]'], ['pages', 0x1ffd, 'mov ecx, fs:[ebx]'], ['pages', 0x2000, 'mov cl, fs:[ebx]'],
  ['zero', 0, 'mov cl, fs:[ebx]'], ['zero', 0, 'mov cx, fs:[ebx]'], ['zeroPages', 0xfff, 'mov cl, fs:[ebx]'], ['zeroPages', 0x1000, 'mov cl, fs:[ebx]'],
  ['down16', 0xfff, 'mov cl, fs:[ebx]'], ['down16', 0x1000, 'mov cl, fs:[ebx]'], ['down16', 0xffff, 'mov cl, fs:[ebx]'],
  ['down16', 0xffff, 'mov cx, fs:[ebx]'], ['down16', 0x1_0000, 'mov cl, fs:[ebx]'], ['down32', 0xfff, 'mov cl, fs:[ebx]'],
  ['down32', 0x1000, 'mov cl, fs:[ebx]'], ['down32', 0x2_0000, 'mov cl, fs:[ebx]'], ['down32', 0xffff_ffff, 'mov cx, fs:[ebx]'],
  ['readOnly', 0, 'mov fs:[ebx], cl'], ['readable', 0, 'mov cl, fs:[ebx]'], ['readable', 0, 'mov fs:[ebx], cl'],
  ['code32', 0x3000, 'mov fs:[ebx], cl'], ['flat', 0xffff_ffff, 'mov cx, fs:[ebx]', 'wrap'], ['flat', 0xffff_fffe, 'mov cx, fs:[ebx]'],
  ['0', 0, 'mov cl, fs:[ebx]'], ['3', 0, 'mov cl, fs:[ebx]'], ['word16', 0xffff, 'fld dword ptr fs:[ebx]'],
] as [string, number, string, string?][]).map(([selector, offset, code, note = '']) => ({
  name: `${note} ${selector} ${offset.toString(16)} ${code}`,
  code: `mov eax, ${selector}\n mov fs, ax\n mov ebx, ${offset}\n mov ecx, 0\n ${code}`,
}));

/** What the four instructions answer for every type of descriptor of one DPL. */
const asking = (name: string, title: string, dpl: 0 | 3) => bochsCase({
  name,
  title,
  memory: { records: recordRange(asks) },
  text: `
${PROTECTED}
        lidt   [idtr]
${attempts(asks)}
        point after
        finish
${recorder(asks.length)}
${gdt({ code32: FLAT_CODE, flat: FLAT_DATA, ...typesAt(dpl) })}`,
});

export const DESCRIPTOR_CACHE_CASES = [
  bochsCase({
    name: 'unreal',
    title: 'real to protected to real: limits and attributes stay, CS after PE is set and before the far jump',
    memory: { gdt: GDT_RANGE },
    text: `
        lgdt   [gdtr]
        mov    ax, 0x2000
        mov    fs, ax
        mov    eax, cr0
        or     al, 1
        mov    cr0, eax
        point PE set
        mov    bx, flat
        mov    ds, bx
        mov    bx, small
        mov    es, bx
        mov    bx, down
        mov    gs, bx
        mov    bx, word16
        mov    ss, bx
        point loaded
        and    al, 0xfe
        mov    cr0, eax
        point PE clear
        mov    bx, 0x3000
        mov    ds, bx
        mov    es, bx
        mov    gs, bx
        point loaded in real mode
        mov    esi, 0x200000
        mov    dword ptr [esi], 0x12345678
        mov    ecx, [esi]
        push   gs
        pop    ss
        mov    ax, 0
        mov    ss, ax
        point unreal store
        mov    ds, ax
        lgdt   [gdtr]
        mov    eax, cr0
        or     al, 1
        mov    cr0, eax
        jmp    code16:there
there:
        point code16
        xor    bx, bx
        mov    ds, bx
        mov    es, bx
        mov    fs, bx
        mov    gs, bx
        point null
        jmp    code32:wide
        bits 32
wide:
        point code32
        jmp    code16:narrow
        bits 16
narrow:
        mov    eax, cr0
        and    al, 0xfe
        mov    cr0, eax
        point real with the caches of protected mode
        jmp    0:real
real:
        point real
        mov    ds, bx
        mov    es, bx
        mov    fs, bx
        mov    ss, bx
        point real after loads
        finish
${gdt({
    code32: FLAT_CODE, flat: FLAT_DATA, small: segment(0x12_3456, 0x7ff, DATA), down: segment(0x10_0000, 0xfff, 0x96, D),
    word16: segment(0, 0xffff, DATA), code16: segment(0, 0xffff, CODE),
  })}`,
  }),
  bochsCase({
    name: 'real-execute-only',
    title: 'back in real-address mode with read-only, execute-only and big segments: attributes stay, accesses go',
    memory: { records: realRecordRange(realAccesses) },
    text: `
${realRecorder}
        lgdt   [gdtr]
        mov    eax, cr0
        or     al, 1
        mov    cr0, eax
        mov    bx, readOnly
        mov    ds, bx
        mov    bx, readable
        mov    es, bx
        mov    bx, big
        mov    ss, bx
        jmp    executeOnly:inside
inside:
        point protected
        and    al, 0xfe
        mov    cr0, eax
        point PE clear
        mov    bx, 0
        mov    ss, bx
        mov    sp, 0x1000
${realAttempts(realAccesses)}
        point accesses
        finish
cell:   dw 0
${realRecords(realAccesses.length)}
${gdt({ readOnly: segment(0, 0xffff, 0x90), readable: segment(0, 0xffff, 0x9a), executeOnly: segment(0, 0xffff, 0x98), big: segment(0, 0xf_ffff, DATA, G | D) })}`,
  }),
  bochsCase({
    name: 'machine-status-word',
    title: 'SMSW and LMSW: PE is set, never cleared; MP, EM and TS',
    text: `
        smsw   ax
        smsw   ecx
        point at first
        mov    ax, 0xfff0
        lmsw   ax
        point nothing set
        mov    ax, 0x000e
        lmsw   ax
        point MP, EM, TS
        clts
        point CLTS
        lgdt   [gdtr]
        mov    ax, 1
        lmsw   ax
        point PE
        jmp    code16:next
next:
        mov    ax, 0
        lmsw   ax
        smsw   [cell]
        mov    bx, [cell]
        point PE stays
        finish
cell:   dw 0
${gdt({ code16: segment(0, 0xffff, CODE) })}`,
  }),
  bochsCase({
    name: 'limits',
    title: 'accesses at and beyond the limit: byte and page granularity, expand-down with B = 0 and 1, execute-only, read-only',
    memory: { records: recordRange(accesses) },
    text: `
${PROTECTED}
        lidt   [idtr]
${attempts(accesses)}
        point after
        finish
${recorder(accesses.length)}
${gdt({
    code32: FLAT_CODE, flat: FLAT_DATA, word16: segment(0x1_0000, 0xffff, DATA), pages: segment(0x1_0000, 1, DATA, G),
    zero: segment(0x1_0000, 0, DATA), zeroPages: segment(0x1_0000, 0, DATA, G), down16: segment(0x1_0000, 0xfff, 0x96),
    down32: segment(0x1_0000, 0xfff, 0x96, D), readOnly: segment(0x1_0000, 0xffff, 0x90), readable: segment(0x1_0000, 0xffff, CODE),
  })}`,
  }),
  bochsCase({
    name: 'segment-loads',
    title: 'MOV to DS and SS from all 32 descriptor types, and accessed bits afterwards',
    memory: { records: recordRange(loads), gdt: { at: 'gdt', bytes: 0x118 } },
    text: `
${PROTECTED}
        lidt   [idtr]
${attempts(loads)}
        point after
        finish
${recorder(loads.length)}
${gdt({ code32: FLAT_CODE, flat: FLAT_DATA, ...typesAt(0) })}`,
  }),
  bochsCase({
    name: 'segment-checks',
    title: 'loads of ES, SS, DS, FS and GS against P, DPL, RPL, null, LDT and the limit of the table',
    memory: { records: recordRange(checks), gdt: { at: 'gdt', bytes: 0x60 } },
    text: `
${PROTECTED}
        lidt   [idtr]
${attempts(checks)}
        point after
        finish
${recorder(checks.length)}
${gdt({ code32: FLAT_CODE, flat: FLAT_DATA, ...brokenSegments })}`,
  }),
  bochsCase({
    name: 'far-jumps',
    title: 'direct far jumps: conforming, P, DPL, RPL, null, LDT and the limit of the table',
    memory: { records: recordRange(jumps), gdt: { at: 'gdt', bytes: 0x60 } },
    text: `
${PROTECTED}
        lidt   [idtr]
${attempts(jumps)}
        point after
        finish
${recorder(jumps.length)}
${gdt({ code32: FLAT_CODE, flat: FLAT_DATA, ...brokenSegments })}`,
  }),
  asking('descriptor-types', 'VERR, VERW, LAR and LSL over all 32 descriptor types, RPL 0 and 3', 0),
  asking('descriptor-types-3', 'the same with DPL 3', 3),
  bochsCase({
    name: 'local-table',
    title: 'LLDT and SLDT, loads through the LDT, a null LDTR, the accessed bit there',
    memory: { ldt: { at: 'ldt', bytes: 0x10 } },
    text: `
${PROTECTED}
        mov    eax, local
        ${LLDT_AX}
        mov    eax, 0x0c
        mov    fs, ax
        mov    eax, 4
        mov    gs, ax
        mov    eax, -1
        ${SLDT_EAX}
        mov    ebx, eax
        mov    eax, -1
        ${STR_EAX}
        point loaded
        xor    eax, eax
        ${LLDT_AX}
        point null
        finish
        align 8
ldt:    dq 0x00cf92000000ffff
        ${segment(0x4_5678, 0x6ff, DATA)}
${gdt({ code32: FLAT_CODE, flat: FLAT_DATA, local: system('ldt', 0xf, 0x82) })}`,
  }),
];
