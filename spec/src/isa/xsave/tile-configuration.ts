/** TILECFG state as a restore loads it. SDM vol. 1, 13.5 and chapter 18; vol. 2A, LDTILECFG; from memory. */

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
  if (!isAccepted(configuration)) x.unmodelled('XRSTOR of a TILECFG that LDTILECFG would refuse');
  x.state.bytes.set(configuration, OFFSET.tileConfiguration);
}
