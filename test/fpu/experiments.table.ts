/** What is run on the processor and on the model alike. `;` separates lines. */

import { saveImage } from './save-image.ts';
import type { Experiment } from './experiments.ts';

const MASK = (bits: number): string => `mov eax, ${bits}; xor edx, edx`;
const LOADED = 'fninit; fld qword ptr [one]';
const PENDING = 'fninit; fldcw [cw37B]; fld1; fdiv qword ptr [zero]';
const LOOK = 'fxsave [fx]; fnstenv [env]';
const LOOK64 = 'fxsave64 [fx]; fnstenv [env]';
const XINUSE = 'mov ecx, 1; xgetbv; and eax, 7';

const product = <A, B>(as: readonly A[], bs: readonly B[]): [A, B][] => as.flatMap((a) => bs.map((b): [A, B] => [a, b]));
const modes = [64, 32] as const;
const suffix = (mode: number): string => (mode === 32 ? ', 32-bit' : '');

const ELEVENS = 0x1111_1111_1111_1111n;
const pattern = saveImage({ fop: 0x111, fip: ELEVENS, fdp: ELEVENS, xstateBv: 1n });
const patternPending = saveImage({ fcw: 0x37b, fsw: 4, fop: 0x111, fip: ELEVENS, fdp: ELEVENS, xstateBv: 1n });

/** The bytes that each instruction stores, with nothing pending and with an unmasked exception pending. */
const SAVES: Experiment[] = product(['fxsave', 'fxsave64', 'xsave', 'xsave64', 'xsaveopt', 'xsaveopt64'], [['nothing', LOADED], ['#Z', PENDING]] as const)
  .flatMap(([save, [what, before]]) => [
    { name: `${save}, ${what} pending`, code: `${before}; ${MASK(7)}; ${save} [areaA]; fninit`, memory: { areaA: new Uint8Array(832).fill(0xa5) } },
    { name: `${save}, ${what} pending, header of zeros`, code: `${before}; ${MASK(7)}; ${save} [areaA]; fninit`, memory: { areaA: saveImage() } },
    ...(save.endsWith('64') ? [] : [{ name: `${save}, ${what} pending, 32-bit`, mode: 32 as const, code: `${before}; ${MASK(7)}; ${save} [areaA]; fninit` }]),
    { name: `${save}, ${what} pending, low addresses`, place: 'low' as const, code: `${before}; ${MASK(7)}; ${save} [areaA]; fninit` },
  ]);

const XSAVE_RULES: Experiment[] = product(['xsave64', 'xsaveopt64'], [0, 1, 2, 3, 4, 5, 6, 7]).flatMap(([save, mask]) => [
  { name: `${save} of initial state, mask ${mask}`, code: `${MASK(7)}; xrstor64 [areaB]; ${MASK(mask)}; ${save} [areaA]`, memory: { areaB: saveImage() } },
  { name: `${save} of used state, mask ${mask}`, code: `fld1; movups xmm3, [xmmOnes]; ${MASK(mask)}; ${save} [areaA]` },
  { name: `${save} of XMM 0 and MXCSR 1FBFh, mask ${mask}`, code: `${MASK(7)}; xrstor64 [areaB]; ldmxcsr [mx1FBF]; ${MASK(mask)}; ${save} [areaA]`, memory: { areaB: saveImage() } },
]);

