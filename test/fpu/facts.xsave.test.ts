/** XSAVE, XSAVEOPT, XRSTOR: what they store, when they skip, what they refuse. SDM vol. 1, chapter 13. */

import { type CpuProfile, type Machine, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { CR0, CR4 } from '../../spec/src/isa/system/control-bits.ts';
import { LOADED, MASK, PENDING, type Prepare, at, both, run } from './bench.ts';
import { type SaveImage, saveImage } from './save-image.ts';

const { ivyBridge, haswell, sapphireRapids, zen3, zen4 } = cpus;
const WITH_XSAVE: [string, CpuProfile][] = [ivyBridge, haswell, sapphireRapids, zen3, zen4].map((cpu) => [cpu.name, cpu]);
const ALL: [string, CpuProfile][] = [...WITH_XSAVE, [cpus.amdK10.name, cpus.amdK10]];
const POISON = 0x6a3f_5c4b_13a5_33f6n;
const USED = saveImage({ xstateBv: 1n, fcw: 0x37f, ftw: 0x80, fsw: 0x3800, st: [0x3fff_8000_0000_0000_0000n] });

const setCr0 = (bits: bigint): Prepare => (machine) => { machine.state.cr0 |= bits; };
const clearCr0 = (bits: bigint): Prepare => (machine) => { machine.state.cr0 &= ~bits; };
const clearCr4 = (bits: bigint): Prepare => (machine) => { machine.state.cr4 &= ~bits; };

describe('the modified optimisation of XSAVEOPT', () => {
  const fip = (between: string, restore = 'xrstor64 [a]', save = 'xsaveopt64 [a]', cpu = ivyBridge): bigint =>
    run(cpu, `${MASK(1)}; ${restore}; mov rbx, ${POISON}; mov [a + 8], rbx; mov [b + 8], rbx; ${between}; ${save}`, both(at('a', USED), at('b', USED))).value(save.includes('[b]') ? 'b' : 'a', 8, 8);

  test.each(WITH_XSAVE)('a poisoned FIP stays after XRSTOR64 from the same address, on %s', (_, cpu) => {
    expect(fip('nop', undefined, undefined, cpu)).toBe(POISON);
  });
  test('and after XRSTOR without REX.W: the operand size does not matter', () => {
    expect(fip('nop', 'xrstor [a]')).toBe(POISON);
    expect(fip('nop', 'xrstor64 [a]', 'xsaveopt [a]')).toBe(POISON);
  });
  test.each(['fnop', 'fldcw [cw37F]', 'fnstenv [env]', 'fwait', 'fxrstor [c]'])('it is written over after %s', (between) => {
    const value = run(ivyBridge, `${MASK(1)}; xrstor64 [a]; mov rbx, ${POISON}; mov [a + 8], rbx; ${between}; xsaveopt64 [a]`, both(at('a', USED), at('c', saveImage()))).value('a', 8, 8);
    expect(value).not.toBe(POISON);
  });
  test.each(['ldmxcsr [mxFBF]', 'movups xmm0, [ones]', 'fxsave [c]'])('it stays after %s, which modifies no x87 state', (between) => {
    expect(fip(between)).toBe(POISON);
  });
  test('it is written over when the address is another', () => {
    expect(fip('nop', 'xrstor64 [a]', 'xsaveopt64 [b]')).not.toBe(POISON);
  });
  test('XSAVE never skips', () => {
    expect(fip('nop', 'xrstor64 [a]', 'xsave64 [a]')).not.toBe(POISON);
  });
  test('it is written over when the restore was at another privilege level, or outside of the guest', () => {
    const between = (change: (machine: Machine) => void): bigint => {
      const before = run(ivyBridge, `${MASK(1)}; xrstor64 [a]; mov rbx, ${POISON}; mov [a + 8], rbx; hlt; xsaveopt64 [a]`, at('a', USED));
      before.machine.state.halted = false;
      change(before.machine);
      before.machine.run({ limit: 1 });
      return before.value('a', 8, 8);
    };
    expect(between(() => {})).toBe(POISON);
    expect(between(({ state }) => state.set('VMX non-root', 1))).not.toBe(POISON);
    expect(between(({ state }) => state.set('SS.attributes', 0xc0f3))).not.toBe(POISON);
  });
});

describe('what XSAVE and XSAVEOPT store', () => {
  test.each(WITH_XSAVE)('XSAVE writes every requested component, in use or not, on %s', (_, cpu) => {
    const { bytes, value } = run(cpu, `${MASK(7)}; xrstor64 [b]; xsave64 [a]`, both(at('a', new Uint8Array(1024)), at('b', saveImage())));
    expect(value('a', 512, 8)).toBe(0n);
    expect(value('a', 0, 2)).toBe(0x37fn);
    expect(bytes('a', 160, 256)).toEqual(new Uint8Array(256));
  });
  test.each(WITH_XSAVE)('XSAVEOPT leaves the bytes of components in initial configuration, on %s', (_, cpu) => {
    const { bytes, value } = run(cpu, `${MASK(7)}; xrstor64 [b]; xsaveopt64 [a]`, at('b', saveImage()));
    expect(bytes('a', 0, 24)).toEqual(new Uint8Array(24).fill(0xa5));
    expect(bytes('a', 32, 384)).toEqual(new Uint8Array(384).fill(0xa5));
    expect(value('a', 24, 8)).toBe(BigInt(cpu.mxcsrMask) << 32n | 0x1f80n);
    expect(value('a', 512, 1) & 7n).toBe(0n);
  });
  test.each(WITH_XSAVE)('bits of XSTATE_BV that are not requested stay, the rest of the header is not written, on %s', (_, cpu) => {
    const { value, bytes } = run(cpu, `${LOADED}; ${MASK(1)}; xsave [a]`, at('a', new Uint8Array(1024).fill(0xff)));
    expect(value('a', 512, 8)).toBe(0xffff_ffff_ffff_ffffn);
    expect(bytes('a', 520, 56)).toEqual(new Uint8Array(56).fill(0xff));
  });
  test.each([[1, false], [2, true], [4, true], [6, true], [0, false]])('mask %d: MXCSR and its mask stored: %s', (mask, stored) => {
    expect(run(ivyBridge, `${MASK(mask)}; xsave64 [a]`).value('a', 24, 4)).toBe(stored ? 0x1f80n : 0xa5a5_a5a5n);
  });
  test.each([['Sapphire Rapids', sapphireRapids], ['Zen 4', zen4]] as const)('MXCSR alone, as XRSTOR loads it: XGETBV counts SSE state as in use, XSTATE_BV does not, on %s', (_, cpu) => {
    const { machine, value } = run(cpu, `${MASK(7)}; xrstor64 [b]; xsave64 [a]; mov ecx, 1; xgetbv`, both(at('a', new Uint8Array(1024)), at('b', saveImage({ mxcsr: 0x1fbf }))));
    expect(machine.state.gpr[0]! & 7n).toBe(2n);
    expect(value('a', 512, 8)).toBe(0n);
  });
  test('LDMXCSR brings SSE state into use on Sapphire Rapids, whatever it loads, and not on Zen 4', () => {
    const xstateBv = (cpu: CpuProfile): bigint => run(cpu, `${MASK(7)}; xrstor64 [b]; ldmxcsr [mxFBF]; xsave64 [a]`, both(at('a', new Uint8Array(1024)), at('b', saveImage()))).value('a', 512, 8);
    expect([sapphireRapids, zen4].map(xstateBv)).toEqual([2n, 0n]);
  });
});

describe('XINUSE', () => {
  const xgetbv = (cpu: CpuProfile, code: string, xstateBv = 0n): bigint =>
    run(cpu, `${MASK(7)}; xrstor64 [a]; ${code}; mov ecx, 1; xgetbv`, at('a', saveImage({ xstateBv }))).machine.state.gpr[0]! & 7n;

  test.each(['fnop', 'fldcw [cw37F]', 'fninit', 'fld1; fninit'])('Sapphire Rapids: %s sets bit 0, FNINIT does not clear it', (code) => {
    expect(xgetbv(sapphireRapids, code)).toBe(1n);
  });
  test('Sapphire Rapids: XRSTOR of initial values with their bits set leaves them in use', () => {
    expect(xgetbv(sapphireRapids, 'nop', 3n)).toBe(3n);
  });
  test('Sapphire Rapids: PXOR sets bit 1', () => {
    expect(xgetbv(sapphireRapids, 'pxor xmm0, xmm0')).toBe(2n);
  });
  test('Zen 4: by value, except for registers written', () => {
    expect(['fnop', 'fldz; fninit', 'fldz; fstp st(0)', 'fldz; fstp st(0); fnclex', 'pxor xmm0, xmm0', 'movaps xmm0, xmm1'].map((code) => xgetbv(zen4, code))).toEqual([0n, 0n, 1n, 0n, 0n, 2n]);
    expect(xgetbv(zen4, 'nop', 3n)).toBe(0n);
  });
});

describe('XRSTOR, standard form', () => {
  const restore = (given: SaveImage, mask: number, cpu = ivyBridge): ReturnType<typeof run> =>
    run(cpu, `fld1; movups xmm2, [ones]; ${MASK(mask)}; xrstor64 [a]`, at('a', saveImage(given)));
  const fault = (given: SaveImage, mask: number, cpu = ivyBridge): string | undefined => restore(given, mask, cpu).fault?.notation;

  describe.each(WITH_XSAVE)('on %s', (_, cpu) => {
    test.each([3n, 9n, 62n, 63n])('#GP(0): XSTATE_BV bit %d is 0 in XCR0, even with a mask of 0', (bit) => {
      expect([fault({ xstateBv: 1n << bit }, 0, cpu), fault({ xstateBv: 1n << bit }, 7, cpu)]).toEqual(['#GP(0)', '#GP(0)']);
    });
    test('#GP(0): XCOMP_BV is not 0', () => {
      expect(fault({ xcompBv: 1n }, 0, cpu)).toBe('#GP(0)');
    });
    test('#GP(0): header bytes 16 to 23 are not 0', () => {
      expect(fault({ reserved: 1n << 56n }, 7, cpu)).toBe('#GP(0)');
    });
    test.each([[2, 0n], [4, 0n], [6, 7n]])('#GP(0): a reserved bit of MXCSR with mask %d and XSTATE_BV %d', (mask, xstateBv) => {
      expect(fault({ mxcsr: 0x8001_1f80, xstateBv }, mask, cpu)).toBe('#GP(0)');
    });
    test.each([8, 16, 32])('#GP(0): misaligned by %d', (by) => {
      expect(run(cpu, `${MASK(7)}; xrstor64 [a + ${by}]`, at('a', saveImage())).fault?.notation).toBe('#GP(0)');
    });
    test('no fault: header bytes 24 to 63 are not 0', () => {
      expect(fault({ tail: 0xffff_ffff_ffff_ffffn }, 7, cpu)).toBeUndefined();
    });
    test('no fault: bits of XSTATE_BV that are in XCR0 and outside the mask', () => {
      expect(fault({ xstateBv: 7n }, 1, cpu)).toBeUndefined();
    });
    test('no fault: a reserved bit of MXCSR with mask 1', () => {
      expect(fault({ mxcsr: 0x8001_1f80, xstateBv: 1n }, 1, cpu)).toBeUndefined();
    });
  });
  test.each([ivyBridge, haswell])('the compacted format is #GP(0) on $name, which has none', (cpu) => {
    expect(fault({ xcompBv: 1n << 63n }, 7, cpu)).toBe('#GP(0)');
  });
  test('XSTATE_BV after XSETBV narrows XCR0: a stale bit is #GP(0), the chain of XSAVE and XRSTOR under a smaller XCR0', () => {
    const code = `${MASK(7)}; movups xmm0, [ones]; xsave64 [a]; xor ecx, ecx; ${MASK(1)}; xsetbv; ${MASK(-1)}; mov edx, -1; xsave64 [a]; xrstor64 [a]`;
    const { fault, value } = run(ivyBridge, code, at('a', new Uint8Array(1024)));
    expect([fault?.notation, value('a', 512, 8)]).toEqual(['#GP(0)', 2n]);
  });
});

describe('faults', () => {
  const cases: [string, string, Prepare, string | undefined][] = [
    ['CR4.OSXSAVE = 0, XSAVE', 'xsave64 [a]', clearCr4(CR4.OSXSAVE), '#UD'],
    ['CR4.OSXSAVE = 0, XSAVEOPT', 'xsaveopt64 [a]', clearCr4(CR4.OSXSAVE), '#UD'],
    ['CR4.OSXSAVE = 0, XRSTOR', 'xrstor64 [a]', clearCr4(CR4.OSXSAVE), '#UD'],
    ['CR4.OSXSAVE = 0, XGETBV', 'xgetbv', clearCr4(CR4.OSXSAVE), '#UD'],
    ['CR4.OSXSAVE = 0, XSETBV', 'xsetbv', clearCr4(CR4.OSXSAVE), '#UD'],
    ['CR4.OSXSAVE = 0 and CR0.TS = 1, XSAVE', 'xsave64 [a]', both(clearCr4(CR4.OSXSAVE), setCr0(CR0.TS)), '#UD'],
    ...['fld1', 'fninit', 'fnstsw ax', 'fnstenv [env]', 'fxsave [a]', 'fxrstor [a]'].flatMap((code): [string, string, Prepare, string][] => [
      [`CR0.TS = 1, ${code}`, code, setCr0(CR0.TS), '#NM'], [`CR0.EM = 1, ${code}`, code, setCr0(CR0.EM), '#NM'],
    ]),
    ...['xsave [a]', 'xsaveopt [a]', 'xrstor [a]', 'movups xmm0, [ones]', 'ldmxcsr [mxFBF]', 'emms'].map((code): [string, string, Prepare, string] => [`CR0.TS = 1, ${code}`, code, setCr0(CR0.TS), '#NM']),
    ...['movups xmm0, [ones]', 'pxor xmm0, xmm0', 'stmxcsr [env]', 'emms'].map((code): [string, string, Prepare, string] => [`CR0.EM = 1, ${code}`, code, setCr0(CR0.EM), '#UD']),
    ...['movups xmm0, [ones]', 'ldmxcsr [mxFBF]'].map((code): [string, string, Prepare, string] => [`CR4.OSFXSR = 0, ${code}`, code, clearCr4(CR4.OSFXSR), '#UD']),
    ['CR0.MP and CR0.TS, FWAIT', 'fwait', setCr0(CR0.TS | CR0.MP), '#NM'],
    ['CR0.TS without CR0.MP, FWAIT', 'fwait', both(setCr0(CR0.TS), clearCr0(CR0.MP)), undefined],
    ['a misaligned FXSAVE', 'fxsave [a + 8]', () => {}, '#GP(0)'], ['a misaligned FXRSTOR', 'fxrstor [a + 8]', () => {}, '#GP(0)'],
    ['a misaligned MOVAPS', 'movaps xmm0, [a + 8]', () => {}, '#GP(0)'], ['a misaligned MOVAPS to memory', 'movaps [a + 1], xmm0', () => {}, '#GP(0)'],
    ['a misaligned MOVUPS', 'movups xmm0, [a + 1]', () => {}, undefined], ['a misaligned PXOR', 'pxor xmm0, [a + 8]', () => {}, '#GP(0)'],
    ['a misaligned XSAVE', 'xsave64 [a + 16]', () => {}, '#GP(0)'],
    ['XSETBV without bit 0', `xor ecx, ecx; ${MASK(6)}; xsetbv`, () => {}, '#GP(0)'],
    ['XSETBV of AVX without SSE', `xor ecx, ecx; ${MASK(5)}; xsetbv`, () => {}, '#GP(0)'],
    ['XSETBV of XCR1', `mov ecx, 1; ${MASK(1)}; xsetbv`, () => {}, '#GP(0)'],
    ['XGETBV of XCR2', 'mov ecx, 2; xgetbv', () => {}, '#GP(0)'],
    ['XGETBV of XCR1 on Ivy Bridge', 'mov ecx, 1; xgetbv', () => {}, '#GP(0)'],
    ['LDMXCSR of a reserved bit', 'mov dword ptr [env], 11F80h; ldmxcsr [env]', () => {}, '#GP(0)'],
  ];
  test.each(cases)('%s', (_, code, prepare, expected) => {
    expect(run(ivyBridge, code, prepare).fault?.notation).toBe(expected);
  });

  test.each(ALL)('#MF at the next waiting instruction on %s, FIP still at the one that caused it', (_, cpu) => {
    for (const next of ['fnop', 'fld1', 'fwait', 'fldcw [cw37F]', 'emms', 'frstor [a]', 'ffree st(0)']) {
      const { fault, machine } = run(cpu, `${PENDING}; ${next}`);
      expect([next, fault?.mnemonic]).toEqual([next, '#MF']);
      expect(fault?.rip).toBe(machine.state.fip + BigInt(6));
    }
  });
  test.each(['fninit', 'fnclex', 'fnstsw ax', 'fnstenv [env]', 'fnsave [a]', 'fxsave [a]', 'xsave [a]', 'xrstor [b]', 'fxrstor [b]', 'movups xmm0, [ones]'])('no #MF at %s', (next) => {
    expect(run(ivyBridge, `${PENDING}; ${MASK(7)}; ${next}`, at('b', saveImage())).fault).toBeUndefined();
  });
  test('CR0.NE = 0 goes through FERR#, which leads nowhere without a board', () => {
    expect(() => run(ivyBridge, `${PENDING}; fnop`, clearCr0(CR0.NE))).toThrow(/FERR#/);
  });

  test('a faulting instruction leaves nothing behind: state and memory', () => {
    const codes = ['xrstor64 [a]', 'fxrstor [a]', 'fxsave [a + 8]', 'fst qword ptr [-4096]', 'fnsave [-50]', 'fnstenv [-20]', 'fstp tbyte ptr [-4096]', 'xsave64 [-4096]', 'xsaveopt64 [-4096]', 'frstor [-4096]', 'fxsave [-4096]', 'fld qword ptr [-4096]', 'pop qword ptr [-4096]', 'add [-4096], rax', 'xchg [-4096], rax', 'movups [-4096], xmm0', 'push qword ptr [-4096]', 'call qword ptr [-4096]'];
    for (const code of codes) {
      const { machine } = run(ivyBridge, `fld1; ${MASK(7)}; hlt; ${code.replace('[-', '[rcx - ')}`, both(at('a', saveImage({ xstateBv: 3n, mxcsr: 0xffff_ffff })), (m) => { m.state.gpr[1] = 0xffff_f900_0000_0000n; }));
      machine.state.halted = false;
      const before = machine.snapshot();
      expect(() => machine.step(), code).toThrow(/^#(GP|PF)/);
      const { fields, memory } = machine.diff(before);
      expect([code, fields.map(({ field }) => field.name).filter((name) => name !== 'CR2'), memory]).toEqual([code, [], []]);
    }
  });
});

describe('32-bit code', () => {
  const xmm = Array.from({ length: 16 }, (_, n) => BigInt(n + 1));
  test.each(['fxsave', 'xsave', 'xsaveopt'])('%s does not store XMM8 to XMM15', (save) => {
    const { bytes, value } = run(ivyBridge, `${MASK(7)}; ${save} [a]`, (machine) => xmm.forEach((v, n) => { machine.state.setXmm(n, v); machine.state.xinuse |= 2n; }), 32);
    expect(value('a', 160 + 16 * 7, 16)).toBe(8n);
    expect(bytes('a', 160 + 128, 128)).toEqual(new Uint8Array(128).fill(0xa5));
  });
  test.each(['fxrstor', 'xrstor'])('%s does not load them', (restore) => {
    const { machine } = run(ivyBridge, `${MASK(7)}; ${restore} [a]`, at('a', saveImage({ xstateBv: 3n, xmm })), 32);
    expect([machine.state.xmm(7), machine.state.xmm(8)]).toEqual([8n, 0n]);
  });
  test('XRSTOR of initial SSE state leaves them, too', () => {
    const { machine } = run(ivyBridge, `${MASK(7)}; xrstor [a]`, both(at('a', saveImage()), (m) => { m.state.setXmm(7, 1n); m.state.setXmm(8, 2n); }), 32);
    expect([machine.state.xmm(7), machine.state.xmm(8)]).toEqual([0n, 2n]);
  });
  test('there is no REX.W: 48h is DEC EAX, and the pointers are 32-bit with selectors', () => {
    const { machine, value } = run(ivyBridge, `${LOADED}; db 48h; fxsave [a]`, undefined, 32);
    expect(machine.state.gpr[0]).toBe(0xffff_ffffn);
    expect([value('a', 12, 2), value('a', 20, 2)]).toEqual([0x08n, 0x23n]);
  });
});
