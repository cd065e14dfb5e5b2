/** The stored capture: what the processor did, as text for people and for `git diff`. */

import { fromHex, toHex } from './hex.ts';
import type { CpuidLeaf, RunRecord, RunResult } from '../silicon/records.ts';

/** Numbers are hexadecimal text; what is zero, or as it was, is left out. */
export interface CapturedExperiment {
  name: string;
  /** The bytes that ran. */
  code: string;
  votes: number;
  vector: number;
  errorCode?: string;
  cr2?: string;
  rip: string;
  rflags: string;
  fcw: string;
  fsw: string;
  ftw: string;
  mxcsr: string;
  /** By register number. */
  gpr?: Record<number, string>;
  st?: Record<number, string>;
  xmm?: Record<number, string>;
  /** By offset in the data region. */
  written?: Record<string, string>;
}

export interface Capture {
  processor: string;
  date: string;
  repeats: number;
  cpuid: Record<string, string>;
  /** XCR0 as programs have it, in hexadecimal; what older captures do not say. */
  xcr0?: string;
  experiments: CapturedExperiment[];
}

const text = (value: number | bigint): string => value.toString(16);
const sparse = (values: readonly bigint[]): Record<number, string> | undefined => {
  const entries = values.flatMap((value, n) => (value === 0n ? [] : [[n, text(value)] as const]));
  return entries.length ? Object.fromEntries(entries) : undefined;
};
const dense = (values: Record<number, string> | undefined, length: number): bigint[] =>
  Array.from({ length }, (_, n) => BigInt(`0x${values?.[n] ?? '0'}`));

export function toCaptured(name: string, { code }: RunRecord, result: RunResult): CapturedExperiment {
  const written = Object.fromEntries(result.written.map(({ offset, bytes }) => [text(offset), toHex(bytes)]));
  return {
    name, code: toHex(code), votes: result.votes, vector: result.vector,
    ...(result.errorCode ? { errorCode: text(result.errorCode) } : {}), ...(result.cr2 ? { cr2: text(result.cr2) } : {}),
    rip: text(result.rip), rflags: text(result.rflags), fcw: text(result.fcw), fsw: text(result.fsw), ftw: text(result.ftw), mxcsr: text(result.mxcsr),
    gpr: sparse(result.gpr), st: sparse(result.st), xmm: sparse(result.xmm),
    written: result.written.length ? written : undefined,
  };
}

export function fromCaptured(captured: CapturedExperiment): RunResult {
  const number = (value: string | undefined): number => Number.parseInt(value ?? '0', 16);
  return {
    votes: captured.votes, vector: captured.vector, errorCode: number(captured.errorCode), cr2: BigInt(`0x${captured.cr2 ?? '0'}`),
    rip: BigInt(`0x${captured.rip}`), rflags: number(captured.rflags), fcw: number(captured.fcw), fsw: number(captured.fsw),
    ftw: number(captured.ftw), mxcsr: number(captured.mxcsr),
    // Integer experiments look at these; this file does not have them.
    segments: [], bases: [0n, 0n],
    gpr: dense(captured.gpr, 16), st: dense(captured.st, 8), xmm: dense(captured.xmm, 16),
    written: Object.entries(captured.written ?? {}).map(([offset, bytes]) => ({ offset: number(offset), bytes: fromHex(bytes) })),
  };
}

export const cpuidText = (leaves: readonly CpuidLeaf[]): Record<string, string> =>
  Object.fromEntries(leaves.map(({ leaf, subleaf, ...registers }) =>
    [`${text(leaf)}.${text(subleaf)}`, (['eax', 'ebx', 'ecx', 'edx'] as const).map((name) => text(registers[name]).padStart(8, '0')).join(' ')]));

/** One experiment a line. */
export function printCapture({ experiments, ...head }: Capture): string {
  const lines = experiments.map((experiment) => `    ${JSON.stringify(experiment)}`);
  return `${JSON.stringify(head, null, 2).replace(/\n\}$/, '')},\n  "experiments": [\n${lines.join(',\n')}\n  ]\n}\n`;
}
