/**
 * Xen's code between a PV64 guest's SYSCALL and its return, as assembly text in parts. It does what
 * xen/arch/x86/x86_64/entry.S and `do_iret` of 2007 do for a guest without pending events: no interrupts, no tracing,
 * one vCPU, page tables of the guest switched with CR3.
 */

import { HYPERCALL, SELECTOR, STACK_BYTES, TRAP_SYSCALL, UREGS, VCPU } from './layout.ts';
import type { Trampoline } from './trampolines.ts';

/** A stretch of code that figures may show as one step. */
export interface Part {
  /** A label of its own, and what people call it. */
  readonly label: string;
  readonly name: string;
  readonly text: string;
}

/** Exceptions that a guest can raise, those of them that push an error code, and those that user code may ask for. */
export const EXCEPTIONS = [0, 1, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 16, 17, 19] as const;
const ERROR_CODES = 0x0002_7d00;
export const FOR_USER: ReadonlySet<number> = new Set([3, 4]);

/** Registers in the order in which SAVE_ALL pushes them. */
const SAVED = [
  'rdi', 'rsi', 'rdx', 'rcx', 'rax', 'r8', 'r9', 'r10', 'r11', 'rbx', 'rbp', 'r12', 'r13', 'r14', 'r15',
] as const;
const SAVE_ALL = `
        cld
${SAVED.map((name) => `        push   ${name}`).join('\n')}`;
const RESTORE_ALL = [...SAVED].reverse().map((name) => `        pop    ${name}`).join('\n');

/** RBX becomes the vCPU. */
const GET_CURRENT = `
        mov    rbx, ${STACK_BYTES - 8}
        or     rbx, rsp
        and    rbx, -8
        mov    rbx, [rbx]`;

/** Between the guest's two address spaces. The vCPU knows in which it is. */
const toggle = (cr3: number): string => `
        xor    byte ptr [rbx + ${VCPU.kernelMode}], 1
        swapgs
        mov    rax, [rbx + ${cr3}]
        mov    cr3, rax`;

const DISPATCH = `${GET_CURRENT}
        test   byte ptr [rbx + ${VCPU.kernelMode}], 1
        jz     switch_to_kernel
        cmp    rax, ${HYPERCALL.iret}
        je     do_iret
        cmp    rax, ${HYPERCALL.schedule}
        je     domain_shutdown
        mov    qword ptr [rsp + ${UREGS.rax}], -38
        jmp    test_all_events
domain_shutdown:
        cli
        hlt`;

const SWITCH_TO_KERNEL = `
        mov    rdx, [rbx + ${VCPU.syscallEntry}]
        xor    ecx, ecx
        call   create_bounce_frame
        and    dword ptr [rsp + ${UREGS.rflags}], 0xfffffbff    ; DF
        jmp    test_all_events`;

/** RDX: the guest's entry point; CL[0]: with the error code in R8. One return address lies below the registers. */
const CREATE_BOUNCE_FRAME = `
        test   byte ptr [rbx + ${VCPU.kernelMode}], 1
        jnz    bounce_on_its_stack${toggle(VCPU.kernelCr3)}
        mov    rsi, [rbx + ${VCPU.kernelStack}]
        jmp    bounce_write
bounce_on_its_stack:
        mov    rsi, [rsp + 8 + ${UREGS.rsp}]
        and    byte ptr [rsp + 8 + ${UREGS.cs}], 0xfc
bounce_write:
        and    rsi, -16
        sub    rsi, 40
        mov    rax, [rsp + 8 + ${UREGS.ss}]
        mov    [rsi + 32], rax
        mov    rax, [rsp + 8 + ${UREGS.rsp}]
        mov    [rsi + 24], rax
        movzx  edi, byte ptr [rbx + ${VCPU.upcallMask}]
        mov    eax, edi
        shl    rax, 32
        mov    ax, [rsp + 8 + ${UREGS.cs}]
        mov    [rsi + 8], rax                   ; CS, and above it the saved upcall mask
        mov    eax, [rsp + 8 + ${UREGS.rflags}]
        and    eax, 0xfffffdff
        xor    edi, 1
        shl    edi, 9
        or     eax, edi                         ; IF is what the guest's mask is not
        mov    [rsi + 16], rax
        mov    rax, [rsp + 8 + ${UREGS.rip}]
        mov    [rsi], rax
        test   cl, 1
        jz     bounce_registers
        sub    rsi, 8
        mov    [rsi], r8
bounce_registers:
        sub    rsi, 16
        mov    rax, [rsp + 8 + ${UREGS.r11}]
        mov    [rsi + 8], rax
        mov    rax, [rsp + 8 + ${UREGS.rcx}]
        mov    [rsi], rax
        mov    dword ptr [rsp + 8 + ${UREGS.entryVector}], ${TRAP_SYSCALL}
        and    dword ptr [rsp + 8 + ${UREGS.rflags}], 0xfff8beff    ; AC, VM, RF, NT, TF
        mov    qword ptr [rsp + 8 + ${UREGS.ss}], ${SELECTOR.userStack}
        mov    [rsp + 8 + ${UREGS.rsp}], rsi
        mov    qword ptr [rsp + 8 + ${UREGS.cs}], ${SELECTOR.code64}
        mov    [rsp + 8 + ${UREGS.rip}], rdx
        ret`;

