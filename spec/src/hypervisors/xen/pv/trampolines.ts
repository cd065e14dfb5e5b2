/**
 * The first instructions of Xen that a 64-bit PV guest's SYSCALL meets, by year: the trampoline at IA32_LSTAR as the
 * bytes that Xen writes there, and the entry code up to SAVE_ALL. Each shares with its neighbours everything but the
 * step that differs.
 */

import { u, toBytes } from '../../../numbers/bits.ts';
import { type Citation, inferred, xenCommit } from '../../../state/citation.ts';
import { SELECTOR, STACK_PAGE } from './layout.ts';

/** A byte, or a displacement of four bytes that leads from the end of the instruction to an address. */
export type Code = number | { readonly to: bigint };

export interface TrampolinePlace {
  /** The end of the frame: the slot of SS is the eight bytes below. */
  readonly stackBottom: bigint;
  /** Where the trampoline leads: `syscall_enter`, today `lstar_enter` or `cstar_enter`. */
  readonly enter: bigint;
  /** CS of the code that it is entered from: e033h of 64-bit code, e023h of 32-bit code. */
  readonly selector: number;
}

/** How Xen is entered by SYSCALL and left by SYSRET. */
export interface Trampoline {
  /** Name of the exported value, or any identifier. */
  readonly id: string;
  readonly name: string;
  readonly year: number;
  /** In one sentence, what is special about it. */
  readonly summary: string;
  readonly source: Citation;
  /** Linear address of the first byte of Xen's image. */
  readonly image: bigint;
  /** What IA32_LSTAR holds. */
  readonly lstar: bigint;
  /** The trampoline's bytes, an instruction a row; absent where SYSCALL is FRED event delivery. */
  readonly stub: ((place: TrampolinePlace) => readonly (readonly Code[])[]) | undefined;
  /** Assembly text from the end of the trampoline to SAVE_ALL, for 64-bit code. */
  readonly enter: string;
  /** The same for 32-bit code, where it has an entry of its own; empty where only the trampoline differs. */
  readonly enter32: string;
  /** What the entry code does to the saved registers once they are in memory; empty without FRED. */
  readonly adjust: string;
  /** Assembly text of the way out, all general-purpose registers of the guest in place. */
  readonly leave: string;
}

const imm32 = (value: number): number[] => [...toBytes(BigInt(value), 4)];
const imm64 = (value: bigint): number[] => [...toBytes(value, 8)];

/** The bytes of the rows at `address`. Throws a `RangeError` where a displacement of 32 bits does not reach. */
export function stubBytes(rows: readonly (readonly Code[])[], address: bigint): Uint8Array {
  const bytes: number[] = [];
  for (const row of rows) {
    const length = row.reduce((sum: number, code) => sum + (typeof code === 'number' ? 1 : 4), 0);
    const end = address + BigInt(bytes.length + length);
    for (const code of row) bytes.push(...(typeof code === 'number' ? [code] : displacement(code.to, end)));
  }
  return Uint8Array.from(bytes);
}

function displacement(to: bigint, from: bigint): Uint8Array {
  const distance = to - from;
  if (distance !== BigInt.asIntN(32, distance)) {
    throw new RangeError(
      `a displacement of 32 bits does not reach from 0x${from.toString(16)} to 0x${to.toString(16)}: `
        + `the distance is ${distance < 0n ? '-' : ''}0x${(distance < 0n ? -distance : distance).toString(16)}`,
    );
  }
  return toBytes(u(32, distance), 4);
}

/** The frame's RSP slot becomes the top of the stack, R11 its RFLAGS; CS is a constant. */
const pushFrame = ({ stackBottom, selector }: TrampolinePlace): Code[][] => [
  [0x48, 0x89, 0x25, { to: stackBottom - 16n }],      // mov [rsp_slot], rsp
  [0x48, 0x8d, 0x25, { to: stackBottom - 16n }],      // lea rsp, [rsp_slot]
  [0x41, 0x53],                                       // push r11
  [0x68, ...imm32(selector)],                         // push FLAT_KERNEL_CS64 or CS32
];

const SYSRET = `
        add    rsp, 8
        pop    rcx                  ; RIP
        pop    r11                  ; CS
        cmp    r11w, 0xe023
        pop    r11                  ; RFLAGS
        pop    rsp                  ; RSP
        je     sysret_32
        sysretq
sysret_32:
        sysret`;

/** Xen 3.0.4: text and stacks are both in the direct map, and a near jump leads from one to the other. */
export const nearJump: Trampoline = {
  id: 'nearJump',
  name: 'jmp syscall_enter',
  year: 2005,
  summary: 'A near jump: R11 goes on to SAVE_ALL as SYSCALL left it.',
  source: inferred('the lines of 3.0.4 that the message of 2007-10-15 quotes'),
  image: 0xffff_8300_0000_0000n,
  lstar: STACK_PAGE,
  stub: (place) => [
    ...pushFrame(place),
    [0xe9, { to: place.enter }],                      // jmp syscall_enter
  ],
  enter: `
        sti
        mov    dword ptr [rsp + 24], 0xe02b
        push   rcx
        push   0
        mov    dword ptr [rsp + 4], 0x100`,
  enter32: '',
  adjust: '',
  leave: SYSRET,
};

