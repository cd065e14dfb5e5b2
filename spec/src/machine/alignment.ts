/**
 * Alignment checking: a port that looks at every access and passes it on. In place only while CR0.AM and RFLAGS.AC are
 * 1 at CPL 3; implicit accesses are not checked, nor those of instructions that set `Execution.alignment` aside.
 * SDM vol. 3A, 6.15, interrupt 17.
 */

import { AC } from '../isa/flags.ts';
import type { MemoryPort } from '../isa/connections.ts';
import type { Execution } from '../isa/execution.ts';
import { CR0 } from '../isa/system/control-bits.ts';
import { hex } from '../numbers/bits.ts';
import { OFFSET } from '../state/fields.ts';

const AM = Number(CR0.AM);

export const checksAlignment = (x: Execution): boolean =>
  (x.state.rflags & AC) !== 0 && (x.state.doubleword(OFFSET.cr0) & AM) !== 0 && x.cpl === 3;

/**
 * Alignment by size in bytes. SDM vol. 3A, table 6-7: far pointers of 48 bits, and 80-bit floating point, which want
 * less than their size; x87 environments and states of 16 and of 32 bits. What is not here is not checked: vectors of
 * 16 bytes and more by the instructions that allow any address. Measured on a Sapphire Rapids class Xeon, 2026-11.
 */
const ALIGNMENT: ReadonlyMap<number, number> = new Map([
  [2, 2], [4, 4], [6, 4], [8, 8], [10, 8], [14, 2], [28, 4], [94, 2], [108, 4],
]);

/** #AC(0), before the page is looked at: so on a Sapphire Rapids class Xeon, measured 2026-11. */
function requireAligned(x: Execution, linear: bigint, bytes: number): void {
  const alignment = ALIGNMENT.get(bytes) ?? 1;
  if (Number(linear & 15n) % alignment === 0) return;
  x.fault('#AC', `${bytes} bytes at ${hex(linear)} are not aligned on ${alignment}`, 0);
}

class AlignedMemory implements MemoryPort {
  readonly #x: Execution;
  readonly #port: MemoryPort;

  constructor(x: Execution, port: MemoryPort) {
    this.#x = x;
    this.#port = port;
  }

  #require(linear: bigint, bytes: number): void {
    this.#x.alignment?.(linear, bytes);
  }

  read(linear: bigint, bytes: number): bigint {
    this.#require(linear, bytes);
    return this.#port.read(linear, bytes);
  }

  write(linear: bigint, bytes: number, value: bigint): void {
    this.#require(linear, bytes);
    this.#port.write(linear, bytes, value);
  }

  readBytes(linear: bigint, bytes: number): Uint8Array {
    this.#require(linear, bytes);
    return this.#port.readBytes(linear, bytes);
  }

  writeBytes(linear: bigint, data: Uint8Array): void {
    this.#require(linear, data.length);
    this.#port.writeBytes(linear, data);
  }

  requireWritable(linear: bigint, bytes: number): void {
    this.#require(linear, bytes);
    this.#port.requireWritable(linear, bytes);
  }
}

/** Runs `body` with the alignment of every explicit access of `x` checked. */
export function aligned<T>(x: Execution, body: () => T): T {
  const { memory } = x;
  x.memory = new AlignedMemory(x, memory);
  x.alignment = (linear, bytes) => requireAligned(x, linear, bytes);
  try {
    return body();
  } finally {
    x.memory = memory;
    x.alignment = undefined;
  }
}
