/**
 * TILECFG state as a restore loads it: what LDTILECFG refuses makes it initial, without a fault. SDM vol. 1, 13.5.14,
 * of an edition later than 2016, as transcribed in a public repository; what LDTILECFG refuses is from memory.
 */

import { OFFSET } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';

const BYTES = 64, TILES = 8, ROWS = 16, BYTES_PER_ROW = 64;
const PALETTE = 0, FIRST_RESERVED = 2, COLUMNS = 16, AFTER_COLUMNS = 32, ROWS_AT = 48, AFTER_ROWS = 56;

const allZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

/** What LDTILECFG accepts: palette 0, with nothing else, or tiles of palette 1 that have both rows and columns. */
function isAccepted(image: Uint8Array): boolean {
  if (image[PALETTE] === 0) return allZero(image);
  const columns = (n: number): number => image[COLUMNS + 2 * n]! | (image[COLUMNS + 2 * n + 1]! << 8);
  const rows = (n: number): number => image[ROWS_AT + n]!;
  const reserved = [[FIRST_RESERVED, COLUMNS], [AFTER_COLUMNS, ROWS_AT], [AFTER_ROWS, BYTES]]
    .map(([from, to]) => image.subarray(from, to));
  return image[PALETTE] === 1 && reserved.every(allZero)
    && Array.from({ length: TILES }, (_, n) => n).every((n) =>
      columns(n) <= BYTES_PER_ROW && rows(n) <= ROWS && (columns(n) === 0) === (rows(n) === 0));
}

export function loadTileConfiguration(x: Execution, image: Uint8Array): void {
  const configuration = image.subarray(0, BYTES);
  x.state.bytes.set(isAccepted(configuration) ? configuration : new Uint8Array(BYTES), OFFSET.tileConfiguration);
}