/** The compacted format: what XSAVEC stores, and what XRSTOR makes of it. */
const compactedImage = (xcompBv: bigint, image: Parameters<typeof saveImage>[0] = {}): Uint8Array => saveImage({ ...image, xcompBv: xcompBv | (1n << 63n) });
const COMPACTED: Experiment[] = [
  ...product(['xsavec64', 'xsavec'], [0, 1, 2, 3, 4, 5, 6, 7]).flatMap(([save, mask]) => [
    { name: `${save} of initial state, mask ${mask}`, code: `${MASK(7)}; xrstor64 [areaB]; ${MASK(mask)}; ${save} [areaA]`, memory: { areaA: new Uint8Array(832).fill(0xa5), areaB: saveImage() } },
    { name: `${save} of used state, mask ${mask}`, code: `fld1; movups xmm3, [xmmOnes]; ${MASK(mask)}; ${save} [areaA]`, memory: { areaA: new Uint8Array(832).fill(0xa5) } },
    { name: `${save} of XMM 0 and MXCSR 1FBFh, mask ${mask}`, code: `${MASK(7)}; xrstor64 [areaB]; ldmxcsr [mx1FBF]; ${MASK(mask)}; ${save} [areaA]`, memory: { areaB: saveImage() } },
  ]),
  ...[['nothing', LOADED], ['#Z', PENDING]].flatMap(([what, before]) => [
    { name: `xsavec64, ${what} pending`, code: `${before}; ${MASK(7)}; xsavec64 [areaA]; fninit` },
    { name: `xsavec, ${what} pending, 32-bit`, mode: 32 as const, code: `${before}; ${MASK(7)}; xsavec [areaA]; fninit` },
  ]),
  ...[0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n].flatMap((xstateBv) => [1, 2, 4, 7].map((mask) => ({
    name: `xrstor64 of the compacted format, XSTATE_BV ${xstateBv}, mask ${mask}`,
    code: `fld1; movups xmm3, [xmmOnes]; ldmxcsr [mx1FBF]; ${MASK(mask)}; xrstor64 [areaA]; ${LOOK64}; ${MASK(7)}; xsave64 [areaB]`,
    memory: { areaA: compactedImage(7n, { xstateBv, fop: 0x111, fip: 0x1111n, mxcsr: 0x1fa0, xmm: [7n, 8n] }) },
  }))),
  ...([['XCOMP_BV beyond XCR0', 1n << 40n, {}], ['XSTATE_BV beyond XCOMP_BV', 3n, { xstateBv: 4n }], ['bytes 23:16', 7n, { reserved: 1n }], ['bytes 63:24', 7n, { tail: 1n }], ['MXCSR reserved and loaded', 7n, { xstateBv: 2n, mxcsr: 0x8000_1f80 }], ['MXCSR reserved, SSE initialised', 7n, { mxcsr: 0x8000_1f80 }]] as const)
    .map(([what, xcompBv, image]) => ({ name: `xrstor64 of the compacted format: ${what}`, code: `${MASK(7)}; xrstor64 [areaA]; ${LOOK64}`, memory: { areaA: compactedImage(xcompBv, image) } })),
];

const ENVIRONMENTS: Experiment[] = product(modes, [LOADED, PENDING]).flatMap(([mode, before]) => [
  { name: `fnstenv, 28 bytes, then fnstcw and fnstsw: ${before}${suffix(mode)}`, mode, code: `${before}; fnstenv [env]; fnstcw [out]; fnstsw [out + 2]; fnstenv [env2]` },
  { name: `fnstenv, 14 bytes: ${before}${suffix(mode)}`, mode, code: `${before}; db 66h; fnstenv [env]; fnstcw [out]; fnstsw [out + 2]` },
  { name: `fnsave, 108 bytes, then fnstenv: ${before}${suffix(mode)}`, mode, code: `${before}; fnsave [fx]; fnstenv [env]` },
  { name: `fnsave, 94 bytes: ${before}${suffix(mode)}`, mode, code: `${before}; db 66h; fnsave [fx]` },
]);

