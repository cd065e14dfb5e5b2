/** Byte strings for the decoder: seeded, half of them around opcodes that are in the table, with many prefixes. */

import type { Mode } from '../../spec/src/isa/instruction.ts';
import { FORMS } from './forms.ts';

/** Bytes per string: longer than any instruction. */
export const STRIDE = 20;

const PREFIXES = [
  0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x40, 0x41, 0x42, 0x44, 0x48, 0x49, 0x4c, 0x4f,
];
const ESCAPES = { primary: [], '0F': [0x0f], '0F38': [0x0f, 0x38], '0F3A': [0x0f, 0x3a] } as const;

/** Marsaglia's xorshift: enough for choosing bytes, the same everywhere. */
export function generator(seed: number): (below: number) => number {
  let state = seed | 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** `count` strings one after another. */
export function randomBytes(count: number, mode: Mode): Uint8Array {
  const random = generator(0x5eed + mode);
  const bytes = new Uint8Array(count * STRIDE);
  for (let n = 0; n < count; n++) {
    let at = n * STRIDE;
    const end = at + STRIDE;
    const put = (byte: number): void => {
      if (at < end) bytes[at++] = byte;
    };
    // A few prefixes often, and once in a while about as many as fit into 15 bytes.
    const many = random(50) === 0;
    for (let left = many ? 10 + random(5) : random(8) < 3 ? random(5) : 0; left > 0; left--) {
      put(many ? 0x66 : PREFIXES[random(PREFIXES.length)]!);
    }
    if (random(4) > 0) {
      const form = FORMS[random(FORMS.length)]!;
      if (form.vex) [0xc4, (random(8) << 5) | ESCAPES[form.map].length + (form.map === '0F3A' ? 1 : 0), random(256)].forEach(put);
      else ESCAPES[form.map].forEach(put);
      put(form.opcode + (form.registerInOpcode ? random(8) : 0));
    }
    while (at < end) put(random(256));
  }
  return bytes;
}
