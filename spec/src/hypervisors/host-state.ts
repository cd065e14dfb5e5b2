/** Xen's own context on a processor: what its code runs in between two guests. */

import type { CpuProfile } from '../cpus/profile.ts';
import { kernelState } from '../machine/initial.ts';
import { CS, DS, ES, RAX, RDX, RSP, SS } from '../state/fields.ts';
import { FLAT, type State, flatSegment } from '../state/state.ts';

/** Xen's selectors: __HYPERVISOR_CS and FLAT_KERNEL_SS of public/arch-x86/xen-x86_64.h. */
const HOST_CS = 0xe008, HOST_SS = 0xe010;

/**
 * 64-bit, CPL 0, null DS and ES, EDX:EAX all ones for the XSAVE family, XCR0 with every component, the stack at
 * `stack`.
 */
export function hostState(cpu: CpuProfile, stack: bigint): State {
  const state = kernelState(cpu, 64);
  state.setSegment(CS, flatSegment(HOST_CS, FLAT.code64));
  state.setSegment(SS, flatSegment(HOST_SS, FLAT.data));
  for (const segment of [DS, ES]) state.setSegment(segment, flatSegment(0, 0));
  state.gpr[RAX] = state.gpr[RDX] = 0xffff_ffffn;
  state.gpr[RSP] = stack;
  return state;
}
