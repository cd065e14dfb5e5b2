/** Pieces of assembly text that many cases are made of: descriptors, tables, ways between modes, recording handlers. */

/** Bits of a descriptor's byte 5 and of the upper half of its byte 6, as the manual's figures 3-8 and 6-2 name them. */
export const P = 0x80, S = 0x10, G = 8, D = 4, L = 2;

/** Access bytes of flat segments. */
export const CODE = 0x9a, DATA = 0x92, CODE3 = 0xfa, DATA3 = 0xf2;

const quad = (value: bigint): string => `dq 0x${BigInt.asUintN(64, value).toString(16).padStart(16, '0')}`;

/** A segment descriptor: base, limit as stored, access byte, and G, D, L, AVL. */
export function segment(base: number, limit: number, access: number, flags = 0): string {
  const low = BigInt(limit & 0xffff) | (BigInt(base & 0xff_ffff) << 16n) | (BigInt(access) << 40n);
  return quad(low | (BigInt((limit >> 16) | (flags << 4)) << 48n) | (BigInt(base >>> 24) << 56n));
}

export const FLAT_CODE = segment(0, 0xf_ffff, CODE, G | D), FLAT_DATA = segment(0, 0xf_ffff, DATA, G | D);
export const FLAT_CODE3 = segment(0, 0xf_ffff, CODE3, G | D), FLAT_DATA3 = segment(0, 0xf_ffff, DATA3, G | D);
/** What `PROTECTED`, `recorder` and `attempts` need, for both levels. */
export const FLAT = { code32: FLAT_CODE, flat: FLAT_DATA, code3: FLAT_CODE3, flat3: FLAT_DATA3 };

/** A system descriptor of a table in the text: base is a symbol below 64 KiB. */
export const system = (base: string, limit: number | string, access: number): string => `dw ${limit}, ${base}\n db 0, ${access}, 0, 0`;

/** A gate to a symbol below 64 KiB; `count` is the number of parameters, or the IST. */
export const gate = (selector: string | number, offset: string | number, access: number, count = 0): string =>
  `dw ${offset}, ${selector}\n db ${count}, ${access}\n dw 0`;
/** The same in IA-32e mode: 16 bytes. */
export const gate64 = (selector: string | number, offset: string | number, access: number, ist = 0): string =>
  `${gate(selector, offset, access, ist)}\n dq 0`;

/** A GDT with these entries behind the null descriptor. Each name becomes the entry's selector. */
export const gdt = (entries: Readonly<Record<string, string>>): string => `
        align 8
gdt:    dq 0
${Object.entries(entries).map(([name, entry]) => `gdt_${name}:\n ${entry}\n${name} equ gdt_${name} - gdt`).join('\n')}
gdt_end:
        align 4
        dw 0
gdtr:   dw gdt_end - gdt - 1
        dd gdt, 0
`;

/** From real-address mode to 32-bit code at CPL 0, with `code32` and `flat` of the text's GDT. ESP is 1000h. */
export const PROTECTED = `
        lgdt   [gdtr]
        mov    eax, cr0
        or     al, 1
        mov    cr0, eax
        jmp    code32:protected
        bits 32
protected:
        mov    ax, flat
        mov    ds, ax
        mov    es, ax
        mov    fs, ax
        mov    gs, ax
        mov    ss, ax
        mov    esp, 0x1000
`;

/** Vectors that push an error code. */
const WITH_CODE = new Set([8, 10, 11, 12, 13, 14, 17]);

/** What code at CPL 3 calls to say that it is through. */
const QUIET_3 = 0x30;

/** One record: vector, error code, EIP, CS, EFLAGS without AF, which logic instructions leave undefined, and EBX. */
export const RECORD_BYTES = 24;

/**
 * An IDT of 32-bit interrupt gates whose handlers write a record and go on at [resume] with ESP = [saved_esp]. Entries of
 * `gates` replace or follow them.
 */
