/** Flat binaries: the file's bytes at an origin, entered at the first one. */

import { hex } from '../../numbers/bits.ts';
import { CS, DS, ES, RSP, SS } from '../../state/fields.ts';
import { realModeState } from '../initial.ts';
import { ramRanges } from '../ram.ts';
import { type Image, ImageError } from './image.ts';
import { Layout } from './layout.ts';
import { flatProtectedState } from './protected-mode.ts';

export interface FlatOptions {
  /** Physical address of the first byte. */
  origin: number;
  /** Real-address mode, or 32-bit protected mode with flat segments. */
  mode: 16 | 32;
  /** Bytes of RAM, holes included. */
  memory: number;
}

/**
 * In real-address mode at 0000:origin, as firmware enters a boot sector, with the stack growing down from it; an origin
 * above FFFFh is origin / 16 in all segment registers, with offset 0. In protected mode as `flatProtectedState` says.
 */
export function flat(bytes: Uint8Array, { origin, mode, memory }: FlatOptions): Image {
  if (bytes.length === 0) throw new ImageError('the file is empty: there is no first instruction');
  if (mode === 16 && origin > 0xffff && origin % 16 !== 0) {
    throw new ImageError(
      `the origin ${hex(origin)} is no start of a real-address segment: expected up to 0xffff, or a multiple of 16`,
    );
  }
  new Layout(ramRanges(memory)).take('the binary', origin, bytes.length);
  return {
    kind: mode === 16 ? 'flat binary, real-address mode' : 'flat binary, 32-bit protected mode',
    parts: [{ what: 'the binary', address: origin, bytes, rom: false }],
    state(cpu) {
      if (mode === 32) return flatProtectedState(cpu, origin);
      const state = realModeState(cpu);
      const selector = origin > 0xffff ? origin / 16 : 0;
      for (const segment of [CS, SS, DS, ES]) {
        state.setSegment(segment, { ...state.segment(segment), selector, base: BigInt(selector * 16) });
      }
      state.rip = BigInt(origin - selector * 16);
      state.gpr[RSP] = state.rip;
      return state;
    },
  };
}
