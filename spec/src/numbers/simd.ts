/** SIMD floating-point under MXCSR, bit for bit: values and exception flags. SDM vol. 1, chapters 10, 11 and 14. */

export { type Relation } from './float80/compare.ts';
export { type Outcome, DE, IE, OE, PE, UE, ZE, exactly } from './float80/control.ts';
export { type SimdControl, simdControlOf } from './simd/control.ts';
export { type Format, DOUBLE, HALF, SINGLE } from './simd/format.ts';
export { type Binary, add, divide, multiply, squareRoot, subtract } from './simd/arithmetic.ts';
export { type Signs, fusedMultiplyAdd } from './simd/fused-multiply-add.ts';
export { compareLanes, compareTo, maximum, minimum } from './simd/compare.ts';
export { convertLane, fromHalf, fromIntegerLane, roundLane, toHalf, toIntegerLane } from './simd/convert.ts';
export { type DotProductOrder, dotProduct } from './simd/dot-product.ts';
export { type VectorOutcome, eachLane, lane } from './simd/lanes.ts';
export { approximateReciprocal, approximateReciprocalSquareRoot } from './simd/approximations.ts';
