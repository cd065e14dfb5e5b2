/** A writer of small ELF files: what the tests boot is assembled and wrapped here. */

export interface Segment {
  readonly physical: bigint;
  readonly virtual?: bigint;
  readonly bytes: Uint8Array;
  /** Bytes in memory; the file's own unless there is more. */
  readonly memoryBytes?: bigint;
}

export interface Executable {
  readonly bits: 32 | 64;
  readonly entry: bigint;
  readonly segments: readonly Segment[];
}

/** Headers, then each segment's bytes. */
export function elf({ bits, entry, segments }: Executable): Uint8Array {
  const wide = bits === 64;
  const [headerBytes, entryBytes] = wide ? [0x40, 0x38] : [0x34, 0x20];
  const start = headerBytes! + segments.length * entryBytes!;
  const file = new Uint8Array(start + segments.reduce((sum, { bytes }) => sum + bytes.length, 0));
  const view = new DataView(file.buffer);
  const word = (at: number, value: number): void => view.setUint16(at, value, true);
  const doubleword = (at: number, value: number): void => view.setUint32(at, value, true);
  /** Consecutive addresses, offsets or sizes. */
  const addresses = (at: number, ...values: bigint[]): void => values.forEach((value, n) => {
    if (wide) view.setBigUint64(at + 8 * n, BigInt.asUintN(64, value), true);
    else doubleword(at + 4 * n, Number(BigInt.asUintN(32, value)));
  });

  file.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, 1, 1]);
  word(0x10, 2);
  word(0x12, wide ? 62 : 3);
  doubleword(0x14, 1);
  addresses(0x18, entry, BigInt(headerBytes!));
  word(wide ? 0x34 : 0x28, headerBytes!);
  word(wide ? 0x36 : 0x2a, entryBytes!);
  word(wide ? 0x38 : 0x2c, segments.length);
  let offset = start;
  segments.forEach(({ physical, virtual = physical, bytes, memoryBytes = BigInt(bytes.length) }, n) => {
    const at = headerBytes! + n * entryBytes!;
    doubleword(at, 1);
    if (wide) doubleword(at + 4, 7);
    addresses(at + (wide ? 8 : 4), BigInt(offset), virtual, physical, BigInt(bytes.length), memoryBytes);
    if (!wide) doubleword(at + 24, 7);
    file.set(bytes, offset);
    offset += bytes.length;
  });
  return file;
}
