/** Debug exceptions: single steps, breakpoints, RF, GD, and every bit of DR6. */

import { bochsCase } from '../case.ts';
import { type Attempt, FLAT, PROTECTED, attempts, callFar, gate, gdt, loadTask, recordRange, recorder, system, taskAt, tss32 } from './parts.ts';

/** DR7 with breakpoint 0 enabled globally; what, and how long (the manual's encodings). */
const EXECUTE = 0, WRITE = 1, IO = 2, ACCESS = 3;
const control = (what: number, length: number, n = 0): number => (0x400 | (2 << (2 * n)) | (what << (16 + 4 * n)) | (length << (18 + 4 * n))) >>> 0;
/** Breakpoint 0 at `at`. */
const set = (at: string | number, dr7: number): string => `mov eax, ${at}\n mov dr0, eax\n mov eax, ${dr7}\n mov dr7, eax`;
const trap = 'pushfd\n or dword ptr [esp], 0x100\n popfd';
const quietly = 'mov eax, 0x400\n mov dr7, eax';
/** Reads DR6 when nothing came. */
const look = `mov ebx, dr6\n ${quietly}`;

const steps: readonly string[] = [
  `${trap}\n nop`, `${trap}\n mov eax, ss\n mov ss, ax\n nop\n nop`, `${trap}\n int3`, `${trap}\n int 0x30`, `${trap}\n ud2`, `${trap}\n pushfd\n pop ecx`,
  `${trap}\n cpuid`, `${trap}\n jmp here_N\nhere_N:\n nop`, `${trap}\n mov ecx, 3\n mov esi, cell\n mov edi, cell + 8\n rep movsb`, `${trap}\n pushfd\n and dword ptr [esp], 0xfffffeff\n popfd\n nop`,
  'pushfd\n or dword ptr [esp], 0x100\n push cs\n push here_N\n iretd\nhere_N: nop\n nop', 'db 0xf1', `${trap}\n db 0xf1`, 'int 1', 'int3', `${trap}\n sti\n nop\n nop`, `${trap}\n mov eax, 0\n mov ds, ax\n mov al, [0]`,
  `${trap}\n mov eax, cr0`, `${trap}\n jmp code32:here_N\nhere_N: nop`,
];

const data: readonly [at: string, dr7: number, code: string][] = [
  ...[[WRITE, 0], [WRITE, 1], [WRITE, 3], [ACCESS, 0], [ACCESS, 1], [ACCESS, 3], [WRITE, 2]].flatMap(([what, length]) => ([
    ['cell', 'mov byte ptr [cell], 1'], ['cell', 'mov al, [cell]'], ['cell', 'mov dword ptr [cell - 3], eax'], ['cell', 'mov dword ptr [cell - 4], eax'],
    ['cell', 'mov byte ptr [cell + 1], 1'], ['cell', 'mov byte ptr [cell + 3], 1'], ['cell', 'mov byte ptr [cell + 4], 1'], ['cell + 1', 'mov byte ptr [cell], 1'], ['cell + 3', 'mov byte ptr [cell + 2], 1'],
  ] as const).map(([at, code]) => [at, control(what!, length!), code] as [string, number, string])),
  ['cell', control(WRITE, 3), 'add dword ptr [cell], 1'], ['cell', control(WRITE, 3), 'cmp dword ptr [cell], 1'], ['cell', control(ACCESS, 3), 'cmp dword ptr [cell], 1'],
  ['cell', control(WRITE, 3), 'mov edi, cell - 4\n mov ecx, 4\n rep stosd'], ['cell', control(ACCESS, 3), 'mov esi, cell - 4\n mov edi, 0x28000\n mov ecx, 4\n rep movsd'],
  ['cell', control(ACCESS, 3), 'push dword ptr [cell]'], ['cell', control(WRITE, 3), 'xchg [cell], eax'], ['cell', control(WRITE, 3), 'mov ecx, 1\n cmpxchg [cell], ecx'], ['cell', control(WRITE, 3), 'bts dword ptr [cell], 0'],
  ['cell', control(ACCESS, 3), 'mov eax, ss\n mov ss, [cell + 8]\n nop\n nop'], ['selector', control(ACCESS, 1), 'mov ss, [selector]\n nop\n nop'], ['selector', control(ACCESS, 1), 'mov ss, [selector]\n int3\n nop'],
  ['selector', control(ACCESS, 1), 'mov ss, [selector]\n mov ss, [selector]\n nop'], ['cell', control(ACCESS, 3), 'fld dword ptr [cell]'], ['cell', control(ACCESS, 3), 'lea eax, [cell]'],
  ['cell', control(ACCESS, 3), 'lgdt [gdtr]'], ['gdtr', control(ACCESS, 1), 'lgdt [gdtr]'], ['gdt_flat + 5', control(ACCESS, 0), 'mov eax, flat\n mov fs, ax'], ['idt + 0x30 * 8', control(ACCESS, 3), 'int 0x30'],
  ['cell', 0x400 | (WRITE << 16) | (3 << 18), 'mov [cell], eax'], ['cell', 0x401 | (WRITE << 16) | (3 << 18), 'mov [cell], eax'],
];

