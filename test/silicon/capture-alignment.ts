/** Captures alignment checking anew: `node --conditions=source test/silicon/capture-alignment.ts`. */

import { writeFileSync } from 'node:fs';
import { ACCESSES, ADDRESSES, type AlignmentCapture, IMAGE, accessName, accessRecords, addressRecords, addressResult, patternOf } from './alignment.ts';
import { processorName } from './profile.ts';
import { openRunner } from './runner.ts';

const runner = openRunner(IMAGE);
const capture: AlignmentCapture = {
  processor: processorName(runner.cpuid),
  date: new Date().toISOString().slice(0, 10),
  accesses: Object.fromEntries(ACCESSES.map((access) => {
    const records = accessRecords(access);
    return [accessName(access), patternOf(records, runner.run(records))];
  })),
  addresses: Object.fromEntries(ADDRESSES.map((address) => {
    const { rflags, vector } = addressResult(runner.run(addressRecords(address)));
    return [address.toString(16), [rflags.toString(16), vector]];
  })),
};
runner.close();
// An address a line.
const text = JSON.stringify(capture, null, 1).replaceAll(/\[\s+("\w+"),\s+(\d+)\s+\]/g, '[$1, $2]');
writeFileSync(new URL('alignment-intel.json', import.meta.url), `${text}\n`);
console.log(`captured on ${capture.processor}`);