/** One instruction after FLD m64: what it does to the pointers shows in the environment. */
const POINTERS: Experiment[] = product(modes, [
  'fnop', 'ffree st(0)', 'ffree st(3)', 'fld1', 'fldz', 'fld st(0)', 'fxch st(0), st(0)', 'fxch st(0), st(1)', 'fst st(1)', 'fst st(0)', 'fstp st(0)', 'fstp st(2)',
  'fst qword ptr [out]', 'fstp qword ptr [out]', 'fst dword ptr [out]', 'fstp tbyte ptr [out]', 'fist word ptr [out]', 'fistp qword ptr [out]',
  'fld dword ptr [single]', 'fld tbyte ptr [pi80]', 'fild word ptr [int16]', 'fild dword ptr [int32]', 'fild qword ptr [int64]',
  'fadd dword ptr [single]', 'fadd qword ptr [third]', 'fadd st(0), st(0)', 'fmul st(0), st(0)', 'fiadd word ptr [int16]', 'fisub dword ptr [int32]', 'faddp st(1), st(0)',
  'fdiv qword ptr [zero]', 'fchs', 'fabs',
  'emms', 'fnclex', 'fldcw [cw37F]', 'fldcw [cw37B]', 'fnstcw [out]', 'fnstsw [out]', 'fnstsw ax', 'fninit', 'fnsave [fx]', 'fnstenv [env2]', 'fwait',
  'nop', 'fxsave [fx]', 'movups xmm0, [xmmOnes]', 'pxor xmm1, xmm1', 'ldmxcsr [mx1FBF]',
] as const).map(([mode, instruction]) => ({ name: `the pointers after ${instruction}${suffix(mode)}`, mode, code: `${LOADED}; ${instruction}; fnstenv [env]` }));

const SEGMENTS: Experiment[] = [
  { name: 'FDS of a stack access', code: 'fninit; fld qword ptr [rsp]; fnstenv [env]' },
  { name: 'FDS with base RBP', code: 'lea rbp, [one]; fninit; fld qword ptr [rbp]; fnstenv [env]' },
  { name: 'FDS of a stack access, 32-bit', mode: 32, code: 'fninit; fld qword ptr [esp]; fnstenv [env]' },
  { name: 'FDS with an SS override, 32-bit', mode: 32, code: 'lea eax, [one]; fninit; fld qword ptr ss:[eax]; fnstenv [env]' },
  { name: 'FDS with a CS override, 32-bit', mode: 32, code: 'lea eax, [one]; fninit; fld qword ptr cs:[eax]; fnstenv [env]' },
  { name: 'FDS with an SS override', code: 'lea rax, [one]; fninit; db 36h; fld qword ptr [rax]; fnstenv [env]' },
  { name: 'FDS with a CS override', code: 'lea rax, [one]; fninit; db 2Eh; fld qword ptr [rax]; fnstenv [env]' },
  { name: 'FDS with a DS override and base RSP', code: 'fninit; db 3Eh; fld qword ptr [rsp]; fnstenv [env]' },
  { name: 'FIP is the address of the first prefix', code: 'fninit; db 3Eh, 2Eh; fnop; fnstenv [env]' },
  { name: 'FDP with a 32-bit address size', place: 'low', code: 'mov rax, 0FFFFFFFF00000000h; lea rcx, [one]; add rax, rcx; fninit; fld qword ptr [eax]; fnstenv [env]' },
];

const RESTORES: Experiment[] = [
  ...product(['fxrstor', 'fxrstor64', 'xrstor', 'xrstor64'], [['nothing', pattern], ['#Z', patternPending]] as const).map(([restore, [what, areaA]]) => ({
    name: `${restore} of an image with ${what} pending`, code: `${LOADED}; ${MASK(1)}; ${restore} [areaA]; ${LOOK64}`, memory: { areaA },
  })),
  ...product(['fxrstor', 'xrstor'], [['nothing', pattern], ['#Z', patternPending]] as const).map(([restore, [what, areaA]]) => ({
    name: `${restore} of an image with ${what} pending, 32-bit`, mode: 32 as const, code: `${LOADED}; ${MASK(1)}; ${restore} [areaA]; ${LOOK}`, memory: { areaA },
  })),
  ...product(['xrstor', 'xrstor64'], [0, 1, 2, 3, 4, 7]).flatMap(([restore, mask]) => [
    { name: `${restore} of XSTATE_BV 0, mask ${mask}`, code: `${LOADED}; movups xmm0, [xmmOnes]; ldmxcsr [mx1FBF]; ${MASK(mask)}; ${restore} [areaA]; ${LOOK64}`, memory: { areaA: saveImage({ fop: 0x111, fip: ELEVENS, fdp: ELEVENS, mxcsr: 0x1fa0 }) } },
    { name: `${restore} of XSTATE_BV 7, mask ${mask}`, code: `${LOADED}; movups xmm0, [xmmOnes]; ldmxcsr [mx1FBF]; ${MASK(mask)}; ${restore} [areaA]; ${LOOK64}`, memory: { areaA: saveImage({ fop: 0x111, fip: ELEVENS, fdp: ELEVENS, mxcsr: 0x1fa0, xstateBv: 7n, xmm: [5n, 6n] }) } },
  ]),
  ...product(['fldenv', 'frstor'], ['', 'db 66h; ']).flatMap(([load, prefix]) => product(modes, ['nothing', '#Z']).map(([mode, what]) => ({
    name: `${load} ${prefix ? '16-bit' : '32-bit'} form, ${what} pending${suffix(mode)}`, mode, code: `${LOADED}; ${prefix}${load} [areaA]; ${mode === 64 ? LOOK64 : LOOK}`,
    memory: { areaA: environment(prefix ? 2 : 4, what === '#Z' ? 0x37b : 0x37f, what === '#Z' ? 4 : 0) },
  }))),
];

