/**
 * Experiments on what an Intel processor tracks of vector registers 8 to 15, which only 64-bit code reaches, apart from
 * 0 to 7: XINUSE and the modified optimisation, in 64-bit and in 32-bit code. Programs change between the two by far
 * returns, with the selectors that Linux has.
 */

import { type Random, randomFrom } from '../integer/random.ts';
import type { Experiment } from './experiments.ts';
import { saveImage } from './save-image.ts';

const MASK = (bits: number): string => `mov eax, ${bits}; xor edx, edx`;
const XINUSE = 'mov ecx, 1; xgetbv; and eax, 0E7h';
const INITIAL = `${MASK(0xe7)}; xrstor64 [areaB]`;
const restore = (mask: number, area = 'wideA', name = 'xrstor64'): string => `${MASK(mask)}; ${name} [${area}]`;
/** Offsets in the standard format of the upper parts of register n; ZMM16 and above, opmask. */
const AT = { xmm: (n: number) => 160 + 16 * n, ymm: (n: number) => 576 + 16 * n, zmm: (n: number) => 1152 + 32 * n } as const;
const HI16_ZMM = 1664, OPMASK = 1088, WIDE_BYTES = 2688;

/** A standard image with XSTATE_BV `components`, all zero but for the bytes given by offset. */
function image(components: number, bytes: Readonly<Record<number, number>> = {}): Uint8Array {
  const area = new Uint8Array(WIDE_BYTES);
  area.set(saveImage({ xstateBv: BigInt(components) }));
  for (const [offset, byte] of Object.entries(bytes)) area[Number(offset)] = byte;
  return area;
}

/** `before` in 64-bit code, `within` in 32-bit code, `after` in 64-bit code again. */
const through32 = (before: string, within: string, after = 'nop'): string =>
  `mov ecx, 2Bh; mov ds, cx; ${INITIAL}; ${before}; push 23h; push there; db 48h, 0CBh; bits 32; there: ${within}; ${XINUSE}; mov ebx, eax; push 33h; push back; retf; bits 64; back: ${after}; ${XINUSE}`;

interface Case { name: string; code: string; memory?: Experiment['memory'] }
const low = ({ name, code, memory = {} }: Case): Experiment => ({ name, place: 'low', code, memory: { areaB: saveImage(), ...memory } });

const WRITES = { 'PADDD XMM2': 'paddd xmm2, xmm3', 'PADDD XMM12': 'paddd xmm12, xmm3', 'ones to XMM12': 'movups xmm12, [xmmOnes]', 'VPADDD YMM12': 'vpaddd ymm12, ymm12, ymm3', 'VMOVUPS YMM12': 'vmovups ymm12, [one]' } as const;
const hex = (bits: number): string => `${bits.toString(16)}h`;

/** What a restore of one component does to the use of others, and to its own. */
const RESTORES: Experiment[] = Object.entries(WRITES).flatMap(([what, write]) =>
  ([[0x02, 0], [0x02, 0x02], [0x04, 0], [0x04, 0x04], [0x06, 0x04], [0x06, 0x02], [0x06, 0x06], [0x20, 0x20], [0x40, 0], [0x40, 0x40], [0x42, 0x40], [0x42, 0x42], [0x44, 0x40], [0x44, 0x44], [0x80, 0x80], [0xe4, 0xe4]] as const).map(([mask, components]) => low({
    name: `XINUSE after ${what}, then XRSTOR64 of XSTATE_BV ${hex(components)}, mask ${hex(mask)}`,
    code: `${INITIAL}; ${write}; ${restore(mask)}; ${XINUSE}`, memory: { wideA: image(components) },
  })));