/** The context on the guest's stack: RAX, R11, RCX, flags, RIP, CS, RFLAGS, RSP, SS. */
const DO_IRET = `
        mov    rdi, [rsp + ${UREGS.rsp}]
        mov    r15, [rdi]
        mov    r11, [rdi + 8]
        mov    rcx, [rdi + 16]
        mov    r14, [rdi + 24]
        mov    r8, [rdi + 32]
        movzx  r13d, word ptr [rdi + 40]
        mov    r9, [rdi + 48]
        mov    r10, [rdi + 56]
        mov    r12, [rdi + 64]
        mov    eax, r13d
        and    eax, 3
        cmp    eax, 3
        jne    iret_to_kernel${toggle(VCPU.userCr3)}
iret_to_kernel:
        mov    [rsp + ${UREGS.rip}], r8
        or     r13d, 3
        mov    [rsp + ${UREGS.cs}], r13
        mov    rax, r9
        shr    eax, 9
        not    eax
        and    eax, 1
        mov    [rbx + ${VCPU.upcallMask}], al
        and    r9, -0x23001                     ; IOPL, VM
        or     r9, 0x200                        ; IF
        mov    [rsp + ${UREGS.rflags}], r9
        mov    [rsp + ${UREGS.rsp}], r10
        or     r12d, 3
        mov    [rsp + ${UREGS.ss}], r12
        test   r14d, ${TRAP_SYSCALL}            ; VGCF_in_syscall
        jnz    iret_in_syscall
        mov    dword ptr [rsp + ${UREGS.entryVector}], 0
        mov    [rsp + ${UREGS.r11}], r11
        mov    [rsp + ${UREGS.rcx}], rcx
iret_in_syscall:
        mov    [rsp + ${UREGS.rax}], r15
        jmp    test_all_events`;

const exception = (vector: number): string => `
exception_${vector}:
${(ERROR_CODES >> vector) & 1 ? '' : '        push   0\n'}        mov    dword ptr [rsp + 4], ${vector}
        jmp    handle_exception`;

/**
 * A fault of Xen itself is the end, unless it is that of the IRETQ to the guest: then it is passed on to the guest, as
 * #GP, as Xen does today. The Xen of 2012 led it to the failsafe callback.
 */
const HANDLE_EXCEPTION = `${SAVE_ALL}
        test   byte ptr [rsp + ${UREGS.cs}], 3
        jz     fault_in_xen
bounce_exception:${GET_CURRENT}
        mov    eax, [rsp + ${UREGS.entryVector}]
        mov    rdx, [rbx + rax*8 + ${VCPU.traps}]
        mov    r8d, [rsp + ${UREGS.errorCode}]
        mov    ecx, ${ERROR_CODES}
        bt     ecx, eax
        setc   cl
        call   create_bounce_frame
        jmp    test_all_events
fault_in_xen:
        lea    rax, [iret_to_guest]
        cmp    rax, [rsp + ${UREGS.rip}]
        je     fix_up
        cli
fatal:  hlt
fix_up: lea    rax, [bounce_for_iret]
        mov    [rsp + ${UREGS.rip}], rax
${RESTORE_ALL}
        add    rsp, 8
        iretq
bounce_for_iret:
        push   0
        mov    dword ptr [rsp + 4], 13${SAVE_ALL}
        jmp    bounce_exception`;

/** The parts of Xen's text in their order; the first one is what the trampoline leads to. */
export const xenText = ({ enter, enter32, adjust, leave }: Trampoline): Part[] => [
  { label: 'syscall_enter', name: 'syscall_enter', text: enter },
  { label: 'save_all', name: 'SAVE_ALL', text: SAVE_ALL },
  ...(adjust ? [{ label: 'adjust', name: 'entry_from_pv', text: adjust }] : []),
  { label: 'dispatch', name: 'user mode or kernel mode?', text: DISPATCH },
  { label: 'switch_to_kernel', name: 'switch_to_kernel', text: SWITCH_TO_KERNEL },
  { label: 'create_bounce_frame', name: 'create_bounce_frame', text: CREATE_BOUNCE_FRAME },
  { label: 'do_iret', name: 'do_iret', text: DO_IRET },
  { label: 'test_all_events', name: 'RESTORE_ALL', text: `
        cli
${RESTORE_ALL}` },
  { label: 'restore_all_guest', name: 'SYSRET or IRET?', text: `
        test   word ptr [rsp + 4], ${TRAP_SYSCALL}
        jz     iret_exit${leave}
iret_exit:
        add    rsp, 8
iret_to_guest:
        iretq` },
  ...(enter32 ? [{ label: 'cstar_enter', name: 'cstar_enter', text: `${enter32}
        jmp    save_all` }] : []),
  { label: 'exceptions', name: 'exception', text: EXCEPTIONS.map(exception).join('') },
  { label: 'handle_exception', name: 'handle_exception', text: HANDLE_EXCEPTION },
];

/** Assembly text of parts, each behind its label. */
export const textOf = (parts: readonly Part[]): string => parts.map(({ label, text }) => `${label}:${text}`).join('\n');
