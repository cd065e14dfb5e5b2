import { AES_FAMILY } from './aes.ts';
import { VECTOR_ARITHMETIC } from './arithmetic.ts';
import { COMPARES } from './compares.ts';
import { EXTENSIONS } from './extensions.ts';
import { FIELDS } from './fields.ts';
import { FLOAT } from './float/index.ts';
import { GATHERS } from './gathers.ts';
import { INSERTS } from './inserts.ts';
import { VECTOR_LOGIC } from './logic.ts';
import { MASKED_MOVES } from './masked-moves.ts';
import { MOVES } from './moves.ts';
import { MXCSR } from './mxcsr.ts';
import { PARTIAL_MOVES } from './partial-moves.ts';
import { SHA_FAMILY } from './sha.ts';
import { VECTOR_SHIFTS } from './shifts.ts';
import { SHUFFLES } from './shuffles.ts';
import { SSE4A } from './sse4a.ts';
import { STRING_COMPARES } from './strings.ts';
import { ZEROING } from './zero.ts';

export const SIMD = [
  ...MOVES, ...PARTIAL_MOVES, ...MASKED_MOVES, ...GATHERS, ...VECTOR_ARITHMETIC, ...COMPARES, ...STRING_COMPARES,
  ...VECTOR_LOGIC, ...VECTOR_SHIFTS, ...SHUFFLES, ...INSERTS, ...EXTENSIONS, ...AES_FAMILY, ...FIELDS, ...SHA_FAMILY,
  ...SSE4A, ...MXCSR, ...ZEROING, ...FLOAT,
];