const execution: readonly [at: string, dr7: number, code: string][] = [
  ['here_N', control(EXECUTE, 0), 'nop\nhere_N: nop'], ['here_N + 1', control(EXECUTE, 0), 'nop\nhere_N: mov al, 1\n nop'], ['here_N', control(EXECUTE, 1), 'nop\nhere_N: nop'],
  ['here_N', control(EXECUTE, 0), 'mov eax, ss\n mov ss, ax\nhere_N: nop'], ['here_N', control(EXECUTE, 0), 'jmp here_N\n nop\nhere_N: ud2'], ['here_N', control(EXECUTE, 0), `${trap}\n nop\nhere_N: nop`],
  ['here_N', control(EXECUTE, 0), 'pushfd\n or dword ptr [esp], 0x10000\n push cs\n push here_N\n iretd\nhere_N: nop\n nop'],
  ['here_N', control(EXECUTE, 0), 'pushfd\n or dword ptr [esp], 0x10000\n popfd\nhere_N: nop\n nop'],
  ['here_N', control(EXECUTE, 0), 'pushfd\n or dword ptr [esp], 0x10000\n push cs\n push here_N - 1\n iretd\n nop\nhere_N: nop\n nop'],
  ['here_N', control(EXECUTE, 0), 'pushfd\n or dword ptr [esp], 0x10100\n push cs\n push here_N\n iretd\nhere_N: nop\n nop'],
  ['here_N', control(EXECUTE, 0), 'sti\nhere_N: nop'], ['here_N', control(EXECUTE, 0), 'mov ecx, 2\n mov edi, 0x28000\nhere_N: rep stosb'],
];

const registers: readonly string[] = [
  'mov eax, 0x2400\n mov dr7, eax\n mov eax, dr0', 'mov eax, 0x2400\n mov dr7, eax\n mov dr0, eax', 'mov eax, 0x2400\n mov dr7, eax\n mov eax, dr7', 'mov eax, 0x2400\n mov dr7, eax\n mov dr6, eax',
  'mov eax, -1\n mov dr6, eax\n mov ebx, dr6', 'mov eax, 0\n mov dr6, eax\n mov ebx, dr6', 'mov eax, 0xffffdfff\n mov edx, 0\n mov dr0, edx\n mov dr7, eax\n mov ebx, dr7', 'mov eax, 0\n mov dr7, eax\n mov ebx, dr7',
  'mov ebx, dr4', 'mov ebx, dr5', 'mov eax, 8\n mov cr4, eax\n mov ebx, dr4', 'mov eax, 8\n mov cr4, eax\n mov ebx, dr5', 'mov eax, 0\n mov cr4, eax\n mov ebx, dr4', 'mov eax, 0x12345678\n mov dr3, eax\n mov ebx, dr3',
];
const ports: readonly [number, string][] = [
  [control(IO, 0), 'in al, dx'], [control(IO, 0), 'out dx, al'], [control(IO, 0), 'inc dx\n out dx, al'], [control(IO, 0), 'in ax, dx'], [control(IO, 1), 'inc dx\n out dx, al'],
  [control(IO, 3), 'add dx, 3\n out dx, al'], [control(IO, 0), 'dec dx\n in ax, dx'], [control(WRITE, 0), 'out dx, al'],
];

