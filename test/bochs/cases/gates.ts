/** Interrupts and exceptions through gates, call gates, and the ways back. */

import { bochsCase } from '../case.ts';
import {
  type Attempt, CODE, D, DATA, FLAT, G, PROTECTED, RETF, attempts, callFar, gate, gdt, jumpFar, loadTask, realAttempts,
  realRecordRange, realRecorder, realRecords, recordRange, recorder, segment, system, tss32,
} from './parts.ts';

const realEvents: readonly Attempt[] = [
  'int 3', 'int3', 'into', 'mov al, 0x7f\n add al, 1\n into', 'ud2', 'mov bl, 0\n mov ax, 1\n div bl', 'mov ax, 5\n bound ax, [bounds]',
  'mov ax, 50\n bound ax, [bounds]', 'mov ebx, 0x12345\n mov al, [ebx]', 'mov ebp, 0x12345\n mov al, [ebp]', 'mov bx, 0xffff\n mov ax, [bx]',
  'db 0xf0\n nop', 'db 0x0f, 0x00, 0xc8', 'db 0x0f, 0x00, 0xe0', 'db 0x63, 0xc0', 'db 0x0f, 0x02, 0xd8', 'db 0x8e, 0xc8', 'mov eax, 0x80000000\n mov cr0, eax',
  'times 15 db 0x66\n nop', 'sidt [cell]\n mov word ptr [short], 0x37\n lidt [short]\n int 14\n mov eax, 1', 'lidt [cell]', 'int 3', 'pushf\n pop ax\n or ax, 0x7000\n push ax\n popf\n pushf\n pop ax',
  'push word 0x7202\n push 0\n push word after_iret\n iret\nafter_iret: pushf\n pop ax', 'db 0xf1',
].map((code) => ({ name: code.replaceAll('\n', ';'), code }));

/** Vectors from 40h on: what is wrong with the gate, for INT n at CPL 0 and CPL 3. */
const brokenGates: Record<string, string> = Object.fromEntries([
  ...Array.from({ length: 32 }, (_, type) => [`type ${type.toString(16)}`, gate('code32', 'quick', 0x80 | type)]),
  ['not present', gate('code32', 'quick', 0x0e)], ['not present, type 0', gate('code32', 'quick', 0)], ['DPL 3', gate('code32', 'quick', 0xee)],
  ['DPL 3, not present', gate('code32', 'quick', 0x6e)], ['null', gate(0, 'quick', 0xee)], ['null with RPL', gate(3, 'quick', 0xee)],
  ['data', gate('flat', 'quick', 0xee)], ['code RPL 3', gate('code32 + 3', 'quick', 0xee)], ['code of level 3', gate('code3', 'quick', 0xee)],
  ['conforming', gate('conforming', 'quick', 0xee)], ['conforming of level 3', gate('conforming3', 'quick', 0xee)],
  ['absent code', gate('absentCode', 'quick', 0xee)], ['beyond the table', gate(0x1000, 'quick', 0xee)], ['LDT', gate(0x104, 'quick', 0xee)],
  ['beyond the code', gate('short', 'quick', 0xee)], ['16 bits', gate('code32', 'quick16', 0xe6)], ['16-bit trap', gate('code32', 'quick16', 0xe7)], ['trap', gate('code32', 'quick', 0xef)],
  ['task gate, null', gate(0, 0, 0xe5)], ['task gate, data', gate('flat', 0, 0xe5)], ['task gate, busy', gate('task', 0, 0xe5)], ['task gate, LDT', gate(0x14, 0, 0xe5)],
  ['task gate, absent', gate('absentTask', 0, 0xe5)],
]);
const brokenNames = Object.keys(brokenGates);
const FIRST = 0x40;
const quick = `
quick:  mov    ebx, 0x32
        pushfd
        pop    ecx
        iretd
quick16: mov   ebx, 0x16
        pushfd
        pop    ecx
        db     0x66
        iretd
`.replace('db     0x66\n        iretd', 'iret');
const segments = {
  ...FLAT, conforming: segment(0, 0xf_ffff, 0x9e, D | G), conforming3: segment(0, 0xf_ffff, 0xfe, D | G), absentCode: segment(0, 0xf_ffff, CODE & ~0x80, D | G),
  short: segment(0, 0xff, CODE, D), task: system('tss', 0x67, 0x89), absentTask: system('tss', 0x67, 0x09),
};
const software = (user?: true): readonly Attempt[] => [
  ...brokenNames.map((name, n) => ({ name: `INT, ${name}`, code: `mov ebx, 0\n int ${FIRST + n}\n mov eax, ebx`, user })),
  { name: 'beyond the IDT', code: 'int 0xff', user }, { name: 'INT3', code: 'int3', user }, { name: 'INTO', code: 'mov al, 0x7f\n add al, 1\n into', user }, { name: 'INT1', code: 'db 0xf1', user },
].map(({ user: level, ...rest }) => (level ? { ...rest, user: level } : rest));
const gatesAt = (first: number): Record<number, string> => Object.fromEntries(brokenNames.map((name, n) => [first + n, brokenGates[name]!]));

