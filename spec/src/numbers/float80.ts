/** 80-bit floating point as the x87 computes it, bit for bit: values, exception flags and C1. */

export {
  type Float80, type Float80Class, BIAS, REAL_INDEFINITE, classify, exponentOf, pack, signOf, significandOf,
} from './float80/format.ts';
export {
  type Control, type Outcome, type Precision, type RoundingMode, DE, IE, OE, PE, UE, ZE, controlOf, masked,
} from './float80/control.ts';
export {
  type Operand, type Source, fromFloat32, fromFloat64, fromFloat80, fromInteger, fromParts,
} from './float80/operand.ts';
export { add, subtract, subtractReversed } from './float80/add.ts';
export { multiply } from './float80/multiply.ts';
export { divide, divideReversed } from './float80/divide.ts';
export { squareRoot } from './float80/square-root.ts';
export { type Comparison, type Relation, compare, compareUnordered } from './float80/compare.ts';
export { loadFloat32, loadFloat64, loadInteger } from './float80/load.ts';
export { storeFloat32, storeFloat64 } from './float80/store.ts';
export { roundToInteger, storeInteger, storeIntegerTruncated } from './float80/integer.ts';
export { isDecimal, loadDecimal, storeDecimal } from './float80/decimal.ts';
export { type Remainder, remainder, remainderToNearest } from './float80/remainder.ts';
export { type Extracted, extract, scale } from './float80/scale.ts';
export { type Constant, loadConstant } from './float80/constants.ts';
export { exponentialMinusOne, exponentialOutOfRange } from './float80/exponential.ts';
export { logarithmOf1PlusOutOfRange, timesLogarithm, timesLogarithmOf1Plus } from './float80/logarithm.ts';
export { arctangentOfQuotient } from './float80/arctangent.ts';
export type { Manner } from './float80/internal-format.ts';
export { type Trigonometric, cos, sin, tan } from './float80/trigonometric.ts';
