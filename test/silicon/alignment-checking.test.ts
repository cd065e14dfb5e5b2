/** Alignment checking and RFLAGS out of an address: the model against a stored capture, and against the processor at hand. */

import { readFileSync } from 'node:fs';
import { type Undefined, cpus, flagsByLinkAddress } from 'hidden-state';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ACCESSES, ADDRESSES, type Access, type AlignmentCapture, IMAGE, accessName, accessRecords, addressRecords, addressResult, patternOf } from './alignment.ts';
import { PLACES } from './environment.ts';
import { Model } from './model.ts';
import { type Runner, canRun, openRunner } from './runner.ts';

const capture = JSON.parse(readFileSync(new URL('alignment-intel.json', import.meta.url), 'utf8')) as AlignmentCapture;
const model = new Model(cpus.sapphireRapids, IMAGE);

function patternFrom(access: Access, checked = true, by = model): string {
  const records = accessRecords(access, checked);
  return patternOf(records, records.map((each) => by.run(each)));
}
const modelled = ACCESSES.map((access) => [accessName(access), patternFrom(access)] as const);

describe(`captured on ${capture.processor}, ${capture.date}`, () => {
  test('the capture has the records of now; else capture again', () => {
    expect(Object.keys(capture.accesses)).toEqual(ACCESSES.map(accessName));
    expect(Object.keys(capture.addresses)).toEqual(ADDRESSES.map((address) => address.toString(16)));
  });

  test.for(modelled)('%s', ([text, pattern]) => expect(pattern).toBe(capture.accesses[text]));

  test('POPFQ of an address of Xen\'s text sets AC where bit 18 is 1, and the next load that is not aligned is #AC', () => {
    for (const address of ADDRESSES) {
      const { rflags, vector } = addressResult(addressRecords(address).map((each) => model.run(each)));
      expect([rflags.toString(16), vector], address.toString(16)).toEqual(capture.addresses[address.toString(16)]);
      // TF is served first: the trap comes behind the load, unless that faults.
      const single = (address >> 8n) & 1n;
      expect(vector).toBe((address >> 18n) & 1n ? 17 : single ? 1 : 13);
    }
  });

  test('the flags are those that flagsByLinkAddress computes', () => {
    for (const address of ADDRESSES) {
      const flags = flagsByLinkAddress({ cpu: cpus.sapphireRapids, from: address, to: address + 16n, by: 'POPFQ' });
      const set = flags.reduce((sum, { bit }) => sum | (1 << bit), 0);
      // IF is the user's, whatever is popped.
      expect((set | 0x202).toString(16)).toBe(capture.addresses[address.toString(16)]![0]);
    }
  });
});

/** SDM vol. 2A, 3.2, FXSAVE; vol. 2C, 5.3, XSAVE: whether it is #AC, and for which misalignment, varies; else it is #GP. */
describe('an area that is not aligned', () => {
  const areas = ACCESSES.filter(({ text }) => /^f?x(save|rstor)/.test(text));
  const misaligned = (text: string, fault: 'A' | 'G'): string =>
    Array.from({ length: 65 }, (_, n) => (n % (text.startsWith('fx') ? 16 : 64) === 0 ? '.' : n % 4 === 0 ? 'G' : fault)).join('');

  test.for(areas)('$text: #AC where its first four bytes are not aligned, #GP where they are', (access) => {
    expect(patternFrom(access)).toBe(misaligned(access.text, 'A'));
  });
  test.for(areas)('$text: #GP while alignment is not checked, and on AMD', (access) => {
    expect(patternFrom(access, false)).toBe(misaligned(access.text, 'G'));
    expect(patternFrom(access, true, new Model(cpus.zen4, IMAGE))).toBe(misaligned(access.text, 'G'));
  });
  test('is left open by the manual: a run that stops at what is undefined has both vectors', () => {
    const stopping = new Model(cpus.sapphireRapids, IMAGE);
    stopping.machine.execution.onUndefined = 'stop';
    const [aligned, odd] = accessRecords(areas[0]!);
    expect(stopping.run(aligned!).vector).toBe(13);
    expect(() => stopping.run(odd!)).toThrow(expect.objectContaining({ name: 'Undefined', allowed: [13n, 17n] }) as Undefined);
    expect(stopping.run(accessRecords(areas[0]!, false)[1]!)).toMatchObject({ vector: 13, rip: PLACES.high.code });
  });
});

describe.skipIf(!canRun)('on the processor at hand', () => {
  function open(): Runner {
    const runner = openRunner(IMAGE);
    onTestFinished(() => runner.close());
    return runner;
  }

  test('accesses of which the manual says what they want', () => {
    const runner = open();
    for (const [text, pattern] of modelled.filter((_, n) => ACCESSES[n]!.says === 'manual')) {
      const records = accessRecords(ACCESSES.find((access) => accessName(access) === text)!);
      expect(patternOf(records, runner.run(records)), text).toBe(pattern);
    }
  });

  test('addresses in RFLAGS', () => {
    const runner = open();
    const results = runner.run(ADDRESSES.flatMap(addressRecords));
    ADDRESSES.forEach((address, n) => {
      const { rflags, vector } = addressResult(results.slice(2 * n));
      expect([rflags.toString(16), vector], address.toString(16)).toEqual(capture.addresses[address.toString(16)]);
    });
  });
});