/** An environment with FCW and FSW, a tag word that calls everything valid, and 3333h in the pointers. */
function environment(stride: number, fcw: number, fsw: number): Uint8Array {
  const bytes = new Uint8Array(108).fill(0x33);
  for (const [n, value] of [fcw, fsw, 0x0000].entries()) bytes.set([value & 0xff, value >> 8], n * stride);
  return bytes;
}

const ADDRESSES = [
  0x0100_0000_0000_0000n, 0x6a3f_5c4b_13a5_33f6n, 0x00ff_8000_0000_0001n, 0x0000_8000_0000_0001n, 0xffff_7fff_ffff_fff0n, 0x01ff_0000_0000_0000n, 0xffff_f803_0000_1000n,
];
const CANONICAL: Experiment[] = product(['fxrstor64', 'xrstor64'], ADDRESSES).flatMap(([restore, address]) =>
  [[0x37f, 0], [0x37b, 4]].map(([fcw, fsw]) => ({
    name: `${restore} of FIP and FDP ${address.toString(16)}h, ${fsw ? '#Z' : 'nothing'} pending`,
    code: `${LOADED}; ${MASK(1)}; ${restore} [areaA]; fxsave64 [fx]; fnstenv [env]; fldcw [cw0]; fxsave64 [areaB]; fninit`,
    memory: { areaA: saveImage({ fcw: fcw!, fsw: fsw!, fip: address, fdp: address, xstateBv: 1n }) },
  })));

const WORDS: Experiment[] = [
  ...['cw0', 'cwFFFF', 'cw340', 'cw27F', 'cw37B'].map((word) => ({ name: `fldcw of ${word}`, code: `fninit; fldcw [${word}]; fnstcw [out]` })),
  ...product(['fxrstor64', 'xrstor64'], [0xffff, 0x8080, 0x0080, 0x3f3f, 0x4700, 0x003f, 0x0041]).flatMap(([restore, fsw]) =>
    [0x37f, 0, 0x37b, 0xffff].map((fcw) => ({
      name: `${restore} of FSW ${fsw.toString(16)}h and FCW ${fcw.toString(16)}h`,
      code: `${MASK(1)}; ${restore} [areaA]; fnstsw [out]; fnstcw [out + 2]; fxsave64 [fx]; fnstenv [env]`,
      memory: { areaA: saveImage({ fcw, fsw, ftw: 0x81, xstateBv: 1n }) },
    }))),
  ...[0xffff, 0x8080, 0x003f, 0x0004].map((fsw) => ({
    name: `fldenv of FSW ${fsw.toString(16)}h`, code: 'fldenv [areaA]; fnstsw [out]; fnstcw [out + 2]; fnstenv [env]', memory: { areaA: environment(4, 0x37b, fsw) },
  })),
  { name: 'fldcw unmasks a flagged exception', code: 'fninit; fld1; fdiv qword ptr [zero]; fldcw [cw37B]; fnstsw [out]; fnop' },
  { name: 'fldcw masks it again', code: `${PENDING}; fnclex; fdiv qword ptr [zero]; fnstsw [out]; fnstenv [env]; fnstsw [out + 2]; fnop` },
  ...['fnop', 'fld1', 'fwait', 'fldcw [cw37F]', 'fldenv [areaA]', 'frstor [areaA]', 'emms', 'fnstsw ax', 'fninit', 'fnclex', 'fxsave [fx]', 'fxrstor [areaB]', 'movups xmm0, [xmmOnes]', 'ffree st(0)', 'fxch st(0), st(1)']
    .map((next) => ({ name: `an exception pending, then ${next}`, code: `${PENDING}; ${next}`, memory: { areaB: saveImage() } })),
];

