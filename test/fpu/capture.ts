/**
 * Captures the experiments anew: `node --conditions=source test/fpu/capture.ts`, then look at what `git diff` says. The
 * files are those of the profile that is nearest to the processor.
 */

import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { randomFrom } from '../integer/random.ts';
import { profileFor } from '../silicon/profile.ts';
import { openRunner } from '../silicon/runner.ts';
import { printCapture } from './captured.ts';
import { EXPERIMENTS } from './experiments.table.ts';
import { IMAGE } from './experiments.ts';
import { STORED, randomSequences } from './sequences.ts';
import { MODE_SWITCHES, UPPER_EXPERIMENTS, modeSwitches } from './upper-registers.table.ts';
import { capture } from './repeated.ts';
import { WIDE_EXPERIMENTS } from './wide.table.ts';

const AVX_512 = 0xe0;
const runner = openRunner({ data: IMAGE });
const { id } = profileFor(runner.cpuid).cpu;
const wide = (runner.fences.xcr0! & AVX_512) !== 0;
const named = capture(runner, [...EXPERIMENTS, ...(wide ? [...WIDE_EXPERIMENTS, ...UPPER_EXPERIMENTS] : [])]);
writeFileSync(new URL(`silicon-${id.toLowerCase()}.json`, import.meta.url), printCapture(named));
const random = { sequences: randomSequences(randomFrom(STORED.seed), STORED.count, STORED.length), ...(wide ? { 'mode-switches': modeSwitches(MODE_SWITCHES) } : {}) };
for (const [name, experiments] of Object.entries(random)) {
  const file = gzipSync(printCapture(capture(runner, experiments)), { level: 9 });
  writeFileSync(new URL(`${name}-${id.toLowerCase()}.json.gz`, import.meta.url), file);
  console.log(`${experiments.length} ${name}, ${file.length} bytes`);
}
console.log(`${named.experiments.length} experiments captured on ${named.processor}`);
runner.close();
