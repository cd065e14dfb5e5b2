/**
 * Flags and the instructions that read and write them, at every level and in virtual-8086 mode: all IOPL, VIF, VIP and
 * IF, with CR4.PVI or CR4.VME off and on. Programs run one by one; what ends each is recorded.
 */

import { type BochsCase, bochsCase } from '../case.ts';
import { D, FLAT_CODE, FLAT_DATA, G, PROTECTED, gate, gdt, segment, system } from './parts.ts';

const RECORDS = 0x2_0000, RECORD_BYTES = 32, COMBINATIONS = 32;
const STACK = 0xc00;

type Programs = Readonly<Record<string, string>>;
const named = (prefix: string, values: readonly number[], text: (value: number) => string): Programs =>
  Object.fromEntries(values.map((value) => [`${prefix} ${value.toString(16)}`, text(value)]));

/** Flags that are popped: none, IF, TF, all but TF, and a mixture. */
const WORDS = [0, 0x200, 0x100, 0xfed5, 0x7201];
const DOUBLEWORDS = [0, 0x3f_fed5, 0x100];

/** 8086 programs in segment 0; each ends with #UD unless something else comes first. `{end}` is where that is. */
const VIRTUAL: Programs = {
  cli: 'cli', sti: 'sti', 'sti and cli': 'sti\n cli', pushf: 'pushf', pushfd: 'pushfd',
  ...named('popf', WORDS, (flags) => `push word ${flags}\n popf`),
  ...named('popfd', DOUBLEWORDS, (flags) => `push dword ${flags}\n popfd`),
  ...named('iret', WORDS, (flags) => `push word ${flags}\n push word 0\n push word {end}\n iret`),
  ...named('iretd', [0, 0x3f_fed5], (flags) => `push dword ${flags}\n push dword 0\n push dword {end}\n iretd`),
  'iretd beyond': 'push dword 0\n push dword 0\n push dword 0x10000\n iretd',
  'int 21, redirected': 'int 0x21', 'int 22': 'int 0x22', 'int 23, gate of DPL 0': 'int 0x23', int3: 'int3', into: 'mov al, 0x7f\n inc al\n into',
  hlt: 'hlt', 'mov eax, cr0': 'mov eax, cr0', sldt: 'db 0x0f, 0x00, 0xc0', 'in al, 40': 'in al, 0x40',
};
/** 32-bit programs; `{cs}` is the code segment of the level. */
const PROTECTED_PROGRAMS: Programs = {
  cli: 'cli', sti: 'sti', 'sti and cli': 'sti\n cli', pushf: 'pushf', pushfd: 'pushfd',
  ...named('popf', WORDS, (flags) => `push word ${flags}\n popf`),
  ...named('popfd', DOUBLEWORDS, (flags) => `push ${flags}\n popfd`),
  ...named('iret', WORDS.map((flags) => flags & 0xbfff), (flags) => `push word ${flags}\n push word {cs}\n push word {end}\n iret`),
  ...named('iretd', [0, 0x3d_fed5, 0x100], (flags) => `push ${flags}\n push {cs}\n push {end}\n iretd`),
  'int 22': 'int 0x22', 'int 23, gate of DPL 0': 'int 0x23', int3: 'int3', into: 'mov al, 0x7f\n inc al\n into',
};

const WITH_CODE = new Set([8, 10, 11, 12, 13, 14, 17]);
const VECTORS = Array.from({ length: 0x24 }, (_, vector) => vector);
const bits = (f: number): string => `IOPL ${f & 3}${f & 4 ? ' VIF' : ''}${f & 8 ? ' VIP' : ''}${f & 16 ? ' IF' : ''}`;

/** How a program is entered with the flags in EAX and its address in ECX. */
const ENTRANCES = {
  virtual: `or eax, 0x20000\n push 0\n push 0\n push 0\n push 0\n push 0\n push ${STACK}\n push eax\n push 0`,
  0: `mov esp, ${STACK}\n push eax\n push code32`,
  ...Object.fromEntries([1, 2, 3].map((level) => [level, `push data${level} + ${level}\n push ${STACK}\n push eax\n push code${level} + ${level}`])),
} as Readonly<Record<'virtual' | number, string>>;

