/** The whole text: a kernel, the task in user mode, its guest, another processor, and their data. */

import type { CpuProfile } from '../../cpus/profile.ts';
import { type Program, assemble } from '../../asm/assemble.ts';
import { OFFSET, STATE_SIZE } from '../../state/fields.ts';
import { VECTOR } from './events.ts';
import { ENTRIES, KVM, STRESS, shared } from './kernel-text.ts';
import { type Kernel, asm } from './kernel.ts';

/**
 * What a handler does with the FPU between kernel_fpu_begin and kernel_fpu_end: nothing, or it loads a register, with
 * an instruction of SSE or with one of AVX.
 */
export type Handler = 'none' | 'SSE' | 'AVX';
export const HANDLERS: readonly Handler[] = ['none', 'SSE', 'AVX'];

/** Where a Linux kernel's text begins. */
const ORIGIN = 0xffff_ffff_8100_0000n;

/** Offsets into `struct pt_regs` and the task, control-register bits, and where the guest's registers are kept. */
const NAMES = asm`
FRAME_CS equ 8
FPSTATE equ 0
HAS_FPU equ 8
NEED_FPU_LOAD equ 9
SIGSEGV equ 10
WARNED equ 11
LOST equ 12
FPSTATE_BYTES equ 832
SYS_IOCTL equ 16
SYS_EXIT equ 60
IA32_MCG_STATUS equ 0x17a
TS equ 8
OSXSAVE equ 1 << 18
GUEST_CR0 equ ${OFFSET.cr0}
GUEST_CR4 equ ${OFFSET.cr4}
GUEST_GPR equ ${OFFSET.gpr}
GUEST_RIP equ ${OFFSET.rip}
`;

const USER = asm`
user:   mov   eax, -1                     ; QEMU's thread, with live registers
        mov   edx, eax
        xrstor64 [live_image]
        mov   eax, SYS_IOCTL
        syscall                           ; KVM_RUN
        mov   eax, -1
        mov   edx, eax
        xsave64 [user_after]
        mov   rax, [user_after + 160]
        cmp   rax, [live_image + 160]
        jne   user_lost
        mov   rax, [user_after + 576]
        cmp   rax, [live_image + 576]
        jne   user_lost
exit:   mov   eax, SYS_EXIT
        syscall
user_lost:
        mov   byte [qemu + LOST], 1
        jmp   exit
`;

const instructions = (kernel: Kernel, cpu: CpuProfile): { save: string; restore: string } => {
  if (kernel.xsaves && cpu.features.has('XSAVES')) return { save: 'xsaves64', restore: 'xrstors64' };
  return { save: cpu.features.has('XSAVEOPT') ? 'xsaveopt64' : 'xsave64', restore: 'xrstor64' };
};

const GUEST = asm`
guest_code:
        mov   rax, cr4
        or    eax, OSXSAVE
        mov   cr4, rax
        xor   ecx, ecx
        xor   edx, edx
        mov   eax, [guest_wants_xcr0]
        xsetbv
        xgetbv
        mov   [guest_saw_xcr0], al
        movups [guest_saw_xmm0], xmm0
        hlt
`;

/** Another processor that runs the stress module: it sends its IPI and waits until somebody has taken it. */
const SENDER = asm`
sender: mov   dword [interrupt_request], ${VECTOR.call}
sender_waits:
        pause
        cmp   dword [interrupt_request], 0
        jne   sender_waits
        cli
        hlt
`;

/** Every image comes about by a restore and a save, as the kernel's own would. */
const BOOT = asm`
boot:   mov   eax, -1
        mov   edx, eax
        xrstor64 [init_image]
        lea   rdi, [init_fpstate]
        call  save_fpregs
        mov   eax, -1
        mov   edx, eax
        xrstor64 [guest_image]
        lea   rdi, [guest_fpu]
        call  save_fpregs
        mov   eax, -1
        mov   edx, eax
        xrstor64 [other_image]
        mov   rdi, [other]
        call  save_fpregs
        inc   dword [preempt_count]
        call  kvm_load_guest_fpu          ; the vCPU has run before, and was put
        call  kvm_put_guest_fpu
        mov   dword [preempt_count], 0
        mov   eax, -1
        mov   edx, eax
        xrstor64 [init_image]
        mov   eax, [stale_components]
        xor   edx, edx
        xrstor64 [other_image]
        mov   rdi, [qemu]
        call  save_fpregs                 ; the task's last switch
        push  0x2b
        push  0
        push  0x202
        push  0x33
        lea   rax, [user]
        push  rax
        iretq
`;

