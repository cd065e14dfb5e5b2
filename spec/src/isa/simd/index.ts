import { VECTOR_ARITHMETIC } from './arithmetic.ts';
import { COMPARES } from './compares.ts';
import { EXTENSIONS } from './extensions.ts';
import { INSERTS } from './inserts.ts';
import { VECTOR_LOGIC } from './logic.ts';
import { MOVES } from './moves.ts';
import { MXCSR } from './mxcsr.ts';
import { PARTIAL_MOVES } from './partial-moves.ts';
import { VECTOR_SHIFTS } from './shifts.ts';
import { SHUFFLES } from './shuffles.ts';

export const SIMD = [
  ...MOVES, ...PARTIAL_MOVES, ...VECTOR_ARITHMETIC, ...COMPARES, ...VECTOR_LOGIC, ...VECTOR_SHIFTS, ...SHUFFLES,
  ...INSERTS, ...EXTENSIONS, ...MXCSR,
];