/** Whether what registers 8 to 15 hold keeps them in use, and which of it. */
const CONTENTS: Experiment[] = ([
  ['YMM2', 0x04, { [AT.ymm(2)]: 1 }], ['YMM8', 0x04, { [AT.ymm(8)]: 1 }], ['YMM15', 0x04, { [AT.ymm(15) + 15]: 1 }], ['ZMM7', 0x40, { [AT.zmm(7)]: 1 }], ['ZMM8', 0x40, { [AT.zmm(8)]: 1 }],
  ['ZMM16', 0x80, { [HI16_ZMM]: 1 }], ['K1', 0x20, { [OPMASK + 8]: 1 }], ['XMM12', 0x02, { [AT.xmm(12)]: 1 }],
] as const).flatMap(([what, mask, bytes]) => [
  low({ name: `XINUSE after PADDD XMM12, then XRSTOR64 of ${what}`, code: `${INITIAL}; ${WRITES['PADDD XMM12']}; ${restore(mask)}; ${XINUSE}`, memory: { wideA: image(mask, bytes) } }),
  low({ name: `XINUSE after XRSTOR64 of ${what}, made initial in 32-bit code`, code: through32(restore(mask), restore(mask, 'wideB', 'xrstor')), memory: { wideA: image(mask, bytes), wideB: image(0) } }),
  low({ name: `XINUSE after XRSTOR64 of ${what} and of AVX state of zeros`, code: `${INITIAL}; ${restore(mask)}; ${restore(4, 'wideB')}; ${XINUSE}`, memory: { wideA: image(mask, bytes), wideB: image(4) } }),
]);

const IN_32 = {
  'NOP': 'nop', 'PADDD XMM2': WRITES['PADDD XMM2'], 'LDMXCSR': 'ldmxcsr [mx1F80]', 'VZEROUPPER': 'vzeroupper', 'VZEROALL': 'vzeroall', 'FXRSTOR, VZEROALL': 'fxrstor [areaA]; vzeroall',
  'XRSTOR of initial SSE state': restore(2, 'wideA', 'xrstor'), 'XRSTOR of initial AVX state': restore(4, 'wideA', 'xrstor'),
  'XRSTOR of SSE state': restore(2, 'wideB', 'xrstor'), 'XRSTOR of AVX state': restore(4, 'wideB', 'xrstor'),
} as const;
/** What 32-bit code sees, and what it leaves to 64-bit code. */
const MODES: Experiment[] = Object.entries({ ...WRITES, 'LDMXCSR': 'ldmxcsr [mx1F80]', 'FXRSTOR64': 'fxrstor64 [areaA]', 'XRSTOR64 of SSE state': restore(2, 'wideB') }).flatMap(([what, write]) =>
  Object.entries(IN_32).map(([within, code]) => low({ name: `XINUSE after ${what}, in 32-bit code after ${within}, and in 64-bit code again`, code: through32(write, code), memory: { areaA: saveImage(), wideA: image(0), wideB: image(6) } })));

/** The modified optimisation: whether XSAVEOPT stores over bytes that were changed in memory meanwhile. */
const CHANGED = 'mov byte ptr [wideA + 160], 77h; mov byte ptr [wideA + 576], 77h';
const image6 = image(6, { [AT.xmm(2)]: 1, [AT.xmm(12)]: 2, [AT.ymm(2)]: 3, [AT.ymm(12)]: 4 });
const MODIFIED: Experiment[] = Object.entries({ NOP: 'nop', VZEROUPPER: 'vzeroupper', LDMXCSR: 'ldmxcsr [mx1F80]', ...WRITES }).flatMap(([what, step]) => [
  { name: `XSAVEOPT64 after XRSTOR64 and ${what}`, code: `${INITIAL}; ${restore(6)}; ${step}; ${CHANGED}; ${MASK(6)}; xsaveopt64 [wideA]` },
  { name: `XSAVEOPT in 32-bit code after XRSTOR64 and ${what}`, code: through32(`${restore(6)}; ${step}; ${CHANGED}`, `${MASK(6)}; xsaveopt [wideA]`) },
  { name: `XSAVEOPT64 after XRSTOR in 32-bit code and ${what}`, code: through32('nop', restore(6, 'wideA', 'xrstor'), `${step}; ${CHANGED}; ${MASK(6)}; xsaveopt64 [wideA]`) },
].map((each) => low({ ...each, memory: { wideA: image6 } })));

export const UPPER_EXPERIMENTS: readonly Experiment[] = [...RESTORES, ...CONTENTS, ...MODES, ...MODIFIED];

