/**
 * `npm run conformance -- --sequences N`: random sequences on this processor and on the engine. Each is compared at its
 * end, with what XGETBV, XSAVEC and XSAVEOPT make of the state there; one in `EVERY` also after each of its
 * instructions, as a record of its own, and so is one that differs: the first instruction behind which it does is named.
 */

import { type CpuProfile, Unmodelled } from 'hidden-state';
import { randomFrom } from '../integer/random.ts';
import { FORMS } from '../isa/forms.ts';
import { Sentence } from '../../tools/sentence.ts';
import { type Disagreement, disagreements } from './compare.ts';
import { type Pool, type Sequence, poolOf, sequenceImage, sequenceOf, sequenceRecord, stepAt } from './generate/sequence.ts';
import { PLACES } from './environment.ts';
import { Model } from './model.ts';
import { type Options, isWanted } from './options.ts';
import { reasonAgainst } from './plan.ts';
import { unexplained } from './partial.ts';
import type { RunRecord, RunResult } from './records.ts';
import { type Runner, openRunner } from './runner.ts';
import { vote } from './vote.ts';
import { type StoredSequence, digestOf, writeSequences } from './stored-sequences.ts';

/** Sequences at a time; one in so many is compared after each instruction. */
const BATCH = 5_000, EVERY = 64;
/** How often a sequence that differs is run again: another task may have come in between. */
const REPEATS = 15;
const EXAMPLES = 20;
/** Sequences whose beginnings run together when they are stored. */
const TOGETHER = 100;

/** What differs at the end of a sequence; `at` says in which of its instructions it faulted, if it did. */
export function compareSequence(sequence: Sequence, processor: RunResult, record: RunRecord, model: Model): Disagreement[] {
  let computed: RunResult;
  try {
    computed = model.run(record);
  } catch (error) {
    if (!(error instanceof Unmodelled)) throw error;
    return [{ cause: 'not modelled', text: error.what }];
  }
  const options = { narrow: record.mode !== 64, integerOnly: true };
  const all = disagreements(processor, computed, options);
  if (all.length === 0) return all;
  const step = stepAt(sequence, processor.rip);
  const mnemonic = step === undefined ? '' : sequence.steps[step]!.mnemonic;
  return unexplained(all, mnemonic, record, { processor, computed }, model, options);
}

export function poolsFor(options: Pick<Options, 'only' | 'except'>, cpu: CpuProfile, runner: Runner): Record<32 | 64, Pool> {
  const pool = (mode: 32 | 64): Pool => poolOf(FORMS.filter((form) => isWanted(options, form) && reasonAgainst(form, [mode], cpu, runner) === undefined), mode);
  return { 32: pool(32), 64: pool(64) };
}

class Findings {
  sequences = 0;
  instructions = 0;
  prefixes = 0;
  ended = 0;
  disturbed = 0;
  readonly different = new Map<string, number>();
  readonly examples: string[] = [];

  get differing(): number { return [...this.different.values()].reduce((sum, count) => sum + count, 0); }

  print(seconds: number): void {
    if (this.examples.length > 0) console.log(`The first differences:\n  ${this.examples.join('\n  ')}\n`);
    for (const [what, count] of [...this.different].sort(([, a], [, b]) => b - a)) console.log(`  ${String(count).padStart(6)}  ${what}`);
    console.log(`${this.instructions} instructions executed; ${this.ended} sequences ended in an exception before their end`);
    console.log(`${this.prefixes} beginnings of sequences compared besides; ${this.disturbed} sequences were as the engine has them when run again`);
    console.log(`${seconds.toFixed(1)} s`);
    console.log(`sequences bit-exact: ${this.sequences - this.differing} of ${this.sequences}`);
  }
}

const codeOf = (sequence: Sequence): string => sequence.steps.map(({ mnemonic, code }) => `${mnemonic} ${Buffer.from(code).toString('hex')}`).join(', ');

