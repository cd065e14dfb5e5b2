/** Experiments on a processor whose XCR0 has AVX-512: components 5, 6 and 7 through XSAVE and XRSTOR alone. */

import { toBytes } from '../../spec/src/numbers/bits.ts';
import type { Experiment } from './experiments.ts';
import { type SaveImage, saveImage } from './save-image.ts';

const MASK = (bits: number): string => `mov eax, ${bits}; xor edx, edx`;
const XINUSE = 'mov ecx, 1; xgetbv; and eax, 0E7h';
const COMPACTED = 1n << 63n;
/** Intel's standard format. */
const OFFSETS = { 2: 576, 5: 1088, 6: 1152, 7: 1664 } as const, SIZES = { 2: 256, 5: 64, 6: 512, 7: 1024 } as const;
type Extended = keyof typeof OFFSETS;
const EXTENDED: readonly Extended[] = [2, 5, 6, 7];
const WIDE_BYTES = 2688;

/** Every quadword of the components in `components` says which component and which quadword it is; the rest is 0. */
function contents(number: Extended): Uint8Array {
  const bytes = new Uint8Array(SIZES[number]);
  for (let at = 0; at < bytes.length; at += 8) bytes.set(toBytes(0x1111_0000_0000_0000n * BigInt(number) | BigInt(at), 8), at);
  return bytes;
}

function standard(components: bigint, given: SaveImage = {}): Uint8Array {
  const bytes = new Uint8Array(WIDE_BYTES);
  bytes.set(saveImage({ xstateBv: components, xmm: Array.from({ length: 16 }, (_, n) => BigInt(n + 1)), ...given }));
  for (const number of EXTENDED) if ((components >> BigInt(number)) & 1n) bytes.set(contents(number), OFFSETS[number]);
  return bytes;
}

function compacted(xcompBv: bigint, given: SaveImage = {}): Uint8Array {
  const bytes = new Uint8Array(WIDE_BYTES);
  bytes.set(saveImage({ xcompBv: xcompBv | COMPACTED, xmm: [7n, 8n], ...given }).subarray(0, 576));
  let at = 576;
  for (const number of EXTENDED) {
    if (!((xcompBv >> BigInt(number)) & 1n)) continue;
    bytes.set(contents(number), at);
    at += SIZES[number];
  }
  return bytes;
}

/** Only what 32-bit code sees. */
function lowRegisters(): Uint8Array {
  const image = standard(0xe7n);
  for (const [from, to] of [[288, 416], [704, 832], [1408, 2688]] as const) image.fill(0, from, to);
  return image;
}

const ALL = 0xe7, LOADED = `${MASK(ALL)}; xrstor64 [wideA]`, WIDE = standard(0xe7n);
const MASKS = [0x00, 0x20, 0x40, 0x80, 0xe0, 0xe4, 0xe7, 0xa2, 0x67];
const fill = new Uint8Array(WIDE_BYTES).fill(0xa5);

