/** Programs that the tests boot. */

import { assemble } from '../../spec/src/asm/assemble.ts';
import type { Mode } from '../../spec/src/isa/instruction.ts';
import { elf } from './elf.ts';

export const assembled = (source: string, mode: Mode, origin = 0n): Uint8Array => assemble(source, { mode, origin }).bytes;

export const BOOT_SECTOR_SOURCE = `
bits 16
org 0x7c00
        mov  si, text
next:   lodsb
        test al, al
        jz   done
        out  0xe9, al
        jmp  next
done:   cli
        hlt
text:   db 'Hello from a boot sector', 10, 0
times 510-($-$$) db 0
dw 0xaa55
`;
export const bootSector = (): Uint8Array => assembled(BOOT_SECTOR_SOURCE, 16);

/** Multiboot 0.6.96, 3.1.1. */
export const multibootHeader = (flags: number, ...fields: string[]): string => `
        dd 0x1badb002, ${flags}, ${(-0x1badb002 - flags) >>> 0}
${fields.map((field) => `        dd ${field}`).join('\n')}
`;

/** Says on port E9h what it was given: command line, then each module's string and first bytes; ends with exit code 2·3 + 1. */
export const KERNEL_SOURCE = `
${multibootHeader(3)}
start:  mov  esp, stack
        cmp  eax, 0x2badb002
        jne  wrong
        mov  esi, [ebx + 16]      ; cmdline
        call say
        mov  ecx, [ebx + 20]      ; mods_count
        mov  edx, [ebx + 24]      ; mods_addr
each:   jecxz ended
        mov  esi, [edx + 8]       ; string
        call say
        mov  esi, [edx]           ; mod_start
        call say
        add  edx, 16
        dec  ecx
        jmp  each
ended:  mov  al, 3
        out  0xf4, al
wrong:  ud2
say:    lodsb
        test al, al
        jz   last
        out  0xe9, al
        jmp  say
last:   mov  al, 10
        out  0xe9, al
        ret
        align 4
        resb 64
stack:
`;
export const LOADED = 0x10_0000n;

export function kernel(bits: 32 | 64 = 32, source = KERNEL_SOURCE): Uint8Array {
  const bytes = assembled(source, 32, LOADED);
  return elf({ bits, entry: LOADED + 12n, segments: [{ physical: LOADED, bytes }] });
}

/** 64 KiB that begin to run in their last 16 bytes, jump to F000h:0000h and say so. */
export function romImage(): Uint8Array {
  const bytes = new Uint8Array(0x1_0000);
  bytes.set(assembled("mov al, 'R'\nout 0xe9, al\nmov al, cs:[0xfff0]\nout 0xe9, al\ncli\nhlt", 16));
  bytes.set(assembled('jmp 0xf000:0', 16, 0xfff0n), 0xfff0);
  return bytes;
}

/** From real-address mode to 64-bit mode, to a page that is not there. */
export const LONG_MODE_SOURCE = `
bits 16
org 0x7c00
        cli
        mov  edi, 0x1000
        mov  dword ptr [0x1000], 0x2003
        mov  dword ptr [0x2000], 0x3003
        mov  dword ptr [0x3000], 0x83
        mov  eax, 0x1000
        mov  cr3, eax
        mov  eax, cr4
        or   eax, 0x20
        mov  cr4, eax
        mov  ecx, 0xc0000080
        rdmsr
        or   eax, 0x100
        wrmsr
        lgdt [gdtr]
        mov  eax, cr0
        or   eax, 0x80000001
        mov  cr0, eax
        jmp  8:long
        align 8
gdt:    dq 0, 0x00af9a000000ffff
gdtr:   dw 15
        dd gdt
bits 64
long:   mov  rax, 0x123456789abcdef0
        mov  rbx, [0x400000]
`;

/** A kernel that starts the second processor at 8000h and waits for it. */
export const TWO_PROCESSORS_SOURCE = `
${multibootHeader(0)}
        mov  esi, second
        mov  edi, 0x8000
        mov  ecx, ended - second
        rep movsb
        mov  dword ptr [0xfee00310], 0x01000000
        mov  dword ptr [0xfee00300], 0x4500       ; INIT
        mov  dword ptr [0xfee00300], 0x4608       ; start-up IPI, vector 8
        mov  ecx, 1000
wait:   cmp  byte ptr [0x7000], 1
        je   there
        dec  ecx
        jnz  wait
there:  mov  al, '1'
        out  0xe9, al
        out  0xf4, al
bits 16
second: mov  al, '2'
        out  0xe9, al
        inc  byte ptr [0x7000]
        cli
        hlt
ended:
`;
