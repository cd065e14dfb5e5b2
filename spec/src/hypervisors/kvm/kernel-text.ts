/** The functions that all kernels share: entries, the stress module's handler, the scheduler, KVM's exits. */

import { EXIT, VECTOR, eventOf } from './events.ts';
import { asm } from './kernel.ts';

/** What a handler begins with; RBX is the frame. */
const SAVE = asm`
        push  rbx
        push  rax
        push  rdx
        push  rcx
        push  rdi
        lea   rbx, [rsp + 40]
`;

export const ENTRIES = asm`
entry_syscall:
        mov   [user_rsp], rsp
        mov   rsp, [kernel_rsp]
        push  r11
        push  rcx
        cmp   eax, SYS_EXIT
        je    do_exit
        sti
        call  kvm_run
        cli
        cmp   byte [qemu + SIGSEGV], 0
        jne   do_exit
        call  return_to_user
        pop   rcx
        pop   r11
        mov   rsp, [user_rsp]
        sysretq
do_exit:
        hlt

call_function_interrupt:
${SAVE}
        inc   byte [hardirq_count]
        call  stress
irq_exit:
        dec   byte [hardirq_count]
        test  byte [rbx + FRAME_CS], 3
        jnz   irq_to_user
        cmp   dword [preempt_count], 0
        jne   irq_return
        cmp   byte [need_resched], 0
        je    irq_return
        call  schedule                    ; kernel preemption
irq_return:
        pop   rdi
        pop   rcx
        pop   rdx
        pop   rax
        pop   rbx
        iretq
irq_to_user:
        cmp   byte [need_resched], 0
        je    irq_to_user_now
        call  schedule
irq_to_user_now:
        cmp   byte [qemu + SIGSEGV], 0
        jne   do_exit
        call  return_to_user
        jmp   irq_return

timer_interrupt:
${SAVE}
        inc   byte [hardirq_count]
        mov   byte [need_resched], 1
        jmp   irq_exit

machine_check:
${SAVE}
        call  in_nmi_context
        call  machine_check_is_over
        test  byte [rbx + FRAME_CS], 3
        jz    irq_return
        call  return_to_user
        jmp   irq_return
nmi:
${SAVE}
        call  in_nmi_context
        jmp   irq_return
in_nmi_context:
        inc   byte [nmi_count]
        call  stress
        dec   byte [nmi_count]
        ret
machine_check_is_over:
        mov   ecx, IA32_MCG_STATUS
        xor   eax, eax
        xor   edx, edx
        wrmsr
        ret

general_protection:
        push  rax
        lea   rax, [restore_insn]
        cmp   [rsp + 16], rax             ; the exception table
        pop   rax
        je    restore_failed
        mov   byte [oops], 13
        jmp   dead
invalid_opcode:
        mov   byte [oops], 6
        jmp   dead
page_fault:
        mov   byte [oops], 14
        jmp   dead
double_fault:
        mov   byte [oops], 8
dead:   hlt
`;

/** The handler of the thread's stress module; it counts refusals, and notes an XCR0 that was not the host's. */
export const STRESS = asm`
stress: call  irq_fpu_usable
        test  al, al
        jz    fpu_refused
handler_may_use_fpu:
        xor   ecx, ecx
        xgetbv
        cmp   al, [host_xcr0]
        je    handler_xcr0_is_known
        mov   [handler_xcr0], al
handler_xcr0_is_known:
        call  __kernel_fpu_begin          ; kernel_fpu_begin: preemption is off in a handler
        cmp   byte [handler_uses], 1
        jb    handler_is_done
        ja    handler_uses_avx
        movups xmm0, [junk]
        jmp   handler_is_done
handler_uses_avx:
        vmovups ymm0, [junk]
handler_is_done:
        jmp   __kernel_fpu_end            ; kernel_fpu_end
fpu_refused:
        inc   byte [times_refused]
        ret
`;

