/** `npm run conformance`: the engine against this processor, or against vectors that were stored. */

import type { CpuProfile } from 'hidden-state';
import { randomFrom } from '../integer/random.ts';
import { AC } from '../../spec/src/isa/flags.ts';
import { Sentence } from '../../tools/sentence.ts';
import { image, instanceOf } from './generate/index.ts';
import { Model } from './model.ts';
import { type Options, isWantedName, parseOptions } from './options.ts';
import { coverageText, planFor } from './plan.ts';
import { hasAvx, processorName, profileFor } from './profile.ts';
import { canRun, openRunner } from './runner.ts';
import { runSequences } from './sequences.ts';
import { type Captured, STORED_SETS, readStored, writeStored } from './stored.ts';
import { Tally, type Verdict, judge } from './tally.ts';
import { type Header, recordOf } from './vectors.ts';
import { vote } from './vote.ts';

const BATCH = 20_000;
/** How often a vector that differs is run again: another task may have come in between. */
const REPEATS = 15;
const EXAMPLES = 12;

class Report {
  readonly tally = new Tally();
  readonly #examples: string[] = [];
  readonly #started = performance.now();

  add({ vector }: Pick<Captured, 'vector'>, verdict: Verdict): void {
    this.tally.add(verdict);
    if (verdict.found.length === 0 || this.#examples.length >= EXAMPLES) return;
    const what = verdict.found.slice(0, 3).map(({ text }) => text).join('; ');
    this.#examples.push(`${verdict.mnemonic}: ${Buffer.from(vector.code).toString('hex')} (${vector.mode}-bit): ${what}`);
  }

  /** What is left after the table: examples, and the line that says it all. */
  print(coverage?: string): void {
    const { tally } = this;
    console.log(`\n${tally.table()}\n`);
    if (this.#examples.length > 0) console.log(`The first differences:\n  ${this.#examples.join('\n  ')}\n`);
    const { vectors, exact, undefinedFlags, agreeing, open } = tally.total;
    if (undefinedFlags) console.log(`${tally.flagTable()}\n`);
    if (undefinedFlags) console.log(`Flags that the manual leaves undefined: the profile has ${agreeing} of ${undefinedFlags} as the processor.`);
    if (open) console.log(`Left open by a fault within an instruction of several accesses: ${open} vectors.`);
    console.log(`${((performance.now() - this.#started) / 1000).toFixed(1)} s`);
    if (coverage !== undefined) console.log(coverage);
    console.log(`defined results bit-exact: ${exact} of ${vectors} (${tally.percent} %)`);
  }
}

function announce(cpuid: Header['cpuid'], where: string): CpuProfile {
  const { cpu, exact } = profileFor(cpuid);
  console.log(`${where}: ${processorName(cpuid)}`);
  console.log(exact ? `profile: ${cpu.name}` : `profile: ${cpu.name}, the nearest; there is none of this processor, so differences may be the processor's`);
  return cpu;
}

function live(options: Options): void {
  const { seed, count } = options;
  const start = image(seed);
  const runner = openRunner(start);
  try {
    const cpu = announce(runner.cpuid, 'this processor');
    const plan = planFor(options, cpu, runner), { pairs } = plan;
    if (pairs.length === 0) throw new Sentence(`No instruction is left to run: see npm run conformance -- --help for --only and --mode.\n${coverageText(plan, count)}`);
    const model = new Model(cpu, start, runner.fences);
    const random = randomFrom(seed), around = { fsgsbase: runner.fences.fsgsbase, avx: hasAvx(runner.cpuid) };
    const report = new Report(), kept: Captured[] = [];
    for (let done = 0; done < count; done += BATCH) {
      const batch = Array.from({ length: Math.min(BATCH, count - done) }, (_, n) => {
        const { form, mode } = pairs[(done + n) % pairs.length]!;
        const instance = instanceOf(form, mode, random, around);
        const vector = options.alignment ? { ...instance, rflags: instance.rflags | AC } : instance;
        return { vector, record: recordOf(vector, seed, done + n) };
      });
      const results = runner.run(batch.map(({ record }) => record));
      for (const [n, { vector, record }] of batch.entries()) {
        const first = judge(vector, record, results[n]!, model);
        const result = first.found.length === 0 ? results[n]! : vote(runner, [record], REPEATS)[0]!;
        const captured = { vector, record, result };
        report.add(captured, first.found.length === 0 ? first : judge(vector, record, result, model));
        if (options.store !== undefined) kept.push(captured);
      }
      if (process.stderr.isTTY) process.stderr.write(`\r${Math.min(done + BATCH, count)} of ${count} vectors`);
    }
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
    report.print(coverageText(plan, count));
    if (options.store !== undefined) console.error(`${options.store}: ${kept.length} vectors, ${writeStored(options.store, runner, seed, kept)} bytes`);
  } finally {
    runner.close();
  }
}

function replay(options: Options, file: string | URL): void {
  const { header, vectors } = readStored(file);
  const cpu = announce(header.cpuid, `stored on ${header.date} on`);
  const model = new Model(cpu, image(header.seed), header.fences);
  const report = new Report();
  let left = options.countGiven ? options.count : Infinity;
  for (const { vector, record, result } of vectors()) {
    if (left-- <= 0) break;
    if (options.mode && vector.mode !== options.mode) continue;
    const verdict = judge(vector, record, result, model);
    if (isWantedName(options, verdict.mnemonic)) report.add({ vector }, verdict);
  }
  report.print();
}

function run(options: Options | string): void {
  if (typeof options === 'string') console.log(options);
  else if (options.replay !== undefined) replay(options, options.replay);
  else if (canRun && options.sequences !== undefined) runSequences(options, announce);
  else if (canRun) live(options);
  else {
    console.log(`Nothing can be captured here: that takes an x86-64 processor under Linux, this is ${process.arch} under ${process.platform}. The stored sets are replayed.`);
    for (const set of Object.values(STORED_SETS)) replay(options, set);
  }
}

try {
  run(parseOptions(process.argv.slice(2)));
} catch (error) {
  console.error(error instanceof Sentence || error instanceof RangeError ? error.message : error);
  process.exitCode = 1;
}
