/** Captures the experiments anew: `node --conditions=source test/fpu/capture.ts`, then look at what `git diff` says. */

import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { randomFrom } from '../integer/random.ts';
import { openRunner } from '../silicon/runner.ts';
import { printCapture } from './captured.ts';
import { EXPERIMENTS } from './experiments.table.ts';
import { IMAGE } from './experiments.ts';
import { STORED, randomSequences } from './sequences.ts';
import { capture } from './vote.ts';

const runner = openRunner({ data: IMAGE });
const named = capture(runner, EXPERIMENTS);
writeFileSync(new URL('silicon-zen4.json', import.meta.url), printCapture(named));
const random = capture(runner, randomSequences(randomFrom(STORED.seed), STORED.count, STORED.length));
const file = gzipSync(printCapture(random), { level: 9 });
writeFileSync(new URL('sequences-zen4.json.gz', import.meta.url), file);
console.log(`${named.experiments.length} experiments and ${random.experiments.length} sequences (${file.length} bytes) captured on ${named.processor}`);
runner.close();
