/** Reads what capture.c writes: the whole x87 unit, memory, RFLAGS and AX, before and after one instruction. */

import { fromBytes } from '../../spec/src/numbers/bits.ts';

export interface Header {
  readonly cpu: { readonly vendor: string; readonly leaf1Eax: number };
  readonly seed: number;
  readonly count: number;
  /** As capture.c names them: `D9F0`, `DA/2`, `66D9/4`. */
  readonly instructions: readonly string[];
}

export interface UnitState {
  readonly fcw: number;
  readonly fsw: number;
  /** The full tag word. */
  readonly tags: number;
  readonly fip: number;
  readonly fcs: number;
  readonly fop: number;
  readonly fdp: number;
  readonly fds: number;
  /** ST(0) to ST(7). */
  readonly st: readonly bigint[];
  readonly memory: Uint8Array;
  readonly rflags: number;
  readonly ax: number;
}

export interface StateRecord {
  readonly instruction: string;
  readonly before: UnitState;
  readonly after: UnitState;
  /** #MF was raised, and nothing done. */
  readonly fault: boolean;
}

export const MEMORY_BYTES = 128;
const IMAGE_BYTES = 108;
const STATE_BYTES = IMAGE_BYTES + MEMORY_BYTES + 4;
export const RECORD_BYTES = 2 + 2 * STATE_BYTES + 4;

/** Where capture.c has the instruction and its operand. */
export const INSTRUCTION = 0x1000_0100n;
export const OPERAND = 0x2000_0000n;

/** The bytes of an instruction by its name: a memory operand is at [RSI]. */
export function bytesOf(name: string): Uint8Array {
  const [opcode = '', digit] = name.split('/');
  const bytes = opcode.match(/../g)!.map((byte) => Number.parseInt(byte, 16));
  return Uint8Array.from(digit === undefined ? bytes : [...bytes, (Number(digit) << 3) | 6]);
}

function stateAt(view: DataView, at: number): UnitState {
  const word = (offset: number): number => view.getUint16(at + offset, true);
  const doubleword = (offset: number): number => view.getUint32(at + offset, true);
  const st = Array.from({ length: 8 }, (_, n) =>
    (BigInt(word(36 + 10 * n)) << 64n) | view.getBigUint64(at + 28 + 10 * n, true));
  return {
    fcw: word(0), fsw: word(4), tags: word(8), fip: doubleword(12), fcs: word(16), fop: word(18) & 0x7ff,
    fdp: doubleword(20), fds: word(24), st,
    memory: new Uint8Array(view.buffer, view.byteOffset + at + IMAGE_BYTES, MEMORY_BYTES),
    rflags: word(IMAGE_BYTES + MEMORY_BYTES), ax: word(IMAGE_BYTES + MEMORY_BYTES + 2),
  };
}

export function recordAt(file: Uint8Array, at: number, instructions: readonly string[]): StateRecord {
  const bytes = Uint8Array.from(file.subarray(at, at + RECORD_BYTES));
  for (let n = 0; n < STATE_BYTES; n++) bytes[2 + STATE_BYTES + n]! ^= bytes[2 + n]!;
  const view = new DataView(bytes.buffer);
  return {
    instruction: instructions[view.getUint16(0, true)]!,
    before: stateAt(view, 2), after: stateAt(view, 2 + STATE_BYTES),
    fault: view.getUint32(2 + 2 * STATE_BYTES, true) !== 0,
  };
}

export function readHeader(bytes: Uint8Array): { header: Header; start: number } {
  const end = bytes.indexOf(0x0a);
  return { header: JSON.parse(new TextDecoder().decode(bytes.subarray(0, end))) as Header, start: end + 1 };
}

export const hexOf = (bytes: Uint8Array): string => fromBytes(bytes).toString(16).padStart(2 * bytes.length, '0');