export function recorder(records: number, gates: Readonly<Record<number, string>> = {}): string {
  const count = Math.max(QUIET_3 + 1, ...Object.keys(gates).map((vector) => Number(vector) + 1));
  const vectors = Array.from({ length: count }, (_, vector) => vector);
  return `
        align 8
idt:
${vectors.map((vector) => gates[vector] ?? gate('code32', `stub_${vector}`, vector === QUIET_3 ? 0xee : 0x8e)).join('\n')}
idt_end:
        dw 0
idtr:   dw idt_end - idt - 1
        dd idt, 0
        bits 32
${vectors.map((vector) => `stub_${vector}: ${WITH_CODE.has(vector) ? '' : vector < 32 ? 'push 0\n' : 'push eax\n'} push ${vector}\n jmp record`).join('\n')}
record:
        mov    eax, flat
        mov    ds, ax
        mov    es, ax
        mov    edi, [cursor]
        pop    dword ptr [edi]
        pop    dword ptr [edi + 4]
        pop    dword ptr [edi + 8]
        pop    dword ptr [edi + 12]
        pop    dword ptr [edi + 16]
        and    dword ptr [edi + 16], 0xffffffef
        mov    [edi + 20], ebx
        add    dword ptr [cursor], ${RECORD_BYTES}
        mov    ss, ax
        mov    esp, [saved_esp]
        jmp    dword ptr [resume]
quiet:                                   ; no exception came: vector FFh, EAX, EDX, ECX, EFLAGS, EBX
        pushfd
        mov    edi, [cursor]
        mov    dword ptr [edi], 0xff
        mov    [edi + 4], eax
        mov    [edi + 8], edx
        mov    [edi + 20], ebx
        mov    [edi + 12], ecx
        pop    dword ptr [edi + 16]
        and    dword ptr [edi + 16], 0xffffffef
        add    dword ptr [cursor], ${RECORD_BYTES}
        ret
        align 4
cursor: dd records
resume: dd 0
saved_esp: dd 0
records: times ${records * RECORD_BYTES} db 0
`;
}

/** The same at CPL 3: `user` segments `code3` and `flat3`, stack at 20000h; no exception is vector 30h with EAX. */
const attempt3 = (n: number, code: string, flags = 2): string => `
        mov    dword ptr [resume], next_${n}
        mov    [saved_esp], esp
        mov    eax, flat3 + 3
        mov    ds, ax
        mov    es, ax
        push   eax
        push   0x20000
        push   ${flags}
        push   code3 + 3
        push   user_${n}
        mov    eax, 0
        iretd
user_${n}:
        ${code}
        int    ${QUIET_3}
next_${n}:
`;

/** The same in virtual-8086 mode, CS to GS 0, SP 9000h; HLT ends it: #GP. */
const attemptV = (n: number, code: string, flags: number): string => `
        mov    dword ptr [resume], next_${n}
        mov    [saved_esp], esp
        push   0
        push   0
        push   0
        push   0
        push   0
        push   0x9000
        push   ${flags | 0x2_0002}
        push   0
        push   user_${n}
        mov    eax, 0
        iretd
        bits 16
user_${n}:
        ${code}
        hlt
        bits 32
next_${n}:
`;

/** A 32-bit task state segment: stacks of level 0 at 30000h, no I/O permission bitmap; `fields` by offset replace zeros. */
export function tss32(name: string, fields: Readonly<Record<number, string | number>> = {}): string {
  const all: Record<number, string | number> = { 4: 0x3_0000, 8: 'flat', 100: 0x68_0000, ...fields };
  return `align 8\n${name}:\n${Array.from({ length: 26 }, (_, n) => `dd ${all[4 * n] ?? 0}`).join('\n')}\n`;
}
/** The same with 16 bits; `fields` by offset. */
export function tss16(name: string, fields: Readonly<Record<number, string | number>> = {}): string {
  return `align 8\n${name}:\n${Array.from({ length: 22 }, (_, n) => `dw ${fields[2 * n] ?? 0}`).join('\n')}\n`;
}
/** The state of a 32-bit task at CPL 0 with the flat segments. */
export const taskAt = (eip: string, esp: number): Record<number, string | number> =>
  ({ 0x20: eip, 0x24: 2, 0x38: esp, 0x48: 'flat', 0x4c: 'code32', 0x50: 'flat', 0x54: 'flat', 0x58: 'flat', 0x5c: 'flat' });
export const loadTask = (selector: string): string => `mov eax, ${selector}\n ${LTR_AX}`;

