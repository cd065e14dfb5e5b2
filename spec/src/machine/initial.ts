/** The state in which an operating system's kernel code finds the processor: where a program starts unless told otherwise. */

import type { CpuProfile } from '../cpus/profile.ts';
import type { Mode } from '../isa/instruction.ts';
import { CR0, CR4 } from '../isa/system/control-bits.ts';
import { MODELLED_COMPONENTS } from '../isa/xsave/components.ts';
import { CS, DS, ES, FS, GS, OFFSET, SS } from '../state/fields.ts';
import { State } from '../state/state.ts';

/** Attributes of flat segments: present, DPL 0, code (execute/read) or data (read/write), accessed. */
const CODE_64 = 0xa09b, CODE_32 = 0xc09b, DATA = 0xc093, DATA_USER = 0xc0f3;

/** Selectors of 64-bit and of 32-bit Windows kernels, from memory: real-looking values for FCS and FDS to hold. */
export const KERNEL_SELECTORS: Readonly<Record<32 | 64, Readonly<Record<number, number>>>> = {
  64: { [CS]: 0x10, [SS]: 0x18, [DS]: 0x2b, [ES]: 0x2b, [FS]: 0x53, [GS]: 0x2b },
  32: { [CS]: 0x08, [SS]: 0x10, [DS]: 0x23, [ES]: 0x23, [FS]: 0x30, [GS]: 0x00 },
};

/** CR0 as 64-bit kernels run with it: paging, write protection, alignment mask, native x87 exceptions. */
const KERNEL_CR0 = CR0.PG | CR0.AM | CR0.WP | CR0.NE | CR0.ET | CR0.MP | CR0.PE;

/** Kernel mode (CPL 0), flat segments, FPU in its initial configuration, XCR0 with all components that the engine has. */
export function kernelState(cpu: CpuProfile, mode: Mode): State {
  if (mode === 16) return realModeState();
  const state = new State();
  const xsave = cpu.features.has('XSAVE');
  state.rflags = 2;
  state.cr0 = KERNEL_CR0;
  state.cr4 = CR4.PAE | CR4.PGE | CR4.OSFXSR | CR4.OSXMMEXCPT | (xsave ? CR4.OSXSAVE : 0n);
  state.efer = mode === 64 ? 0xd01n : 0x800n;
  state.setByte(OFFSET.flatMapping, 1);
  state.xcr0 = xsave ? cpu.xcr0 & MODELLED_COMPONENTS : 1n;
  for (const [index, selector] of Object.entries(KERNEL_SELECTORS[mode])) {
    const segment = Number(index);
    const attributes = segment === CS ? (mode === 64 ? CODE_64 : CODE_32) : selector & 3 ? DATA_USER : selector === 0 ? 0 : DATA;
    state.setSegment(segment, { selector, base: 0n, limit: 0xffff_ffff, attributes });
  }
  state.fcw = 0x37f;
  state.mxcsr = 0x1f80;
  state.setQuad(OFFSET.pat, 0x0007_0406_0007_0406n);
  return state;
}

/** Data, read/write, accessed, present: what every segment register, CS included, holds in real-address mode after RESET. */
const REAL_MODE_SEGMENT = 0x93;

/** Real-address mode as firmware leaves it to a boot sector: all selectors 0, limits FFFFh. SDM vol. 3A, table 9-1, for the rest. */
export function realModeState(): State {
  const state = new State();
  state.rflags = 2;
  state.cr0 = CR0.ET;
  state.xcr0 = 1n;
  for (const segment of [ES, CS, SS, DS, FS, GS]) state.setSegment(segment, { selector: 0, base: 0n, limit: 0xffff, attributes: REAL_MODE_SEGMENT });
  state.setWord(OFFSET.gdtrLimit, 0xffff);
  state.setWord(OFFSET.idtrLimit, 0xffff);
  state.fcw = 0x37f;
  state.mxcsr = 0x1f80;
  return state;
}
