/** ROMs: they end at 4 GiB, their last part shows below 1 MiB as well, and RESET begins in them. SDM vol. 3A, 9.1.4. */

import { hex } from '../../numbers/bits.ts';
import { State } from '../../state/state.ts';
import { reset } from '../initial.ts';
import { MEBIBYTE } from '../ram.ts';
import { type Image, ImageError } from './image.ts';

const GRAIN = 0x1_0000, MAXIMUM = 0x100_0000, ALIAS = 0x2_0000;
const FOUR_GIB = 0x1_0000_0000;

export function rom(bytes: Uint8Array): Image {
  if (bytes.length === 0 || bytes.length % GRAIN !== 0 || bytes.length > MAXIMUM) {
    throw new ImageError(
      `a ROM of ${hex(bytes.length)} bytes; expected a multiple of 64 KiB (${hex(GRAIN)}), up to 16 MiB: the reset `
        + 'vector is 16 bytes before its end',
    );
  }
  const alias = Math.min(bytes.length, ALIAS);
  return {
    kind: `ROM of ${bytes.length / 1024} KiB`,
    parts: [
      { what: 'the ROM', address: FOUR_GIB - bytes.length, bytes, rom: true },
      { what: 'the ROM below 1 MiB', address: MEBIBYTE - alias, bytes: bytes.slice(bytes.length - alias), rom: true },
    ],
    state(cpu) {
      const state = new State();
      reset(state, cpu, 0);
      return state;
    },
  };
}
