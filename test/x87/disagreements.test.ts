/** What the processor was found to do otherwise than the engine, or the manual, had it: each by name. */

import { type CpuProfile, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { MEMORY_BYTES, type UnitState } from './states.ts';
import { Unit } from './unit.ts';

const ONE = 0x3fff_8000_0000_0000_0000n, TWO = 0x4000_8000_0000_0000_0000n, INFINITY = 0x7fff_8000_0000_0000_0000n;
const NAN = 0xffff_c000_0000_0000_0005n, INDEFINITE = 0xffff_c000_0000_0000_0000n;
const [IE, PE, UE, OE, SF, C0, C1, C2, C3] = [1, 0x20, 0x10, 8, 0x40, 0x100, 0x200, 0x400, 0x4000];

interface Given {
  st: readonly bigint[];
  fcw?: number;
  /** Condition codes and flags; TOP is 0. */
  fsw?: number;
  memory?: readonly number[];
  /** What empty registers still hold. */
  left?: bigint;
  cpu?: CpuProfile;
}

/** What an instruction leaves, of a stack with these registers from the top down. */
function after(name: string, { st, fcw = 0x37f, fsw = 0, memory = [], left = 0n, cpu = cpus.sapphireRapids }: Given): UnitState {
  const tags = st.reduce((word, _, n) => word & ~(3 << (2 * n)), 0xffff);
  const registers = Array.from({ length: 8 }, (_, n) => st[n] ?? left);
  const bytes = new Uint8Array(MEMORY_BYTES);
  bytes.set(memory);
  return new Unit(cpu).run(name, {
    fcw, fsw, tags, fip: 0, fcs: 0, fop: 0, fdp: 0, fds: 0, st: registers, memory: bytes, rflags: 2, ax: 0,
  }).after;
}

describe('found by comparison with a Sapphire Rapids class Xeon', () => {
  test('FCOMI and FUCOMIP leave C1 alone, where the manual clears it', () => {
    for (const name of ['DBF1', 'DBE9', 'DFF1', 'DFE9']) {
      expect(after(name, { st: [ONE, TWO], fsw: C1 }).fsw & C1).toBe(C1);
      expect(after(name, { st: [ONE, TWO], fsw: C1, cpu: cpus.zen3 }).fsw & C1).toBe(0);
      expect(after(name, { st: [ONE], fsw: C1 }).fsw & (C1 | IE | SF)).toBe(IE | SF);
    }
  });

  test('FCMOVcc leaves C1 alone, and finds an empty register whatever the condition', () => {
    expect(after('DAC1', { st: [ONE, TWO], fsw: C1 })).toMatchObject({ fsw: C1, tags: 0xfff0 });
    expect(after('DAC1', { st: [ONE], fsw: C1 })).toMatchObject({ fsw: IE | SF });
    expect(after('DAC1', { st: [ONE], fsw: C1 }).st[0]).toBe(INDEFINITE);
  });

  test('D9 D8+i pops an empty register without a stack fault, and copies nothing', () => {
    const found = after('D9D9', { st: [] });
    expect([found.fsw & 0x7f, (found.fsw >> 11) & 7, found.tags]).toEqual([0, 1, 0xffff]);
    expect(after('D9D9', { st: [ONE, TWO] }).st[0]).toBe(ONE);
    expect(after('DFD1', { st: [] }).fsw & 0x7f).toBe(IE | SF);
  });

  test('FPREM and FSIN clear C2 even of an empty register, and leave C0 and C3 where they say nothing', () => {
    for (const name of ['D9F8', 'D9F5', 'D9FE', 'D9FF', 'D9FB', 'D9F2']) {
      expect(after(name, { st: [], fsw: C0 | C2 | C3 }).fsw & (C0 | C2 | C3)).toBe(C0 | C3);
      expect(after(name, { st: [NAN, ONE], fsw: C0 | C2 | C3 }).fsw & (C0 | C2 | C3)).toBe(C0 | C3);
    }
    expect(after('D9F8', { st: [ONE, TWO], fsw: C0 | C2 | C3 }).fsw & (C0 | C2 | C3)).toBe(0);
  });

  test('FPTAN of a NaN pushes the NaN, not 1; of an infinity the indefinite', () => {
    expect(after('D9F2', { st: [NAN] }).st.slice(0, 2)).toEqual([NAN, NAN]);
    expect(after('D9F2', { st: [INFINITY] })).toMatchObject({ st: expect.objectContaining({ 0: INDEFINITE, 1: INDEFINITE }) });
    expect(after('D9F2', { st: [ONE] }).st[0]).toBe(ONE);
  });

  test('F2XM1 of 1 and −1 is exact and called inexact; beyond them it hands its operand back', () => {
    expect(after('D9F0', { st: [ONE] })).toMatchObject({ fsw: PE });
    expect(after('D9F0', { st: [ONE | (1n << 79n)] }).st[0]).toBe(0xbffe_8000_0000_0000_0000n);
    const found = after('D9F0', { st: [TWO] });
    expect([found.st[0], found.fsw]).toEqual([TWO, PE]);
    expect(after('D9F0', { st: [0n] }).fsw).toBe(0);
  });

  test('FYL2X of a power of two is called inexact, of 1 it is not', () => {
    const found = after('D9F1', { st: [TWO, ONE] });
    expect([found.st[0], found.fsw & 0x7f]).toEqual([ONE, PE]);
    expect(after('D9F1', { st: [ONE, ONE] }).fsw & 0x7f).toBe(0);
  });

  test('FYL2XP1 of −1 or less hands its operand back; above its range it is right; of −∞ it is invalid, of ∞ not', () => {
    const minusTwo = TWO | (1n << 79n);
    const found = after('D9F9', { st: [minusTwo, ONE] });
    expect([found.st[0], found.fsw & 0x7f]).toEqual([minusTwo, PE]);
    expect(after('D9F9', { st: [0x4000_c000_0000_0000_0000n, ONE] }).st[0]).toBe(TWO);
    expect(after('D9F9', { st: [INFINITY, ONE] })).toMatchObject({ st: expect.objectContaining({ 0: INFINITY }) });
    expect(after('D9F9', { st: [INFINITY | (1n << 79n), ONE] }).fsw & 0x7f).toBe(IE);
  });

  test('FSCALE beyond what an unmasked exception scales back is an infinity, with C1, or a zero', () => {
    const far = 0x400f_c350_0000_0000_0000n;
    const over = after('D9FD', { st: [ONE, far], fcw: 0x37f & ~OE });
    expect([over.st[0], over.fsw & (OE | PE | C1)]).toEqual([INFINITY, OE | PE | C1]);
    const under = after('D9FD', { st: [ONE, far | (1n << 79n)], fcw: 0x37f & ~UE });
    expect([under.st[0], under.fsw & (UE | PE | C1)]).toEqual([0n, UE | PE]);
  });

  test('FSCALE to the exponent that scaling back makes 0 is a zero too', () => {
    const [x, y] = [0x1fff_ffff_ffff_ffff_ffffn, 0xc00d_fffe_0000_0000_0000n];
    expect(after('D9FD', { st: [x, y], fcw: 0x37f & ~UE }).st[0]).toBe(0n);
    expect(after('D9FD', { st: [x + (1n << 64n), y], fcw: 0x37f & ~UE }).st[0]).toBe((1n << 64n) | (x & 0xffff_ffff_ffff_ffffn));
  });

  test('FSCALE by zero hands a denormal operand back, even where underflow is not masked', () => {
    const denormal = 0x40n;
    expect(after('D9FD', { st: [denormal, 0n], fcw: 0x37f & ~UE })).toMatchObject({ st: expect.objectContaining({ 0: denormal }), fsw: 2 });
    expect(after('D9FD', { st: [denormal, 0x3ffe_8000_0000_0000_0000n], fcw: 0x37f & ~UE }).fsw & UE).toBe(UE);
  });

  test('FPREM and FPREM1 by an infinity hand a denormal operand back, even where underflow is not masked', () => {
    for (const name of ['D9F8', 'D9F5']) {
      const found = after(name, { st: [0x40n, INFINITY], fcw: 0x37f & ~UE });
      expect([found.st[0], found.fsw]).toEqual([0x40n, 2]);
      expect(after(name, { st: [0x40n, ONE], fcw: 0x37f & ~UE }).fsw & UE).toBe(UE);
    }
  });

  test('FPREM leaves a difference of exponents that is a multiple of 32 less', () => {
    const x = 0x4063_ffff_ffff_ffff_ffffn, y = 0x3fff_8000_0000_0000_0001n;
    const found = after('D9F8', { st: [x, y] });
    expect(found.fsw & C2).toBe(C2);
    // 100 − (32 + 100 mod 32) = 64: that is where the bits of the quotient end.
    expect(Number((found.st[0]! >> 64n) & 0x7fffn) - 0x3fff).toBeLessThan(64);
    expect(after('D9F8', { st: [found.st[0]!, y] }).fsw & C2).toBe(0);
  });

  test('FBLD counts digits above 9 for what they are', () => {
    expect(after('DF/4', { st: [], memory: [0xff] }).st[0]).toBe(0x4006_a500_0000_0000_0000n);
  });

  test('FSIN, FCOS and FPTAN below 2^-68 do not look at the rounding control', () => {
    const tiny = 0x3fba_ffff_ffff_ffff_ffffn;
    for (const fcw of [0x37f, 0x77f, 0xb7f, 0xf7f]) {
      expect(after('D9FE', { st: [tiny], fcw })).toMatchObject({ st: expect.objectContaining({ 0: tiny }), fsw: PE });
      expect(after('D9FF', { st: [tiny], fcw }).st[0]).toBe(ONE);
      expect(after('D9F2', { st: [tiny], fcw }).st[1]).toBe(tiny);
    }
    expect(after('D9FE', { st: [tiny], fcw: 0xf7f, cpu: cpus.zen3 }).st[0]).toBe(tiny - 1n);
  });

  test('FXAM examines the sign of an empty register', () => {
    expect(after('D9E5', { st: [], left: ONE }).fsw).toBe(C3 | C0);
    expect(after('D9E5', { st: [], left: ONE | (1n << 79n) }).fsw).toBe(C3 | C0 | C1);
  });

  test('FNENI, FNDISI and FNSETPM do nothing, and a pending exception does not hold them up', () => {
    for (const name of ['DBE0', 'DBE1', 'DBE4']) {
      expect(after(name, { st: [ONE], fcw: 0x37e, fsw: IE })).toMatchObject({ fip: 0, fsw: IE | 0x8080, fcw: 0x37e });
    }
  });
});