/** `save` and `restore` are the instructions that the kernel uses on this processor. */
export const shared = (save: string, restore: string): string => asm`
save_fpregs:
        mov   eax, -1
        mov   edx, eax
        ${save} [rdi]
        ret
restore_fpregs:                           ; EAX = 0, or -1 where the XRSTOR faulted
        mov   eax, -1
        mov   edx, eax
restore_insn:
        ${restore} [rdi]
        xor   eax, eax
restore_end:
        ret
drop_init_fpu:                            ; no entry in the exception table
        lea   rdi, [init_fpstate]
        mov   eax, -1
        mov   edx, eax
        ${restore} [rdi]
        ret
write_xcr0:
        xor   ecx, ecx
        xor   edx, edx
        xsetbv
        ret
preempt_enable:
        dec   dword [preempt_count]
        jnz   still_off
        cmp   byte [need_resched], 0
        jne   schedule
still_off:
        ret
schedule:
        push  rsi
        mov   byte [need_resched], 0
        inc   dword [preempt_count]
        pushfq
        cli
        call  kvm_sched_out
        lea   rdi, [qemu]
        lea   rsi, [other]
        call  switch_fpu
        call  return_to_user              ; the other task runs, and finds what it left
        movups [scratch], xmm0
        mov   rax, [scratch]
        cmp   rax, [other_image + 160]
        je    other_kept
        mov   byte [other + LOST], 1
other_kept:
        lea   rdi, [other]
        lea   rsi, [qemu]
        call  switch_fpu
        popfq
        dec   dword [preempt_count]
        pop   rsi
        ret
`;

export const KVM = asm`
vm_entry:
        db    0x0f, 0x01, 0xc3            ; VMRESUME
vm_exit:
        ret
handle_nmi_exit:
        cmp   dword [exit_event], ${eventOf(EXIT.exceptionOrNmi, VECTOR.nmi)}
        jne   no_event
        int   ${VECTOR.nmi}
no_event:
        ret
handle_machine_check_exit:
        cmp   dword [exit_event], ${eventOf(EXIT.exceptionOrNmi, VECTOR.machineCheck)}
        jne   no_event
        call  kvm_machine_check
        jmp   machine_check_is_over
handle_external_intr:
        cmp   byte [exit_event + 1], ${EXIT.externalInterrupt}
        jne   irqs_on
        mov   rax, rsp                    ; the frame that the IDT's gate would push
        push  0x18
        push  rax
        pushfq
        or    qword [rsp], 0x200
        push  0x10
        lea   rax, [irqs_on]
        push  rax
        cmp   byte [exit_event], ${VECTOR.timer}
        je    timer_interrupt
        jmp   call_function_interrupt
irqs_on:
        sti
        ret
cancel_entry:
        sti
        call  preempt_enable
        mov   al, 1
        ret
handle_exit:
        movzx eax, byte [exit_event + 1]
        cmp   eax, ${EXIT.xsetbv}
        je    handle_xsetbv
        cmp   eax, ${EXIT.controlRegister}
        je    handle_cr
        cmp   eax, ${EXIT.hlt}
        je    handle_halt
        cmp   byte [exit_event], ${VECTOR.deviceNotAvailable}
        jne   enter_again
        mov   byte [fpu_active], 1        ; the guest's first use of its FPU
        and   qword [guest + GUEST_CR0], ~TS
        jmp   enter_again
handle_xsetbv:
        mov   eax, [guest + GUEST_GPR]
        call  kvm_set_xcr
        jmp   skip_emulated
handle_cr:                                ; MOV to CR4
        mov   ecx, [exit_qualification]
        shr   ecx, 8
        lea   rdx, [guest + GUEST_GPR]
        mov   rax, [rdx + rcx*8]
        mov   [guest + GUEST_CR4], rax
skip_emulated:
        mov   eax, [exit_length]
        add   [guest + GUEST_RIP], rax
enter_again:
        mov   al, 1
        ret
handle_halt:
        xor   eax, eax                    ; KVM_EXIT_HLT, to user space
        ret
`;
