/**
 * Linux and KVM by version, as far as they decide who owns the FPU and whose XCR0 is loaded: from 3.9 to 4.1. Each
 * shares with the one before it every function but those that differ. The algorithms were read in the trees that the
 * citations name; the text is ours, and leaves out what has no part in it. FPU switching is eager throughout, as the
 * report has it.
 */

import { inferred, sourceOfRelease } from '../../state/citation.ts';
import { type Kernel, asm, kernel } from './kernel.ts';

/** The kernel of the report: the guest's XCR0 is loaded with interrupts on, and stays until somebody needs the FPU. */
export const linux311: Kernel = kernel({
  id: 'linux311',
  name: 'Linux 3.11',
  year: 2013,
  summary: 'The guest\'s XCR0 is loaded with interrupts on, before its FPU state, and stays loaded after the exit.',
  source: inferred('Linux 3.10.108 and 3.12.9, on either side of it: arch/x86/kernel/i387.c, arch/x86/kvm/x86.c'),
  xsaves: false,
  irqFpuUsable: asm`
irq_fpu_usable:
        mov   al, 1
        ; interrupted_user_mode
        test  byte [rbx + FRAME_CS], 3
        jnz   usable_known
        ; interrupted_kernel_fpu_idle
        mov   rdi, [current]
        mov   al, [rdi + HAS_FPU]
usable_known:
        ret
  `,
  kernelFpu: asm`
__kernel_fpu_begin:
        mov   rdi, [current]
        cmp   byte [rdi + HAS_FPU], 0
        je    kernel_fpu_begun
        mov   byte [rdi + HAS_FPU], 0
        mov   rdi, [rdi + FPSTATE]
        call  save_fpregs
kernel_fpu_begun:
        ret
__kernel_fpu_end:                         ; math_state_restore
        mov   rdi, [current]
        mov   byte [rdi + HAS_FPU], 1
        mov   rdi, [rdi + FPSTATE]
        call  restore_fpregs
        test  eax, eax
        jz    kernel_fpu_ended
        call  drop_init_fpu
        mov   rdi, [current]
        mov   byte [rdi + SIGSEGV], 1     ; force_sig(SIGSEGV)
kernel_fpu_ended:
        ret
  `,
  restoreFailed: asm`
restore_failed:                           ; the fixup: go on behind it with an error
        push  rax
        lea   rax, [restore_end]
        mov   [rsp + 16], rax
        pop   rax
        add   rsp, 8
        iretq
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
        mov   byte [fpu_active], 0        ; KVM_REQ_DEACTIVATE_FPU
        or    qword [guest + GUEST_CR0], TS
guest_fpu_is_put:
        ret
  `,
  guestXcr0: asm`
kvm_load_guest_xcr0:
        test  dword [guest + GUEST_CR4], OSXSAVE
        jz    guest_xcr0_is_loaded
        cmp   byte [guest_xcr0_loaded], 0
        jne   guest_xcr0_is_loaded
        mov   eax, [vcpu_xcr0]
        call  write_xcr0
        mov   byte [guest_xcr0_loaded], 1
guest_xcr0_is_loaded:
        ret
kvm_put_guest_xcr0:
        cmp   byte [guest_xcr0_loaded], 0
        je    guest_xcr0_is_put
        mov   eax, [host_xcr0]
        call  write_xcr0
        mov   byte [guest_xcr0_loaded], 0
guest_xcr0_is_put:
        ret
  `,
  setXcr: asm`
kvm_set_xcr:
        push  rax
        call  kvm_put_guest_xcr0
        pop   rax
        mov   [vcpu_xcr0], eax
        ret
  `,
  vcpuRun: asm`
vcpu_run:
        call  vm_entry
        call  handle_nmi_exit
        jmp   handle_machine_check_exit
  `,
  vcpuEnterGuest: asm`
vcpu_enter_guest:
        inc   dword [preempt_count]
        cmp   byte [fpu_active], 0
        je    guest_fpu_waits
        call  kvm_load_guest_fpu
guest_fpu_waits:
        call  kvm_load_guest_xcr0
        cli
        cmp   byte [need_resched], 0
        jne   cancel_entry
        call  vcpu_run
        call  handle_external_intr  ; IF = 1
        call  preempt_enable
        jmp   handle_exit
  `,
  kvmRun: asm`
kvm_run:
        call  vcpu_enter_guest
        test  al, al
        jnz   kvm_run
        inc   dword [preempt_count]
        call  kvm_sched_out               ; vcpu_put
        jmp   preempt_enable
  `,
  schedOut: asm`
kvm_sched_out:
        jmp   kvm_put_guest_fpu
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
        call  restore_fpregs
        test  eax, eax
        jnz   drop_init_fpu
        ret
  `,
  machineCheck: asm`
kvm_machine_check:                        ; memory_failure waits for a page's lock
        jmp   schedule
  `,
  returnToUser: asm`
return_to_user:
        ret
  `,
});