/** Xen's text has moved out of a near jump's reach, and the scratch register is R11. */
export const indirectJump: Trampoline = {
  ...nearJump,
  id: 'indirectJump',
  name: 'jmp *%r11',
  year: 2007,
  summary: 'An indirect jump through R11: what SAVE_ALL saves of it is the address of syscall_enter.',
  source: xenCommit('369bafdb1c', '2007-05-10', 'text moves to FFFF828C80000000h, the jump becomes indirect'),
  image: 0xffff_828c_8000_0000n,
  stub: (place) => [
    ...pushFrame(place),
    [0x49, 0xbb, ...imm64(place.enter)],              // mov r11, syscall_enter
    [0x41, 0xff, 0xe3],                               // jmp r11
  ],
};

/** One instruction more: R11 is loaded again from the slot of RFLAGS, which was pushed before the damage. */
export const reloaded: Trampoline = {
  ...indirectJump,
  id: 'reloaded',
  name: 'jmp *%r11, reloaded',
  summary: 'R11 is loaded again from the RFLAGS slot before SAVE_ALL.',
  source: xenCommit('b28b3c245a', '2007-10-15', 'R11 reloaded from the saved RFLAGS before SAVE_ALL'),
  enter: `${indirectJump.enter}
        mov    r11, [rsp + 24]`,
};

/** SYSRET only to a canonical RIP: everything else takes IRET. */
export const canonicalCheck: Trampoline = {
  ...reloaded,
  id: 'canonicalCheck',
  name: 'SYSRET only if canonical',
  year: 2012,
  summary: 'The entry of 2007; on the way out a return address that is not canonical takes IRET.',
  source: xenCommit(
    '6b091fa445', '2012-06-12',
    'no SYSRET to an address that is not canonical (XSA-7, CVE-2012-0217); the date is the advisory\'s, from memory',
  ),
  leave: `
        mov    rcx, [rsp + 8]
        sar    rcx, 47
        inc    ecx
        cmp    ecx, 1
        ja     force_iret${SYSRET}
force_iret:
        mov    rcx, [rsp + 8]
        mov    r11, [rsp + 24]
        jmp    iret_exit`,
};

/** The whole frame but RSP is pushed here; RAX comes back out of the slot of SS. */
function fromStub(selector: number): string {
  return `
        sti
        mov    rax, [rsp + 8]
        mov    qword ptr [rsp + 8], 0xe02b
        push   r11
        push   0x${selector.toString(16)}
        push   rcx
        push   0
        mov    dword ptr [rsp + 4], 0x100`;
}

/** Trampolines get pages of their own beside Xen's text, RAX is the scratch register, and R11 is never touched. */
export const stubPage: Trampoline = {
  ...canonicalCheck,
  id: 'stubPage',
  name: 'stub page, scratch RAX',
  year: 2015,
  summary: 'RAX is the scratch register, kept in the slot of SS; a near jump reaches again.',
  source: xenCommit('7a66ac8d16', '2015-05-22', 'trampolines in stub pages, with RAX as scratch register'),
  image: 0xffff_82d0_8000_0000n,
  lstar: 0xffff_82d0_bfff_f000n,
  stub: ({ stackBottom, enter }) => [
    [0x48, 0xa3, ...imm64(stackBottom - 8n)],         // mov [SS slot], rax
    [0x48, 0x89, 0xe0],                               // mov rax, rsp
    [0x48, 0xbc, ...imm64(stackBottom - 8n)],         // mov rsp, SS slot
    [0x50],                                           // push rax
    [0xe9, { to: enter }],                            // jmp lstar_enter
  ],
  enter: fromStub(SELECTOR.code64),
  enter32: fromStub(SELECTOR.userCode32),
};

/**
 * FRED: SYSCALL is event delivery and leaves RCX and R11 alone. The engine has no FRED: `fredSystemCall` makes the
 * frame, and IRETQ stands for ERETU. What runs in between is code.
 */
export const fred: Trampoline = {
  ...stubPage,
  id: 'fred',
  name: 'FRED',
  year: 2025,
  summary: 'SYSCALL leaves RCX and R11 alone, so what Xen saves of them is what the program had in them.',
  source: xenCommit('76193ef47d', '2025-08-11', 'system calls of PV guests in FRED mode'),
  stub: undefined,
  enter: '',
  enter32: '',
  adjust: `
        mov    dword ptr [rsp + 124], 0
        mov    qword ptr [rsp + 136], 0xe033
        mov    qword ptr [rsp + 160], 0xe02b`,
  leave: `
        jmp    iret_exit            ; ERETU`,
};

/** Xen does by hand what SYSCALL and SYSRET would have done. */
export const fredAdjusted: Trampoline = {
  ...fred,
  id: 'fredAdjusted',
  name: 'FRED, RCX and R11 set',
  year: 2026,
  summary: 'Xen sets RCX and R11 on entry and, where SYSRET would have been used, on the way out.',
  source: xenCommit('c5a4b9125b', '2026-05-28', 'RCX and R11 as SYSCALL and SYSRET would leave them, in FRED mode'),
  adjust: `
        mov    dword ptr [rsp + 124], 0x100
        mov    qword ptr [rsp + 136], 0xe033
        mov    qword ptr [rsp + 160], 0xe02b
        mov    rcx, [rsp + 128]
        mov    [rsp + 88], rcx      ; RCX := RIP
        mov    r11, [rsp + 144]
        mov    [rsp + 48], r11      ; R11 := RFLAGS`,
  leave: `
        mov    rcx, [rsp + 8]
        mov    r11, [rsp + 24]
        jmp    iret_exit            ; ERETU`,
};

/** All of them, oldest first. */
export const trampolines: readonly Trampoline[] = [
  nearJump, indirectJump, reloaded, canonicalCheck, stubPage, fred, fredAdjusted,
];