/** What of the random sequences is captured and replayed. */
export const MODE_SWITCHES = { seed: 20_261_130, count: 400 } as const;
const MASKS = [1, 2, 4, 5, 6, 7, 0x20, 0x40, 0x42, 0x44, 0x46, 0x80, 0xe0, 0xe4, 0xe6, 0xe7] as const;

/** An image of random components, in which any half of the registers holds something or nothing. */
function randomImage(random: Random): Uint8Array {
  const components = random.chance(0.3) ? random.pick([0, 2, 4, 6, 7, 0xe7]) : random.below(256) & 0xe7;
  const bytes = image(components);
  for (const [start, count, stride] of [[AT.xmm(0), 8, 16], [AT.xmm(8), 8, 16], [AT.ymm(0), 8, 16], [AT.ymm(8), 8, 16], [AT.zmm(0), 8, 32], [AT.zmm(8), 8, 32], [HI16_ZMM, 16, 64], [OPMASK, 8, 8]] as const) {
    if (!random.chance(0.4)) continue;
    for (let n = 0; n < count; n++) if (random.chance(0.3)) bytes[start + stride * n + random.below(stride)] = 1 + random.below(255);
  }
  if (random.chance(0.2)) {
    bytes[520] = components | random.pick([0, 6, 0xe7]);
    bytes[527] = 0x80;
  }
  return bytes;
}

function randomStep(random: Random, mode: 32 | 64, n: number): string {
  const wide = mode === 64 ? '64' : '', upper = mode === 64 && random.chance(0.5) ? 8 : 0;
  const to = upper + random.below(8), from = random.below(mode === 64 ? 16 : 8), area = random.pick(['wideA', 'wideB']);
  const masked = (mnemonic: string): string => `${MASK(random.pick(MASKS))}; ${mnemonic}${wide} [${area}]`;
  return random.pick([
    () => `paddd xmm${to}, xmm${from}`, () => `vpaddd ymm${to}, ymm${from}, ymm${from}`, () => `pxor xmm${to}, xmm${to}`, () => `vpxor ymm${to}, ymm${to}, ymm${to}`,
    () => `movups xmm${to}, [xmmOnes]`, () => `vmovups ymm${to}, [xmmOnes]`, () => `vpaddd xmm${to}, xmm${from}, xmm${from}`, () => `vextracti128 xmm${to}, ymm${from}, 1`,
    () => random.pick(['vzeroupper', 'vzeroall']), () => 'ldmxcsr [mx1F80]', () => `fxrstor${wide} [areaA]`, () => masked('xrstor'), () => masked('xrstor'), () => masked('xrstor'),
    () => masked('xsaveopt'), () => masked(random.pick(['xsave', 'xsavec'])), () => `mov ecx, 1; xgetbv; mov [out + ${4 * n}], eax`,
  ])();
}

/** Sequences that change between 64-bit and 32-bit code, with what XGETBV, XSAVEOPT and XSAVEC make of their end. */
export function modeSwitches({ seed, count }: { readonly seed: number; readonly count: number }): Experiment[] {
  const random = randomFrom(seed);
  return Array.from({ length: count }, (_, index) => {
    const parts = ['mov ecx, 2Bh; mov ds, cx', INITIAL];
    let mode: 32 | 64 = 64;
    const change = (label: string): void => {
      parts.push(mode === 64 ? `push 23h; push ${label}; db 48h, 0CBh; bits 32; ${label}: nop` : `push 33h; push ${label}; retf; bits 64; ${label}: nop`);
      mode = mode === 64 ? 32 : 64;
    };
    const steps = 4 + random.below(14);
    for (let n = 0; n < steps; n++) {
      if (random.chance(0.25)) change(`part${n}`);
      parts.push(randomStep(random, mode, n));
    }
    for (const [name, at] of [['here', 96], ['there', 100]] as const) {
      const wide = mode === 64 ? '64' : '';
      parts.push(`mov ecx, 1; xgetbv; mov [out + ${at}], eax; ${MASK(0xe7)}; xsaveopt${wide} [wideA]; xsaveopt${wide} [wideB]`);
      change(name);
    }
    return low({ name: `mode switches ${index}`, code: parts.join('; '), memory: { areaA: randomImage(random).subarray(0, 512), wideA: randomImage(random), wideB: randomImage(random) } });
  });
}
