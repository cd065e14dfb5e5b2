/** Captures new vectors: `node --conditions=source test/integer/capture.ts [seed]`. */

import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { processorName, runOnProcessor } from '../fpu/run-on-processor.ts';
import { generate, image } from './generate.ts';
import { outcomeOf, recordOf, writeVector } from './vectors.ts';

const EACH = { 64: 120, 32: 60 } as const;
const seed = Number(process.argv[2] ?? 20_261_121);

const vectors = [...generate(seed, EACH)];
const records = vectors.map((vector, index) => recordOf(vector, seed, index));
const { cpuid, results } = runOnProcessor(records, image(seed), 1);
const header = { processor: processorName(cpuid), date: new Date().toISOString().slice(0, 10), seed, count: vectors.length };
const body = vectors.map((vector, n) => writeVector(vector, outcomeOf(records[n]!, results[n]!)));
const file = gzipSync(Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), ...body]), { level: 9 });
writeFileSync(new URL('integer-vectors.bin.gz', import.meta.url), file);
console.log(`${vectors.length} vectors captured on ${header.processor}, ${file.length} bytes`);
