/**
 * What a vCPU's first registers are made of, as experiments: images of a new save area, loaded by FXRSTOR and by XRSTOR,
 * and what a save area holds once its state has gone out of use. `node --conditions=source test/fpu/fresh-vcpu.table.ts`
 * captures them anew.
 */

import { writeFileSync } from 'node:fs';
import { openRunner } from '../silicon/runner.ts';
import { printCapture } from './captured.ts';
import { type Experiment, IMAGE } from './experiments.ts';
import { type SaveImage, saveImage } from './save-image.ts';
import { capture } from './repeated.ts';

const MASK = 'mov eax, 7; xor edx, edx';
/** Something else in the registers, as another vCPU leaves it. */
const OTHER = 'fninit; fld1; fld1; movups xmm0, [xmmOnes]';
const LOADS = { FXRSTOR: 'fxrstor64 [areaA]', XRSTOR: 'xrstor64 [areaA]' } as const;

/** As `allocate` of the policies writes them; a test compares them byte by byte. */
export const IMAGES: Readonly<Record<string, SaveImage>> = {
  beforeSeries: {},
  merged: { ftw: 0xff },
  resetOnCreate: { fcw: 0x40, ftw: 0xff, xstateBv: 1n },
  zeros: { fcw: 0, mxcsr: 0 },
  'imported zeros': { fcw: 0, mxcsr: 0, xstateBv: 3n },
};

/** Instructions by themselves: the runner ends an experiment at its first fault. */
const FIRST: readonly [string, string][] = [
  ['nothing', 'fnstenv [env]; fxsave64 [fx]'],
  ['FLD1', 'fld1; fnstsw [out]; fxsave64 [fx]'],
  ['FNINIT and FLD1', 'fninit; fld1; fnstsw [out]; fxsave64 [fx]'],
  ['an inexact quotient by x87', 'fld qword ptr [one]; fdiv qword ptr [third]; fwait'],
  // MOVSD XMM0, [RSI] and DIVSD XMM0, [RDI]: 1 over the double next to a third.
  ['an inexact quotient by SSE', 'lea rsi, [one]; lea rdi, [third]; db 0F2h, 0Fh, 10h, 06h; db 0F2h, 0Fh, 5Eh, 07h'],
];

/** XMM0 is used, saved, given up in one of several ways, saved again, and looked at in memory. */
const GIVEN_UP: readonly [string, string][] = [
  ['VZEROALL', 'db 0C5h, 0FCh, 77h'],
  ['XRSTOR of a new task', 'xrstor64 [areaB]'],
];
const SAVES = ['xsave64', 'xsaveopt64', 'xsavec64'] as const;

export const EXPERIMENTS: readonly Experiment[] = [
  ...Object.entries(IMAGES).flatMap(([image, given]) => Object.entries(LOADS).flatMap(([load, text]) => FIRST.map(([first, code]) => ({
    name: `${image}, ${load}, ${first}`, code: `${OTHER}; ${MASK}; ${text}; ${code}`, memory: { areaA: saveImage(given) },
  })))),
  ...GIVEN_UP.flatMap(([how, code]) => SAVES.map((save) => ({
    name: `XMM0 in memory after ${how} and ${save}`, memory: { areaA: new Uint8Array(1024), areaB: saveImage() },
    code: `${MASK}; xrstor64 [areaB]; movups xmm0, [xmmOnes]; ${save} [areaA]; ${code}; ${save} [areaA]`,
  }))),
  ...GIVEN_UP.map(([how, code]) => ({
    name: `XMM0 comes back after ${how}`, memory: { areaA: new Uint8Array(1024), areaB: saveImage() },
    code: `${MASK}; xrstor64 [areaB]; movups xmm0, [xmmOnes]; xsaveopt64 [areaA]; ${code}; xsaveopt64 [areaA]; mov qword ptr [areaA + 512], 3; xrstor64 [areaA]`,
  })),
  {
    name: 'the state after RESET, then FNINIT, then XSAVEOPT', memory: { areaA: saveImage(IMAGES['resetOnCreate']!) },
    code: `${MASK}; xrstor64 [areaA]; fninit; xsaveopt64 [areaA]`,
  },
];

export const STORED = new URL('fresh-vcpu.json', import.meta.url);

if (import.meta.main) {
  const runner = openRunner({ data: IMAGE });
  const captured = capture(runner, EXPERIMENTS);
  writeFileSync(STORED, printCapture(captured));
  console.log(`${captured.experiments.length} experiments captured on ${captured.processor}`);
  runner.close();
}
