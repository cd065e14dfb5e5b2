/** Floating-point instructions in a machine: what they write, what they raise, what they leave. The numbers are in test/numbers. */

import { type CpuProfile, Fault, Machine, Unmodelled, assemble, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { decode } from '../../spec/src/isa/decode.ts';
import { CR4 } from '../../spec/src/isa/system/control-bits.ts';

const { sapphireRapids, zen4 } = cpus;
const ALL_MASKED = 0x1f80, DIVIDE_UNMASKED = 0x1d80, INEXACT_UNMASKED = 0x0f80;

interface Setting { cpu?: CpuProfile; xmm?: readonly bigint[]; high?: readonly bigint[]; mxcsr?: number; prepare?: (machine: Machine) => void }

/** Executes one instruction, and says what it raised. */
function execute(text: string, { cpu = sapphireRapids, xmm = [], high = [], mxcsr = ALL_MASKED, prepare }: Setting = {}) {
  const machine = new Machine(assemble(text, { mode: 64 }), { cpu });
  const { state } = machine;
  state.xcr0 = 7n;
  for (const [n, value] of xmm.entries()) state.setXmm(n, value);
  for (const [n, value] of high.entries()) state.setYmmHigh(n, value);
  state.mxcsr = mxcsr;
  prepare?.(machine);
  try {
    machine.step();
  } catch (error) {
    if (error instanceof Fault) return { state, raised: error.notation, cr2: error.linearAddress };
    throw error;
  }
  return { state, raised: undefined };
}

const singles = (...values: number[]): bigint => pack(new Uint32Array(Float32Array.from(values).buffer), 32n);
const doubles = (...values: number[]): bigint => pack(new BigUint64Array(Float64Array.from(values).buffer), 64n);
const pack = (lanes: Uint32Array | BigUint64Array, width: bigint): bigint =>
  [...lanes].reduceRight<bigint>((value, lane) => (value << width) | BigInt(lane), 0n);

const ONES = singles(1, 1, 1, 1), MARK = (1n << 128n) - 1n;

describe('destinations', () => {
  test('a scalar keeps what the destination has above it, with VEX what the second operand has', () => {
    const xmm = [singles(1, 2, 3, 4), singles(10, 20, 30, 40), singles(100, 200, 300, 400)];
    expect(execute('addss xmm0, xmm1', { xmm }).state.xmm(0)).toBe(singles(11, 2, 3, 4));
    expect(execute('vaddss xmm0, xmm1, xmm2', { xmm }).state.xmm(0)).toBe(singles(110, 20, 30, 40));
    expect(execute('sqrtss xmm0, xmm1', { xmm: [xmm[0]!, singles(4, 9, 9, 9)] }).state.xmm(0)).toBe(singles(2, 2, 3, 4));
    expect(execute('vroundsd xmm0, xmm1, xmm2, 1', { xmm: [0n, doubles(1, 7), doubles(2.5, 8)] }).state.xmm(0)).toBe(doubles(2, 7));
  });

  test('a scalar FMA keeps what its destination has above it', () => {
    const xmm = [singles(2, -1, -2, -3), singles(3, 9, 9, 9), singles(4, 8, 8, 8)];
    expect(execute('vfmadd132ss xmm0, xmm1, xmm2', { xmm }).state.xmm(0)).toBe(singles(2 * 4 + 3, -1, -2, -3));
    expect(execute('vfmadd213ss xmm0, xmm1, xmm2', { xmm }).state.xmm(0)).toBe(singles(3 * 2 + 4, -1, -2, -3));
    expect(execute('vfmadd231ss xmm0, xmm1, xmm2', { xmm }).state.xmm(0)).toBe(singles(3 * 4 + 2, -1, -2, -3));
  });

  test('bits 255:128 stay without VEX and are cleared with it, by 128 bits', () => {
    const setting = { xmm: [ONES, ONES, ONES], high: [MARK, MARK, MARK] };
    expect(execute('mulps xmm0, xmm1', setting).state.ymmHigh(0)).toBe(MARK);
    expect(execute('vmulps xmm0, xmm1, xmm2', setting).state.ymmHigh(0)).toBe(0n);
    expect(execute('vmulss xmm0, xmm1, xmm2', setting).state.ymmHigh(0)).toBe(0n);
  });

  test('VHADDPS of 256 bits adds within each 128', () => {
    const { state } = execute('vhaddps ymm0, ymm1, ymm2', {
      xmm: [0n, singles(1, 2, 3, 4), singles(5, 6, 7, 8)], high: [0n, singles(10, 20, 30, 40), singles(50, 60, 70, 80)],
    });
    expect([state.xmm(0), state.ymmHigh(0)]).toEqual([singles(3, 7, 11, 15), singles(30, 70, 110, 150)]);
  });

  test('a narrower result leaves zeros above it, but CVTPI2PS what was there', () => {
    const prepare = (machine: Machine): void => { machine.state.setX87(1, 0xffff_0000_0003_0000_0002n); };
    expect(execute('cvtpd2ps xmm0, xmm1', { xmm: [ONES, doubles(1.5, 2.5)] }).state.xmm(0)).toBe(singles(1.5, 2.5, 0, 0));
    expect(execute('cvtpi2ps xmm0, mm1', { xmm: [ONES], prepare }).state.xmm(0)).toBe(singles(2, 3, 1, 1));
  });

  test('CMPPS has eight predicates without VEX, whatever else its immediate says', () => {
    const xmm = [ONES, ONES];
    expect(execute('cmpps xmm0, xmm1, 0xf8', { xmm }).state.xmm(0)).toBe(MARK);
    expect(execute('vcmpps xmm0, xmm0, xmm1, 0x0b', { xmm }).state.xmm(0)).toBe(0n);
  });

  test('COMISS gives CF, PF and ZF and clears OF, SF and AF', () => {
    const flags = (x: number, y: number): number =>
      execute('comiss xmm0, xmm1', { xmm: [singles(x), singles(y)], prepare: ({ state }) => { state.rflags = 0x8d7; } }).state.rflags & 0x8d5;
    expect([flags(1, 2), flags(1, 1), flags(2, 1), flags(NaN, 1)]).toEqual([1, 0x40, 0, 0x45]);
  });
});

describe('an unmasked exception', () => {
  const xmm = [ONES, singles(0, 1, 1, 3)];

  test('is #XM, sets its flags and nothing else', () => {
    const { state, raised } = execute('divps xmm0, xmm1', { xmm, mxcsr: DIVIDE_UNMASKED });
    expect([raised, state.mxcsr, state.xmm(0)]).toEqual(['#XM', DIVIDE_UNMASKED | 4, ONES]);
  });

  test('is #UD without CR4.OSXMMEXCPT, with its flags set', () => {
    const prepare = ({ state }: Machine): void => { state.cr4 &= ~CR4.OSXMMEXCPT; };
    const { state, raised } = execute('divps xmm0, xmm1', { xmm, mxcsr: DIVIDE_UNMASKED, prepare });
    expect([raised, state.mxcsr]).toEqual(['#UD', DIVIDE_UNMASKED | 4]);
  });

  test('of a comparison leaves RFLAGS alone', () => {
    const { state, raised } = execute('ucomiss xmm0, xmm1', { xmm: [0x7f80_0001n, 0n], mxcsr: 0x1f00, prepare: ({ state }) => { state.rflags = 0x8d7; } });
    expect([raised, state.mxcsr, state.rflags & 0x8d5]).toEqual(['#XM', 0x1f01, 0x8d5]);
  });

  test('is not raised again by flags that are set already', () => {
    expect(execute('addps xmm0, xmm1', { xmm, mxcsr: DIVIDE_UNMASKED | 4 }).raised).toBeUndefined();
  });

  test('the one of CVTPS2PI comes when the x87 state is MMX state already', () => {
    const prepare = ({ state }: Machine): void => { state.fsw = 0x1800; state.ftw = 0; };
    const { state, raised } = execute('cvtps2pi mm0, xmm1', { xmm: [0n, singles(0.5, 1)], mxcsr: INEXACT_UNMASKED, prepare });
    expect([raised, state.fsw, state.ftw]).toEqual(['#XM', 0, 0xff]);
  });

  test('the one of VCVTPS2PH comes before the faults of its store, and these leave flags behind', () => {
    const third = singles(1 / 3, 0, 0, 0), absent = (machine: Machine): void => { machine.state.gpr[0] = 0x8000_0000_0000_0000n; };
    const masked = execute('vcvtps2ph [rax], xmm1, 0', { xmm: [0n, third], prepare: absent });
    expect([masked.raised, masked.state.mxcsr]).toEqual(['#GP(0)', ALL_MASKED | 0x20]);
    const unmasked = execute('vcvtps2ph [rax], xmm1, 0', { xmm: [0n, third], mxcsr: INEXACT_UNMASKED, prepare: absent });
    expect(unmasked.raised).toBe('#XM');
  });
});

describe('memory operands', () => {
  const misaligned = (machine: Machine): void => { machine.state.gpr[0] = 0x8n; };

  test('of 16 bytes are aligned without VEX; scalars and what has VEX are not', () => {
    expect(execute('addps xmm0, [rax]', { prepare: misaligned }).raised).toBe('#GP(0)');
    expect(execute('cvtpd2pi mm0, [rax]', { prepare: misaligned }).raised).toBe('#GP(0)');
    expect(execute('addsd xmm0, [rax]', { prepare: misaligned }).raised).toBe(execute('mov rax, [rax]', { prepare: misaligned }).raised);
    expect(execute('vaddps xmm0, xmm0, [rax]', { prepare: misaligned }).raised).toBe(execute('mov rax, [rax]', { prepare: misaligned }).raised);
  });
});

describe('what a profile decides', () => {
  const nans = [(0xffc0_4321n << 32n) | 0x7fc0_1234n, singles(1, 1)];

  test('RCPPS and RSQRTPS have the values of Intel’s processors, and are unmodelled on AMD’s', () => {
    expect(execute('rcpps xmm0, xmm1', { xmm: [0n, ONES] }).state.xmm(0) & 0xffff_ffffn).toBe(0x3f7f_f000n);
    expect(execute('vrsqrtps ymm0, ymm1', { xmm: [0n, ONES] }).state.xmm(0) & 0xffff_ffffn).toBe(0x3f7f_f000n);
    for (const code of ['rcpps xmm0, xmm1', 'rsqrtss xmm0, xmm1', 'vrcpps ymm0, ymm1']) {
      expect(() => execute(code, { cpu: zen4, xmm: [0n, ONES] })).toThrow(Unmodelled);
    }
  });

  test('of two NaNs each lane of DPPS takes its own on Intel’s processors', () => {
    const lanes = (cpu: CpuProfile): bigint => execute('dpps xmm0, xmm1, 0xf3', { cpu, xmm: nans }).state.xmm(0);
    expect(lanes(sapphireRapids)).toBe((0x7fc0_1234n << 32n) | 0xffc0_4321n);
    expect(lanes(zen4)).toBe((0x7fc0_1234n << 32n) | 0x7fc0_1234n);
  });

  test('without the CPUID bit it is #UD', () => {
    expect(execute('vfmadd132ps xmm0, xmm1, xmm2', { cpu: cpus.ivyBridge }).raised).toBe('#UD');
    expect(execute('roundps xmm0, xmm1, 0', { cpu: cpus.amdK10 }).raised).toBe('#UD');
  });
});

test('what VEX.L makes invalid is fetched to its end before it is #UD', () => {
  // VDPPD of 256 bits, with an immediate byte.
  const fetched: number[] = [], bytes = [0xc4, 0xe3, 0x7d, 0x41, 0xc1, 0x33];
  const fetch = (n: number): number => bytes[fetched[fetched.push(n) - 1]!]!;
  expect(() => decode(fetch, 64)).toThrow('VEX.L');
  expect(fetched).toEqual([0, 1, 2, 3, 4, 5]);
});
