/** Short programs for the tests of facts: each runs to its HLT in kernel mode, and areas are read back by symbol. */

import { type CpuProfile, type Program, Fault, Machine, asm32, asm64, symbol } from 'hidden-state';
import { fromBytes } from '../../spec/src/numbers/bits.ts';

export interface Run {
  readonly machine: Machine;
  bytes(name: string, offset?: number, length?: number): Uint8Array;
  /** Little-endian value. */
  value(name: string, offset: number, length: number): bigint;
  readonly fault: Fault | undefined;
}

const DATA = `
one:     dq 1.0
zero:    dq 0
ones:    dq -1, -1
cw37B:   dw 37Bh
cw37F:   dw 37Fh
mxFBF:   dd 1FBFh
         align 64
a:       resb 1024
b:       resb 1024
c:       resb 1024
env:     resb 128
`;

export type Prepare = (machine: Machine, program: Program) => void;

/** Runs `code` (`;` separates lines) with areas `a`, `b`, `c` and `env`, filled with A5h unless `prepare` says otherwise. */
export function run(cpu: CpuProfile, code: string, prepare?: Prepare, mode: 32 | 64 = 64): Run {
  const text = `${code.split(';').join('\n')}\nhlt\n${DATA}`;
  const program = mode === 64 ? asm64`${text}` : asm32`${text}`;
  const machine = new Machine(program, { cpu });
  for (const name of ['a', 'b', 'c', 'env']) machine.memory.writeBytes(symbol(program, name), new Uint8Array(name === 'env' ? 128 : 1024).fill(0xa5));
  prepare?.(machine, program);
  let fault: Fault | undefined;
  try {
    machine.run({ limit: 1000 });
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    fault = error;
  }
  const bytes = (name: string, offset = 0, length = 1024): Uint8Array => machine.memory.readBytes(symbol(program, name) + BigInt(offset), length);
  return { machine, bytes, value: (name, offset, length) => fromBytes(bytes(name, offset, length)), fault };
}

/** Puts `image` at symbol `name`. */
export const at = (name: string, image: Uint8Array): Prepare => (machine, program) => machine.memory.writeBytes(symbol(program, name), image);

/** Changes control registers and the like. */
export const both = (...prepares: Prepare[]): Prepare => (machine, program) => prepares.forEach((prepare) => prepare(machine, program));

export const MASK = (bits: number): string => `mov eax, ${bits}; xor edx, edx`;
export const LOADED = 'fninit; fld qword ptr [one]';
export const PENDING = 'fninit; fldcw [cw37B]; fld1; fdiv qword ptr [zero]';
