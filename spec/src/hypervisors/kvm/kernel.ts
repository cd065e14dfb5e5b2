/**
 * A Linux host with KVM, as far as the ownership of the FPU goes: machine code put together from functions, of which a
 * version of the kernel brings those that differ. Names are the kernel's own.
 */

import { type Interpolation, sourceOf } from '../../asm/template.ts';
import type { Citation } from '../../state/citation.ts';

/**
 * 64-bit assembly text, each part a function (or several) that the rest calls by name. They may use RAX, RCX, RDX and
 * RDI; RBX is the frame of the interrupted code (`struct pt_regs`), in handlers only.
 */
export interface KernelSteps {
  /** AL = 1 where the handler that asks may use the FPU. */
  readonly irqFpuUsable: string;
  /** `__kernel_fpu_begin` and `__kernel_fpu_end`: around them, preemption is off. */
  readonly kernelFpu: string;
  /** What becomes of a #GP in the XRSTOR of a task's state: `restore_failed`, jumped to with the frame on the stack. */
  readonly restoreFailed: string;
  /** `kvm_load_guest_fpu` and `kvm_put_guest_fpu`. */
  readonly guestFpu: string;
  /** `kvm_load_guest_xcr0` and `kvm_put_guest_xcr0`. */
  readonly guestXcr0: string;
  /** `kvm_set_xcr`: the guest's XSETBV, emulated; its value is in EDX:EAX. */
  readonly setXcr: string;
  /** `vcpu_run` of VMX: the VM entry and what follows the VM exit at once. */
  readonly vcpuRun: string;
  /** `vcpu_enter_guest`: one VM entry, from the loop in `kvm_run`. AL = 1 to go on. */
  readonly vcpuEnterGuest: string;
  /** `kvm_run`: the ioctl. */
  readonly kvmRun: string;
  /** `kvm_sched_out`: what KVM does when the vCPU's task is taken off the processor. */
  readonly schedOut: string;
  /** `switch_fpu`: from the task in RDI to the one in RSI. */
  readonly switchFpu: string;
  /** `kvm_machine_check`: the host's handler, called for a machine check that ended the guest's run. */
  readonly machineCheck: string;
  /** `return_to_user`, with interrupts off. */
  readonly returnToUser: string;
}

export interface Kernel extends KernelSteps {
  /** Name of the exported value, or any identifier. */
  readonly id: string;
  readonly name: string;
  readonly year: number;
  /** In one sentence, what this version does about the guest's XCR0. */
  readonly summary: string;
  readonly source: Citation;
  /** Uses XSAVES and XRSTORS where the processor has them. */
  readonly xsaves: boolean;
}

/** Assembly as text, to be put together with other text before it is assembled. */
export const asm = (strings: TemplateStringsArray, ...values: Interpolation[]): string => sourceOf(strings, values);

const STEPS: readonly (keyof KernelSteps)[] = [
  'irqFpuUsable', 'kernelFpu', 'restoreFailed', 'guestFpu', 'guestXcr0', 'setXcr', 'vcpuRun', 'vcpuEnterGuest',
  'kvmRun', 'schedOut', 'switchFpu', 'machineCheck', 'returnToUser',
];

/** Checks a kernel that was written by hand, and says what is missing. */
export function kernel(input: Kernel): Kernel {
  const types = { id: 'string', name: 'string', year: 'number', summary: 'string', xsaves: 'boolean' } as const;
  const wanted = [...Object.entries(types), ...STEPS.map((step) => [step, 'string'] as const)];
  for (const [key, type] of wanted) {
    const value: unknown = input[key as keyof Kernel];
    if (typeof value === type) continue;
    throw new TypeError(
      `kernel ${JSON.stringify(input.id ?? '')}: ${key} is ${typeof value}, it must be a ${type}`
        + (STEPS.includes(key as keyof KernelSteps) ? ' of assembly text' : ''),
    );
  }
  return Object.freeze({ ...input });
}

/** The functions in which two kernels differ. */
export const differingSteps = (left: Kernel, right: Kernel): (keyof KernelSteps)[] =>
  STEPS.filter((step) => left[step] !== right[step]);
