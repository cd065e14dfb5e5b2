/** Under which CPUID bits the encodings of a family came. SDM vol. 2, the tables of the instructions. */

import type { Levels } from './family.ts';

/** MMX, and its extension to XMM registers in SSE2, to YMM registers in AVX2. */
export const MMX: Levels = { mmx: 'MMX', sse: 'SSE2', avx: 'AVX', avx2: 'AVX2' };
/** What SSE and SSE2 added to MMX. */
export const MMX_SSE: Levels = { mmx: 'SSE', sse: 'SSE2', avx: 'AVX', avx2: 'AVX2' };
export const MMX_SSE2: Levels = { mmx: 'SSE2', sse: 'SSE2', avx: 'AVX', avx2: 'AVX2' };
export const MMX_SSSE3: Levels = { mmx: 'SSSE3', sse: 'SSSE3', avx: 'AVX', avx2: 'AVX2' };

/** Integers without MMX registers. */
export const INTEGER_SSE2: Levels = { sse: 'SSE2', avx: 'AVX', avx2: 'AVX2' };
export const INTEGER_SSE4_1: Levels = { sse: 'SSE4_1', avx: 'AVX', avx2: 'AVX2' };
export const INTEGER_SSE4_2: Levels = { sse: 'SSE4_2', avx: 'AVX', avx2: 'AVX2' };

/** Floating point, and what is typed as such: 256 bits came with AVX. */
export const FLOAT_SSE: Levels = { sse: 'SSE', avx: 'AVX', avx2: 'AVX' };
export const FLOAT_SSE2: Levels = { sse: 'SSE2', avx: 'AVX', avx2: 'AVX' };
export const FLOAT_SSE3: Levels = { sse: 'SSE3', avx: 'AVX', avx2: 'AVX' };
export const FLOAT_SSE4_1: Levels = { sse: 'SSE4_1', avx: 'AVX', avx2: 'AVX' };

/** Scalars, and others with no form of 256 bits. */
export const SCALAR_SSE: Levels = { sse: 'SSE', avx: 'AVX' };
export const SCALAR_SSE2: Levels = { sse: 'SSE2', avx: 'AVX' };
export const SCALAR_SSE4_1: Levels = { sse: 'SSE4_1', avx: 'AVX' };
