import { X87_ARITHMETIC } from './arithmetic.ts';
import { X87_COMPARISONS } from './comparisons.ts';
import { X87_CONTROL } from './control.ts';
import { X87_DATA_TRANSFER } from './data-transfer.ts';
import { X87_FUNCTIONS } from './functions.ts';

export const X87 = [
  ...X87_DATA_TRANSFER, ...X87_ARITHMETIC, ...X87_COMPARISONS, ...X87_FUNCTIONS, ...X87_CONTROL,
];
