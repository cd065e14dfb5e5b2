/**
 * Alignment checking on a processor, and RFLAGS out of an address: records for the runner and for the model. SYSCALL
 * cannot be led elsewhere by user code, but what a kernel does with the wrong R11 can be done without one.
 */

import { assemble } from '../../spec/src/asm/assemble.ts';
import { PLACES } from './environment.ts';
import type { RunRecord, RunResult } from './records.ts';

export const IMAGE = { data: new Uint8Array(0x1000) };

/** Instructions with one access at RAX. `manual`: SDM vol. 3A, table 6-7 says what they want; the others it leaves open. */
export const ACCESSES: readonly { readonly text: string; readonly says: 'manual' | 'nothing' }[] = [
  ...[
    'mov cx, [rax]', 'mov ecx, [rax]', 'mov rcx, [rax]', 'mov [rax], rcx', 'mov cl, [rax]', 'add [rax], rcx', 'cmpxchg8b [rax]',
    'fld tbyte ptr [rax]', 'fld qword ptr [rax]', 'fld dword ptr [rax]', 'fild qword ptr [rax]', 'fstp tbyte ptr [rax]',
    'fnstenv [rax]', 'fldenv [rax]', 'fnsave [rax]', 'frstor [rax]', 'fnstsw [rax]', 'ldmxcsr [rax]', 'movnti [rax], rcx',
    'prefetcht0 [rax]',
  ].map((text) => ({ text, says: 'manual' as const })),
  ...['movups xmm0, [rax]', 'movups [rax], xmm0'].map((text) => ({ text, says: 'nothing' as const })),
];
export const OFFSETS = 17;

const AC = 0x4_0000;
const origin = PLACES.high.code, data = PLACES.high.data;
const record = (code: string, gpr: Readonly<Record<number, bigint>>, rflags = 0x202): RunRecord => ({
  mode: 64, place: 'high', code: assemble(`${code}\nhlt`, { mode: 64, origin }).bytes, rflags, pieces: [{ offset: 0x40, bytes: MXCSR }],
  gpr: Array.from({ length: 16 }, (_, n) => gpr[n] ?? (n === 4 ? data + 0x800n : 0n)),
});
/** What LDMXCSR may load, at each offset from which it is aligned: 1F80h in every doubleword. */
const MXCSR = Uint8Array.from({ length: 32 }, (_, n) => [0x80, 0x1f, 0, 0][n % 4]!);

/** One record an offset from an aligned address. */
export const accessRecords = (text: string): RunRecord[] =>
  Array.from({ length: OFFSETS }, (_, offset) => record(text, { 0: data + BigInt(0x40 + offset) }, 0x202 | AC));

/** `A` is #AC(0), `.` no fault of the access; anything else its vector. */
export const patternOf = (results: readonly RunResult[]): string =>
  results.map(({ vector, errorCode, rip }) => (vector === 17 && errorCode === 0 ? 'A' : vector === 13 && rip !== origin ? '.' : `[${vector}]`)).join('');

const IMAGE_BASE = 0xffff_828c_8000_0000n;
/** Every 64 KiB of two MiB from the first one on, and places in between that set other flags. */
export const ADDRESSES: readonly bigint[] = [
  ...Array.from({ length: 32 }, (_, n) => 0x10_0000n + 0x1_0000n * BigInt(n)), 0x14_8000n, 0x14_8100n, 0x14_8400n, 0x14_c010n, 0x18_0040n, 0x1c_0880n,
].map((offset) => IMAGE_BASE + offset);

/** POPFQ of an address in R11; then a load that is not aligned. */
export const addressRecords = (address: bigint): [popped: RunRecord, load: RunRecord] => [
  record('push r11\npopfq', { 11: address }),
  record('push r11\npopfq\nmov rcx, [rax + 1]', { 11: address, 0: data + 0x40n }),
];

/** What is stored of it: RFLAGS as the HLT found them, without RF, and the vector that ended the load. */
export const addressResult = ([popped, load]: readonly RunResult[]): { rflags: number; vector: number } =>
  ({ rflags: popped!.rflags & ~0x1_0000, vector: load!.vector });

export interface AlignmentCapture {
  processor: string;
  date: string;
  accesses: Record<string, string>;
  /** By address: RFLAGS, then the vector of the load. */
  addresses: Record<string, [rflags: string, vector: number]>;
}
