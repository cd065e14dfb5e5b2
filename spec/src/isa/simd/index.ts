import { LOGIC } from './logic.ts';
import { MOVES } from './moves.ts';
import { MXCSR } from './mxcsr.ts';

export const SIMD = [...MOVES, ...LOGIC, ...MXCSR];
