/** XSAVEC, XSAVES and XRSTORS. What user mode can see of the compacted format is compared with silicon in silicon.test.ts. */

import { type Machine, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { MASK, at, both, run } from './bench.ts';
import { saveImage } from './save-image.ts';

const { haswell, sapphireRapids, zen3, zen4 } = cpus;
const COMPACTED = 1n << 63n;
const WITH_SUPERVISOR = [sapphireRapids, zen3, zen4];
const USED = saveImage({ xstateBv: 3n, xcompBv: COMPACTED | 3n, fcw: 0x37f, ftw: 0x80, fsw: 0x3800, st: [0x3fff_8000_0000_0000_0000n], xmm: [7n] });
const POISON = 0x6a3f_5c4b_13a5_33f6n;
const inUserMode = (machine: Machine): void => machine.state.set('SS.attributes', 0xc0f3);

describe.each(WITH_SUPERVISOR)('on $name', (cpu) => {
  test('AVX state follows the header at once, or after nothing at all', () => {
    const dirty = 'fld1; movups xmm3, [ones]';
    const { value } = run(cpu, `${dirty}; ${MASK(7)}; xsaves64 [a]; xsavec64 [b]`, both(at('a', new Uint8Array(1024)), at('b', new Uint8Array(1024))));
    expect([value('a', 512, 8), value('a', 520, 8)]).toEqual([3n, COMPACTED | 7n]);
    expect([value('b', 512, 8), value('b', 520, 8)]).toEqual([3n, COMPACTED | 7n]);
  });

  test('what XSAVES stored, XRSTORS loads', () => {
    const code = `fld1; movups xmm3, [ones]; ldmxcsr [mxFBF]; ${MASK(7)}; xsaves64 [a]; fninit; pxor xmm3, xmm3; xrstors64 [a]`;
    const { machine } = run(cpu, code, at('a', new Uint8Array(1024)));
    expect([machine.state.x87(7), machine.state.xmm(3) !== 0n, machine.state.mxcsr]).toEqual([0x3fff_8000_0000_0000_0000n, true, 0x1fbf]);
  });

  test('both are #GP(0) above CPL 0; XSAVEC is not', () => {
    // HLT, which ends the program, is #GP(0) there as well.
    for (const [code, faulting] of [['xsaves [a]', 'xsaves'], ['xrstors [a]', 'xrstors'], ['xsavec [a]', 'hlt']] as const) {
      const { fault } = run(cpu, `${MASK(7)}; ${code}`, both(inUserMode, at('a', USED)));
      expect([fault?.notation, fault?.instruction?.split(' ')[0]], code).toEqual(['#GP(0)', faulting]);
    }
  });

  test('XRSTORS takes no standard format; XRSTOR takes both', () => {
    const standard = at('a', saveImage({ xstateBv: 1n }));
    expect(run(cpu, `${MASK(7)}; xrstors64 [a]`, standard).fault?.notation).toBe('#GP(0)');
    expect(run(cpu, `${MASK(7)}; xrstor64 [a]`, standard).fault).toBeUndefined();
  });

  test('an XRSTORS leaves MXCSR initial where SSE state is not in the image', () => {
    expect(run(cpu, `ldmxcsr [mxFBF]; ${MASK(7)}; xrstors64 [a]`, at('a', saveImage({ xcompBv: COMPACTED | 7n, mxcsr: 0x1fa0 }))).machine.state.mxcsr).toBe(0x1f80);
    expect(run(cpu, `ldmxcsr [mxFBF]; ${MASK(5)}; xrstors64 [a]`, at('a', saveImage({ xcompBv: COMPACTED | 7n, mxcsr: 0x1fa0 }))).machine.state.mxcsr).toBe(0x1fbf);
  });

  test('XSAVES passes over what is unmodified since an XRSTORS of the same format, and not since an XRSTOR of the other', () => {
    const fip = (restore: string, image: Uint8Array, between = 'nop'): bigint =>
      run(cpu, `${MASK(3)}; ${restore} [a]; mov rbx, ${POISON}; mov [a + 8], rbx; ${between}; xsaves64 [a]`, at('a', image)).value('a', 8, 8);
    expect(fip('xrstors64', USED)).toBe(POISON);
    expect(fip('xrstors64', USED, 'fnop')).not.toBe(POISON);
    expect(fip('xrstor64', saveImage({ xstateBv: 1n, ftw: 0x80, fsw: 0x3800 }))).not.toBe(POISON);
  });
});

test('a processor without them raises #UD', () => {
  for (const code of ['xsavec [a]', 'xsaves [a]', 'xrstors [a]']) expect(run(haswell, code).fault?.notation, code).toBe('#UD');
});