const numbered = (code: string, n: string): string => code.replaceAll('_N', `_${n}`);
const stepping: readonly Attempt[] = steps.map((code, n) => ({ name: code.replaceAll('\n', ';'), code: `mov eax, 0\n ${numbered(code, `s${n}`)}\n ${look}` }));
const watching: readonly Attempt[] = data.map(([at, dr7, code]) => ({ name: `${at}, DR7 ${dr7.toString(16)}: ${code.replaceAll('\n', ';')}`, code: `${set(at, dr7)}\n mov eax, 1\n ${code}\n ${look}` }));
const breaking: readonly Attempt[] = [
  ...execution.map(([at, dr7, code], n) => ({ name: `${at}, DR7 ${dr7.toString(16)}: ${code.replaceAll('\n', ';')}`, code: numbered(`${set(at, dr7)}\n ${code}\n ${look}`, `x${n}`) })),
  ...registers.map((code) => ({ name: code.replaceAll('\n', ';'), code: `mov ebx, 0\n ${code}\n mov eax, 0\n ${quietly}` })),
  ...ports.map(([dr7, code]) => ({ name: `port 2F0h, DR7 ${dr7.toString(16)}: ${code}`, code: `mov eax, 8\n mov cr4, eax\n ${set(0x2f0, dr7)}\n mov edx, 0x2f0\n ${code.replace('\n', '\n ')}\n mov eax, 0\n ${look}` })),
];

/** #DB: DR6 into the record, then as at first. */
const handler = `
debug:  mov    ebx, dr6
        mov    eax, 0x400
        mov    dr7, eax
        mov    eax, 0xffff0ff0
        mov    dr6, eax
        push   0
        push   1
        jmp    record
`;
const body = (list: readonly Attempt[]): string => `
${PROTECTED}
        lidt   [idtr]
${attempts(list)}
        point after
        finish
${handler}
        align 16
        dq 0
cell:   dq 0, flat, 0
        align 4
selector: dd flat
${recorder(list.length, { 1: gate('code32', 'debug', 0x8e) })}
${gdt(FLAT)}`;

export const DEBUG_CASES = [
  bochsCase({ name: 'single-step', title: 'TF: which instructions trap, and what DR6 says', memory: { records: recordRange(stepping) }, text: body(stepping) }),
  bochsCase({ name: 'data-breakpoints', title: 'writes and accesses, 1 to 8 bytes, whole, partial, misaligned, repeated, after MOV SS', memory: { records: recordRange(watching) }, text: body(watching) }),
  bochsCase({ name: 'instruction-breakpoints', title: 'instruction and I/O breakpoints, RF, GD, reserved bits, DR4 and DR5', memory: { records: recordRange(breaking) }, text: body(breaking) }),
  bochsCase({
    name: 'trace',
    title: 'a run of single steps: each one’s EIP, EFLAGS and DR6',
    memory: { trace: { at: 'trace', bytes: 12 * 24, records: { bytes: 12, names: Array.from({ length: 24 }, (_, n) => `step ${n}`) } } },
    text: `
${PROTECTED}
        lidt   [idtr]
        mov    ebp, trace
        ${trap}
        mov    eax, 0x12
        add    eax, eax
        push   eax
        pop    eax
        mov    eax, ss
        mov    ss, ax
        mov    ecx, 1
        mov    ecx, 2
        mov    edi, 0x28000
        rep stosb
        call   inner
        int    0x40
        mov    eax, dr6
        jecxz  over
        nop
over:   pushfd
        and    dword ptr [esp], 0xfffffeff
        popfd
        nop
        point after
        finish
inner:  ret
software:
        mov    edx, [esp + 8]
        iretd
debug:  push   eax
        mov    eax, [esp + 4]
        mov    [ebp], eax
        mov    eax, [esp + 12]
        and    eax, 0xffffff00
        mov    [ebp + 4], eax
        mov    eax, dr6
        mov    [ebp + 8], eax
        mov    eax, 0xffff0ff0
        mov    dr6, eax
        add    ebp, 12
        pop    eax
        iretd
        align 4
trace:  times ${12 * 24} db 0
${recorder(1, { 1: gate('code32', 'debug', 0x8e), 0x40: gate('code32', 'software', 0x8e) })}
${gdt(FLAT)}`,
  }),
  bochsCase({
    name: 'task-debug-trap',
    title: 'the T bit of a task state segment, and local breakpoints that a task switch ends',
    text: `
${PROTECTED}
        lidt   [idtr]
        ${loadTask('firstTask')}
        mov    eax, 0x555
        mov    dr7, eax
        ${callFar('secondTask', 0)}
        point back
        finish
entry:  nop
        point in the task
        iretd
debug:
        point in #DB
        mov    ebx, dr6
        mov    ecx, dr7
        point with DR6
        iretd
${tss32('first')}
${tss32('second', { ...taskAt('entry', 0x2_8000), 0x64: 0x68_0001 })}
${recorder(1, { 1: gate('code32', 'debug', 0x8e) })}
${gdt({ ...FLAT, firstTask: system('first', 0x67, 0x89), secondTask: system('second', 0x67, 0x89) })}`,
  }),
];
