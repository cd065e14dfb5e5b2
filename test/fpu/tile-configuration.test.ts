/** Which images of TILECFG XRSTOR loads, and which make it initial: what LDTILECFG refuses, each rule by itself. */

import { cpus } from 'hidden-state';
import { expect, test } from 'vitest';
import { MASK, run } from './bench.ts';
import { saveImage } from './save-image.ts';

const AREA = 0x10_0000n, COMPONENT = 2752, BEFORE = 1n | (64n << 128n) | (16n << 384n);
type Bytes = Readonly<Record<number, number>>;

/** TILECFG after an XRSTOR of an image with these bytes, by offset. */
function loaded(bytes: Bytes): bigint {
  const image = new Uint8Array(COMPONENT + 64);
  image.set(saveImage({ xstateBv: 0x2_0000n }).subarray(0, 576));
  for (const [at, byte] of Object.entries(bytes)) image[COMPONENT + Number(at)] = byte;
  const code = `xor ecx, ecx; mov eax, 60001h; xor edx, edx; xsetbv; mov rbx, ${AREA}; ${MASK(0x2_0000)}; xrstor64 [rbx]`;
  const { machine, fault } = run(cpus.sapphireRapids, code, (before) => {
    before.memory.map(AREA, 0x1000);
    before.memory.writeBytes(AREA, image);
    before.state.set('TILECFG', BEFORE);
  });
  expect(fault).toBeUndefined();
  return BigInt(machine.state.get('TILECFG'));
}
const number = (bytes: Bytes): bigint => Object.entries(bytes).reduce((all, [at, byte]) => all | (BigInt(byte) << BigInt(8 * Number(at))), 0n);

test.each<[string, Bytes]>([
  ['no tiles', { 0: 1 }], ['a tile of one row', { 0: 1, 16: 4, 48: 1 }], ['the largest tiles', { 0: 1, 16: 64, 48: 16, 30: 64, 55: 16 }],
  ['a start row', { 0: 1, 1: 0xff, 18: 8, 49: 3 }],
])('%s: loaded', (_, bytes) => expect(loaded(bytes)).toBe(number(bytes)));

test.each<[string, Bytes]>([
  ['palette 0', {}], ['palette 0 with tiles', { 16: 4, 48: 1 }], ['palette 0 with a reserved byte', { 5: 1 }], ['another palette', { 0: 2 }],
  ['the first reserved byte', { 0: 1, 2: 1 }], ['the last one before the columns', { 0: 1, 15: 1 }],
  ['columns of a ninth tile', { 0: 1, 32: 4 }], ['rows of a ninth tile', { 0: 1, 56: 1 }], ['the last byte', { 0: 1, 63: 1 }],
  ['rows without columns', { 0: 1, 48: 1 }], ['columns without rows', { 0: 1, 16: 4 }], ['too many rows', { 0: 1, 16: 4, 48: 17 }],
  ['too many columns', { 0: 1, 16: 65, 48: 1 }], ['columns in the high byte', { 0: 1, 17: 1, 48: 1 }],
])('%s: initial', (_, bytes) => expect(loaded(bytes)).toBe(0n));
