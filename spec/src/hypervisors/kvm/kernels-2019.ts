/**
 * Linux and KVM since 5.2, where a task's FPU state is restored on the way to user mode and not before.
 */

import { linuxCommit, sourceOfRelease } from '../../state/citation.ts';
import { type Kernel, asm, kernel } from './kernel.ts';
import { linux51 } from './kernels-2015.ts';

/**
 * A task's state is restored on its way to user mode, and no longer by kernel_fpu_end. A machine check leaves what may
 * sleep to task work since 5.8 (5567d11c21a1).
 */
export const linux510: Kernel = kernel({
  ...linux51,
  id: 'linux510',
  name: 'Linux 5.10',
  year: 2020,
  summary: 'A task\'s FPU state is restored on its way back to user mode, or before the next VM entry.',
  source: sourceOfRelease(
    'Linux', '5.10.13', 'arch/x86/kernel/fpu/core.c, arch/x86/kernel/cpu/mce/core.c and arch/x86/kvm/x86.c',
  ),
  kernelFpu: asm`
__kernel_fpu_begin:
        mov   byte [in_kernel_fpu], 1
        mov   rdi, [current]
        cmp   byte [rdi + NEED_FPU_LOAD], 0
        jne   kernel_fpu_begun
        mov   byte [rdi + NEED_FPU_LOAD], 1
        mov   rdi, [rdi + FPSTATE]
        call  save_fpregs
kernel_fpu_begun:
        ret
__kernel_fpu_end:
        mov   byte [in_kernel_fpu], 0
        ret
  `,
  guestFpu: asm`
kvm_load_guest_fpu:
        inc   dword [preempt_count]       ; fpregs_lock
        inc   byte [softirq_count]
        lea   rdi, [user_fpu]
        call  kvm_save_current_fpu
        lea   rdi, [guest_fpu]
        jmp   load_and_unlock
kvm_put_guest_fpu:
        inc   dword [preempt_count]
        inc   byte [softirq_count]
        lea   rdi, [guest_fpu]
        call  kvm_save_current_fpu
        lea   rdi, [user_fpu]
load_and_unlock:
        call  restore_fpregs
        mov   rdi, [current]
        mov   byte [rdi + NEED_FPU_LOAD], 0
        dec   byte [softirq_count]
        jmp   preempt_enable
kvm_save_current_fpu:
        mov   rsi, [current]
        cmp   byte [rsi + NEED_FPU_LOAD], 0
        je    save_fpregs
        mov   rsi, [rsi + FPSTATE]        ; the registers are no longer the task's
        mov   ecx, FPSTATE_BYTES / 8
        rep   movsq
        ret
  `,
  vcpuEnterGuest: asm`
vcpu_enter_guest:
        inc   dword [preempt_count]
        cli
        cmp   byte [need_resched], 0
        jne   cancel_entry
        call  return_to_user              ; switch_fpu_return
        call  vcpu_run
        call  handle_external_intr  ; IF = 1
        call  preempt_enable
        jmp   handle_exit
  `,
  switchFpu: asm`
switch_fpu:
        cmp   byte [rdi + NEED_FPU_LOAD], 0
        jne   switch_fpu_finish
        mov   rdi, [rdi + FPSTATE]
        call  save_fpregs
switch_fpu_finish:
        mov   [current], rsi
        mov   byte [rsi + NEED_FPU_LOAD], 1
        ret
  `,
  machineCheck: asm`
kvm_machine_check:                        ; what may sleep is left to task work
        ret
  `,
  returnToUser: asm`
return_to_user:
        mov   rdi, [current]
        cmp   byte [rdi + NEED_FPU_LOAD], 0
        je    fpu_is_loaded
        mov   rdi, [rdi + FPSTATE]
        call  restore_fpregs
        mov   rdi, [current]
        mov   byte [rdi + NEED_FPU_LOAD], 0
fpu_is_loaded:
        ret
  `,
});

/** No FPU for NMIs and machine checks, none for an interrupt in the middle of a change of the FPU's owner. */
export const linux518: Kernel = kernel({
  ...linux510,
  id: 'linux518',
  name: 'Linux 5.18',
  year: 2022,
  summary: 'Neither an NMI, nor a machine check, nor an interrupt within fpregs_lock may use the FPU.',
  source: linuxCommit('59f5ede3bc0f', '2022-05-01', 'irq_fpu_usable refuses NMIs and code within fpregs_lock'),
  irqFpuUsable: asm`
irq_fpu_usable:
        mov   al, [nmi_count]
        or    al, [in_kernel_fpu]
        cmp   byte [hardirq_count], 0
        je    not_in_hardirq
        or    al, [softirq_count]
not_in_hardirq:
        test  al, al
        sete  al
        ret
  `,
});

/** XCR0 moves out of the run again, for speed; interrupts are off all the while. */
export const linux619: Kernel = kernel({
  ...linux518,
  id: 'linux619',
  name: 'Linux 6.19',
  year: 2026,
  summary: 'The guest\'s XCR0 is live around the whole run again; a machine check is handled after it.',
  source: linuxCommit('75c69c82f211', '2025-11', 'XCR0 and IA32_XSS loaded outside of the fastpath; read as posted'),
  guestXcr0: asm`
kvm_load_guest_xcr0:
        test  dword [guest + GUEST_CR4], OSXSAVE
        jz    guest_xcr0_is_loaded
        mov   eax, [vcpu_xcr0]
        cmp   eax, [host_xcr0]
        jne   write_xcr0
guest_xcr0_is_loaded:
        ret
kvm_put_guest_xcr0:
        test  dword [guest + GUEST_CR4], OSXSAVE
        jz    guest_xcr0_is_put
        mov   eax, [host_xcr0]
        cmp   eax, [vcpu_xcr0]
        jne   write_xcr0
guest_xcr0_is_put:
        ret
  `,
  vcpuRun: asm`
vcpu_run:
        call  vm_entry
        jmp   handle_nmi_exit
  `,
  vcpuEnterGuest: asm`
vcpu_enter_guest:
        inc   dword [preempt_count]
        cli
        cmp   byte [need_resched], 0
        jne   cancel_entry
        call  return_to_user              ; switch_fpu_return
        call  kvm_load_guest_xcr0
        call  vcpu_run
        call  kvm_put_guest_xcr0
        call  handle_machine_check_exit
        call  handle_external_intr  ; IF = 1
        call  preempt_enable
        jmp   handle_exit
  `,
});
