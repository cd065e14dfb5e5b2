/** Little-endian numbers of a file. One that lies behind its end is an `ImageError` that names it. */

import { hex } from '../../numbers/bits.ts';
import { ImageError } from './image.ts';

export class Reader {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Fails unless `length` bytes at `offset` are there. */
  require(offset: number, length: number, what: string): void {
    if (offset + length > this.bytes.length) {
      throw new ImageError(
        `${what} lies at offsets ${hex(offset)} to ${hex(offset + length - 1)}, but the file has only `
          + `${hex(this.bytes.length)} bytes`,
      );
    }
  }

  word(offset: number, what: string): number {
    this.require(offset, 2, what);
    return this.#view.getUint16(offset, true);
  }

  doubleword(offset: number, what: string): number {
    this.require(offset, 4, what);
    return this.#view.getUint32(offset, true);
  }

  /** An address, offset or size of 4 or 8 bytes. No address has more than 52 bits, so a number holds it exactly. */
  address(offset: number, bytes: 4 | 8, what: string): number {
    if (bytes === 4) return this.doubleword(offset, what);
    this.require(offset, 8, what);
    const value = this.#view.getBigUint64(offset, true);
    if (value >> 52n) {
      throw new ImageError(`${what} is ${hex(value)} at offset ${hex(offset)}; addresses and sizes have up to 52 bits`);
    }
    return Number(value);
  }
}
