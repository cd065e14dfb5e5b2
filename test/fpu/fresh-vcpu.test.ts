/**
 * What a vCPU's first registers are made of, on processors: facts that are the architecture's, held against what a
 * processor did when it was captured, against the processor that the tests run on, and against the engine.
 */

import { readFileSync } from 'node:fs';
import { SaveArea, cpus, xenVcpu } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { Memory } from '../../spec/src/machine/memory/physical.ts';
import { fromBytes } from '../../spec/src/numbers/bits.ts';
import { disagreements } from '../silicon/compare.ts';
import { Model } from '../silicon/model.ts';
import { hasFeature } from '../silicon/profile.ts';
import { type RunResult, dataBefore } from '../silicon/records.ts';
import { canRun, openRunner } from '../silicon/runner.ts';
import { type Capture, fromCaptured } from './captured.ts';
import { IMAGE, SYMBOLS, type Symbol, recordOf } from './experiments.ts';
import { EXPERIMENTS, IMAGES, STORED } from './fresh-vcpu.table.ts';
import { toHex } from './hex.ts';
import { saveImage } from './save-image.ts';
import { vote } from '../silicon/vote.ts';
import { REPEATS } from './repeated.ts';

const capture = JSON.parse(readFileSync(STORED, 'utf8')) as Capture;
const RECORDS = EXPERIMENTS.map(recordOf);
const ONES = (1n << 128n) - 1n;
const QNAN = 0xffff_c000_0000_0000_0000n, ONE = 0x3fff_8000_0000_0000_0000n;

/** A result with the data region as the experiment left it. */
class Outcome {
  readonly result: RunResult;
  readonly #data: Uint8Array;

  constructor(n: number, result: RunResult) {
    this.result = result;
    this.#data = dataBefore(RECORDS[n]!, IMAGE);
    for (const { offset, bytes } of result.written) this.#data.set(bytes, offset);
  }