/** An image in the standard format: XMM0 and XMM1, the upper half of YMM0, and XSTATE_BV. SDM vol. 1, 13.4. */
const image = (name: string, components: number, xmm: string, ymm: string): string => asm`
        align 64
${name}: dw   0x37f
        resb  22
        dd    0x1f80, 0xffff
        resb  128
        dq    ${xmm}
        resb  320
        dq    ${components}
        resb  56
        dq    ${ymm}
        resb  248
`;

const area = (name: string): string => asm`
        align 64
${name}: resb 832
`;

const DATA = asm`
        align 4096                        ; so that writes leave decoded instructions alone
current:            dq qemu
qemu:               dq qemu_fpstate
                    db 1, 0, 0, 0, 0, 0, 0, 0
other:              dq other_fpstate
                    db 0, 1, 0, 0, 0, 0, 0, 0
kernel_rsp:         dq 0
user_rsp:           dq 0
host_xcr0:          dd 7
guest_wants_xcr0:   dd 7
stale_components:   dd 7
vcpu_xcr0:          dd 1
preempt_count:      dd 0
exit_event:         dd 0
exit_qualification: dd 0
exit_length:        dd 0
in_kernel_fpu:      db 0
guest_fpu_loaded:   db 0
guest_xcr0_loaded:  db 0
xcr0_is_the_guests: db 0
fpu_active:         db 1
need_resched:       db 0
hardirq_count:      db 0
softirq_count:      db 0
nmi_count:          db 0
oops:               db 0
times_refused:      db 0
handler_xcr0:       db 0
guest_saw_xcr0:     db 0
handler_uses:       db 0
        align 16
junk:               dq 0x4a554e4b4a554e4b, 1, 0x4a554e4b4a554e59, 1
scratch:            dq 0, 0
guest_saw_xmm0:     dq 0, 0
interrupt_request:  dd 0
${area('init_fpstate')}
${area('qemu_fpstate')}
${area('other_fpstate')}
${area('guest_fpu')}
${area('user_fpu')}
${area('user_after')}
${image('init_image', 0, '0, 0, 0, 0', '0')}
${image('live_image', 7, '0x51454d5551454d55, 1, 2, 3', '0x51454d5551454d59')}
${image('other_image', 7, '0x4f544845524f5448, 1, 4, 5', '0x4f544845524f5459')}
${image('guest_image', 7, '0x4755455354475545, 1, 0x4755455354475546, 1', '0x4755455354475559')}
        align 64
guest:  resb  ${STATE_SIZE}
host:   resb  ${STATE_SIZE}
`;

const assembled = new Map<string, Program>();

/** Assembles it, once for each kernel and each set of instructions. */
export function hostProgram(kernel: Kernel, cpu: CpuProfile): Program {
  const { save, restore } = instructions(kernel, cpu);
  const own = [
    kernel.irqFpuUsable, kernel.kernelFpu, kernel.restoreFailed, kernel.guestFpu, kernel.guestXcr0, kernel.setXcr,
    kernel.vcpuRun, kernel.vcpuEnterGuest, kernel.kvmRun, kernel.schedOut, kernel.switchFpu, kernel.machineCheck,
    kernel.returnToUser,
  ];
  const text = [
    NAMES, ENTRIES, STRESS, shared(save, restore), KVM, ...own, BOOT, USER, GUEST, SENDER, DATA,
  ].join('\n');
  const program = assembled.get(text) ?? assemble(text, { mode: 64, origin: ORIGIN });
  assembled.set(text, program);
  return program;
}
