/** Every encoding of one, two and three opcode bytes: an instruction, one that is missing, or a hole, as elsewhere. */

import { expect, test } from 'vitest';
import { decode } from '../../spec/src/isa/decode.ts';
import { BEYOND, HOLES } from '../../spec/src/isa/beyond.table.ts';
import type { Mode } from '../../spec/src/isa/instruction.ts';
import { Fault, Unmodelled } from '../../spec/src/state/outcomes.ts';
import { MODES, Oracle } from './iced.ts';
import { STRIDE } from './random.ts';

const MAPS = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]];
const MANDATORY = [[], [0x66], [0xf3], [0xf2]];
const PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3];

/** VEX, EVEX, XOP and 3DNow! have maps of their own. */
function elsewhere(map: readonly number[], opcode: number, mode: Mode): boolean {
  if (map.length === 0) return opcode === 0x0f || [0xc4, 0xc5, 0x62].includes(opcode) || PREFIXES.includes(opcode) || (mode === 64 && (opcode & 0xf0) === 0x40);
  return map.length === 1 && [0x38, 0x3a, 0x0f].includes(opcode);
}

function outcome(bytes: Uint8Array, mode: Mode): 'instruction' | 'hole' | 'missing' {
  try {
    decode((n) => bytes[n]!, mode);
    return 'instruction';
  } catch (error) {
    if (error instanceof Unmodelled) return 'missing';
    if (error instanceof Fault && error.mnemonic === '#UD') return 'hole';
    throw error;
  }
}

test.for(MODES)('in %s-bit mode the opcode maps have holes where others have them', { timeout: 120_000 }, (mode) => {
  const counts = { instruction: 0, hole: 0, missing: 0 };
  const problems: string[] = [];
  for (const map of MAPS) {
    for (let opcode = 0; opcode < 256; opcode++) {
      if (elsewhere(map, opcode, mode)) continue;
      const all = new Uint8Array(4 * 256 * STRIDE);
      for (const [n, prefix] of MANDATORY.entries()) {
        for (let modrm = 0; modrm < 256; modrm++) all.set([...prefix, ...map, opcode, modrm], (n * 256 + modrm) * STRIDE);
      }
      const oracle = new Oracle(all, mode);
      for (let at = 0; at < all.length; at += STRIDE) {
        const bytes = all.subarray(at, at + STRIDE);
        // XOP begins as POP does, and no profile's processor has it.
        const xop = map.length === 0 && opcode === 0x8f;
        const line = xop && oracle.at(at)?.includes(' pop ') !== true ? undefined : oracle.at(at);
        const theirs = line === undefined || oracle.ofOtherProcessors ? 'hole' : 'there';
        const ours = outcome(bytes, mode);
        counts[ours]++;
        if ((ours === 'hole') !== (theirs === 'hole')) problems.push(`${Buffer.from(bytes.subarray(0, 6)).toString('hex')}: ours ${ours}, theirs ${line}`);
      }
      oracle.free();
    }
  }
  expect(problems).toEqual([]);
  expect(counts.instruction).toBeGreaterThan(50_000);
  expect(counts.hole).toBeGreaterThan(50_000);
  // Few are left that the table lacks.
  expect(counts.missing).toBeGreaterThan(3000);
});

/** Prefix values, and ModRM bytes of memory and of a register for each digit; SIB bytes name an index of their own. */
const VEX_MAPS = [1, 2, 3] as const;
const VEX_MODRM = [...Array.from({ length: 8 }, (_, digit) => [(digit << 3) | 4, 0xc0 | (digit << 3)]).flat()];

test.for(MODES)('in %s-bit mode the opcode maps of VEX have holes where others have them', { timeout: 120_000 }, (mode) => {
  const counts = { instruction: 0, hole: 0, missing: 0 };
  const problems: string[] = [];
  for (const map of VEX_MAPS) {
    for (let opcode = 0; opcode < 256; opcode++) {
      const strings: number[][] = [];
      for (let last = 0; last < 16; last++) {
        // W, L and pp; VEX.vvvv is 1111, which is register 0 to what has one. An immediate byte follows.
        const third = ((last & 8) << 4) | 0x78 | (last & 7);
        for (const modrm of VEX_MODRM) strings.push([0xc4, 0xe0 | map, third, opcode, modrm, 0x48, 0, 0, 0, 0]);
      }
      const all = new Uint8Array(strings.length * STRIDE);
      for (const [n, bytes] of strings.entries()) all.set(bytes, n * STRIDE);
      const oracle = new Oracle(all, mode);
      for (let at = 0; at < all.length; at += STRIDE) {
        const line = oracle.at(at);
        const theirs = line === undefined || oracle.ofOtherProcessors ? 'hole' : 'there';
        const ours = outcome(all.subarray(at, at + STRIDE), mode);
        counts[ours]++;
        // What is missing is known by its opcode alone, not by W and L.
        if (ours === 'missing' ? false : (ours === 'hole') !== (theirs === 'hole')) {
          problems.push(`${Buffer.from(all.subarray(at, at + 6)).toString('hex')}: ours ${ours}, theirs ${line}`);
        }
      }
      oracle.free();
    }
  }
  expect(problems).toEqual([]);
  expect(counts.instruction).toBeGreaterThan(10_000);
  expect(counts.hole).toBeGreaterThan(100_000);
});

test('what is missing is named, and where its encodings are written down', () => {
  expect(() => decode((n) => [0x0f, 0x01, 0xc1][n]!, 64)).toThrow('an instruction of VMX');
  expect(() => decode((n) => [0xff, 0xff][n]!, 64)).toThrow(/#UD.* is no instruction/);
  expect(HOLES.length).toBeGreaterThan(0);
  for (const { source } of BEYOND) expect(source.kind).toMatch(/manual|measured/);
});
