/** Operands of a decoded instruction. The decoder makes them, the encoder, the printer and the executor read them. */

export type Operand = RegisterOperand | MemoryOperand | ImmediateOperand | RelativeOperand | FarOperand;

/** MMX registers are the low 64 bits of x87's, XMM registers the low half of YMM's. */
export type RegisterFile = 'gpr' | 'segment' | 'control' | 'debug' | 'x87' | 'mm' | 'xmm' | 'ymm';

export interface RegisterOperand {
  readonly kind: 'register';
  readonly file: RegisterFile;
  readonly index: number;
  /** Width in bits. */
  readonly size: number;
  /** AH, CH, DH or BH (index 0 to 3). */
  readonly high: boolean;
}

/** General-purpose register `index` at `size` bits, of which 8 are the low ones. */
export const generalRegister = (index: number, size: number): RegisterOperand =>
  ({ kind: 'register', file: 'gpr', index, size, high: false });

export interface MemoryOperand {
  readonly kind: 'memory';
  /** Segment register used, by encoding. */
  readonly segment: number;
  /** True when a segment override prefix chose it. */
  readonly segmentOverridden: boolean;
  /** Base and index general-purpose register, -1 for none. */
  readonly base: number;
  readonly index: number;
  /** The index is a vector register of this file, each of whose elements makes an address. */
  readonly vectorIndex?: 'xmm' | 'ymm' | undefined;
  readonly scale: 1 | 2 | 4 | 8;
  /** The unsigned value added modulo 2^addressSize. With `ripRelative` it counts from the next instruction. */
  readonly displacement: bigint;
  readonly ripRelative: boolean;
  readonly addressSize: 16 | 32 | 64;
  /** Width of the access in bits; 0 when the instruction's own text says it (LEA, FXSAVE, XSAVE). */
  readonly size: number;
  /** A memory offset encoded without ModRM (MOV AL, moffs8). */
  readonly direct: boolean;
}

export interface ImmediateOperand {
  readonly kind: 'immediate';
  /** Extended to `size` bits as the form says, unsigned. */
  readonly value: bigint;
  readonly size: number;
}

/** A far pointer in the instruction itself: `ptr16:16` or `ptr16:32`. */
export interface FarOperand {
  readonly kind: 'far';
  readonly selector: number;
  readonly offset: bigint;
  /** Bits of the offset; 0 in assembly text that leaves it to the operand size. */
  readonly size: number;
}

/** A branch target, as the displacement from the next instruction, sign-extended to 64 bits and given unsigned. */
export interface RelativeOperand {
  readonly kind: 'relative';
  readonly displacement: bigint;
  readonly size: number;
}

const GPR64 = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'];
const GPR8 = ['al', 'cl', 'dl', 'bl', 'spl', 'bpl', 'sil', 'dil'];
const HIGH8 = ['ah', 'ch', 'dh', 'bh'];
export const SEGMENT_REGISTERS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const;

/** Name of general-purpose register `index` at `size` bits, in lower case as printed. */
export function gprName(index: number, size: number, high = false): string {
  if (high) return HIGH8[index]!;
  if (index >= 8) return `r${index}${{ 8: 'b', 16: 'w', 32: 'd', 64: '' }[size]}`;
  if (size === 8) return GPR8[index]!;
  const wide = GPR64[index]!;
  return size === 64 ? wide : size === 32 ? `e${wide.slice(1)}` : wide.slice(1);
}

export function registerName(operand: RegisterOperand): string {
  switch (operand.file) {
    case 'gpr': return gprName(operand.index, operand.size, operand.high);
    case 'segment': return SEGMENT_REGISTERS[operand.index]!;
    case 'control': return `cr${operand.index}`;
    case 'debug': return `dr${operand.index}`;
    case 'x87': return `st(${operand.index})`;
    case 'mm': case 'xmm': case 'ymm': return `${operand.file}${operand.index}`;
  }
}

const byName = new Map<string, RegisterOperand>();
const add = (file: RegisterFile, index: number, size: number, high = false): void => {
  const operand: RegisterOperand = { kind: 'register', file, index, size, high };
  byName.set(registerName(operand), operand);
};
for (const size of [8, 16, 32, 64]) for (let i = 0; i < 16; i++) add('gpr', i, size);
for (let i = 0; i < 4; i++) add('gpr', i, 8, true);
for (let i = 0; i < 6; i++) add('segment', i, 16);
for (let i = 0; i < 16; i++) add('control', i, 64), add('xmm', i, 128), add('ymm', i, 256);
for (let i = 0; i < 8; i++) add('debug', i, 64), add('x87', i, 80), add('mm', i, 64);
byName.set('st', byName.get('st(0)')!);

/** The register that assembly text calls `name` (any case), or undefined. */
export const registerNamed = (name: string): RegisterOperand | undefined => byName.get(name.toLowerCase());
