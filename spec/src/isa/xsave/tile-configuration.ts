/**
 * TILECFG state as a restore loads it. SDM vol. 1, 13.5 and chapter 18; vol. 2A, LDTILECFG; from memory. They do not
 * say what XRSTOR makes of an image that LDTILECFG would refuse. Bochs, whose author is at Intel, leaves TILECFG and
 * TILEDATA initial then (cpu/xsave.cc, xrstor_tilecfg_state, and cpu/avx/amx.cc, configure_tiles, at 5edaa9d3e1), and
 * so it is here: no processor with AMX was at hand.
 */

import { OFFSET } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';

const BYTES = 64, TILES = 8, ROWS = 16, BYTES_PER_ROW = 64, TILE_DATA_BYTES = TILES * ROWS * BYTES_PER_ROW;
const PALETTE = 0, FIRST_RESERVED = 2, COLUMNS = 16, AFTER_COLUMNS = 32, ROWS_AT = 48, AFTER_ROWS = 56;

const allZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

/** What LDTILECFG accepts of palette 1: tiles that have both rows and columns, or neither. */
function describesTiles(image: Uint8Array): boolean {
  const columns = (n: number): number => image[COLUMNS + 2 * n]! | (image[COLUMNS + 2 * n + 1]! << 8);
  const rows = (n: number): number => image[ROWS_AT + n]!;
  const reserved = [[FIRST_RESERVED, COLUMNS], [AFTER_COLUMNS, ROWS_AT], [AFTER_ROWS, BYTES]]
    .map(([from, to]) => image.subarray(from, to));
  return image[PALETTE] === 1 && reserved.every(allZero)
    && Array.from({ length: TILES }, (_, n) => n).every((n) =>
      columns(n) <= BYTES_PER_ROW && rows(n) <= ROWS && (columns(n) === 0) === (rows(n) === 0));
}

/** Palette 0 is the initial configuration, whatever else the image has. */
export function loadTileConfiguration(x: Execution, image: Uint8Array): void {
  const described = describesTiles(image), { bytes } = x.state;
  bytes.set(described ? image.subarray(0, BYTES) : new Uint8Array(BYTES), OFFSET.tileConfiguration);
  const refused = !described && image[PALETTE] !== 0;
  if (refused) bytes.fill(0, OFFSET.tiles, OFFSET.tiles + TILE_DATA_BYTES);
}
