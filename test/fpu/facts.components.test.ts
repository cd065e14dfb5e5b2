/** AVX-512 and AMX state, PKRU, XFD and XCR0: layouts, rules and faults. What user mode sees is compared with silicon in silicon.test.ts. */

import { type CpuProfile, type Machine, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { cpuid } from '../../spec/src/cpus/cpuid.ts';
import { compactedLayout, standardBytes } from '../../spec/src/cpus/xsave-layout.ts';
import { fromBytes, toBytes } from '../../spec/src/numbers/bits.ts';
import { EXTENDED_STATE, fieldNamed } from '../../spec/src/state/fields.ts';
import { MASK, type Prepare, at, both, run } from './bench.ts';
import { saveImage } from './save-image.ts';

const { haswell, sapphireRapids, zen3, zen4 } = cpus;
const COMPACTED = 1n << 63n;
const setXcr0 = (value: bigint): string => `xor ecx, ecx; mov eax, ${value}; xor edx, edx; xsetbv`;
const fault = (cpu: CpuProfile, code: string, prepare?: Prepare): string | undefined => run(cpu, code, prepare).fault?.notation;
const reserve: Prepare = (machine) => machine.memory.map(0x10_0000n, 0x6000);
/** An area with room for everything, at 100000h. */
const area = (image: Uint8Array): Prepare => both(reserve, (machine) => machine.memory.writeBytes(0x10_0000n, image));
const stored = (machine: Machine, offset: number, bytes: number): bigint => fromBytes(machine.memory.readBytes(0x10_0000n + BigInt(offset), bytes), 0, bytes);
const set = (values: Readonly<Record<string, bigint>>): Prepare => ({ state }) => Object.entries(values).forEach(([name, value]) => state.set(name, value));

function header(xstateBv: bigint, xcompBv = 0n, bytes = 11_008): Uint8Array {
  const image = new Uint8Array(bytes);
  image.set(saveImage({ xstateBv, xcompBv }).subarray(0, 576));
  return image;
}

describe('layouts by profile', () => {
  const inputs = { in64BitMode: true, xcr0: 0n, xss: 0n, osxsave: true, ospke: false, apicEnabled: true, monitor: true, limited: false, apicId: 0, processors: 1, frequency: 1e9 };
  const leaf = (cpu: CpuProfile, subleaf: number, xcr0 = 0n): number[] => Object.values(cpuid(cpu, 0xd, subleaf, { ...inputs, xcr0 }));

  test('Sapphire Rapids: leaf 0Dh as such a processor answers it, with AMX beside', () => {
    expect([2, 5, 6, 7, 17, 18].map((component) => leaf(sapphireRapids, component))).toEqual([
      [0x100, 0x240, 0, 0], [0x40, 0x440, 0, 0], [0x200, 0x480, 0, 0], [0x400, 0x680, 0, 0], [0x40, 0xac0, 2, 0], [0x2000, 0xb00, 6, 0],
    ]);
    expect(leaf(sapphireRapids, 0, 0xe7n)).toEqual([0x602e7, 0xa80, 0x2b00, 0]);
    expect(leaf(sapphireRapids, 1, 0xe7n)[1]).toBe(0x980);
  });

  test('Zen 3 has PKRU where a Zen 4 would have it, Zen 4 AVX-512 without a gap', () => {
    expect(leaf(zen3, 9)).toEqual([8, 2432, 0, 0]);
    expect([5, 6, 7].map((component) => leaf(zen4, component)[1])).toEqual([832, 896, 1408]);
  });

  test('components 17 and 18 begin on 64 bytes in the compacted format', () => {
    const { offsets, end } = compactedLayout(sapphireRapids, 0x6_0200n);
    expect([...offsets]).toEqual([[9, 576], [17, 640], [18, 704]]);
    expect(end).toBe(704 + 8192);
    expect(standardBytes(sapphireRapids, 0x6_02e7n)).toBe(11_008);
  });
});

describe('XSETBV', () => {
  test.each([
    [0n, 'XCR0[0] is 0'], [5n, 'AVX without SSE'], [0x21n, 'one bit of AVX-512'], [0x67n, 'two bits of AVX-512'], [0xe1n, 'AVX-512 without SSE and AVX'],
    [0xe3n, 'AVX-512 without AVX'], [0x2_0007n, 'TILECFG without TILEDATA'], [0x4_0007n, 'TILEDATA without TILECFG'], [0x8n, 'MPX, which it has not'],
  ])('#GP(0) on Sapphire Rapids: %d: %s', (value) => {
    expect(fault(sapphireRapids, setXcr0(value))).toBe('#GP(0)');
  });
  test.each([1n, 3n, 7n, 0xe7n, 0x201n, 0x6_0001n, 0x6_02e7n])('Sapphire Rapids takes %d', (value) => {
    expect(run(sapphireRapids, setXcr0(value)).machine.state.xcr0).toBe(value);
  });
  test('#GP(0) for a component that the profile lacks', () => {
    expect([fault(haswell, setXcr0(0xe7n)), fault(zen3, setXcr0(0xe7n)), fault(zen4, setXcr0(0x6_0007n))]).toEqual(['#GP(0)', '#GP(0)', '#GP(0)']);
  });
  test('PKRU needs no CR4.PKE', () => {
    expect(run(zen3, setXcr0(0x207n)).machine.state.xcr0).toBe(0x207n);
  });
});

describe('what is saved is restored', () => {
  const VALUES: Readonly<Record<string, bigint>> = {
    K0: 0x11n, K7: 0x77n, 'ZMM0[511:256]': 0xaaaan, 'ZMM15[511:256]': 0xbbbbn << 240n, ZMM16: 0xccccn, ZMM31: 0xddddn << 496n, PKRU: 0x5555_5554n,
    TILECFG: 1n | (64n << 128n) | (16n << 384n), TMM0: 0x1234n << 8176n, TMM7: 0x5678n,
  };
  const all = MASK(0x6_02e7);
  test.each([['xsave64', 'xrstor64'], ['xsavec64', 'xrstor64'], ['xsaves64', 'xrstors64']])('%s and %s', (save, restore) => {
    // TRACKED: nothing here executes an instruction of AVX-512 or AMX, so the state says that they are in use.
    const code = `mov rbx, 100000h; ${setXcr0(0x6_02e7n)}; ${all}; ${save} [rbx]; mov rdi, 103000h; ${restore} [rdi]; ${restore} [rbx]`;
    const before = both(area(header(0n)), set(VALUES), set({ XINUSE: 0x6_00e0n }), (machine) => machine.memory.writeBytes(0x10_3000n, header(0n, save === 'xsave64' ? 0n : COMPACTED | 0x6_02e7n)));
    const { machine, fault: raised } = run(sapphireRapids, code, before);
    expect(raised).toBeUndefined();
    expect(Object.keys(VALUES).map((name) => BigInt(machine.state.get(name)))).toEqual(Object.values(VALUES));
    expect(stored(machine, 512, 8)).toBe(0x6_02e0n);
    expect(BigInt(machine.state.get('XINUSE')) & 0x6_00e0n).toBe(0x6_00e0n);
  });

  test('an XRSTOR with XSTATE_BV 0 makes them initial', () => {
    const { machine } = run(sapphireRapids, `mov rbx, 100000h; ${setXcr0(0x6_02e7n)}; ${all}; xrstor64 [rbx]`, both(area(header(0n)), set(VALUES), set({ XINUSE: 0x6_00e0n })));
    expect(Object.keys(VALUES).map((name) => BigInt(machine.state.get(name)))).toEqual(Object.keys(VALUES).map(() => 0n));
    expect(BigInt(machine.state.get('XINUSE')) & 0x6_00e0n).toBe(0n);
  });

  const PKE = 'mov rax, cr4; or eax, 400000h; mov cr4, rax';
  const wrpkru = (value: number): string => `mov eax, ${value}; xor ecx, ecx; xor edx, edx; wrpkru`;
  test('PKRU is in use while it is not 0, and WRPKRU of 0 leaves it in use on Intel, not on AMD', () => {
    const inUse = (cpu: CpuProfile, code: string): bigint => run(cpu, `${setXcr0(0x207n)}; ${PKE}; ${code}; mov ecx, 1; xgetbv`).machine.state.gpr[0]! & 0x200n;
    expect([sapphireRapids, zen3].map((cpu) => [inUse(cpu, 'nop'), inUse(cpu, wrpkru(4)), inUse(cpu, `${wrpkru(4)}; ${wrpkru(0)}`)])).toEqual([[0n, 0x200n, 0x200n], [0n, 0x200n, 0n]]);
  });
  test('WRPKRU modifies PKRU state: an XSAVEOPT after an XRSTOR stores it', () => {
    const code = `mov rbx, 100000h; ${setXcr0(0x207n)}; ${PKE}; ${MASK(0x200)}; xrstor64 [rbx]; ${wrpkru(8)}; ${MASK(0x200)}; xsaveopt64 [rbx]`;
    expect(stored(run(sapphireRapids, code, area(header(0x200n))).machine, 2688, 4)).toBe(8n);
  });

  test('bits 63:32 of PKRU in memory are not looked at', () => {
    const image = header(0x200n);
    image.set(toBytes(0xffff_ffff_0000_0008n, 8), 2688);
    expect(run(sapphireRapids, `mov rbx, 100000h; ${setXcr0(0x207n)}; ${MASK(0x200)}; xrstor64 [rbx]`, area(image)).machine.state.get('PKRU')).toBe(8);
  });

  test('a tile configuration that LDTILECFG would refuse makes TILECFG initial, one that it takes is loaded', () => {
    const image = header(0x2_0000n);
    const load = (): unknown => run(sapphireRapids, `mov rbx, 100000h; ${setXcr0(0x6_0001n)}; ${MASK(0x2_0000)}; xrstor64 [rbx]`, both(area(image), set({ TILECFG: 0x55n }))).machine.state.get('TILECFG');
    image.set([1], 2752);
    expect(load()).toBe(1n);
    image.set([2], 2752);
    expect(load()).toBe(0n);
  });

  test('all of it stays in the registers across a VM exit', () => {
    for (const name of [...Object.keys(VALUES), 'XMM0', 'FCW', 'XINUSE']) {
      const { offset, width } = fieldNamed(name);
      expect(EXTENDED_STATE.some(([start, end]) => offset >= start && offset + width / 8 <= end), name).toBe(true);
    }
  });
});

describe('extended feature disable', () => {
  const TILES = 0x4_0000;
  const wrmsr = (msr: number, value: number): string => `mov ecx, ${msr}; mov eax, ${value}; xor edx, edx; wrmsr`;
  const disable = `${setXcr0(0x6_0007n)}; ${wrmsr(0x1c4, TILES)}`;
  const dirty = set({ TMM0: 7n, XINUSE: 0x6_0000n });

  test('XSAVE, XSAVEC and XSAVES take a disabled component for initial, whatever it holds', () => {
    for (const save of ['xsave64', 'xsavec64', 'xsaveopt64', 'xsaves64']) {
      const filled = new Uint8Array(11_008).fill(0xa5);
      filled.fill(0, 512, 576);
      const { machine } = run(sapphireRapids, `mov rbx, 100000h; ${disable}; ${MASK(0x6_0000)}; ${save} [rbx]`, both(area(filled), dirty));
      expect(stored(machine, 512, 8), save).toBe(0x2_0000n);
      const tiles = save === 'xsavec64' || save === 'xsaves64' ? 640 : 2816;
      expect(stored(machine, tiles, 8), save).toBe(save === 'xsave64' ? 0n : 0xa5a5_a5a5_a5a5_a5a5n);
      expect(machine.state.get('TMM0'), save).toBe(7n);
    }
  });

  test('#NM where XRSTOR would load it, IA32_XFD_ERR says which; nothing else is loaded', () => {
    const { machine, fault: raised } = run(sapphireRapids, `mov rbx, 100000h; ${disable}; ${MASK(0x6_0003)}; xrstor64 [rbx]`, both(area(header(0x4_0002n)), set({ XMM0: 5n })));
    expect(raised?.notation).toBe('#NM');
    expect([machine.state.get('IA32_XFD_ERR'), machine.state.get('XMM0')]).toEqual([0x4_0000n, 5n]);
  });

  test('no #NM where XRSTOR only makes it initial, nor for a bit outside the mask, nor while XCR0 lacks it', () => {
    const restore = (mask: number, xstateBv: bigint, prepare = disable): string | undefined =>
      fault(sapphireRapids, `mov rbx, 100000h; ${prepare}; ${MASK(mask)}; xrstor64 [rbx]`, both(area(header(xstateBv)), dirty));
    expect([restore(0x6_0000, 0n), restore(2, 0x4_0002n), restore(7, 2n, `${wrmsr(0x1c4, TILES)}; ${setXcr0(7n)}`)]).toEqual([undefined, undefined, undefined]);
  });

  test('#NM of CR0.TS leaves IA32_XFD_ERR alone', () => {
    const { machine, fault: raised } = run(sapphireRapids, `mov rbx, 100000h; ${disable}; mov rax, cr0; or rax, 8; mov cr0, rax; ${MASK(0x4_0000)}; xrstor64 [rbx]`, area(header(0x4_0000n)));
    expect([raised?.notation, machine.state.get('IA32_XFD_ERR')]).toEqual(['#NM', 0n]);
  });

  test('#GP(0) for a component that cannot be disabled, and where there is no XFD', () => {
    expect([fault(sapphireRapids, wrmsr(0x1c4, 4)), fault(sapphireRapids, wrmsr(0x1c5, 0x2_0000)), fault(zen4, wrmsr(0x1c4, 0)), fault(haswell, wrmsr(0x1c5, 0))])
      .toEqual(['#GP(0)', '#GP(0)', '#GP(0)', '#GP(0)']);
  });
});

describe('XINUSE of vector registers that 32-bit code cannot see, on Sapphire Rapids', () => {
  const TRACKED = 'XINUSE of registers 8 to 15';
  const seen = (machine: Machine): bigint => machine.state.gpr[0]! & 7n;
  const restore = (xstateBv: bigint, mode: 32 | 64): Machine =>
    run(sapphireRapids, `mov eax, 6; xor edx, edx; ${mode === 64 ? 'xrstor64' : 'xrstor'} [a]; mov ecx, 1; xgetbv`, both(at('a', saveImage({ xstateBv })), set({ XMM8: 1n, [TRACKED]: 2n })), mode).machine;

  test('an XRSTOR there with XSTATE_BV 0 leaves XMM8 in use for 64-bit code, and not for itself', () => {
    const machine = restore(0n, 32);
    expect([seen(machine), machine.state.get('XMM8'), machine.state.get(TRACKED)]).toEqual([0n, 1n, 2n]);
  });
  test('in 64-bit code it makes them initial', () => {
    const machine = restore(0n, 64);
    expect([seen(machine), machine.state.get('XMM8'), machine.state.get(TRACKED)]).toEqual([0n, 0n, 0n]);
  });
  test('a load of AVX state alone takes SSE state with registers 8 to 15 of zeros out of use; with XMM8 = 1 it stays', () => {
    const after = (xmm8: bigint): bigint =>
      seen(run(sapphireRapids, `${MASK(4)}; xrstor64 [a]; mov ecx, 1; xgetbv`, both(at('a', saveImage({ xstateBv: 4n })), set({ XMM8: xmm8, [TRACKED]: 2n }))).machine);
    expect([after(0n), after(1n)]).toEqual([4n, 6n]);
  });
  test('where XINUSE goes by value, 32-bit code has SSE and AVX state in use for registers 0 to 7 alone', () => {
    const inUse = (name: string): bigint => seen(run(zen4, 'mov ecx, 1; xgetbv', set({ [name]: 1n }), 32).machine);
    expect(['XMM7', 'XMM8', 'YMM7[255:128]', 'YMM8[255:128]'].map(inUse)).toEqual([2n, 0n, 4n, 0n]);
  });
  test('all of it stays in the registers across a VM exit', () => {
    for (const name of [TRACKED, 'XMODIFIED of registers 8 to 15']) expect(EXTENDED_STATE.some(([start, end]) => fieldNamed(name).offset >= start && fieldNamed(name).offset < end)).toBe(true);
  });
});
