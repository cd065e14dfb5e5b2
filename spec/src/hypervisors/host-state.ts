/** A hypervisor's own context on a processor: what its code runs in between two guests. */

import type { CpuProfile } from '../cpus/profile.ts';
import type { Mode } from '../isa/instruction.ts';
import { CR4 } from '../isa/system/control-bits.ts';
import { kernelState, realModeState } from '../machine/initial.ts';
import { CS, DS, ES, RAX, RDX, RSP, SS, STATE_SIZE } from '../state/fields.ts';
import { FLAT, type State, flatSegment } from '../state/state.ts';

/** Xen's selectors: __HYPERVISOR_CS and FLAT_KERNEL_SS of public/arch-x86/xen-x86_64.h. */
const HOST_CS = 0xe008, HOST_SS = 0xe010;

/** Where a monitor in real-address mode lives: the segment below the BIOS. */
export const REAL_MODE_SEGMENT = 0xe000;

/**
 * CPL 0, EDX:EAX all ones for the XSAVE family, XCR0 with every component, the stack at `stack`; in 64-bit mode DS and
 * ES are null. In real-address mode CS and SS are the monitor's segment, and `stack` is an offset in it.
 */
export function hostState(cpu: CpuProfile, stack: bigint, mode: Mode = 64): State {
  const state = mode === 16 ? realModeState(cpu) : kernelState(cpu, mode);
  if (mode === 16) {
    for (const segment of [CS, SS]) {
      const base = BigInt(REAL_MODE_SEGMENT * 16);
      state.setSegment(segment, { ...state.segment(segment), selector: REAL_MODE_SEGMENT, base });
    }
  } else {
    state.setSegment(CS, flatSegment(HOST_CS, mode === 64 ? FLAT.code64 : FLAT.code32));
    state.setSegment(SS, flatSegment(HOST_SS, FLAT.data));
  }
  if (mode === 64) {
    for (const segment of [DS, ES]) state.setSegment(segment, flatSegment(0, 0));
    if (cpu.features.has('FSGSBASE')) state.cr4 |= CR4.FSGSBASE;
  }
  state.gpr[RAX] = state.gpr[RDX] = 0xffff_ffffn;
  state.gpr[RSP] = stack;
  return state;
}

/** Copies all of the state area but these ranges of it, which lie in ascending order. */
export function copyOutside(ranges: readonly (readonly [start: number, end: number])[], from: State, to: State): void {
  let start = 0;
  for (const [kept, end] of [...ranges, [STATE_SIZE, STATE_SIZE] as const]) {
    to.bytes.set(from.bytes.subarray(start, kept), start);
    start = end;
  }
}
