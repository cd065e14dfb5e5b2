/** ADD, SUB, MUL, DIV and SQRT of a lane. */

import { negated, sum } from '../float80/add.ts';
import { type Operation, performIn } from '../float80/arithmetic.ts';
import type { Outcome } from '../float80/control.ts';
import { quotient } from '../float80/divide.ts';
import { product } from '../float80/multiply.ts';
import { squareRootOf } from '../float80/square-root.ts';
import type { SimdControl } from './control.ts';
import { type Format, readLane } from './format.ts';

/** What an operation answers for two lanes of one format. */
export type Binary = (format: Format, x: bigint, y: bigint, control: SimdControl) => Outcome;

const binary = (operation: Operation): Binary => (format, x, y, control) =>
  performIn(format, operation, readLane(format, x, control), readLane(format, y, control), control);

export const add = binary(sum);
export const multiply = binary(product);
export const divide = binary(quotient);

/** `x − y`. */
export const subtract: Binary = (format, x, y, control) =>
  performIn(format, sum, readLane(format, x, control), negated(readLane(format, y, control)), control);

export function squareRoot(format: Format, x: bigint, control: SimdControl): Outcome {
  const operand = readLane(format, x, control);
  return performIn(format, squareRootOf, operand, operand, control);
}