/** The version before: an emulated XSETBV forgets that the processor's XCR0 is the guest's. */
export const linux39: Kernel = kernel({
  ...linux311,
  id: 'linux39',
  name: 'Linux 3.9',
  summary: 'XCR0 as in 3.11, but an emulated XSETBV says that it is the host\'s without making it so.',
  source: inferred('42bdf991f4ca (2013-04, in 3.10), by leaving out what it adds'),
  setXcr: asm`
kvm_set_xcr:
        mov   [vcpu_xcr0], eax
        mov   byte [guest_xcr0_loaded], 0
        ret
  `,
});

/** The patch attached to the report, for 3.11: a flag says that XCR0 is a guest's. */
export const xcr0Flag: Kernel = kernel({
  ...linux311,
  id: 'xcr0Flag',
  name: 'Linux 3.11, the workaround',
  year: 2016,
  summary: 'As 3.11, but no interrupt may use the FPU while the guest\'s XCR0 is loaded.',
  source: inferred('the subject and diffstat in the thread; its body is in no archive, the order of the lines is ours'),
  irqFpuUsable: asm`
irq_fpu_usable:
        mov   al, 0
        cmp   byte [xcr0_is_the_guests], 0
        jne   usable_known
        mov   al, 1
        ; interrupted_user_mode
        test  byte [rbx + FRAME_CS], 3
        jnz   usable_known
        ; interrupted_kernel_fpu_idle
        mov   rdi, [current]
        mov   al, [rdi + HAS_FPU]
usable_known:
        ret
  `,
  guestXcr0: asm`
kvm_load_guest_xcr0:
        test  dword [guest + GUEST_CR4], OSXSAVE
        jz    guest_xcr0_is_loaded
        cmp   byte [guest_xcr0_loaded], 0
        jne   guest_xcr0_is_loaded
        mov   eax, [vcpu_xcr0]
        mov   byte [xcr0_is_the_guests], 1
        call  write_xcr0
        mov   byte [guest_xcr0_loaded], 1
guest_xcr0_is_loaded:
        ret
kvm_put_guest_xcr0:
        cmp   byte [guest_xcr0_loaded], 0
        je    guest_xcr0_is_put
        mov   eax, [host_xcr0]
        call  write_xcr0
        mov   byte [xcr0_is_the_guests], 0
        mov   byte [guest_xcr0_loaded], 0
guest_xcr0_is_put:
        ret
  `,
});

/** The FPU has a flag of its own for use by the kernel; a failed restore is a warning and no signal. XSAVES. */
export const linux41: Kernel = kernel({
  ...linux311,
  id: 'linux41',
  name: 'Linux 4.1',
  year: 2015,
  summary: 'Another rule for interrupts, the window of 3.11; a failed restore warns, and the task goes on.',
  source: sourceOfRelease('Linux', '4.1.18', 'arch/x86/kernel/i387.c and arch/x86/kvm/x86.c'),
  xsaves: true,
  irqFpuUsable: asm`
irq_fpu_usable:
        mov   al, 1
        ; interrupted_user_mode
        test  byte [rbx + FRAME_CS], 3
        jnz   usable_known
        ; interrupted_kernel_fpu_idle
        xor   al, [in_kernel_fpu]
usable_known:
        ret
  `,
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
        call  restore_fpregs
        test  eax, eax
        jz    kernel_fpu_ended
        mov   rdi, [current]
        ; WARN_ON, fpu_reset_state
        mov   byte [rdi + WARNED], 1
        call  drop_init_fpu
kernel_fpu_ended:
        mov   byte [in_kernel_fpu], 0
        ret
  `,
});
