/**
 * The program that runs records on the processor, in our own assembler's syntax: system calls from a table, then one
 * record after another, each entered by XRSTOR (or FXRSTOR) and IRETQ and ended by a signal. It knows no instruction.
 */

import { assemble } from '../../spec/src/asm/assemble.ts';
import { HEADER_BYTES, elf } from './elf.ts';
import { CODE_PAGE_BYTES, HIGH_OF_16_BIT_STACK, HLT, LOCAL, PLACES, READ_ONLY_BYTES, type Place, codePage, userDescriptor } from './environment.ts';
import { AREA_BYTES, RECORD, RESULT } from './records.ts';

/** Where the program itself is. */
const BASE = 0x5555_0000_0000n;
/**
 * Where IRETQ takes its frame from: bits 63:16 are what a 16-bit stack leaves of RSP, and what a far CALL to 64-bit code
 * then pushes on. Nothing else is mapped around it.
 */
const FRAME = HIGH_OF_16_BIT_STACK + 0x8000n;
const MEMORY = 0x2_0000;
/** Areas without content, from there on. */
const AREAS = BASE + 0x4000n;
const STACK_TOP = BASE + 0x1_f000n;
/** The XSAVE area of a record that has one of its own. */
const ENTERED = BASE + 0xf000n;
/** Standard input, mapped: a page of header, a page for what cannot be written, the data's image, the records. */
const INPUT = 0x5556_0000_0000n, INPUT_BYTES = 1 << 29;
export const RECORDS_FROM = 0x1000 + READ_ONLY_BYTES;

/** CPUID leaves that say which processor it was. */
const LEAVES = [[0, 0], [1, 0], [6, 0], [7, 0], [7, 1], [0xd, 0], [0xd, 1], [0x8000_0000, 0], [0x8000_0001, 0], [0x8000_0008, 0], [0x8000_0021, 0]] as const;
export const LEAF_COUNT = LEAVES.length;

interface SystemCall { readonly name: string; readonly text: string }
const call = (name: string, number: number, ...values: readonly (number | bigint | string)[]): SystemCall => {
  const all = [number, ...values, ...Array.from({ length: 6 - values.length }, () => 0)];
  return { name, text: `dq ${all.map((value) => (typeof value === 'string' ? value : `0x${value.toString(16)}`)).join(', ')}, 0` };
};

const PROT_READ = 1, WRITABLE = 3, EXECUTABLE = 7;
/** MAP_POPULATE: a page that is there only once it was touched would fault as one that is not. */
const FIXED_PRIVATE = 0x10_0002, FIXED_ANONYMOUS = 0x10_8022, POPULATED = 0x10_8002;
const NO_FILE = 0xffff_ffff_ffff_ffffn;
const SIGNALS = { SIGILL: 4, SIGTRAP: 5, SIGBUS: 7, SIGFPE: 8, SIGSEGV: 11, SIGALRM: 14, SIGVTALRM: 26, SIGSYS: 31 } as const;

/** What the program asks of the kernel, in this order; the results come back first. */
export function systemCalls(dataBytes: number): SystemCall[] {
  const places = (Object.keys(PLACES) as Place[]).flatMap((place) => [
    call(`map the ${place} code page`, 9, codePage(place), CODE_PAGE_BYTES, EXECUTABLE, FIXED_ANONYMOUS, NO_FILE, 0),
    call(`map the ${place} data`, 9, PLACES[place].data, dataBytes, WRITABLE, FIXED_ANONYMOUS, NO_FILE, 0),
    call(`map the ${place} read-only page`, 9, PLACES[place].data - BigInt(READ_ONLY_BYTES), READ_ONLY_BYTES, PROT_READ, POPULATED, 0, 0x1000),
  ]);
  const handlers = Object.entries(SIGNALS).map(([name, number]) => call(`handle ${name}`, 13, number, 'action', 0, 8));
  const segments = LOCAL.flatMap((segment, index) => (segment ? [call(`modify_ldt: ${segment.name}`, 154, 0x11, `segment_${index}`, 16)] : []));
  return [
    call('map standard input', 9, INPUT, INPUT_BYTES, PROT_READ, FIXED_PRIVATE, 0, 0),
    ...places,
    call('map the entry frame', 9, FRAME, 0x1000, WRITABLE, FIXED_ANONYMOUS, NO_FILE, 0),
    call('signal stack', 131, 'alternate', 0), ...handlers, ...segments,
    // 0.2 s of processor time, again and again; and 1 s of any, for what the kernel holds up.
    call('timer', 38, 1, 'interval', 0), call('clock', 38, 0, 'second', 0),
    // PR_SET_TSC to PR_TSC_SIGSEGV; ARCH_CPUID off; syscall user dispatch, for all but the program's own text.
    call('RDTSC off', 157, 26, 2), call('CPUID off', 158, 0x1012, 0),
    call('system calls off', 157, 59, 1, BASE, 0x4000, 'selector'),
  ];
}