export const WIDE_EXPERIMENTS: readonly Experiment[] = [
  ...['xsave64', 'xsaveopt64', 'xsavec64', 'xsave', 'xsavec'].flatMap((save) => MASKS.flatMap((mask): Experiment[] => [
    { name: `${save} of AVX-512 state, mask ${mask.toString(16)}h`, code: `${LOADED}; ${MASK(mask)}; ${save} [wideB]`, memory: { wideA: WIDE, wideB: save.startsWith('xsavec') ? fill : standard(0n) } },
    { name: `${save} of initial AVX-512 state, mask ${mask.toString(16)}h`, code: `${LOADED}; ${MASK(mask)}; ${save} [wideB]`, memory: { wideA: standard(7n), wideB: save.startsWith('xsavec') ? fill : standard(0n) } },
  ])),
  ...['xsave', 'xsaveopt', 'xsavec'].map((save): Experiment => ({
    name: `${save} after a load of AVX-512 state, 32-bit`, mode: 32, code: `${MASK(ALL)}; xrstor [wideA]; ${MASK(ALL)}; ${save} [wideB]`, memory: { wideA: WIDE, wideB: save === 'xsavec' ? fill : standard(0n) },
  })),
  { name: 'XINUSE after XRSTOR of AVX-512 state, 32-bit', mode: 32, code: `${MASK(ALL)}; xrstor [wideA]; ${XINUSE}`, memory: { wideA: WIDE } },
  { name: 'XINUSE after XRSTOR of initial AVX-512 state, 32-bit', mode: 32, code: `${MASK(ALL)}; xrstor [wideA]; ${XINUSE}`, memory: { wideA: standard(0n) } },
  ...MASKS.flatMap((mask) => [0n, 0x20n, 0xe0n, 0xe7n].map((xstateBv): Experiment => ({
    name: `xrstor64 over AVX-512 state, XSTATE_BV ${xstateBv.toString(16)}h, mask ${mask.toString(16)}h`,
    code: `${LOADED}; ${MASK(mask)}; xrstor64 [wideB]; ${XINUSE}; push rax; ${MASK(ALL)}; xsave64 [wideB]; pop rbx`, memory: { wideA: WIDE, wideB: standard(xstateBv, { xmm: [0x99n] }) },
  }))),
  ...[0x20n, 0x40n, 0x80n, 0xe0n, 0xa4n, 0xe7n, 0xc0n].flatMap((xcompBv) => [0xe7n, 0x40n, 0n].map((wanted): Experiment => ({
    name: `xrstor64 of XCOMP_BV ${xcompBv.toString(16)}h, XSTATE_BV ${(wanted & xcompBv).toString(16)}h of ${wanted.toString(16)}h`,
    code: `${MASK(ALL)}; xrstor64 [wideA]; ${XINUSE}; push rax; ${MASK(ALL)}; xsave64 [wideB]; pop rbx`, memory: { wideA: compacted(xcompBv, { xstateBv: wanted & xcompBv }), wideB: standard(0n) },
  }))),
  ...[0x20, 0x40, 0x80, 0xe7].map((mask): Experiment => ({
    name: `AVX-512 state in memory after xrstor64 and xsaveopt64, mask ${mask.toString(16)}h`,
    code: `${MASK(mask)}; xrstor64 [wideA]; mov rbx, 6A3F5C4B13A533F6h; mov [wideA + 1088], rbx; mov [wideA + 1152], rbx; mov [wideA + 1664], rbx; xsaveopt64 [wideA]`, memory: { wideA: WIDE },
  })),
  ...[3n, 4n, 8n, 10n, 17n, 19n].map((bit): Experiment => ({ name: `xrstor64 of XSTATE_BV bit ${bit} beside AVX-512 state`, code: `${MASK(ALL)}; xrstor64 [wideA]`, memory: { wideA: standard(0xe7n | (1n << bit)) } })),
  // From 64-bit to 32-bit code and back: what there is of ZMM16 to ZMM31 outside of 64-bit mode.
  ...[
    ['xsave', `${MASK(ALL)}; xsave [wideB]`], ['xsavec', `${MASK(ALL)}; xsavec [wideB]`], ['xgetbv', `${XINUSE}; mov ebx, eax`],
    ['xrstor of bit 7 set', `${MASK(0x80)}; xrstor [wideB]`], ['xrstor of bit 7 clear', `${MASK(0xe0)}; xrstor [wideB]`],
  ].map(([what, code]): Experiment => ({
    name: `AVX-512 state of 64-bit code in 32-bit code: ${what}`, place: 'low',
    code: `${LOADED}; mov ecx, 2Bh; mov ds, cx; push 23h; push there; db 48h, 0CBh; bits 32; there: ${code}; push 33h; push back; retf; bits 64; back: ${XINUSE}; push rax; ${MASK(ALL)}; xsave64 [wideA]; pop rcx`,
    memory: { wideA: WIDE, wideB: standard(what!.endsWith('set') ? 0xe0n : 0n) },
  })),
  ...([['all registers', WIDE], ['registers 0 to 7', lowRegisters()]] as const).flatMap(([what, image]) => [0x02, 0x04, 0x40, 0xe7].map((mask): Experiment => ({
    name: `${what} in use, made initial by 32-bit code, mask ${mask.toString(16)}h`, place: 'low',
    code: `${LOADED}; mov ecx, 2Bh; mov ds, cx; push 23h; push there; db 48h, 0CBh; bits 32; there: ${MASK(mask)}; xrstor [wideB]; ${XINUSE}; mov ebx, eax; push 33h; push back; retf; bits 64; back: ${XINUSE}; push rax; ${MASK(ALL)}; xsave64 [wideA]; pop rcx`,
    memory: { wideA: image, wideB: standard(0n) },
  }))),
  // What counts as a use or a modification.
  ...['fnstcw [out]', 'fnstsw [out]', 'fnstsw ax', 'stmxcsr [out]', 'movaps xmm3, xmm3', 'fxsave64 [fx]'].map((use): Experiment => ({
    name: `XINUSE on Intel after ${use}`, code: `${MASK(7)}; xrstor64 [areaA]; ${use}; ${XINUSE}`, memory: { areaA: saveImage() },
  })),
  { name: 'MXCSR loaded by XRSTOR alone', code: `${MASK(7)}; xrstor64 [areaA]; ${XINUSE}; push rax; ${MASK(7)}; xsave64 [areaB]; xsavec64 [areaC]; pop rcx`, memory: { areaA: saveImage({ mxcsr: 0x1fbf }), areaB: saveImage(), areaC: saveImage() } },
  ...['fnstsw [out]', 'stmxcsr [out]', 'fxsave64 [fx]', 'fnsave [fx]', 'fnstenv [env]'].map((between): Experiment => ({
    name: `the poison on Intel after xrstor64, ${between}, xsaveopt64`, code: `${MASK(3)}; xrstor64 [areaA]; mov rbx, 6A3F5C4B13A533F6h; mov [areaA + 8], rbx; mov [areaA + 160], rbx; ${between}; ${MASK(3)}; xsaveopt64 [areaA]`,
    memory: { areaA: saveImage({ xstateBv: 3n, ftw: 0x80, fsw: 0x3800, xmm: [7n] }) },
  })),
  { name: 'XSETBV in user mode', code: 'xor ecx, ecx; mov eax, 7; xor edx, edx; xsetbv' },
  { name: 'XGETBV of XCR0, the bits that all such machines have', code: 'xor ecx, ecx; xgetbv; and eax, 7' },
];
