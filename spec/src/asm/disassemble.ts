/** From bytes to text. */

import { u } from '../numbers/bits.ts';
import { decode } from '../isa/decode.ts';
import type { Mode } from '../isa/instruction.ts';
import { print } from '../isa/print.ts';

export interface DisassembledLine {
  readonly address: bigint;
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** Disassembles all of `bytes`. What cannot be decoded becomes a `.byte` line with the reason: nothing is lost. */
export function disassemble(bytes: Uint8Array, options: { mode: Mode; address?: bigint }): DisassembledLine[] {
  const { mode, address = 0n } = options;
  const lines: DisassembledLine[] = [];
  for (let at = 0; at < bytes.length;) {
    const here = u(64, address + BigInt(at));
    const { length, text } = one(bytes, at, mode, here);
    lines.push({ address: here, bytes: bytes.slice(at, at + length), text });
    at += length;
  }
  return lines;
}

function one(bytes: Uint8Array, at: number, mode: Mode, address: bigint): { length: number; text: string } {
  try {
    const i = decode((n) => {
      if (at + n >= bytes.length) throw new RangeError('the bytes end inside the instruction');
      return bytes[at + n]!;
    }, mode);
    return { length: i.length, text: print(i, address) };
  } catch (error) {
    return { length: 1, text: `.byte 0x${bytes[at]!.toString(16).padStart(2, '0')} ; ${(error as Error).message}` };
  }
}
