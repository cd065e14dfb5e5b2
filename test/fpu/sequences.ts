/** Random sequences of x87, SSE and XSAVE instructions, for what nobody thought of as an experiment. */

import type { Random } from '../integer/random.ts';
import type { Experiment } from './experiments.ts';
import { saveImage } from './save-image.ts';

const MEMORY = ['fld qword ptr [%d]', 'fld dword ptr [%s]', 'fld tbyte ptr [%t]', 'fild word ptr [int16]', 'fild dword ptr [int32]', 'fild qword ptr [int64]', 'fadd qword ptr [%d]', 'fsubr dword ptr [%s]', 'fmul qword ptr [%d]', 'fdiv qword ptr [%d]', 'fdivr dword ptr [%s]', 'fiadd dword ptr [int32]', 'fidivr word ptr [int16]', 'fst qword ptr [out]', 'fstp dword ptr [out + 8]', 'fstp tbyte ptr [out + 16]', 'fist dword ptr [out + 32]', 'fistp word ptr [out + 36]', 'fistp qword ptr [out + 40]'];
const STACK = ['fld1', 'fldz', 'fld st(%i)', 'fst st(%i)', 'fstp st(%i)', 'fxch st(0), st(%i)', 'fadd st(0), st(%i)', 'fsub st(%i), st(0)', 'fmulp st(%i), st(0)', 'fdivrp st(%i), st(0)', 'fchs', 'fabs', 'ffree st(%i)', 'fnop'];
const CONTROL = ['fninit', 'fnclex', 'fldcw [%c]', 'fnstcw [out + 48]', 'fnstsw [out + 50]', 'fnstenv [env2]', 'fldenv [env2]', 'fnsave [areaC]', 'frstor [areaC]', 'fwait', 'emms'];
const SAVES = ['fxsave [areaA]', 'fxsave64 [areaA]', 'fxrstor [areaA]', 'fxrstor64 [areaA]', 'xsave [areaB]', 'xsave64 [areaB]', 'xsaveopt [areaB]', 'xsaveopt64 [areaB]', 'xrstor [areaB]', 'xrstor64 [areaB]', 'movups xmm1, [xmmOnes]', 'movaps xmm2, xmm1', 'pxor xmm1, xmm1', 'ldmxcsr [mx1FBF]', 'ldmxcsr [mx1F80]'];

const DOUBLES = ['one', 'zero', 'third', 'minusTwo', 'huge', 'denormal64', 'signalling64'], SINGLES = ['single', 'signalling32'];
const TBYTES = ['pi80', 'infinity', 'signalling80', 'denormal80', 'pseudoDenormal', 'unnormal', 'pseudoInfinity'];
const WORDS = ['cw37F', 'cw37F', 'cw27F', 'cw37B', 'cw37E', 'cw340', 'cwFFFF'];

function fill(random: Random, template: string): string {
  return template.replace('%d', () => random.pick(DOUBLES)).replace('%s', () => random.pick(SINGLES)).replace('%t', () => random.pick(TBYTES))
    .replace('%c', () => random.pick(WORDS)).replace('%i', () => String(random.below(random.chance(0.7) ? 3 : 8)));
}

/** What is captured and replayed. */
export const STORED = { seed: 7, count: 1500, length: 10 } as const;

/** `count` sequences of up to `length` instructions, each looked at with XGETBV, FXSAVE64 and FNSTENV at its end. */
export function randomSequences(random: Random, count: number, length: number): Experiment[] {
  return Array.from({ length: count }, (_, n) => {
    const mode = random.chance(0.25) ? 32 : 64;
    const steps = Array.from({ length: 2 + random.below(length - 1) }, () => fill(random, random.pick(random.pick([MEMORY, STACK, STACK, CONTROL, SAVES]))));
    const known = steps.map((step) => (mode === 32 ? step.replace(/(save|rstor|opt)64/, '$1') : step));
    const look = mode === 32 ? 'fxsave [fx]' : 'fxsave64 [fx]';
    const areas = saveImage({ fop: 0x111, fip: 0x1234_5678_9abcn, fdp: 0x4321_8765_cba9n, ftw: random.below(256), fsw: random.below(8) << 11, xstateBv: BigInt(random.below(8)), xmm: [3n] });
    return {
      name: `sequence ${n}: ${known.join('; ')}${mode === 32 ? ', 32-bit' : ''}`, mode,
      code: `mov eax, 7; xor edx, edx; ${known.join('; ')}; mov ecx, 1; xgetbv; and eax, 7; mov ebx, eax; ${look}; fnstenv [env]`,
      memory: { areaA: areas, areaB: areas },
    };
  });
}