/** Something that may raise an exception, in 32-bit code at CPL 0, and its record. */
export const attempt = (n: number, code: string): string => `
        mov    dword ptr [resume], next_${n}
        mov    [saved_esp], esp
        ${code}
        call   quiet
next_${n}:
`;

/** The same in real-address mode: vector, IP, CS and FLAGS as words. Its text goes to the start; records follow `finish`. */
const REAL_RECORD_BYTES = 8;
const REAL_VECTORS = [0, 1, 3, 4, 5, 6, 7, 12, 13, 16];
export const realRecorder = `
${REAL_VECTORS.map((vector) => `mov word ptr [${4 * vector}], real_${vector}\n mov word ptr [${4 * vector + 2}], 0`).join('\n')}
        jmp    real_start
${REAL_VECTORS.map((vector) => `real_${vector}: push ${vector}\n jmp real_record`).join('\n')}
real_record:
        mov    di, cs:[cursor]
        pop    word ptr cs:[di]
        pop    word ptr cs:[di + 2]
        pop    word ptr cs:[di + 4]
        pop    word ptr cs:[di + 6]
        and    word ptr cs:[di + 6], 0xffef
        add    word ptr cs:[cursor], ${REAL_RECORD_BYTES}
        mov    sp, cs:[saved_sp]
        jmp    word ptr cs:[resume]
real_quiet:
        pushf
        mov    di, cs:[cursor]
        mov    word ptr cs:[di], 0xff
        mov    cs:[di + 2], ax
        mov    cs:[di + 4], bx
        pop    word ptr cs:[di + 6]
        and    word ptr cs:[di + 6], 0xffef
        add    word ptr cs:[cursor], ${REAL_RECORD_BYTES}
        ret
real_start:
`;
export const realRecords = (count: number): string =>
  `align 4\ncursor: dw records\nresume: dw 0\nsaved_sp: dw 0\nrecords: times ${count * REAL_RECORD_BYTES} db 0`;
export const realAttempts = (list: readonly Attempt[]): string => list.map(({ code }, n) => `
        mov    word ptr cs:[resume], next_${n}
        mov    cs:[saved_sp], sp
        ${code}
        call   real_quiet
next_${n}:`).join('');
export const realRecordRange = (list: readonly Attempt[]) =>
  ({ at: 'records', bytes: REAL_RECORD_BYTES * list.length, records: { bytes: REAL_RECORD_BYTES, names: list.map(({ name }) => name) } });

export interface Attempt {
  readonly name: string;
  readonly code: string;
  /** At CPL 3, or in virtual-8086 mode, with these EFLAGS. */
  readonly user?: true | 'virtual';
  readonly flags?: number;
  /** At CPL 0, outside the attempt. */
  readonly before?: string;
}

export const attempts = (list: readonly Attempt[]): string =>
  list.map(({ code, user, flags, before = '' }, n) => `${before}\n${user === 'virtual' ? attemptV(n, code, flags ?? 0) : user ? attempt3(n, code, flags) : attempt(n, code)}`).join('');

export const recordRange = (list: readonly Attempt[]) =>
  ({ at: 'records', bytes: RECORD_BYTES * list.length, records: { bytes: RECORD_BYTES, names: list.map(({ name }) => name) } });

/** Instructions on EAX, in bytes. */
export const SLDT_EAX = 'db 0x0f, 0x00, 0xc0', STR_EAX = 'db 0x0f, 0x00, 0xc8', LLDT_AX = 'db 0x0f, 0x00, 0xd0',
  LTR_AX = 'db 0x0f, 0x00, 0xd8', VERR_AX = 'db 0x0f, 0x00, 0xe0', VERW_AX = 'db 0x0f, 0x00, 0xe8',
  LAR_EBX_EAX = 'db 0x0f, 0x02, 0xd8', LSL_EBX_EAX = 'db 0x0f, 0x03, 0xd8', RETF = 'db 0xcb';
/** CALL FAR to selector and a symbol below 64 KiB, in 32-bit and in 16-bit code. */
export const callFar = (selector: string | number, offset: string | number): string => `db 0x9a\n dd ${offset}\n dw ${selector}`;
export const jumpFar = (selector: string | number, offset: string | number): string => `db 0xea\n dd ${offset}\n dw ${selector}`;
