/** What instructions store and load of FOP, FIP, FCS, FDP and FDS, by CPU profile. */

import { type CpuProfile, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { LOADED, MASK, PENDING, at, run } from './bench.ts';
import { saveImage } from './save-image.ts';
import { toHex } from './hex.ts';

const { ivyBridge, haswell, sapphireRapids, amdK10, zen3, zen4 } = cpus;
const INTEL: readonly CpuProfile[] = [ivyBridge, haswell, sapphireRapids];
const KEEPS_SELECTORS: readonly CpuProfile[] = [ivyBridge, amdK10, zen3, zen4];
const ALL: readonly CpuProfile[] = [...INTEL, amdK10, zen3, zen4];
const named = (list: readonly CpuProfile[]): [string, CpuProfile][] => list.map((cpu) => [cpu.name, cpu]);
const ORIGIN = 0xffff_f803_0000_1000n;
const ELEVENS = 0x1111_1111_1111_1111n;
const hasXsave = (cpu: CpuProfile): boolean => cpu.features.has('XSAVE');

describe('the save area after FLD m64 on Ivy Bridge', () => {
  const one = (machine: ReturnType<typeof run>['machine']): bigint => machine.state.fdp;
  test.each(['fxsave', 'xsave', 'xsaveopt'])('%s without REX.W: FIP[31:0], FCS, zeros at 14, FDP[31:0], FDS, zeros at 22', (save) => {
    const { machine, value } = run(ivyBridge, `${LOADED}; ${MASK(3)}; ${save} [a]`);
    expect(value('a', 8, 4)).toBe(BigInt.asUintN(32, ORIGIN + 2n));
    expect(value('a', 12, 2)).toBe(0x10n);
    expect(value('a', 14, 2)).toBe(0n);
    expect(value('a', 16, 4)).toBe(BigInt.asUintN(32, one(machine)));
    expect(value('a', 20, 2)).toBe(0x2bn);
    expect(value('a', 22, 2)).toBe(0n);
  });
  test.each(['fxsave64', 'xsave64', 'xsaveopt64'])('%s: FIP and FDP whole, the selectors nowhere', (save) => {
    const { machine, value } = run(ivyBridge, `${LOADED}; ${MASK(3)}; ${save} [a]`);
    expect(value('a', 8, 8)).toBe(ORIGIN + 2n);
    expect(value('a', 16, 8)).toBe(one(machine));
  });
  test.each(['fxsave', 'fxsave64', 'xsave', 'xsave64'])('%s: byte 5 and the upper 6 bytes of each register slot are zero, bytes 416 to 511 are not written', (save) => {
    const { bytes } = run(ivyBridge, `${LOADED}; ${MASK(3)}; ${save} [a]`);
    expect(bytes('a', 5, 1)).toEqual(Uint8Array.of(0));
    for (let n = 0; n < 8; n++) expect(bytes('a', 32 + 16 * n + 10, 6)).toEqual(new Uint8Array(6));
    expect(bytes('a', 416, 96)).toEqual(new Uint8Array(96).fill(0xa5));
  });
  test('FTW numbers physical registers: after one push it is 80h', () => {
    expect(run(ivyBridge, `${LOADED}; fxsave64 [a]`).value('a', 4, 1)).toBe(0x80n);
  });
});

describe('the environment', () => {
  test.each(named(ALL))('28 bytes on %s: the filler words are FFFFh', (_, cpu) => {
    const { value } = run(cpu, `${LOADED}; fnstenv [env]`);
    expect([2, 6, 10, 26].map((offset) => value('env', offset, 2))).toEqual([0xffffn, 0xffffn, 0xffffn, 0xffffn]);
    expect(value('env', 8, 2)).toBe(0x3fffn);
    expect(value('env', 12, 4)).toBe(BigInt.asUintN(32, ORIGIN + 2n));
  });
  test('14 bytes with an operand-size prefix, and nothing beyond', () => {
    const { machine, value, bytes } = run(ivyBridge, `${LOADED}; db 66h; fnstenv [env]`);
    const words = [0, 2, 4, 6, 8, 10, 12].map((offset) => value('env', offset, 2));
    expect(words).toEqual([0x37fn, 0x3800n, 0x3fffn, (ORIGIN + 2n) & 0xffffn, 0x10n, machine.state.fdp & 0xffffn, 0x2bn]);
    expect(bytes('env', 14, 14)).toEqual(new Uint8Array(14).fill(0xa5));
  });
  test.each(named(ALL))('FNSTENV masks all exceptions once it has stored, on %s: FCW 037Bh to 037Fh, FSW B884h to 3804h', (_, cpu) => {
    const { machine, value } = run(cpu, `${PENDING}; fnstenv [env]`);
    expect([value('env', 0, 2), value('env', 4, 2)]).toEqual([0x37bn, 0xb884n]);
    expect([machine.state.fcw, machine.state.fsw]).toEqual([0x37f, 0x3804]);
  });
});

describe('what updates the pointers', () => {
  test.each(['fnop', 'ffree st(0)', 'fst st(1)', 'fstp st(0)', 'fld1', 'fxch st(0), st(0)', 'fchs', 'fdiv st(0), st(0)'])('%s loads FIP and FCS and leaves FDP and FDS', (instruction) => {
    const { machine } = run(ivyBridge, `${LOADED}; ${instruction}`, (m) => { m.state.fcs = 0x77; });
    expect(machine.state.fip).toBe(ORIGIN + 8n);
    expect([machine.state.fcs, machine.state.fds]).toEqual([0x10, 0x2b]);
    expect(machine.state.fdp).not.toBe(0n);
  });
  test.each(['fnclex', 'fldcw [cw37F]', 'fnstcw [env]', 'fnstsw [env]', 'fnstenv [env]', 'fwait', 'emms', 'fxsave [a]', 'fnstsw ax'])('%s leaves them', (instruction) => {
    const { machine } = run(ivyBridge, `${LOADED}; ${instruction}`);
    expect(machine.state.fip).toBe(ORIGIN + 2n);
  });
  test.each(['fninit', 'fnsave [a]'])('%s clears them', (instruction) => {
    const { state } = run(ivyBridge, `${PENDING}; ${instruction}`).machine;
    expect([state.fop, state.fip, state.fcs, state.fdp, state.fds]).toEqual([0, 0n, 0, 0n, 0]);
  });
  test('FDP_EXCPTN_ONLY: a masked #Z leaves FDP, an unmasked one loads it', () => {
    expect(run(sapphireRapids, 'fninit; fld1; fdiv qword ptr [zero]').machine.state.fdp).toBe(0n);
    expect(run(sapphireRapids, PENDING).machine.state.fdp).toBeGreaterThan(ORIGIN);
    expect(run(haswell, 'fninit; fld1; fdiv qword ptr [zero]').machine.state.fdp).toBeGreaterThan(ORIGIN);
  });
  test.each(named(INTEL))('FOP on %s only with an unmasked exception: 435h for FDIV m64 at [RIP + disp]', (_, cpu) => {
    expect(run(cpu, 'fninit; fld1; fdiv qword ptr [zero]').machine.state.fop).toBe(0);
    expect(run(cpu, PENDING).machine.state.fop).toBe(0x435);
  });
  test.each(named([amdK10, zen3, zen4]))('FOP on %s with every instruction', (_, cpu) => {
    expect(run(cpu, LOADED).machine.state.fop).toBe(0x505);
  });
  test.each(named([haswell, sapphireRapids]))('FPCSDS: FCS and FDS are 0 on %s', (_, cpu) => {
    const { machine } = run(cpu, PENDING);
    expect([machine.state.fcs, machine.state.fds]).toEqual([0, 0]);
  });
});

const pattern = saveImage({ fcw: 0x37b, fsw: 4, fop: 0x111, fip: ELEVENS, fdp: ELEVENS, xstateBv: 1n });
const quiet = saveImage({ fop: 0x111, fip: ELEVENS, fdp: ELEVENS, xstateBv: 1n });

describe('the restore matrix', () => {
  for (const [name, cpu] of named(KEEPS_SELECTORS)) {
    const restores = hasXsave(cpu) ? ['fxrstor', 'xrstor'] : ['fxrstor'];
    test.each(restores)(`%s without REX.W on ${name}: low halves and selectors loaded, high halves 0`, (restore) => {
      const { state } = run(cpu, `${LOADED}; ${MASK(1)}; ${restore} [a]`, at('a', pattern)).machine;
      expect([state.fip, state.fcs, state.fdp, state.fds, state.fop]).toEqual([0x1111_1111n, 0x1111, 0x1111_1111n, 0x1111, 0x111]);
    });
    test.each(restores)(`%s64 on ${name}: 64 bits loaded, selectors 0`, (restore) => {
      const { state } = run(cpu, `${LOADED}; ${MASK(1)}; ${restore}64 [a]`, at('a', pattern)).machine;
      expect([state.fcs, state.fds, state.fdp & 0xffff_ffff_ffffn]).toEqual([0, 0, 0x1111_1111_1111n]);
    });
  }
  test.each(named([haswell, sapphireRapids]))('the selectors are 0 after either on %s', (_, cpu) => {
    for (const restore of ['fxrstor', 'fxrstor64', 'xrstor', 'xrstor64']) {
      const { state } = run(cpu, `${MASK(1)}; ${restore} [a]`, at('a', pattern)).machine;
      expect([state.fcs, state.fds]).toEqual([0, 0]);
    }
  });
  test.each(['fldenv', 'frstor'])('%s, 32-bit form: FIP[31:0], FCS, FDP[31:0], FDS, FOP', (load) => {
    const { state } = run(ivyBridge, `${LOADED}; ${load} [a]`, at('a', new Uint8Array(108).fill(0x11))).machine;
    expect([state.fip, state.fcs, state.fdp, state.fds, state.fop]).toEqual([0x1111_1111n, 0x1111, 0x1111_1111n, 0x1111, 0x111]);
  });
  test.each(['fldenv', 'frstor'])('%s, 16-bit form: 16 bits of FIP and FDP, selectors, FOP 0', (load) => {
    const { state } = run(ivyBridge, `${PENDING}; fnclex; db 66h; ${load} [a]`, at('a', new Uint8Array(94).fill(0x11))).machine;
    expect([state.fip, state.fcs, state.fdp, state.fds, state.fop]).toEqual([0x1111n, 0x1111, 0x1111n, 0x1111, 0]);
  });
  test.each(named([ivyBridge, zen4]))('XRSTOR with XSTATE_BV[0] = 0 clears all on %s', (_, cpu) => {
    const { state } = run(cpu, `${LOADED}; ${MASK(1)}; xrstor64 [a]`, at('a', saveImage({ fip: ELEVENS }))).machine;
    expect([state.fop, state.fip, state.fcs, state.fdp, state.fds, state.fcw]).toEqual([0, 0n, 0, 0n, 0, 0x37f]);
  });
  test.each(named([ivyBridge, zen4]))('XRSTOR with RFBM[0] = 0 changes none on %s', (_, cpu) => {
    const { state } = run(cpu, `${LOADED}; ${MASK(2)}; xrstor [a]`, at('a', pattern)).machine;
    expect([state.fip, state.fcs, state.fds]).toEqual([ORIGIN + 2n, 0x10, 0x2b]);
  });
  test.each([
    [ivyBridge, 0x6a3f_5c4b_13a5_33f6n, 0x5c4b_13a5_33f6n, 0x6a3f_5c4b_13a5_33f6n],
    [ivyBridge, 0x0000_8000_0000_0001n, 0xffff_8000_0000_0001n, 0x0000_8000_0000_0001n],
    [sapphireRapids, 0x6a3f_5c4b_13a5_33f6n, 0x003f_5c4b_13a5_33f6n, 0x6a3f_5c4b_13a5_33f6n],
    [sapphireRapids, 0x0100_0000_0000_0000n, 0xff00_0000_0000_0000n, 0x0100_0000_0000_0000n],
    [sapphireRapids, 0x00ff_8000_0000_0001n, 0x00ff_8000_0000_0001n, 0x00ff_8000_0000_0001n],
    [zen4, 0x6a3f_5c4b_13a5_33f6n, 0x003f_5c4b_13a5_33f6n, 0x003f_5c4b_13a5_33f6n],
  ])('canonicalisation: $name, %d', (cpu, address, fip, fdp) => {
    const { state } = run(cpu, `${MASK(1)}; xrstor64 [a]`, at('a', saveImage({ fip: address, fdp: address, xstateBv: 1n }))).machine;
    expect([state.fip, state.fdp]).toEqual([fip, fdp]);
  });
});

describe('AMD and the pointers without a pending exception', () => {
  test('K10: FXSAVE leaves bytes 6 to 23 of memory alone, FXRSTOR leaves the registers alone', () => {
    const saved = run(amdK10, `${LOADED}; fxsave64 [a]`);
    expect(toHex(saved.bytes('a', 6, 18))).toBe('a5'.repeat(18));
    const { state } = run(amdK10, `${LOADED}; fxrstor64 [a]`, at('a', quiet)).machine;
    expect(state.fip).toBe(ORIGIN + 2n);
  });
  test('K10: an unmasked exception pending, whatever FSW bit 7 of the image says, makes FXRSTOR load them', () => {
    const { state } = run(amdK10, `${LOADED}; fxrstor [a]`, at('a', pattern)).machine;
    expect([state.fip, state.fsw & 0x80]).toEqual([0x1111_1111n, 0x80]);
    expect(run(amdK10, `${LOADED}; fxrstor [a]`, at('a', saveImage({ fsw: 0x80, fip: ELEVENS }))).machine.state.fip).toBe(ORIGIN + 2n);
  });
  test.each(named([zen3, zen4]))('%s: zeros are stored, and a restore always loads', (_, cpu) => {
    expect(toHex(run(cpu, `${LOADED}; fxsave64 [a]`).bytes('a', 6, 18))).toBe('00'.repeat(18));
    expect(run(cpu, `${LOADED}; fxrstor [a]`, at('a', quiet)).machine.state.fip).toBe(0x1111_1111n);
  });
});
