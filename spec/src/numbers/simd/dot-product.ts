/** DPPS and DPPD: products, their sums in pairs, the sum of these, each rounded. SDM vol. 2A, DPPS. */

import { int } from '../bits.ts';
import { add, multiply } from './arithmetic.ts';
import type { SimdControl } from './control.ts';
import type { Format } from './format.ts';
import { type VectorOutcome, eachLane, lane } from './lanes.ts';

/**
 * Which NaN passes, where there are several. Either all lanes get the sum of the manual's operation section. Or each
 * lane is computed with operands of its own: of products DPPS takes the neighbour's first, DPPD its own, and of the
 * sums of pairs DPPS takes its own first.
 */
export type DotProductOrder = 'as written' | 'by lane';

type Operands = (n: number) => readonly [number, number];

/** The lanes of the first and of the second operand of lane `n`'s additions, for DPPD and for DPPS. */
const ORDERS: Readonly<Record<DotProductOrder, Readonly<Record<2 | 4, readonly Operands[]>>>> = {
  'as written': { 2: [() => [0, 1]], 4: [(n) => [n & 2, n | 1], () => [0, 2]] },
  'by lane': { 2: [(n) => [n, n ^ 1]], 4: [(n) => [n ^ 1, n], (n) => [n, n ^ 2]] },
};

const ZERO = { written: true, value: 0n, flags: 0, c1: 0 };

/**
 * Of each 128 bits of vectors of `total` bits. `immediate` bits 7:4 choose the lanes that are multiplied, +0 standing
 * for the others; bits 3:0 the lanes of the result that get the sum. Each step is an operation of its own: an unmasked
 * exception ends it.
 */
export function dotProduct(
  format: Format, total: number, x: bigint, y: bigint, immediate: number, order: DotProductOrder, control: SimdControl,
): VectorOutcome {
  const { width } = format, count = width === 64 ? 2 : 4, lanes = int(total / width);
  const products = eachLane(lanes, width, control, (n) =>
    (immediate >> (4 + n % count)) & 1 ? multiply(format, lane(x, width, n), lane(y, width, n), control) : ZERO);
  const sums = ORDERS[order][count].reduce((from, operands) => {
    if (from.trapped) return from;
    const to = eachLane(lanes, width, control, (n) => {
      const block = int(n - n % count);
      const [first, second] = operands(n % count).map((m) => lane(from.value, width, int(block + m)));
      return add(format, first!, second!, control);
    });
    return { ...to, flags: from.flags | to.flags };
  }, products);
  const chosen = eachLane(lanes, width, control, (n) =>
    ((immediate >> (n % count)) & 1 ? { ...ZERO, value: lane(sums.value, width, n) } : ZERO));
  return { ...sums, value: chosen.value };
}