  memory(symbol: Symbol, offset: number, bytes: number): bigint { return fromBytes(this.#data, SYMBOLS[symbol] + offset, bytes); }
  get tagWord(): bigint { return this.memory('env', 8, 2); }
  get fcw(): bigint { return this.memory('env', 0, 2); }
}

/** The facts, of experiments by name. */
function facts(of: (name: string) => Outcome): void {
  describe.each(['FXRSTOR', 'XRSTOR'] as const)('%s', (load) => {
    const after = (image: string, first: string): Outcome => of(`${image}, ${load}, ${first}`);
    test('abridged tag 00h gives tag word FFFFh, and FLD1 loads', () => {
      expect(after('beforeSeries', 'nothing').tagWord).toBe(0xffffn);
      expect(after('beforeSeries', 'FLD1').result).toMatchObject({ fsw: 0x3800, st: expect.arrayContaining([ONE]) });
    });
    test('the image of RESET gives tag word 5555h and FCW 0040h', () => {
      expect([after('resetOnCreate', 'nothing').tagWord, after('resetOnCreate', 'nothing').fcw]).toEqual([0x5555n, 0x40n]);
    });
    test('behind FNINIT no image can be told from another by FLD1', () => {
      for (const image of Object.keys(IMAGES)) expect(after(image, 'FNINIT and FLD1').result).toMatchObject({ fcw: 0x37f, fsw: 0x3800, ftw: 0x80 });
    });
    test('zeros that are loaded as in use: FCW reads 0040h; the first inexact quotient is #MF by x87, #XM by SSE', () => {
      expect(after('imported zeros', 'nothing').fcw).toBe(0x40n);
      expect(after('imported zeros', 'an inexact quotient by x87').result.vector).toBe(16);
      expect(after('imported zeros', 'an inexact quotient by SSE').result.vector).toBe(19);
    });
  });
  test('abridged tag FFh with FCW 037Fh: FXRSTOR gives 5555h and FLD1 overflows, XRSTOR gives FFFFh and FLD1 loads', () => {
    expect(of('merged, FXRSTOR, nothing').tagWord).toBe(0x5555n);
    expect(of('merged, XRSTOR, nothing').tagWord).toBe(0xffffn);
    expect(of('merged, FXRSTOR, FLD1').result).toMatchObject({ fsw: 0x3a41, st: expect.arrayContaining([QNAN]) });
    expect(of('merged, XRSTOR, FLD1').result).toMatchObject({ fsw: 0x3800, st: expect.arrayContaining([ONE]) });
  });
  test('zeros with XSTATE_BV 0: XRSTOR takes MXCSR from memory and FCW from the initial configuration', () => {
    const { fcw, result } = of('zeros, XRSTOR, nothing');
    expect([fcw, result.mxcsr]).toEqual([0x37fn, 0]);
    expect(of('zeros, FXRSTOR, nothing').fcw).toBe(0x40n);
  });
  test.each(['VZEROALL', 'XRSTOR of a new task'])('XMM0 given up by %s: XSAVE overwrites it in memory; where XSAVEOPT clears XSTATE_BV[1], it stays and can be loaded again', (how) => {
    expect(of(`XMM0 in memory after ${how} and xsave64`).memory('areaA', 160, 16)).toBe(0n);
    const optimised = of(`XMM0 in memory after ${how} and xsaveopt64`);
    expect(optimised.memory('areaA', 160, 16)).toBe(optimised.memory('areaA', 512, 8) & 2n ? 0n : ONES);
    expect(of(`XMM0 comes back after ${how}`).result.xmm[0]).toBe(optimised.memory('areaA', 160, 16));
  });
}

const byName = (results: readonly RunResult[]) => (name: string): Outcome => {
  const n = EXPERIMENTS.findIndex((experiment) => experiment.name === name);
  if (n < 0) throw new RangeError(`there is no experiment ${JSON.stringify(name)}`);
  return new Outcome(n, results[n]!);
};

describe(`captured on ${capture.processor}`, () => {
  const results = capture.experiments.map(fromCaptured);
  test('the capture has the experiments of the table, with the bytes that they assemble to now; else capture again', () => {
    expect(capture.experiments.map(({ name, code }) => `${name}: ${code}`)).toEqual(EXPERIMENTS.map(({ name }, n) => `${name}: ${toHex(RECORDS[n]!.code)}`));
  });
  facts(byName(results));

  test('this one does skip it: XSAVEOPT and XSAVEC leave XMM0 in memory once it is not in use', () => {
    for (const how of ['VZEROALL', 'XRSTOR of a new task']) {
      for (const save of ['xsaveopt64', 'xsavec64']) {
        const outcome = byName(results)(`XMM0 in memory after ${how} and ${save}`);
        expect([outcome.memory('areaA', 512, 8) & 2n, outcome.memory('areaA', 160, 16)]).toEqual([0n, ONES]);
      }
    }
  });
  test('and FNINIT does not take x87 state out of use on it: XSAVEOPT stores FCW 037Fh', () => {
    const outcome = byName(results)('the state after RESET, then FNINIT, then XSAVEOPT');
    expect([outcome.memory('areaA', 512, 8) & 1n, outcome.memory('areaA', 0, 2)]).toEqual([1n, 0x37fn]);
  });
  test('the engine does the same', () => {
    const model = new Model(cpus.sapphireRapids, { data: IMAGE });
    const wrong = EXPERIMENTS.flatMap(({ name }, n) => {
      const found = disagreements(results[n]!, model.run(RECORDS[n]!));
      return found.length ? [{ name, found }] : [];
    });
    expect(wrong).toEqual([]);
  });
});

const here = canRun ? openRunner({ data: IMAGE }) : undefined;
const able = here && (['XSAVEOPT', 'XSAVEC', 'AVX'] as const).every((feature) => hasFeature(here.cpuid, feature));
const live = able ? vote(here, RECORDS, REPEATS) : [];
here?.close();
describe.skipIf(!able)('on this processor', () => {
  facts(byName(live));
});

describe('the images', () => {
  test.each(['beforeSeries', 'merged', 'resetOnCreate'] as const)('%s is what the policy writes', (id) => {
    const memory = new Memory();
    const area = new SaveArea(memory, 0x1000n);
    area.clear();
    xenVcpu[id].allocate(area);
    expect(memory.readBytes(0x1000n, 832)).toEqual(saveImage(IMAGES[id]));
  });
});