/** Exceptions whose own gate is broken: IDT[6] is overwritten by each gate in turn. */
const hardware: readonly Attempt[] = brokenNames.map((name, n) => ({
  name: `#UD, ${name}`,
  code: `mov eax, [idt + ${8 * (FIRST + n)}]\n mov [idt + 48], eax\n mov eax, [idt + ${8 * (FIRST + n) + 4}]\n mov [idt + 52], eax\n mov eax, ${n}\n ud2\nafter_ud_${n}:`,
})).filter(({ name }) => !/16|type [67ef]\b|DPL 3$|trap|RPL 3|conforming$/.test(name));

const stackRange = { at: 0x2_ffc0, bytes: 0x40 };

/** Stacks of level 0 in the task state segment, and what a change of level says to them. */
const stacks: readonly Attempt[] = [
  ['as it should be', 'flat', 0x3_0000], ['null', '0', 0x3_0000], ['null with RPL 3', '3', 0x3_0000], ['RPL 3', 'flat + 3', 0x3_0000], ['DPL 3', 'flat3', 0x3_0000],
  ['DPL 3, RPL 3', 'flat3 + 3', 0x3_0000], ['code', 'code32', 0x3_0000], ['read-only', 'readOnly', 0x3_0000], ['not present', 'absent', 0x3_0000],
  ['beyond the table', '0x1000', 0x3_0000], ['LDT', '4', 0x3_0000], ['too small', 'small', 8], ['beyond the limit', 'small', 0x200], ['expand-down', 'down', 0x30], ['system', 'taskSegment', 0x3_0000],
].map(([name, selector, pointer]) => ({
  name: String(name), user: true, code: 'int 0x40\n mov eax, ebx', before: `mov dword ptr [tss + 4], ${pointer}\n mov dword ptr [tss + 8], ${selector}`,
}));
const stackSegments = {
  readOnly: segment(0, 0xf_ffff, 0x90, G | D), absent: segment(0, 0xf_ffff, DATA & ~0x80, G | D), small: segment(0x3_0000, 0xff, DATA, D),
  down: segment(0x3_0000, 0xff, 0x96, D), word16: segment(0x3_0000, 0xffff, DATA),
};

/** Call gates by name, and what a far call or jump does with each at CPL 0 and 3. */
const callGates: Record<string, string> = {
  gate32: gate('code32', 'called32', 0xec, 2), gate16: gate('code32', 'called16', 0xe4, 2), gateInner: gate('code32', 'called32', 0x8c, 0),
  gateAbsent: gate('code32', 'called32', 0x6c), gateNull: gate(0, 'called32', 0xec), gateData: gate('flat', 'called32', 0xec), gateTable: gate(0x1000, 'called32', 0xec),
  gateAbsentCode: gate('absentCode', 'called32', 0xec), gateConforming: gate('conforming', 'called32', 0xec, 2), gateOuter: gate('code3', 'called3', 0xec, 2),
  gateShort: gate('short', 'called32', 0xec), gateRpl: gate('code32 + 3', 'called32', 0xec, 1), gateMany: gate('code32', 'called32', 0xec, 31), gateToGate: gate('gate32', 'called32', 0xec),
};
const called = `
called32:
        mov    ecx, cs
        mov    ebx, esp
        add    ebx, ss:[esp + 8]
        ${RETF}
called16:
        mov    ecx, cs
        mov    ebx, esp
        add    bx, ss:[esp + 4]
        db     0x66, 0xca, 4, 0
called3:
        mov    ecx, cs
        mov    ebx, esp
        ${RETF}
`;
const transfers = (user?: true): readonly Attempt[] => [...Object.keys(callGates), 'code32', 'code3', 'conforming', 'flat', 'taskLocal', '0', '0x1000', 'ldt', 'idtGate'].flatMap((name) =>
  [0, 3].flatMap((rpl) => ['call', 'jump'].map((way) => ({
    name: `${way} ${name} + ${rpl}`,
    code: `push 0x22\n push 0x11\n mov ebx, 0\n mov eax, ${rpl}\n ${way === 'call' ? callFar(`${name} + ${rpl}`, 'called3') : jumpFar(`${name} + ${rpl}`, 'called3')}\n mov eax, ebx`,
    ...(user ? { user } : {}),
  }))))
  .filter(({ name }) => !/^jump (gate|code|conf)/.test(name) || /Inner|Absent|Null|Data|Table|Short|jump code3|Outer/.test(name) && !(user && /gateOuter|code3|gateAbsentCode/.test(name)));