function flagsCase(name: string, level: 'virtual' | number, extensions: number): BochsCase {
  const programs = level === 'virtual' ? VIRTUAL : PROTECTED_PROGRAMS;
  const names = Object.keys(programs);
  const cs = level === 'virtual' || level === 0 ? 'code32' : `code${level} + ${level}`;
  const text = (n: number): string => programs[names[n]!]!.replaceAll('{end}', `end_${n}`).replaceAll('{cs}', cs);
  return bochsCase({
    name,
    title: level === 'virtual' ? 'virtual-8086 mode, with CR4.VME 0 and 1' : `CPL ${level}, with CR4.PVI 0 and 1`,
    text: `
${PROTECTED}
        lidt   [idtr]
        mov    ax, task
        ltr    ax
        mov    dword ptr [0x21 * 4], redirected
next:
        mov    ax, flat
        mov    ds, ax
        mov    es, ax
        mov    ss, ax
        mov    esp, 0x1000
        mov    ecx, [combination]
        cmp    ecx, ${COMBINATIONS}
        jb     same_program
        mov    dword ptr [combination], 0
        inc    dword ptr [program]
        xor    ecx, ecx
same_program:
        cmp    dword ptr [program], ${names.length}
        jb     same_mode
        mov    dword ptr [program], 0
        mov    eax, cr4
        test   eax, ${extensions}
        jnz    done
        or     eax, ${extensions}
        mov    cr4, eax
same_mode:
        inc    dword ptr [combination]
        mov    eax, ecx
        and    eax, 3
        shl    eax, 12
        mov    edx, ecx
        and    edx, 12
        shl    edx, 17
        or     eax, edx
        mov    edx, ecx
        and    edx, 16
        shl    edx, 5
        or     eax, edx
        or     eax, 2
        mov    ebx, [program]
        mov    ecx, [programs + ebx * 4]
        mov    dword ptr [${STACK - 4}], 0
        mov    dword ptr [${STACK - 8}], 0
        mov    dword ptr [${STACK - 12}], 0
        ${ENTRANCES[level]}
        push   ecx
        mov    eax, 0
        iretd
done:
        point  done
        finish
${VECTORS.map((vector) => `stub_${vector}: ${WITH_CODE.has(vector) ? '' : 'push 0\n'} push ${vector}\n jmp record`).join('\n')}
record:                                      ; vector and error code, EIP, EFLAGS, ESP, two doublewords of stack, EAX, EFLAGS
        pushfd
        push   eax
        mov    ax, flat
        mov    ds, ax
        mov    edi, [cursor]
        mov    eax, [esp + 8]
        mov    ecx, [esp + 12]
        shl    ecx, 16
        or     eax, ecx
        mov    [edi], eax
        mov    eax, [esp + 16]
        mov    [edi + 4], eax
        mov    eax, [esp + 24]
        mov    [edi + 8], eax
        mov    eax, [esp + 28]
        mov    [edi + 12], eax
        mov    eax, [${STACK - 4}]
        mov    [edi + 16], eax
        mov    eax, [${STACK - 8}]
        mov    [edi + 20], eax
        pop    eax
        mov    [edi + 24], eax
        pop    eax
        mov    [edi + 28], eax
        add    dword ptr [cursor], ${RECORD_BYTES}
        jmp    next
        bits 16
redirected:
        mov    ax, sp
        ud2
        bits ${level === 'virtual' ? 16 : 32}
${names.map((_, n) => `program_${n}:\n ${text(n)}\nend_${n}: ud2`).join('\n')}
        align 4
programs: dd ${names.map((_, n) => `program_${n}`).join(', ')}
program: dd 0
combination: dd 0
cursor: dd ${RECORDS}
        align 8
idt:
${VECTORS.map((vector) => gate('code32', `stub_${vector}`, [3, 4, 0x21, 0x22].includes(vector) ? 0xee : 0x8e)).join('\n')}
idtr:   dw ${VECTORS.length * 8 - 1}
        dd idt, 0
        align 8
tss:    dd 0, 0x1000, flat
        times 0x66 - 12 db 0
        dw 0x88
        db 0, 0, 0, 0, 12                    ; INT 22h and 23h are not redirected
        times 0x88 - 0x6d db 0
        times 0x20 db 0xff
tss_end:
${gdt({
      code32: FLAT_CODE, flat: FLAT_DATA, task: system('tss', 'tss_end - tss - 1', 0x89),
      ...Object.fromEntries([1, 2, 3].flatMap((each) => [
        [`code${each}`, segment(0, 0xf_ffff, 0x9a | (each << 5), G | D)], [`data${each}`, segment(0, 0xf_ffff, 0x92 | (each << 5), G | D)],
      ])),
    })}
`,
    memory: {
      records: {
        at: RECORDS, bytes: names.length * COMBINATIONS * 2 * RECORD_BYTES,
        records: {
          bytes: RECORD_BYTES,
          names: [0, 1].flatMap((on) => names.flatMap((program) => Array.from({ length: COMBINATIONS }, (_, f) => `${program}, ${bits(f)}, extensions ${on}`))),
        },
      },
    },
  });
}

export const FLAGS_CASES: readonly BochsCase[] = [
  flagsCase('flags-virtual-8086', 'virtual', 1), ...[0, 1, 3].map((level) => flagsCase(`flags-cpl-${level}`, level, 2)),
];