const TAGS: Experiment[] = [
  ...['unnormal', 'pseudoDenormal', 'infinity', 'signalling80', 'denormal80', 'pi80', 'pseudoInfinity'].map((value) => ({
    name: `the tag of ${value}`, code: `fninit; fld tbyte ptr [${value}]; fldz; fnstenv [env]; fxsave64 [fx]`,
  })),
  ...[0x0000, 0x5555, 0xaaaa, 0xffff, 0x1b1b].map((tags) => {
    const bytes = environment(4, 0x37f, 0x2000);
    bytes.set([tags & 0xff, tags >> 8], 8);
    return { name: `fldenv of tag word ${tags.toString(16)}h`, code: 'fninit; fld1; fldz; fld tbyte ptr [pi80]; fldenv [areaA]; fnstenv [env]; fxsave64 [fx]', memory: { areaA: bytes } };
  }),
  { name: 'FTW numbers physical registers', code: 'fninit; fld1; fxsave64 [fx]; fldz; fldz; fxsave64 [areaA]' },
  { name: 'FNINIT keeps the registers', code: 'fninit; fld1; fld tbyte ptr [pi80]; fninit; fxsave64 [fx]' },
  { name: 'EMMS keeps the registers and TOP is 0', code: 'fninit; fld1; fld tbyte ptr [pi80]; emms; fxsave64 [fx]; fnstenv [env]' },
];

const IN_USE: Experiment[] = [
  'nop', 'fnop', 'fldz', 'fld1', 'fldz; fninit', 'fld1; fninit', 'fld1; fstp st(0)', 'fldz; fstp st(0)', 'fldz; ffree st(0); fnclex', 'fldcw [cw37F]', 'fldcw [cw27F]',
  'fldcw [cw27F]; fldcw [cw37F]', 'fninit', 'fnclex', 'ffree st(0)', 'emms', 'fldz; emms', 'fnstenv [env]', 'fxsave64 [fx]', 'fnsave [fx]', 'fld1; fnsave [fx]',
  'fldz; fstp st(0); fnclex', 'fldz; fstp st(0); fninit', 'fxrstor64 [areaB]', 'fld1; fxrstor64 [areaB]', 'fxch st(0), st(0)', 'fdiv st(0), st(1)',
  'fldz; fstp st(0); fwait', 'fldz; fstp st(0); fnop', 'fldz; fstp st(0); fldcw [cw37F]', 'fldz; fstp st(0); fnstenv [env]', 'fldz; fstp st(0); fnstenv [env]; fldenv [env]', 'fldz; fstp st(0); fnsave [fx]; frstor [fx]',
  'fldz; fstp st(0); fxsave64 [fx]', 'fldz; fstp st(0); fxsave64 [fx]; fxrstor64 [fx]', 'fldz; fstp st(0); xsave64 [areaB]; xrstor64 [areaB]', 'fldz; fchs; fstp st(0); fnclex', 'fld1; fstp st(0); fldz; fstp st(0); fnclex', 'fwait',
  ...['nop', 'fnop', 'fabs', 'fchs; fchs', 'fst st(0)', 'fst st(1); ffree st(1)', 'fst qword ptr [out]', 'fxch st(0), st(0)', 'fadd st(0), st(0)', 'ffree st(3)', 'fldcw [cw37F]', 'fldz; fstp st(0)', 'fldz; fstp qword ptr [out]', 'fild word ptr [out]']
    .map((next) => `fldz; fnclex; ${next}; fstp qword ptr [out]`),
  'pxor xmm0, xmm0', 'movaps xmm1, xmm0', 'movaps xmm0, xmm0', 'movaps xmm1, xmm0; pxor xmm1, xmm1', 'pxor xmm0, xmm1', 'movups xmm0, [areaB]; pxor xmm0, xmm0', 'movups xmm0, [areaB]; pxor xmm1, xmm1', 'pxor xmm0, [areaB + 16]', 'movups [out], xmm0',
  'movups xmm0, [xmmOnes]; movaps xmm1, xmm0; pxor xmm0, xmm1; pxor xmm1, xmm1', 'movaps xmm1, xmm0; fxsave64 [fx]; fxrstor64 [fx]', 'movaps xmm1, xmm0; xsave64 [areaB]; xrstor64 [areaB]', 'movups xmm0, [xmmOnes]', 'movups xmm0, [xmmOnes]; pxor xmm0, xmm0', 'ldmxcsr [mx1F80]', 'ldmxcsr [mx1FBF]', 'ldmxcsr [mx1FBF]; ldmxcsr [mx1F80]',
].map((sequence) => ({ name: `XINUSE after ${sequence}`, code: `${MASK(7)}; xrstor64 [areaA]; ${sequence}; ${XINUSE}`, memory: { areaA: saveImage(), areaB: saveImage() } }));
const IN_USE_RESTORED: Experiment[] = product(['xrstor', 'xrstor64'], [0n, 1n, 2n, 4n, 7n]).map(([restore, xstateBv]) => ({
  name: `XINUSE after ${restore} of initial values, XSTATE_BV ${xstateBv}`, code: `fld1; movups xmm0, [xmmOnes]; ${MASK(7)}; ${restore} [areaA]; ${XINUSE}`, memory: { areaA: saveImage({ xstateBv }) },
}));

