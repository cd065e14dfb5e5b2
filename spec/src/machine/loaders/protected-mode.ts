/** 32-bit protected mode with flat segments and no paging: how boot loaders enter kernels. */

import { u } from '../../numbers/bits.ts';
import type { CpuProfile } from '../../cpus/profile.ts';
import { CR0 } from '../../isa/system/control-bits.ts';
import { CS, DS, ES, FS, GS, OFFSET, SS } from '../../state/fields.ts';
import { FLAT, type State, flatSegment } from '../../state/state.ts';
import { realModeState } from '../initial.ts';

const CODE = flatSegment(8, FLAT.code32), DATA = flatSegment(0x10, FLAT.data);

/**
 * At `entry`, with CR0.PE, EFLAGS 2, and no descriptor tables: the kernel brings its own before it loads a segment
 * register or takes an interrupt. Multiboot specification 0.6.96, 3.2, leaves GDTR, IDTR and ESP open.
 */
export function flatProtectedState(cpu: CpuProfile, entry: number): State {
  const state = realModeState(cpu);
  state.cr0 |= CR0.PE;
  state.setSegment(CS, CODE);
  for (const segment of [SS, DS, ES, FS, GS]) state.setSegment(segment, DATA);
  state.setWord(OFFSET.gdtrLimit, 0);
  state.setWord(OFFSET.idtrLimit, 0);
  state.rip = u(32, BigInt(entry));
  return state;
}
