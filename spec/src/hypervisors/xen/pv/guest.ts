/** The guest: two kernels that differ in what they take for the user's RIP and RFLAGS, and the same on bare metal. */

import { AREA, HYPERCALL, SELECTOR, TRAP_SYSCALL } from './layout.ts';
import { EXCEPTIONS, type Part } from './text.ts';

/** A guest kernel's system call handler, in the steps that kernels do differently. */
export interface GuestKernel {
  readonly id: string;
  readonly name: string;
  /** In one sentence. */
  readonly summary: string;
  /** Assembly text: the frame at RSP is RIP, CS, RFLAGS, RSP, SS; RCX and R11 have been popped from below it. */
  readonly resume: string;
  /** How it asks Xen to return: with VGCF_in_syscall (by SYSRET) or without (by IRET). */
  readonly returns: 'SYSRET' | 'IRET';
}

/** As Solaris did: after POP RCX and POP R11 everything is as SYSCALL on bare metal would have left it. */
export const popsRegisters: GuestKernel = {
  id: 'popsRegisters',
  name: 'pops RCX and R11',
  summary: 'Takes the popped registers for the user program\'s RIP and RFLAGS, as after SYSCALL on bare metal.',
  resume: `
        mov    [rsp], rcx
        mov    [rsp + 16], r11`,
  returns: 'SYSRET',
};

/** The alternative on the guest's side: RIP and RFLAGS are in the frame, and stay there. */
export const takesFrame: GuestKernel = {
  ...popsRegisters,
  id: 'takesFrame',
  name: 'takes the frame',
  summary: 'Takes RIP and RFLAGS from the frame, and never looks at RCX and R11.',
  resume: '',
};

/** Different values for all registers that a program inherits, so that each can be told from every other. */
const REGISTERS = [
  'rbx', 'rdx', 'rsi', 'rdi', 'rbp', 'r8', 'r9', 'r10', 'r12', 'r13', 'r14', 'r15', 'rcx', 'r11',
] as const;
const PATTERNS = REGISTERS.map((name, n) => `
        mov    ${name}, 0x${(n + 1).toString(16).padStart(2, '0').repeat(8)}`).join('');

/** RFLAGS of the user program when it starts. */
export const USER_FLAGS = 0x246;

/** The user program's number for "this was all". */
const EXIT = 60;
/** What a kernel reports when the program has ended in good order, in place of a vector. */
export const ORDERLY = 0xff;

const push = (value: bigint | number): string => `
        mov    rax, 0x${value.toString(16)}
        push   rax`;

/** SCHEDOP_shutdown, with the vector of the exception that ended the program in RSI. */
const shutdown = (vector: number): string => `
        mov    esi, ${vector}
        mov    edi, 2
        mov    eax, ${HYPERCALL.schedule}
        syscall`;

/** The program that a kernel starts. */
export interface Entry {
  readonly mode: 32 | 64;
  readonly rip: bigint;
}

const frameOf = ({ mode, rip }: Entry): string =>
  `${PATTERNS}${push(SELECTOR.userStack)}${push(mode === 64 ? AREA.userStack : AREA.userStack32)}${
    push(USER_FLAGS)}${push(mode === 64 ? SELECTOR.code64 : SELECTOR.userCode32)}${push(rip)}`;

/** Parts of a PV guest's kernel. It starts the program by its first iret hypercall. */
export const guestKernelText = ({ resume, returns }: GuestKernel, entry: Entry): Part[] => [
  { label: 'start', name: 'start', text: `${frameOf(entry)}
        push   0
        xor    eax, eax
        jmp    hypercall_iret` },
  { label: 'syscall_entry', name: 'syscall entry', text: `
        pop    rcx
        pop    r11` },
  { label: 'handler', name: 'handler', text: `
        cmp    eax, ${EXIT}
        je     exit${resume}
        push   ${returns === 'SYSRET' ? TRAP_SYSCALL : 0}` },
  { label: 'hypercall_iret', name: 'hypercall page', text: `
        push   rcx
        push   r11
        push   rax
        mov    eax, ${HYPERCALL.iret}
        syscall` },
  { label: 'exit', name: 'exit', text: shutdown(ORDERLY) },
  ...EXCEPTIONS.map((vector) => ({ label: `trap_${vector}`, name: `trap ${vector}`, text: shutdown(vector) })),
];

/** A kernel at ring 0 on bare metal, whose SYSCALL handler looks at nothing but the number. */
export const bareKernelText = (entry: Entry): Part[] => [
  { label: 'start', name: 'start', text: `${frameOf(entry)}
        xor    eax, eax
        iretq` },
  { label: 'handler', name: 'handler', text: `
        cmp    eax, ${EXIT}
        je     exit
        ${entry.mode === 64 ? 'sysretq' : 'sysret'}` },
  { label: 'exit', name: 'exit', text: `
        mov    esi, ${ORDERLY}
        cli
        hlt` },
  ...EXCEPTIONS.map((vector) => ({ label: `exception_${vector}`, name: `exception ${vector}`, text: `
        mov    esi, ${vector}
        cli
        hlt` })),
];