/** Every attempt of `asks` through a table of broken gates, each fault recorded. */
const throughBroken = (name: string, title: string, asks: Parameters<typeof attempts>[0]) => bochsCase({
  name,
  title,
  memory: { records: recordRange(asks) },
  text: `
${PROTECTED}
        lidt   [idtr]
        ${loadTask('taskSegment')}
${attempts(asks)}
        point after
        finish
${quick}
${tss32('tss')}
${recorder(asks.length, gatesAt(FIRST))}
${gdt({ ...segments, taskSegment: system('tss', 0x67, 0x89) })}`,
});

export const GATE_CASES = [
  bochsCase({
    name: 'real-interrupts',
    title: 'the interrupt vector table: frames, faults and IRET in real-address mode',
    memory: { records: realRecordRange(realEvents), stack: { at: 0xff0, bytes: 0x10 } },
    text: `
${realRecorder}
${realAttempts(realEvents)}
        point after
        finish
        align 4
bounds: dw 1, 10
cell:   dd 0, 0
short:  dw 0
        dd 0
${realRecords(realEvents.length)}`,
  }),
  throughBroken('broken-gates', 'INT n at CPL 0: type, P and DPL of the gate, and of the code segment behind it', software()),
  throughBroken('broken-gates-3', 'the same at CPL 3', software(true)),
  throughBroken('broken-gates-exceptions', 'an exception through each broken gate: its error code has EXT', hardware),
  bochsCase({
    name: 'frames-same-level',
    title: 'frames of 16 and 32-bit interrupt and trap gates at the same level, with and without error code; IRET back',
    memory: { stack: { at: 0xfd0, bytes: 0x30 } },
    text: `
${PROTECTED}
        lidt   [idtr]
        sti
        int    0x40
        point back from 32-bit interrupt gate
        int    0x41
        point back from 32-bit trap gate
        int    0x42
        point back from 16-bit interrupt gate
        int    0x43
        point back from 16-bit trap gate
        mov    eax, 0x1000
        mov    fs, ax
        point back from #GP
        std
        stc
        int    0x40
        point flags
        cli
        finish
interrupt32:
        point in 32-bit interrupt gate
        iretd
trap32:
        point in 32-bit trap gate
        iretd
interrupt16:
        point in 16-bit interrupt gate
        iret
trap16:
        point in 16-bit trap gate
        iret
protection:
        point in #GP
        add    dword ptr [esp + 4], 2
        add    esp, 4
        iretd
${recorder(1, { 13: gate('code32', 'protection', 0x8e), 0x40: gate('code32', 'interrupt32', 0x8e), 0x41: gate('code32', 'trap32', 0x8f), 0x42: gate('code32', 'interrupt16', 0x86), 0x43: gate('code32', 'trap16', 0x87) })}
${gdt(FLAT)}`,
  }),
  bochsCase({
    name: 'frames-inner-level',
    title: 'from CPL 3 to CPL 0 and back: frames of 16 and 32-bit gates, segment registers that the outer level may not keep',
    memory: { stack: stackRange },
    text: `
${PROTECTED}
        lidt   [idtr]
        ${loadTask('taskSegment')}
        mov    eax, conforming
        mov    gs, ax
        mov    eax, flat
        mov    fs, ax
        mov    eax, flat3 + 3
        mov    es, ax
        push   flat3 + 3
        push   0x20000
        push   0x3202
        push   code3 + 3
        push   user
        point before
        iretd
user:
        point at CPL 3
        int    0x40
        point back from 32-bit interrupt gate
        int    0x41
        point back from 32-bit trap gate
        int    0x42
        point back from 16-bit interrupt gate
        int    0x43
        point back from 16-bit trap gate
        int    0x44
        point back from conforming code
        mov    eax, flat
        mov    fs, ax
        point back from #GP
        cli
        sti
        pushfd
        or     dword ptr [esp], 0x200000
        popfd
        hlt
interrupt32:
        point in 32-bit interrupt gate
        mov    eax, flat
        mov    ds, ax
        iretd
trap32:
        point in 32-bit trap gate
        iretd
interrupt16:
        point in 16-bit interrupt gate
        iret
trap16:
        point in 16-bit trap gate
        iret
same:
        point in conforming code
        iretd
protection:
        point in #GP
        mov    eax, flat
        mov    ds, ax
        cmp    byte ptr [cell], 0
        mov    byte ptr [cell], 1
        jne    end
        add    dword ptr [esp + 4], 2
        add    esp, 4
        iretd
end:
        finish
cell:   db 0
${tss32('tss')}
${recorder(1, { 13: gate('code32', 'protection', 0x8e), 0x40: gate('code32', 'interrupt32', 0xee), 0x41: gate('code32', 'trap32', 0xef), 0x42: gate('code32', 'interrupt16', 0xe6), 0x43: gate('code32', 'trap16', 0xe7), 0x44: gate('conforming', 'same', 0xee) })}
${gdt({ ...FLAT, conforming: segment(0, 0xf_ffff, 0x9e, D | G), taskSegment: system('tss', 0x67, 0x89) })}`,
  }),
  bochsCase({
    name: 'inner-stacks',
    title: 'SS and ESP of the task state segment against every check, on the way from CPL 3',
    memory: { records: recordRange(stacks), tss: { at: 'tss', bytes: 16 }, gdt: { at: 'gdt', bytes: 0x60 } },
    text: `
${PROTECTED}
        lidt   [idtr]
        ${loadTask('taskSegment')}
${attempts(stacks)}
        point after
        finish
inner:  mov    ebx, esp
        iretd
${[10, 11, 12, 13].map((vector) => `outer_${vector}: mov ecx, ${vector}\n jmp outer`).join('\n')}
outer:  pop    eax                       ; still at CPL 3: the handlers are conforming
        shl    ecx, 24
        or     eax, ecx
        mov    dword ptr [tss + 4], 0x30000
        mov    dword ptr [tss + 8], flat
        int    0x30
${tss32('tss')}
${recorder(stacks.length, { 0x40: gate('code32', 'inner', 0xee), ...Object.fromEntries([10, 11, 12, 13].map((vector) => [vector, gate('conforming', `outer_${vector}`, 0x8e)])) })}
${gdt({ ...FLAT, ...stackSegments, conforming: segment(0, 0xf_ffff, 0x9e, D | G), taskSegment: system('tss', 0x67, 0x89) })}`,
  }),
  ...[undefined, true as const].map((user) => bochsCase({
    name: user ? 'call-gates-3' : 'call-gates',
    title: `far CALL and JMP through call gates and to what is none, at CPL ${user ? 3 : 0}`,
    memory: { records: recordRange(transfers(user)) },
    text: `
${PROTECTED}
        lidt   [idtr]
        ${loadTask('taskSegment')}
${attempts(transfers(user))}
        point after
        finish
${called}
${tss32('tss')}
${recorder(transfers(user).length)}
${gdt({ ...segments, ...callGates, taskSegment: system('tss', 0x67, 0x89), taskLocal: system('tss', 0x67, 0x01), ldt: system('tss', 0x67, 0x82), idtGate: gate('code32', 'called32', 0xee) })}`,
  })),
  bochsCase({
    name: 'parameters',
    title: 'call gates of 32 and 16 bits from CPL 3 with parameters: both stacks, and RETF n to the outer level',
    memory: { outer: { at: 0x1_ffd0, bytes: 0x30 }, inner: { at: 0x2_ffc0, bytes: 0x40 } },
    text: `
${PROTECTED}
        lidt   [idtr]
        ${loadTask('taskSegment')}
        mov    eax, flat3 + 3
        mov    es, ax
        push   flat3 + 3
        push   0x20000
        push   0x2
        push   code3 + 3
        push   user
        iretd
user:
        push   0x33333333
        push   0x22222222
        push   0x11111111
        point before
        ${callFar('gate32', 0)}
        point back from 32-bit gate
        push   0x33333333
        push   0x22222222
        push   0x11111111
        ${callFar('gate16 + 3', 0)}
        point back from 16-bit gate
        ${callFar('gateEnd', 0)}
inside32:
        point inside 32-bit gate
        db     0xca, 12, 0
inside16:
        point inside 16-bit gate
        db     0x66, 0xca, 6, 0
end:
        point inside the last
        finish
${tss32('tss')}
${recorder(1)}
${gdt({ ...FLAT, gate32: gate('code32', 'inside32', 0xec, 3), gate16: gate('code32', 'inside16', 0xe4, 3), gateEnd: gate('code32', 'end', 0xec), taskSegment: system('tss', 0x67, 0x89) })}`,
  }),
];
