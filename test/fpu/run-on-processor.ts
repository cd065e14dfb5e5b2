/** Compiles capture.c and runs records on the processor at hand. Needs x86-64 Linux and a C compiler; tests do not. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CpuidLeaf, type RunRecord, type RunResult, readResults, writeRecords } from './records.ts';

const MAXIMUM_OUTPUT = 1 << 29;

export function runOnProcessor(records: readonly RunRecord[], image: Uint8Array, repeats: number): { cpuid: CpuidLeaf[]; results: RunResult[] } {
  const folder = mkdtempSync(join(tmpdir(), 'capture-'));
  try {
    const program = join(folder, 'capture');
    execFileSync('cc', ['-O1', '-o', program, join(import.meta.dirname, 'capture.c')], { stdio: 'inherit' });
    const output = execFileSync(program, { input: writeRecords(records, image, repeats), maxBuffer: MAXIMUM_OUTPUT });
    return readResults(output, records.length);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Family and model as CPUID leaf 1 gives them. AMD APM vol. 3, CPUID Fn0000_0001. */
export function processorName(cpuid: readonly CpuidLeaf[]): string {
  const [zero, one] = [0, 1].map((leaf) => cpuid.find((row) => row.leaf === leaf)!);
  const vendor = [zero!.ebx, zero!.edx, zero!.ecx].map((word) => String.fromCharCode(...[0, 8, 16, 24].map((shift) => (word >> shift) & 0xff))).join('');
  const family = ((one!.eax >> 8) & 15) + ((one!.eax >> 20) & 255), model = ((one!.eax >> 4) & 15) + ((one!.eax >> 12) & 0xf0);
  return `${vendor}, family ${family}, model ${model}, stepping ${one!.eax & 15}`;
}
