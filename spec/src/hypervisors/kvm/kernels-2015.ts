/**
 * Linux and KVM from 4.2, which loads the guest's FPU state eagerly, to 5.1, which loads its XCR0 next to the VM entry.
 */

import { linuxCommit } from '../../state/citation.ts';
import { type Kernel, asm, kernel } from './kernel.ts';
import { linux41 } from './kernels-2013.ts';

/** The guest's FPU stays loaded from one exit to the next, and is loaded before XCR0: whoever asks finds it in use. */
export const linux42: Kernel = kernel({
  ...linux41,
  id: 'linux42',
  name: 'Linux 4.2',
  year: 2015,
  summary: 'With eager FPU switching the guest\'s FPU state is always loaded before its XCR0, and so the FPU is taken.',
  source: linuxCommit('653f52c316a4', '2015-05', 'guest FPU state loaded eagerly; read in Linux 4.8.15'),
  xsaves: false,
  kernelFpu: asm`
__kernel_fpu_begin:
        mov   byte [in_kernel_fpu], 1
        mov   rdi, [current]
        cmp   byte [rdi + HAS_FPU], 0
        je    kernel_fpu_begun
        mov   rdi, [rdi + FPSTATE]
        call  save_fpregs
kernel_fpu_begun:
        ret
__kernel_fpu_end:
        mov   rdi, [current]
        cmp   byte [rdi + HAS_FPU], 0
        je    kernel_fpu_ended
        mov   rdi, [rdi + FPSTATE]
        call  restore_fpregs      ; EAX unused
kernel_fpu_ended:
        mov   byte [in_kernel_fpu], 0
        ret
  `,
  guestFpu: asm`
kvm_load_guest_fpu:
        cmp   byte [guest_fpu_loaded], 0
        jne   guest_fpu_is_loaded
        call  kvm_put_guest_xcr0
        mov   byte [guest_fpu_loaded], 1
        call  __kernel_fpu_begin
        lea   rdi, [guest_fpu]
        call  restore_fpregs
guest_fpu_is_loaded:
        ret
kvm_put_guest_fpu:
        call  kvm_put_guest_xcr0
        cmp   byte [guest_fpu_loaded], 0
        je    guest_fpu_is_put
        mov   byte [guest_fpu_loaded], 0
        lea   rdi, [guest_fpu]
        call  save_fpregs
        call  __kernel_fpu_end
guest_fpu_is_put:
        ret
  `,
  switchFpu: asm`
switch_fpu:
        cmp   byte [rdi + HAS_FPU], 0
        je    switch_fpu_finish
        mov   byte [rdi + HAS_FPU], 0
        mov   rdi, [rdi + FPSTATE]
        call  save_fpregs
switch_fpu_finish:
        mov   [current], rsi
        mov   byte [rsi + HAS_FPU], 1
        mov   rdi, [rsi + FPSTATE]
        jmp   restore_fpregs
  `,
});

/** The upstream fix: XCR0 is the guest's only while interrupts are off. */
export const linux46: Kernel = kernel({
  ...linux42,
  id: 'linux46',
  name: 'Linux 4.6',
  year: 2016,
  summary: 'The guest\'s XCR0 is loaded after interrupts are off and put back before the first can come in.',
  source: linuxCommit('fc5b7f3bf1e1', '2016-04', 'XCR0 is the guest\'s with interrupts off only; read in Linux 4.8.15'),
  guestFpu: asm`
kvm_load_guest_fpu:
        cmp   byte [guest_fpu_loaded], 0
        jne   guest_fpu_is_loaded
        mov   byte [guest_fpu_loaded], 1
        call  __kernel_fpu_begin
        lea   rdi, [guest_fpu]
        call  restore_fpregs
guest_fpu_is_loaded:
        ret
kvm_put_guest_fpu:
        cmp   byte [guest_fpu_loaded], 0
        je    guest_fpu_is_put
        mov   byte [guest_fpu_loaded], 0
        lea   rdi, [guest_fpu]
        call  save_fpregs
        call  __kernel_fpu_end
guest_fpu_is_put:
        ret
  `,
  setXcr: asm`
kvm_set_xcr:
        mov   [vcpu_xcr0], eax
        ret
  `,
  vcpuEnterGuest: asm`
vcpu_enter_guest:
        inc   dword [preempt_count]
        cmp   byte [fpu_active], 0
        je    guest_fpu_waits
        call  kvm_load_guest_fpu
guest_fpu_waits:
        cli
        cmp   byte [need_resched], 0
        jne   cancel_entry
        call  kvm_load_guest_xcr0
        call  vcpu_run
        call  kvm_put_guest_xcr0
        call  handle_external_intr  ; IF = 1
        call  preempt_enable
        jmp   handle_exit
  `,
});