export function runSequences(options: Options, announce: (cpuid: Runner['cpuid'], where: string) => CpuProfile): void {
  const { seed, sequences: count = 0, length } = options;
  const data = sequenceImage(seed), runner = openRunner({ data }), started = performance.now();
  try {
    const cpu = announce(runner.cpuid, 'this processor'), model = new Model(cpu, { data }, runner.fences);
    const pools = poolsFor(options, cpu, runner), random = randomFrom(seed);
    if (pools[64].x87.length === 0 || pools[32].x87.length === 0) throw new Sentence('Sequences want at least one x87 instruction to choose from: see --only and --except');
    const findings = new Findings(), kept: StoredSequence[] = [];
    /** After none of its instructions, after the first, and so on. */
    const beginningsOf = (sequence: Sequence, index: number): RunRecord[] =>
      Array.from({ length: sequence.steps.length + 1 }, (_, taken) => sequenceRecord(sequence, seed, index, taken));
    /** The first beginning that differs. */
    const bisect = (sequence: Sequence, index: number): { step: number; found: Disagreement[] } | undefined => {
      const records = beginningsOf(sequence, index);
      const results = vote(runner, records, REPEATS);
      for (const [taken, result] of results.entries()) {
        const found = compareSequence(sequence, result, records[taken]!, model);
        if (found.length > 0) return { step: taken - 1, found };
      }
      return undefined;
    };
    const explain = (sequence: Sequence, index: number): void => {
      const first = bisect(sequence, index);
      if (!first) {
        findings.disturbed++;
        return;
      }
      const step = sequence.steps[first.step], what = `${step?.mnemonic ?? 'the start'}: ${[...new Set(first.found.map(({ cause }) => cause))].join(', ')}`;
      findings.different.set(what, (findings.different.get(what) ?? 0) + 1);
      if (findings.examples.length >= EXAMPLES) return;
      const until = { ...sequence, steps: sequence.steps.slice(0, first.step + 1) };
      const example = `${index} (${sequence.mode}-bit): ${codeOf(until)}\n    ${first.found.slice(0, 5).map(({ text }) => text).join('; ')}`;
      findings.examples.push(example);
      if (!process.stderr.isTTY) console.error(example);
    };
    /** With what the processor does after each instruction; without those where a fault leaves something open. */
    const storable = (batch: readonly { sequence: Sequence; index: number }[]): StoredSequence[] => {
      const records = batch.map(({ sequence, index }) => beginningsOf(sequence, index)), results = vote(runner, records.flat(), 5);
      return batch.flatMap(({ sequence, index }, n) => {
        const digests = results.splice(0, records[n]!.length).map((result) => digestOf(result, sequence.mode));
        return records[n]!.every((record, taken) => digestOf(model.run(record), sequence.mode) === digests[taken]) ? [{ sequence, index, digests }] : [];
      });
    };
    for (let done = 0; done < count; done += BATCH) {
      const batch = Array.from({ length: Math.min(BATCH, count - done) }, (_, n) => {
        const sequence = sequenceOf(pools, random, Math.ceil(length / 2), length + Math.floor(length / 2));
        return { sequence, index: done + n, record: sequenceRecord(sequence, seed, done + n) };
      });
      const beginnings = batch.filter(({ index }) => index % EVERY === 0).flatMap(({ sequence, index }) =>
        beginningsOf(sequence, index).slice(0, -1).map((record) => ({ sequence, index, record })));
      const all = [...batch, ...beginnings], results = runner.run(all.map(({ record }) => record));
      const explained = new Set<number>();
      for (const [n, { sequence, index, record }] of all.entries()) {
        const result = results[n]!;
        if (n < batch.length) {
          const step = stepAt(sequence, result.rip);
          findings.sequences++;
          findings.instructions += step ?? sequence.steps.length;
          if (step !== undefined && result.rip >= PLACES[record.place].code) findings.ended++;
        } else findings.prefixes++;
        if (explained.has(index) || compareSequence(sequence, result, record, model).length === 0) continue;
        explained.add(index);
        explain(sequence, index);
      }
      if (options.store !== undefined) {
        const known = batch.filter(({ index }) => !explained.has(index));
        for (let n = 0; n < known.length; n += TOGETHER) kept.push(...storable(known.slice(n, n + TOGETHER)));
      }
      const rate = Math.round(findings.sequences / ((performance.now() - started) / 1000));
      process.stderr.write(process.stderr.isTTY ? `\r${findings.sequences} of ${count} sequences, ${findings.differing} differ` : `${findings.sequences} sequences, ${findings.differing} differ, ${rate} a second\n`);
    }
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
    if (options.store !== undefined) console.error(`${options.store}: ${kept.length} sequences, ${writeSequences(options.store, runner, seed, kept)} bytes`);
    findings.print((performance.now() - started) / 1000);
  } finally {
    runner.close();
  }
}
