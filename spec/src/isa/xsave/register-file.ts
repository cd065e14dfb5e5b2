/** Registers that lie apart from each other in the state area, and side by side in a save area. */

import { copyBytes } from '../../numbers/bits.ts';
import { OFFSET, VECTOR_STRIDE } from '../../state/fields.ts';
import type { State } from '../../state/state.ts';

export interface RegisterFile {
  /** Of the first, in the state area; the next is `stride` bytes behind it. */
  readonly start: number;
  readonly stride: number;
  readonly bytes: number;
}

/** A part of vector registers from `first` on: `bytes` bytes of each from byte `from` on. */
export const partOfVectors = (from: number, bytes: number, first = 0): RegisterFile =>
  ({ start: OFFSET.vector + VECTOR_STRIDE * first + from, stride: VECTOR_STRIDE, bytes });

/** The first `count` registers, as a save area has them. */
export function packed({ bytes: area }: State, { start, stride, bytes }: RegisterFile, count: number): Uint8Array {
  if (stride === bytes) return area.slice(start, start + stride * count);
  const image = new Uint8Array(bytes * count);
  for (let n = 0; n < count; n++) copyBytes(image, bytes * n, area, start + stride * n, bytes);
  return image;
}

/** Loads them from `image`, which has them so. */
export function unpack(
  { bytes: area }: State, { start, stride, bytes }: RegisterFile, count: number, image: Uint8Array,
): void {
  if (stride === bytes) area.set(image.subarray(0, stride * count), start);
  else for (let n = 0; n < count; n++) copyBytes(area, start + stride * n, image, bytes * n, bytes);
}

/** Whether any of them is not all zeros. */
export function holdsAnything(state: State, { start, stride, bytes }: RegisterFile, count: number): boolean {
  for (let n = 0; n < count; n++) {
    const from = start + stride * n;
    for (let at = from; at < from + bytes; at += 4) if (state.doubleword(at) !== 0) return true;
  }
  return false;
}

export function clear({ bytes: area }: State, { start, stride, bytes }: RegisterFile, count: number): void {
  for (let n = 0; n < count; n++) area.fill(0, start + stride * n, start + stride * n + bytes);
}
