/** Runs records on the processor at hand: a child process with files for standard input and output. */

import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { READ_ONLY_BYTES } from './environment.ts';
import { LEAF_COUNT, OPTIONAL, RECORDS_FROM, runnerProgram, systemCalls } from './program.ts';
import { type CpuidLeaf, DIED, type RunRecord, type RunResult, dataBefore, readResult, writeRecord } from './records.ts';

export interface Image {
  /** What the data region holds, and the page below it that cannot be written. */
  readonly data: Uint8Array;
  readonly readOnly?: Uint8Array;
}

/** What the kernel gave: fences by name, and whether FS and GS base can be written by instructions. */
export interface Fences {
  readonly rdtscOff: boolean;
  readonly cpuidOff: boolean;
  readonly systemCallsOff: boolean;
  readonly fsgsbase: boolean;
  /** XCR0 as programs have it, which older sets do not say. */
  readonly xcr0?: number;
}

export interface Runner {
  readonly cpuid: readonly CpuidLeaf[];
  readonly fences: Fences;
  run(records: readonly RunRecord[]): RunResult[];
  close(): void;
}

/** Whether there is a processor here that can run the program at all. */
export const canRun = process.platform === 'linux' && process.arch === 'x64';

/** More than a batch takes, in milliseconds. */
const PATIENCE = 120_000;
const BATCH = 20_000;

interface Setup { cpuid: CpuidLeaf[]; fences: Fences; results: number }

/** Makes the program and looks at what the kernel lets it do. Throws where it does not run. */
export function openRunner(image: Image): Runner {
  const folder = mkdtempSync(join(tmpdir(), 'silicon-'));
  const program = join(folder, 'runner');
  writeFileSync(program, runnerProgram(image.data.length), { mode: 0o755 });
  const calls = systemCalls(image.data.length);
  const head = new Uint8Array(RECORDS_FROM + image.data.length);
  head.set(image.readOnly ?? new Uint8Array(READ_ONLY_BYTES), 0x1000);
  head.set(image.data, RECORDS_FROM);

  const attempt = (records: readonly Uint8Array[]): { setup: Setup; output: Buffer } => {
    new DataView(head.buffer).setBigUint64(0, BigInt(records.length), true);
    const [from, to] = [join(folder, 'in'), join(folder, 'out')];
    writeFileSync(from, Buffer.concat([head, ...records]));
    const [input, output] = [openSync(from, 'r'), openSync(to, 'w')];
    const { error } = spawnSync(program, { stdio: [input, output, 'inherit'], timeout: PATIENCE });
    closeSync(input);
    closeSync(output);
    const bytes = readFileSync(to);
    if (error && 'code' in error && error.code !== 'ETIMEDOUT') throw error;
    return { setup: readSetup(bytes, calls), output: bytes };
  };

  const { cpuid, fences } = attempt([]).setup;
  return {
    cpuid, fences,
    run(records) {
      const results: RunResult[] = [];
      while (results.length < records.length) {
        const batch = records.slice(results.length, results.length + BATCH);
        const { setup, output } = attempt(batch.map(writeRecord));
        let at = setup.results, n = 0;
        for (; n < batch.length && at < output.length; n++) {
          const { result, end } = readResult(output, at, dataBefore(batch[n]!, image.data), batch[n]!.extended !== undefined);
          results.push(result);
          at = end;
        }
        // The record after the last result ended the process: it is reported, and the next process goes on behind it.
        if (n < batch.length) results.push(died(batch[n]!));
      }
      return results;
    },
    close: () => rmSync(folder, { recursive: true }),
  };
}

function readSetup(bytes: Buffer, calls: ReturnType<typeof systemCalls>): Setup {
  const rows = 24 * LEAF_COUNT;
  const results = rows + 16 + 64 * calls.length;
  if (bytes.length < results) throw new Error(`the runner wrote ${bytes.length} bytes and ended: it does not run on this system`);
  const cpuid = Array.from({ length: LEAF_COUNT }, (_, n): CpuidLeaf => {
    const [leaf, subleaf, eax, ebx, ecx, edx] = Array.from({ length: 6 }, (_, field) => bytes.readUInt32LE(24 * n + 4 * field)) as [number, number, number, number, number, number];
    return { leaf, subleaf, eax, ebx, ecx, edx };
  });
  const answers = new Map(calls.map(({ name }, n) => [name, bytes.readBigInt64LE(rows + 16 + 64 * n + 56)]));
  // System calls answer -1 to -4095 for an error; modify_ldt answers in 32 bits.
  const refused = (value: bigint): boolean => BigInt.asIntN(32, value) < 0n && BigInt.asIntN(32, value) >= -4095n;
  const problem = [...answers].find(([name, value]) => refused(value) && !OPTIONAL.test(name));
  if (problem) throw new Error(`the kernel refused the runner's call ${JSON.stringify(problem[0])} (error ${-BigInt.asIntN(32, problem[1])})`);
  const off = (name: string): boolean => !refused(answers.get(name)!);
  const fsgsbase = (bytes.readUInt32LE(rows) & 2) !== 0;
  return { cpuid, fences: { rdtscOff: off('RDTSC off'), cpuidOff: off('CPUID off'), systemCallsOff: off('system calls off'), fsgsbase, xcr0: bytes.readUInt32LE(rows + 8) }, results };
}

const died = (record: RunRecord): RunResult => ({
  votes: 1, vector: DIED, errorCode: 0, cr2: 0n, rip: 0n, rflags: 0, gpr: record.gpr, segments: record.segments ?? [], bases: [0n, 0n],
  fcw: 0, fsw: 0, ftw: 0, mxcsr: 0, st: [], xmm: [], written: [],
});