const POISON = 'mov rbx, 6A3F5C4B13A533F6h; mov [areaA + 8], rbx';
const used = saveImage({ xstateBv: 1n, ftw: 0x80, fsw: 0x3800, st: [0x3fff_8000_0000_0000_0000n] });
const MODIFIED: Experiment[] = [
  ...product(['xrstor64', 'xrstor'], ['xsaveopt64', 'xsaveopt', 'xsave64']).map(([restore, save]) => ({
    name: `the poison after ${restore}, ${save}`, code: `${MASK(1)}; ${restore} [areaA]; ${POISON}; ${save} [areaA]`, memory: { areaA: used },
  })),
  ...['fnop', 'fldcw [cw37F]', 'fnstenv [env]', 'fnstcw [out]', 'fnstsw ax', 'fxsave64 [fx]', 'fnclex', 'ldmxcsr [mx1FBF]', 'movups xmm0, [xmmOnes]', 'nop', 'fwait', 'xsave64 [areaB]', 'xsaveopt64 [areaB]', 'fxrstor64 [areaB]', 'xrstor64 [areaB]', 'emms', 'ffree st(7)', 'fxch st(0), st(0)', 'xrstor64 [areaB]; xrstor64 [areaA]']
    .map((between) => ({ name: `the poison after xrstor64, ${between}, xsaveopt64`, code: `${MASK(1)}; xrstor64 [areaA]; ${POISON}; ${between}; ${MASK(1)}; xsaveopt64 [areaA]`, memory: { areaA: used, areaB: used } })),
  { name: 'the poison after xrstor64 of mask 2, xsaveopt64 of mask 1', code: `fld1; ${MASK(2)}; xrstor64 [areaA]; ${POISON}; ${MASK(1)}; xsaveopt64 [areaA]`, memory: { areaA: used } },
  { name: 'the poison after xrstor64 of another address', code: `${MASK(1)}; xrstor64 [areaB]; ${POISON}; xsaveopt64 [areaA]`, memory: { areaA: used, areaB: used } },
];