/** Fences that a kernel may not have: the records then leave out what they are for. */
export const OPTIONAL = /^(RDTSC off|CPUID off|system calls off)$/;

/** One of the two instructions that put the extended state into its initial configuration, and WRFSBASE and its kin. */
const WRFSBASE = 'db 0xf3, 0x48, 0x0f, 0xae, 0xd0', WRGSBASE = 'db 0xf3, 0x48, 0x0f, 0xae, 0xd8';
const RDFSBASE = 'db 0xf3, 0x48, 0x0f, 0xae, 0xc0', RDGSBASE = 'db 0xf3, 0x48, 0x0f, 0xae, 0xc8';
const SYSCALL = 'db 0x0f, 0x05';

function source(dataBytes: number): string {
  const calls = systemCalls(dataBytes);
  const image = INPUT + BigInt(RECORDS_FROM);
  const align = (bytes: number): bigint => BigInt((bytes + 63) & ~63);
  const initial = AREAS, output = initial + align(dataBytes);
  return `
        mov     r15, rsp
; the vector of auxiliary values follows the environment: AT_HWCAP2 says whether the kernel lets us write FS base
        mov     rax, [r15]
        lea     r15, [r15 + rax * 8 + 16]
skip:   mov     rax, [r15]
        add     r15, 8
        test    rax, rax
        jnz     skip
aux:    mov     rax, [r15]
        add     r15, 16
        cmp     rax, 26
        jne     other
        mov     rax, [r15 - 8]
        mov     [hwcap2], rax
other:  test    rax, rax
        jnz     aux

        lea     r14, [leaves]
        mov     r13d, ${LEAF_COUNT}
leaf:   mov     eax, [r14]
        mov     ecx, [r14 + 4]
        cpuid
        mov     [r14 + 8], eax
        mov     [r14 + 12], ebx
        mov     [r14 + 16], ecx
        mov     [r14 + 20], edx
        add     r14, 24
        dec     r13d
        jnz     leaf
        mov     eax, [leaves + 24 + 16]
        mov     [features], eax
        test    eax, 0x8000000
        jz      no_xcr0
        xor     ecx, ecx
        db      0x0f, 0x01, 0xd0
        mov     [xcr0], eax
no_xcr0:

        lea     r14, [calls]
ask:    mov     rax, [r14]
        cmp     rax, -1
        je      asked
        mov     rdi, [r14 + 8]
        mov     rsi, [r14 + 16]
        mov     rdx, [r14 + 24]
        mov     r10, [r14 + 32]
        mov     r8, [r14 + 40]
        mov     r9, [r14 + 48]
        ${SYSCALL}
        mov     [r14 + 56], rax
        add     r14, 64
        jmp     ask
asked:  lea     rsi, [leaves]
        mov     edx, said - leaves
        call    put

        mov     rsi, ${INPUT}
        mov     rax, [rsi]
        mov     [count], rax
        mov     rax, ${image + BigInt(dataBytes)}
        mov     [input], rax
        mov     eax, ${HLT}
${(Object.keys(PLACES) as Place[]).map((place) => `
        mov     rdi, ${codePage(place)}
        mov     ecx, ${CODE_PAGE_BYTES}
        rep     stosb`).join('\n')}

record: mov     rsp, ${STACK_TOP}
        inc     qword ptr [done]
        dec     qword ptr [count]
        js      finish
        mov     r12, [input]
        movzx   eax, byte ptr [r12 + ${RECORD.place}]
        lea     rdx, [places]
        mov     r13, [rdx + rax * 8]
        mov     [data], r13
        mov     rsi, ${image}
        mov     rdi, r13
        mov     ecx, ${dataBytes / 8}
        rep     movsq
        mov     rsi, ${image}
        mov     rdi, ${initial}
        mov     ecx, ${dataBytes / 8}
        rep     movsq
        mov     rdi, [r12 + ${RECORD.at}]
        movzx   ecx, word ptr [r12 + ${RECORD.length}]
        mov     [code], rdi
        mov     [length], rcx
        lea     rsi, [r12 + ${RECORD.code}]
        rep     movsb
        movzx   ebx, word ptr [r12 + ${RECORD.pieces}]
piece:  dec     ebx
        js      areas
        movzx   eax, word ptr [rsi]
        movzx   ecx, word ptr [rsi + 2]
        add     rsi, 4
        mov     r8, rsi
        mov     r9, rcx
        lea     rdi, [r13 + rax]
        rep     movsb
        mov     rsi, r8
        mov     rcx, r9
        mov     rdi, ${initial}
        add     rdi, rax
        rep     movsb
        jmp     piece

areas:  lea     rdi, [initial_fpu]
        movzx   ebx, word ptr [r12 + ${RECORD.extended}]
        test    ebx, ebx
        jz      enter_
        mov     r8, rsi
        mov     rsi, rdi
        mov     rdi, ${ENTERED}
        mov     ecx, ${AREA_BYTES / 8}
        rep     movsq
        mov     rsi, r8
state:  movzx   eax, word ptr [rsi]
        movzx   ecx, word ptr [rsi + 2]
        add     rsi, 4
        mov     rdi, ${ENTERED}
        add     rdi, rax
        rep     movsb
        dec     ebx
        jnz     state
        mov     rdi, ${ENTERED}

enter_: mov     [input], rsi
        mov     r14, rdi
        lea     rsi, [r12 + ${RECORD.gpr}]
        mov     rdi, ${FRAME}
        mov     ecx, ${(RECORD.code - RECORD.gpr) / 8}
        rep     movsq
        mov     rdi, r14
        test    dword ptr [features], 0x8000000
        jz      legacy
        mov     eax, -1
        mov     edx, -1
        xrstor64 [rdi]
        jmp     loaded
legacy: fxrstor64 [rdi]
loaded: mov     ax, [r12 + ${RECORD.es}]
        mov     es, ax
        mov     ax, [r12 + ${RECORD.ds}]
        mov     ds, ax
        mov     ax, [r12 + ${RECORD.fs}]
        mov     fs, ax
        mov     ax, [r12 + ${RECORD.gs}]
        mov     gs, ax
        test    byte ptr [r12 + ${RECORD.withBases}], 1
        jz      go
        mov     rax, [r12 + ${RECORD.fsBase}]
        ${WRFSBASE}
        mov     rax, [r12 + ${RECORD.gsBase}]
        ${WRGSBASE}
go:     mov     rsp, ${FRAME}
        mov     byte ptr [running], 1
        pop     rax
        pop     rcx
        pop     rdx
        pop     rbx
        add     rsp, 8
        pop     rbp
        pop     rsi
        pop     rdi
        pop     r8
        pop     r9
        pop     r10
        pop     r11
        pop     r12
        pop     r13
        pop     r14
        pop     r15
        iretq

; a signal: EDI is its number, RDX its context. NT and AC are still what the record made of them.
handler:
        push    0x202
        popfq
        lea     rcx, [seen]
        cmp     edi, ${SIGNALS.SIGVTALRM}
        je      tick
        add     rcx, 8
        cmp     edi, ${SIGNALS.SIGALRM}
        jne     ended
tick:   mov     rax, [done]
        cmp     rax, [rcx]
        mov     [rcx], rax
        jne     restorer
        cmp     byte ptr [running], 0
        jne     ended
restorer:
        mov     rsp, rdx
        mov     eax, 15
        ${SYSCALL}
ended:  mov     byte ptr [running], 0
        mov     r8, ${output}
        mov     [r8 + ${RESULT.signal}], edi
        mov     eax, es
        mov     [r8 + ${RESULT.es}], ax
        mov     eax, ds
        mov     [r8 + ${RESULT.ds}], ax
        mov     eax, fs
        mov     [r8 + ${RESULT.fs}], ax
        mov     eax, gs
        mov     [r8 + ${RESULT.gs}], ax
        lea     rsi, [rdx + 40]
        lea     rdi, [r8 + ${RESULT.context}]
        mov     ecx, ${(RESULT.fsBase - RESULT.context) / 8}
        rep     movsq
        test    dword ptr [hwcap2], 2
        jz      no_base
        ${RDFSBASE}
        mov     [r8 + ${RESULT.fsBase}], rax
        ${RDGSBASE}
        mov     [r8 + ${RESULT.gsBase}], rax
no_base:
        mov     rsi, [rdx + 224]
        lea     rdi, [r8 + ${RESULT.area}]
        mov     ecx, ${AREA_BYTES / 8}
        rep     movsq
        lea     rbx, [r8 + ${RESULT.changed}]
        mov     rsi, [data]
        mov     rdi, ${initial}
        mov     ecx, ${dataBytes / 8}
look:   jrcxz   looked
        repe    cmpsq
        je      looked
        mov     rax, [rsi - 8]
        mov     [rbx + 2], rax
        mov     rax, rsi
        sub     rax, [data]
        sub     rax, 8
        mov     [rbx], ax
        add     rbx, 10
        jmp     look
looked: mov     rdx, rbx
        sub     rdx, r8
        lea     rax, [rdx - ${RESULT.changed}]
        mov     [r8 + ${RESULT.changedBytes}], eax
        mov     rdi, [code]
        mov     rcx, [length]
        mov     eax, ${HLT}
        rep     stosb
        mov     rsp, ${STACK_TOP}
        mov     rsi, r8
        call    put
        jmp     record

put:    mov     edi, 1
        mov     eax, 1
        ${SYSCALL}
        test    rax, rax
        js      finish
        add     rsi, rax
        sub     rdx, rax
        jnz     put
        ret
finish: xor     edi, edi
        mov     eax, 231
        ${SYSCALL}

        align   64
initial_fpu:
        dw      0x37f
        resb    22
        dd      0x1f80
        resb    36 + 512 + 256
leaves: ${LEAVES.map(([leaf, subleaf]) => `dd ${leaf}, ${subleaf}, 0, 0, 0, 0`).join('\n        ')}
hwcap2: dq      0
xcr0:   dq      0
calls:  ${calls.map(({ text }) => text).join('\n        ')}
said:   dq      -1
action: dq      handler, 0x4c000004, restorer, 0
alternate:
        dq      ${BASE + 0x1_0000n}, 0, 0xe000
interval:
        dq      0, 200000, 0, 200000
second: dq      1, 0, 1, 0
places: dq      ${(Object.keys(PLACES) as Place[]).map((place) => `0x${PLACES[place].data.toString(16)}`).join(', ')}
${LOCAL.flatMap((segment, index) => (segment ? [`segment_${index}: db ${[...userDescriptor(segment, index)].join(', ')}`] : [])).join('\n')}
count:  dq      0
input:  dq      0
data:   dq      0
code:   dq      0
length: dq      0
done:   dq      0
seen:   dq      0, 0
features:
        dd      0
selector:
        db      1
running:
        db      0
`.replaceAll(/\b(\d{10,})\b/g, (digits) => `0x${BigInt(digits).toString(16)}`);
}

/** The program for a data region of `dataBytes` bytes, and how far into its output the results begin. */
export function runnerProgram(dataBytes: number): Uint8Array {
  if (dataBytes % 8 || dataBytes > 0x4000) throw new RangeError(`the data region has ${dataBytes} bytes; up to 16384, in quadwords`);
  const program = assemble(source(dataBytes), { mode: 64, origin: BASE + BigInt(HEADER_BYTES) });
  if (program.bytes.length > Number(AREAS - BASE) - HEADER_BYTES) throw new RangeError('the program has grown into its areas');
  return elf({ base: BASE, code: program.bytes, memory: MEMORY });
}
