/**
 * A vCPU's XSAVE area in hypervisor memory, read and written by name as host code does. SDM vol. 1, 10.5.1 and 13.4.
 */

import { hex } from '../numbers/bits.ts';
import { LEGACY_BYTES } from '../isa/xsave/legacy-region.ts';
import type { Memory } from '../machine/memory/physical.ts';

/** Room for every component that a profile has, AMX's tiles included; the scratch for FNSTENV follows. */
const ENVIRONMENT_OFFSET = 0x3000n;
export const AREA_BYTES = 0x4000;

export class SaveArea {
  readonly address: bigint;
  readonly #memory: Memory;

  /** Allocated as Xen does: zeros, FCW 037Fh, MXCSR 1F80h, XSTATE_BV 0. */
  constructor(memory: Memory, address: bigint) {
    this.#memory = memory;
    this.address = address;
    const image = new Uint8Array(AREA_BYTES);
    image.set([0x7f, 0x03], 0);
    image.set([0x80, 0x1f], 24);
    memory.install(address, image);
  }

  /** All zeros, as the allocator hands it out. */
  clear(): void {
    this.#memory.install(this.address, new Uint8Array(AREA_BYTES));
  }

  /** A copy of the legacy region, the 512 bytes that FXSAVE knows. */
  legacyRegion(): Uint8Array {
    return this.#memory.readBytes(this.address, LEGACY_BYTES);
  }

  setLegacyRegion(bytes: Uint8Array): void {
    if (bytes.length !== LEGACY_BYTES) {
      throw new RangeError(`the legacy region has ${LEGACY_BYTES} bytes, these are ${bytes.length}`);
    }
    this.#memory.writeBytes(this.address, bytes);
  }

  #read(offset: number, bytes: number): bigint { return this.#memory.read(this.address + BigInt(offset), bytes); }
  #write(offset: number, bytes: number, value: bigint): void {
    this.#memory.write(this.address + BigInt(offset), bytes, value);
  }

  get fcw(): number { return Number(this.#read(0, 2)); }
  set fcw(value: number) { this.#write(0, 2, BigInt(value)); }
  get fsw(): number { return Number(this.#read(2, 2)); }
  set fsw(value: number) { this.#write(2, 2, BigInt(value)); }
  /** Byte 4, the abridged tag word: bit j is 1 when register Rj is not empty. */
  get ftw(): number { return Number(this.#read(4, 1)); }
  set ftw(value: number) { this.#write(4, 1, BigInt(value)); }
  /** Bytes 8 to 15 as the 64-bit form has them. */
  get fip(): bigint { return this.#read(8, 8); }
  set fip(value: bigint) { this.#write(8, 8, value); }
  /** Bytes 16 to 23 as the 64-bit form has them. */
  get fdp(): bigint { return this.#read(16, 8); }
  set fdp(value: bigint) { this.#write(16, 8, value); }
  /** Bytes 12 and 13: FCS of the 32-bit form. */
  get fcs(): number { return Number(this.#read(12, 2)); }
  set fcs(value: number) { this.#write(12, 2, BigInt(value)); }
  /** Bytes 20 and 21: FDS of the 32-bit form. */
  get fds(): number { return Number(this.#read(20, 2)); }
  set fds(value: number) { this.#write(20, 2, BigInt(value)); }
  get mxcsr(): number { return Number(this.#read(24, 4)); }
  set mxcsr(value: number) { this.#write(24, 4, BigInt(value)); }
  get xstateBv(): bigint { return this.#read(512, 8); }
  set xstateBv(value: bigint) { this.#write(512, 8, value); }
  get xcompBv(): bigint { return this.#read(520, 8); }
  set xcompBv(value: bigint) { this.#write(520, 8, value); }
  /** Byte 511, which no instruction touches and where Xen notes the form of the image: 8, 4, or 0 when never set. */
  get wordSize(): number { return Number(this.#read(511, 1)); }
  set wordSize(value: number) { this.#write(511, 1, BigInt(value)); }

  /** Where a step may put a 28-byte FNSTENV image; `environmentFcs` and `environmentFds` read it. */
  get environment(): bigint { return this.address + ENVIRONMENT_OFFSET; }
  get environmentFcs(): number { return Number(this.#memory.read(this.environment + 16n, 2)); }
  get environmentFds(): number { return Number(this.#memory.read(this.environment + 24n, 2)); }

  /** The address, as assembly text takes it. */
  toString(): string { return hex(this.address); }
}