/** The guest's FPU state is the task's own from the ioctl's beginning to its end; a failed restore starts anew. */
export const linux415: Kernel = kernel({
  ...linux46,
  id: 'linux415',
  name: 'Linux 4.15',
  year: 2018,
  summary: 'The guest\'s FPU state is the task\'s for the whole ioctl; a failed restore warns and starts anew.',
  source: linuxCommit('f775b13eedee', '2017-11', 'guest FPU state loaded once for each KVM_RUN; from memory'),
  xsaves: true,
  restoreFailed: asm`
restore_failed:                           ; ex_handler_fprestore
        push  rax
        push  rdx
        push  rdi
        mov   rdi, [current]
        mov   byte [rdi + WARNED], 1
        lea   rdi, [init_fpstate]
        call  restore_fpregs              ; which has the same handler
        pop   rdi
        pop   rdx
        lea   rax, [restore_end]
        mov   [rsp + 16], rax
        pop   rax
        add   rsp, 8
        iretq
  `,
  guestFpu: asm`
kvm_load_guest_fpu:
        inc   dword [preempt_count]
        lea   rdi, [user_fpu]
        call  save_fpregs
        lea   rdi, [guest_fpu]
        call  restore_fpregs
        jmp   preempt_enable
kvm_put_guest_fpu:
        inc   dword [preempt_count]
        lea   rdi, [guest_fpu]
        call  save_fpregs
        lea   rdi, [user_fpu]
        call  restore_fpregs
        jmp   preempt_enable
  `,
  vcpuEnterGuest: asm`
vcpu_enter_guest:
        inc   dword [preempt_count]
        cli
        cmp   byte [need_resched], 0
        jne   cancel_entry
        call  kvm_load_guest_xcr0
        call  vcpu_run
        call  kvm_put_guest_xcr0
        call  handle_external_intr  ; IF = 1
        call  preempt_enable
        jmp   handle_exit
  `,
  kvmRun: asm`
kvm_run:
        call  kvm_load_guest_fpu
kvm_run_again:
        call  vcpu_enter_guest
        test  al, al
        jnz   kvm_run_again
        jmp   kvm_put_guest_fpu
  `,
  schedOut: asm`
kvm_sched_out:                            ; the guest's FPU state is the task's
        ret
  `,
});

/** XCR0 goes inside the run, so that a machine check that ended it finds the host's. */
export const linux51: Kernel = kernel({
  ...linux415,
  id: 'linux51',
  name: 'Linux 5.1',
  year: 2019,
  summary: 'The guest\'s XCR0 is put back at the VM exit, before a machine check or an NMI that caused it is handled.',
  source: linuxCommit('1811d979c716', '2019-04', 'XCR0 loaded and put back next to the VM entry'),
  vcpuRun: asm`
vcpu_run:
        call  kvm_load_guest_xcr0
        call  vm_entry
        call  kvm_put_guest_xcr0
        call  handle_nmi_exit
        jmp   handle_machine_check_exit
  `,
  vcpuEnterGuest: asm`
vcpu_enter_guest:
        inc   dword [preempt_count]
        cli
        cmp   byte [need_resched], 0
        jne   cancel_entry
        call  vcpu_run
        call  handle_external_intr  ; IF = 1
        call  preempt_enable
        jmp   handle_exit
  `,
});
