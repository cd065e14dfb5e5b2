/** Bytes of a save area for experiments and tests to restore from. */

import { toBytes } from '../../spec/src/numbers/bits.ts';

export interface SaveImage {
  fcw?: number;
  fsw?: number;
  ftw?: number;
  fop?: number;
  /** Bytes 8 to 15 and 16 to 23, whatever they mean to the instruction that reads them. */
  fip?: bigint;
  fdp?: bigint;
  mxcsr?: number;
  /** Bytes 24 to 63 of the header are `tail`, 16 to 23 `reserved`. */
  xstateBv?: bigint;
  xcompBv?: bigint;
  reserved?: bigint;
  tail?: bigint;
  st?: readonly bigint[];
  xmm?: readonly bigint[];
}

/** An image in the initial configuration but for what is given: 832 bytes, x87, SSE and AVX in the standard format. */
export function saveImage(given: SaveImage = {}): Uint8Array {
  const bytes = new Uint8Array(832);
  const put = (offset: number, length: number, value: number | bigint): void => bytes.set(toBytes(BigInt(value), length), offset);
  put(0, 2, given.fcw ?? 0x37f);
  put(2, 2, given.fsw ?? 0);
  put(4, 1, given.ftw ?? 0);
  put(6, 2, given.fop ?? 0);
  put(8, 8, given.fip ?? 0n);
  put(16, 8, given.fdp ?? 0n);
  put(24, 4, given.mxcsr ?? 0x1f80);
  given.st?.forEach((value, n) => put(32 + 16 * n, 10, value));
  given.xmm?.forEach((value, n) => put(160 + 16 * n, 16, value));
  put(512, 8, given.xstateBv ?? 0n);
  put(520, 8, given.xcompBv ?? 0n);
  put(528, 8, given.reserved ?? 0n);
  put(536, 8, given.tail ?? 0n);
  return bytes;
}
