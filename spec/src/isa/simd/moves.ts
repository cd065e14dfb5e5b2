/** Moves of whole vectors. SDM vol. 1, 5.4.1, 5.5.1.1, 5.6.1.1 and 5.6.3. */

import { sdm } from '../../state/citation.ts';
import type { InstructionDefinition } from '../instruction.ts';
import type { ExceptionClass } from './exceptions.ts';
import { type Family, type Levels, family } from './family.ts';
import { FLOAT_SSE, FLOAT_SSE2 } from './levels.ts';

type Common = Pick<Family, 'mnemonic' | 'title' | 'levels' | 'exceptions' | 'source'>;

/** To a vector, and from one: what is there of the two. */
const moving = (common: Common, load?: string, store?: string): readonly InstructionDefinition[] => [
  ...(load ? family({ ...common, encoding: load, operands: 'V, W', compute: ({ a }) => a }) : []),
  ...(store ? family({ ...common, encoding: store, operands: 'W, V', compute: ({ a }) => a }) : []),
];

const AVX: Pick<Levels, 'avx' | 'avx2'> = { avx: 'AVX', avx2: 'AVX' };

/** mnemonic, title, load, store, encodings, exceptions, volume */
type Row = readonly [string, string, string | undefined, string | undefined, Levels, ExceptionClass, string];
const ROWS: readonly Row[] = [
  ['MOVAPS', 'Move aligned packed single', 'NP 0F 28 /r', 'NP 0F 29 /r', FLOAT_SSE, 1, '2B'],
  ['MOVAPD', 'Move aligned packed double', '66 0F 28 /r', '66 0F 29 /r', FLOAT_SSE2, 1, '2B'],
  ['MOVUPS', 'Move unaligned packed single', 'NP 0F 10 /r', 'NP 0F 11 /r', FLOAT_SSE, '4, unaligned', '2B'],
  ['MOVUPD', 'Move unaligned packed double', '66 0F 10 /r', '66 0F 11 /r', FLOAT_SSE2, '4, unaligned', '2B'],
  ['MOVDQA', 'Move aligned packed integers', '66 0F 6F /r', '66 0F 7F /r', { sse: 'SSE2', ...AVX }, 1, '2B'],
  [
    'MOVDQU', 'Move unaligned packed integers', 'F3 0F 6F /r', 'F3 0F 7F /r', { sse: 'SSE2', ...AVX }, '4, unaligned',
    '2B',
  ],
];

export const MOVES: readonly InstructionDefinition[] = ROWS.flatMap(
  ([mnemonic, title, load, store, levels, exceptions, volume]) => {
    const section = volume === '2A' ? '3.2' : '4.3';
    return moving({ mnemonic, title, levels, exceptions, source: sdm(volume, `${section}, ${mnemonic}`) }, load, store);
  },
);