/** As the poison, for SSE state: the bytes of XMM0. */
const MODIFIED_SSE: Experiment[] = ['nop', 'ldmxcsr [mx1F80]', 'stmxcsr [out]', 'pxor xmm7, xmm7', 'movaps xmm7, xmm7', 'movups [out], xmm0', 'fnop', 'emms', 'fxsave64 [fx]']
  .map((between) => ({ name: `XMM0 in memory after xrstor64, ${between}, xsaveopt64`, code: `${MASK(3)}; xrstor64 [areaA]; mov rbx, 6A3F5C4B13A533F6h; mov [areaA + 160], rbx; ${between}; ${MASK(3)}; xsaveopt64 [areaA]`, memory: { areaA: saveImage({ xstateBv: 3n, xmm: [7n] }) } }));

const bits = (n: number): bigint => 1n << BigInt(n);
const HEADERS: Experiment[] = [
  ...product([3, 8, 9, 19, 62, 63], [0, 7]).map(([bit, mask]) => ({ name: `xrstor of XSTATE_BV bit ${bit}, mask ${mask}`, code: `${MASK(mask)}; xrstor64 [areaA]`, memory: { areaA: saveImage({ xstateBv: bits(bit) }) } })),
  { name: 'xrstor of XSTATE_BV bits outside the mask', code: `${LOADED}; ${MASK(2)}; xrstor64 [areaA]; ${LOOK64}`, memory: { areaA: saveImage({ xstateBv: 5n }) } },
  ...[1n, 7n, bits(62)].map((xcompBv) => ({ name: `xrstor of XCOMP_BV ${xcompBv.toString(16)}h`, code: `${MASK(0)}; xrstor64 [areaA]`, memory: { areaA: saveImage({ xcompBv }) } })),
  { name: 'xrstor of header bytes 16 to 23 not zero', code: `${MASK(0)}; xrstor64 [areaA]`, memory: { areaA: saveImage({ reserved: 1n }) } },
  { name: 'xrstor of header bytes 24 to 31 not zero', code: `${MASK(7)}; xrstor64 [areaA]`, memory: { areaA: saveImage({ tail: 0xffffn }) } },
  ...product([0, 1, 2, 4, 6], [0n, 7n]).map(([mask, xstateBv]) => ({
    name: `xrstor of a reserved MXCSR bit, mask ${mask}, XSTATE_BV ${xstateBv}`, code: `fld1; movups xmm2, [xmmOnes]; ${MASK(mask)}; xrstor64 [areaA]`, memory: { areaA: saveImage({ mxcsr: 0x11f80, xstateBv }) },
  })),
  ...['xsave64', 'xsaveopt64', 'xrstor64'].flatMap((access) => [8, 16, 32].map((by) => ({ name: `${access} misaligned by ${by}`, code: `${MASK(7)}; ${access} [areaA + ${by}]`, memory: { areaA: saveImage() } }))),
  ...['fxsave64', 'fxrstor64', 'movaps xmm0,'].flatMap((access) => [1, 8].map((by) => ({ name: `${access} misaligned by ${by}`, code: `${access} [areaA + ${by}]` }))),
  { name: 'fxrstor of a reserved MXCSR bit', code: 'fld1; fxrstor64 [areaA]', memory: { areaA: saveImage({ mxcsr: 0x11f80 }) } },
  { name: 'ldmxcsr of bit 17', code: 'ldmxcsr [mxMisaligned]; stmxcsr [out]' },
  ...['pxor xmm0, [xmmOnes + 1]', 'movaps xmm0, [xmmOnes + 1]', 'movups xmm0, [xmmOnes + 1]'].map((access) => ({ name: `${access} with MXCSR bit 17`, code: `ldmxcsr [mxMisaligned]; ${access}` })),
  { name: 'pxor of a misaligned operand', code: 'pxor xmm0, [xmmOnes + 1]' },
  { name: 'ldmxcsr of a reserved bit', code: 'ldmxcsr [mxReserved]' },
  { name: 'xgetbv of XCR2', code: 'mov ecx, 2; xgetbv' },
  { name: 'fxrstor, 32-bit, leaves XMM8 to XMM15', mode: 32, code: 'fxrstor [areaA]', memory: { areaA: saveImage({ xmm: Array.from({ length: 16 }, (_, n) => BigInt(n + 1)) }) } },
  { name: 'xrstor, 32-bit, leaves XMM8 to XMM15', mode: 32, code: `${MASK(7)}; xrstor [areaA]`, memory: { areaA: saveImage({ xstateBv: 3n, xmm: Array.from({ length: 16 }, (_, n) => BigInt(n + 1)) }) } },
  { name: 'fxrstor loads XMM0 to XMM15', code: 'fxrstor [areaA]', memory: { areaA: saveImage({ xmm: Array.from({ length: 16 }, (_, n) => BigInt(n + 1)) }) } },
  { name: 'fxsave, 32-bit, stores XMM0 to XMM7', mode: 32, code: 'movups xmm7, [xmmOnes]; fxsave [areaA]' },
  { name: 'fxsave stores XMM0 to XMM15', code: 'movups xmm15, [xmmOnes]; fxsave [areaA]' },
];

