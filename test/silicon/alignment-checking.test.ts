/** Alignment checking and RFLAGS out of an address: the model against a stored capture, and against the processor at hand. */

import { readFileSync } from 'node:fs';
import { cpus, flagsByLinkAddress } from 'hidden-state';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ACCESSES, ADDRESSES, type AlignmentCapture, IMAGE, accessRecords, addressRecords, addressResult, patternOf } from './alignment.ts';
import { Model } from './model.ts';
import { type Runner, canRun, openRunner } from './runner.ts';

const capture = JSON.parse(readFileSync(new URL('alignment-intel.json', import.meta.url), 'utf8')) as AlignmentCapture;
const model = new Model(cpus.sapphireRapids, IMAGE);

const modelled = ACCESSES.map(({ text }) => [text, patternOf(accessRecords(text).map((each) => model.run(each)))] as const);

describe(`captured on ${capture.processor}, ${capture.date}`, () => {
  test('the capture has the records of now; else capture again', () => {
    expect(Object.keys(capture.accesses)).toEqual(ACCESSES.map(({ text }) => text));
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

describe.skipIf(!canRun)('on the processor at hand', () => {
  function open(): Runner {
    const runner = openRunner(IMAGE);
    onTestFinished(() => runner.close());
    return runner;
  }

  test('accesses of which the manual says what they want', () => {
    const runner = open();
    for (const [text, pattern] of modelled.filter((_, n) => ACCESSES[n]!.says === 'manual')) {
      expect(patternOf(runner.run(accessRecords(text))), text).toBe(pattern);
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
