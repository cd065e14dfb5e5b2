/** DPPS and DPPD: products, their sums in pairs, the sum of these, each rounded. SDM vol. 2A, DPPS. */

import { int, u } from '../bits.ts';
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
 * Of 128 bits. `immediate` bits 7:4 choose the lanes that are multiplied, +0 standing for the others; bits 3:0 the
 * lanes of the result that get the sum. Each step is an operation of its own: an unmasked exception ends it.
 */
export function dotProduct(
  format: Format, x: bigint, y: bigint, immediate: number, order: DotProductOrder, control: SimdControl,
): VectorOutcome {
  const { width } = format, count = width === 64 ? 2 : 4;
  const products = eachLane(count, width, control, (n) =>
    (immediate >> (4 + n)) & 1 ? multiply(format, lane(x, width, n), lane(y, width, n), control) : ZERO);
  const total = ORDERS[order][count].reduce((from, operands) => {
    if (from.trapped) return from;
    const to = eachLane(count, width, control, (n) => {
      const [first, second] = operands(n);
      return add(format, lane(from.value, width, first), lane(from.value, width, second), control);
    });
    return { ...to, flags: from.flags | to.flags };
  }, products);
  let chosen = 0n;
  for (let n = 0; n < count; n++) {
    if ((immediate >> n) & 1) chosen |= u(128, u(width, -1n) << BigInt(int(width * n)));
  }
  return { ...total, value: total.value & chosen };
}