const EMPTY = '', TWO = 'fld1; fld tbyte ptr [pi80]', FULL = Array.from({ length: 8 }, (_, n) => (n % 2 ? 'fld1' : 'fld tbyte ptr [pi80]')).join('; ');
const STACK_FAULTS: Experiment[] = product(['cw37F', 'cw37E'], [['empty', EMPTY], ['two registers', TWO], ['full', FULL]] as const).flatMap(([word, [what, before]]) => [
  'fld1', 'fldz', 'fld qword ptr [one]', 'fld dword ptr [signalling32]', 'fld qword ptr [signalling64]', 'fld tbyte ptr [signalling80]', 'fld qword ptr [denormal64]', 'fld st(0)', 'fld st(5)',
  'fild word ptr [int16]', 'fild qword ptr [int64]', 'fst qword ptr [out]', 'fst dword ptr [out]', 'fstp qword ptr [out]', 'fstp tbyte ptr [out]', 'fst st(3)', 'fstp st(3)', 'fstp st(0)',
  'fist word ptr [out]', 'fist dword ptr [out]', 'fistp word ptr [out]', 'fistp dword ptr [out]', 'fistp qword ptr [out]',
  'fadd st(0), st(1)', 'fadd st(1), st(0)', 'fadd st(0), st(6)', 'faddp st(1), st(0)', 'fsubp st(2), st(0)', 'fadd qword ptr [one]', 'fadd qword ptr [signalling64]', 'fdiv qword ptr [zero]', 'fidivr word ptr [int16]', 'fimul dword ptr [int32]',
  'fxch st(0), st(1)', 'fxch st(0), st(4)', 'fchs', 'fabs', 'ffree st(0)', 'ffree st(0); fld1',
].map((instruction) => ({
  name: `${instruction} with ${what === 'empty' ? 'an empty stack' : what === 'full' ? 'a full stack' : 'two registers in use'}, #IA ${word === 'cw37F' ? 'masked' : 'unmasked'}`,
  code: ['fninit', before, `fldcw [${word}]`, instruction, 'fnstenv [env]'].filter(Boolean).join('; '),
})));

const CONDITION_CODES: Experiment[] = [
  { name: 'FLD of an empty register onto a full stack is an underflow, C1 = 0', code: `fninit; ${FULL}; ffree st(6); fld st(6); fnstenv [env]` },
  ...['ffree st(1)', 'fnop', 'fxch st(0), st(0)', 'fst qword ptr [out]', 'fldcw [cw37F]', 'fnclex', 'emms', 'fwait', 'fnstenv [env2]'].map((next) => ({
    name: `C1 of a stack overflow after ${next}`, code: `fninit; ${FULL}; fld1; ${next}; fnstsw [out + 8]`,
  })),
];

export const EXPERIMENTS: readonly Experiment[] = [
  ...SAVES, ...XSAVE_RULES, ...COMPACTED, ...ENVIRONMENTS, ...POINTERS, ...SEGMENTS, ...RESTORES, ...CANONICAL, ...WORDS, ...TAGS,
  ...IN_USE, ...IN_USE_RESTORED, ...MODIFIED, ...MODIFIED_SSE, ...HEADERS, ...STACK_FAULTS, ...CONDITION_CODES,
];
