/**
 * Alignment checking on a processor, and RFLAGS out of an address: records for the runner and for the model. SYSCALL
 * cannot be led elsewhere by user code, but what a kernel does with the wrong R11 can be done without one.
 */

import { assemble } from '../../spec/src/asm/assemble.ts';
import { PLACES } from './environment.ts';
import type { RunRecord, RunResult } from './records.ts';

export const IMAGE = { data: new Uint8Array(0x1000) };

export interface Access {
  readonly text: string;
  /** What runs before it. */
  readonly first?: string;
  readonly mode?: 32 | 64;
  /** `manual`: SDM vol. 3A, table 6-7, or the instruction's page says what it wants; the others it leaves open. */
  readonly says: 'manual' | 'nothing';
  /** How many offsets from an aligned address are tried. */
  readonly offsets: number;
}

const OFFSETS = 17, AREA_OFFSETS = 65;

/** FXSAVE and XSAVE areas, at RBX or EBX. Which exception it is that a misaligned one raises is left open. */
const AREAS: readonly Access[] = ['fxsave', 'fxrstor', 'xsave', 'xsaveopt', 'xsavec', 'xrstor'].flatMap((name) => [
  { text: `${name} [rbx]`, says: 'nothing', offsets: AREA_OFFSETS }, { text: `${name}64 [rbx]`, says: 'nothing', offsets: AREA_OFFSETS },
  { text: `${name} [ebx]`, mode: 32, says: 'nothing', offsets: AREA_OFFSETS },
]);

/** Instructions with one access at RAX. */
export const ACCESSES: readonly Access[] = [
  ...[
    'mov cx, [rax]', 'mov ecx, [rax]', 'mov rcx, [rax]', 'mov [rax], rcx', 'mov cl, [rax]', 'add [rax], rcx', 'cmpxchg8b [rax]',
    'fld tbyte ptr [rax]', 'fld qword ptr [rax]', 'fld dword ptr [rax]', 'fild qword ptr [rax]', 'fstp tbyte ptr [rax]',
    'fnstenv [rax]', 'fldenv [rax]', 'fnsave [rax]', 'frstor [rax]', 'fnstsw [rax]', 'ldmxcsr [rax]', 'movnti [rax], rcx',
    'prefetcht0 [rax]',
    'vcvtph2ps xmm0, qword ptr [rax]', 'vcvtps2ph qword ptr [rax], xmm0, 0', 'maskmovq mm0, mm1', 'movq [rax], mm0',
  ].map((text) => ({ text, says: 'manual' as const, offsets: OFFSETS })),
  // SDM vol. 2C, 5.3: gathers perform no alignment checks, and VMASKMOV reports none, whatever the mask.
  ...[
    'vpgatherdd xmm0, [rax + xmm1], xmm2', 'vgatherqpd ymm0, [rax + ymm1], ymm2', 'vpmaskmovd xmm0, xmm2, [rax]', 'vmaskmovpd [rax], ymm2, ymm0',
  ].map((text) => ({ text, first: 'vpcmpeqd ymm2, ymm2, ymm2', says: 'manual' as const, offsets: OFFSETS })),
  ...['movups xmm0, [rax]', 'movups [rax], xmm0', 'maskmovdqu xmm0, xmm1'].map((text) => ({ text, says: 'nothing' as const, offsets: OFFSETS })),
  ...AREAS,
];

const AC = 0x4_0000;
const { data } = PLACES.high;
const record = (code: string, gpr: Readonly<Record<number, bigint>>, rflags = 0x202, mode: 32 | 64 = 64): RunRecord => {
  const place = mode === 64 ? 'high' : 'low';
  return {
    mode, place, code: assemble(`${code}\nhlt`, { mode, origin: PLACES[place].code }).bytes, rflags, pieces: [{ offset: 0x40, bytes: MXCSR }],
    gpr: Array.from({ length: 16 }, (_, n) => gpr[n] ?? (n === 4 ? PLACES[place].data + 0x800n : 0n)),
  };
};
/** What LDMXCSR may load, at each offset from which it is aligned: 1F80h in every doubleword. */
const MXCSR = Uint8Array.from({ length: 32 }, (_, n) => [0x80, 0x1f, 0, 0][n % 4]!);

/** One record an offset from an aligned address, with alignment checking on or off. */
export function accessRecords({ text, first = '', mode = 64, offsets }: Access, checked = true): RunRecord[] {
  const start = PLACES[mode === 64 ? 'high' : 'low'].data + 0x40n;
  return Array.from({ length: offsets }, (_, offset) => {
    const address = start + BigInt(offset);
    // An area's instruction has its mask in EDX:EAX; MASKMOVQ has its operand at RDI.
    const rax = /\[[er]bx\]$/.test(text) ? 7n : address;
    return record(`${first}\n${text}`, { 0: rax, 3: address, 7: address }, 0x202 | (checked ? AC : 0), mode);
  });
}

/** `A` is #AC(0), `G` #GP(0) of the instruction, `.` no fault of the access; anything else its vector. */
export const patternOf = (records: readonly RunRecord[], results: readonly RunResult[]): string =>
  results.map(({ vector, errorCode, rip }, n) => {
    const { place, code } = records[n]!, atEnd = rip === PLACES[place].code + BigInt(code.length - 1);
    return vector === 17 && errorCode === 0 ? 'A' : vector !== 13 || errorCode !== 0 ? `[${vector}]` : atEnd ? '.' : 'G';
  }).join('');

/** The name of an access in the capture. */
export const accessName = ({ text, mode = 64 }: Access): string => (mode === 64 ? text : `${text}, ${mode}-bit`);

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
