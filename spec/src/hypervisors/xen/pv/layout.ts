/**
 * Where everything is in a small Xen with one PV64 guest: addresses, selectors, the frame that its entry code builds.
 * Selectors and frames are those of public/arch-x86/xen-x86_64.h; linear addresses of the areas are those of
 * xen/include/asm-x86/config.h of 2007; which pages lie where inside an area is ours.
 */

/** Selectors. The last page of every guest's GDT is Xen's: index 7168 and up. */
export const SELECTOR = {
  xenCode: 0xe008, xenStack: 0xe010, userCode32: 0xe023, userStack: 0xe02b, code64: 0xe033, tss: 0xe040,
} as const;

/** Linear addresses. */
export const AREA = {
  /** Slot 260 of the PML4: per-domain mappings, the GDT first. */
  gdt: 0xffff_8200_0000_0000n,
  /** Slot 262: all physical memory, one to one. */
  directMap: 0xffff_8300_0000_0000n,
  /** The guest kernel's text and stack: above Xen's slots, in the kernel's page tables only. */
  kernel: 0xffff_ffff_fb80_0000n,
  kernelStack: 0xffff_fe80_0000_4000n,
  /** Top of the user program's stack, for 64-bit and for 32-bit programs. */
  userStack: 0x7fff_ffe0_0000n,
  userStack32: 0xbfff_e000n,
} as const;

/** Physical addresses; those of Xen are seen through the direct map. Xen's image is below 4 MiB. */
export const PHYSICAL = {
  image: 0n, stack: 0x40_0000n, vcpu: 0x41_0000n, gdt: 0x42_0000n, system: 0x43_0000n, victim: 0x44_0000n,
  kernel: 0x50_0000n, kernelStack: 0x58_0000n, user: 0x60_0000n, userStack: 0x70_0000n, tables: 0x100_0000n,
} as const;
/** Offsets into Xen's image that code may be linked at. */
export const IMAGE_BYTES = 0x40_0000n;

export const direct = (physical: bigint): bigint => AREA.directMap + physical;

/** A per-CPU stack: three pages of IST stacks, the page of the trampolines, the stack proper. */
export const STACK_BYTES = 0x8000;
export const STACK_PAGE = direct(PHYSICAL.stack) + 0x3000n;
/** From the trampoline at IA32_LSTAR to the one at IA32_CSTAR: ours, as Xen's varied. */
export const CSTAR_OFFSET = 0x80n;
/** `struct cpu_info` ends the stack: registers, selectors, the processor's number, a pointer to the vCPU. */
export const CURRENT = direct(PHYSICAL.stack) + BigInt(STACK_BYTES) - 8n;
/** What RSP0 of the TSS is, and where the frame of an entry from the guest begins, downwards. */
export const STACK_BOTTOM = direct(PHYSICAL.stack) + BigInt(STACK_BYTES) - 48n;

/** Offsets in `struct cpu_user_regs`, from the last register that SAVE_ALL pushes. */
export const UREGS = {
  r15: 0, r14: 8, r13: 16, r12: 24, rbp: 32, rbx: 40, r11: 48, r10: 56, r9: 64, r8: 72, rax: 80, rcx: 88, rdx: 96,
  rsi: 104, rdi: 112, errorCode: 120, entryVector: 124, rip: 128, cs: 136, rflags: 144, rsp: 152, ss: 160,
} as const;
export const UREGS_BYTES = 168;

/** Offsets in our `struct vcpu`. */
export const VCPU = {
  kernelMode: 0, upcallMask: 8, kernelCr3: 16, userCr3: 24, kernelStack: 32, syscallEntry: 40, traps: 64,
} as const;

/** In `entry_vector`: entered by SYSCALL, to be left by SYSRET. In an iret context: VGCF_in_syscall. */
export const TRAP_SYSCALL = 0x100;
/** Hypercalls by number. */
export const HYPERCALL = { iret: 23, schedule: 29 } as const;

/** Bits of RFLAGS that SYSCALL clears: VM, RF, NT, DF, IF, TF. Today AC too, which SMAP needs. */
export const SYSCALL_MASK = 0x3_4700;
