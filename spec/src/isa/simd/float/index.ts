import { FLOAT_ARITHMETIC } from './arithmetic.ts';
import { FLOAT_COMPARISON } from './comparison.ts';
import { FLOAT_CONVERSION } from './conversion.ts';
import { FUSED_MULTIPLY_ADD } from './fused-multiply-add.ts';

export const FLOAT = [...FLOAT_ARITHMETIC, ...FLOAT_COMPARISON, ...FLOAT_CONVERSION, ...FUSED_MULTIPLY_ADD];
