/** Moves of whole vectors. SDM vol. 1, 5.4.1, 5.5.1.1, 5.5.4, 5.6.1.1, 5.6.3, 5.6.4, 5.7.2 and 5.10.2. */

import type { InstructionDefinition } from '../instruction.ts';
import type { Compute, Levels } from './family.ts';
import { FLOAT_SSE, FLOAT_SSE2, FLOAT_SSE3, INTEGER_SSE4_1 } from './levels.ts';
import { type Row, rows } from './rows.ts';

const whole: Compute = ({ a }) => a;
/** MOVDQA and MOVDQU have 256 bits since AVX. */
const INTEGERS: Levels = { sse: 'SSE2', avx: 'AVX', avx2: 'AVX' };

/** mnemonic, title, opcode of the load and of the store, CPUID bits */
type Pair = readonly [string, string, string, string, Levels];
const load = ([mnemonic, title, encoding, , levels]: Pair): Row => [mnemonic, title, `${encoding} /r`, levels, whole];
const store = ([mnemonic, title, , encoding, levels]: Pair): Row => [mnemonic, title, `${encoding} /r`, levels, whole];

const ALIGNED: readonly Pair[] = [
  ['MOVAPS', 'Move aligned packed single', 'NP 0F 28', 'NP 0F 29', FLOAT_SSE],
  ['MOVAPD', 'Move aligned packed double', '66 0F 28', '66 0F 29', FLOAT_SSE2],
  ['MOVDQA', 'Move aligned packed integers', '66 0F 6F', '66 0F 7F', INTEGERS],
];
const UNALIGNED: readonly Pair[] = [
  ['MOVUPS', 'Move unaligned packed single', 'NP 0F 10', 'NP 0F 11', FLOAT_SSE],
  ['MOVUPD', 'Move unaligned packed double', '66 0F 10', '66 0F 11', FLOAT_SSE2],
  ['MOVDQU', 'Move unaligned packed integers', 'F3 0F 6F', 'F3 0F 7F', INTEGERS],
];

export const MOVES: readonly InstructionDefinition[] = [
  ...rows({ operands: 'V, W', exceptions: 1 }, ALIGNED.map(load)),
  ...rows({ operands: 'W, V', exceptions: 1 }, ALIGNED.map(store)),
  ...rows({ operands: 'V, W', exceptions: '4, unaligned' }, UNALIGNED.map(load)),
  ...rows({ operands: 'W, V', exceptions: '4, unaligned' }, UNALIGNED.map(store)),
  ...rows({ operands: 'V, M', exceptions: '4, unaligned' }, [
    ['LDDQU', 'Load unaligned integers', 'F2 0F F0 /r', FLOAT_SSE3, whole],
  ]),
  // Non-temporal: the caches that it speaks to are not there.
  ...rows({ operands: 'M, V', exceptions: 1 }, [
    ['MOVNTPS', 'Store packed single using non-temporal hint', 'NP 0F 2B /r', FLOAT_SSE, whole],
    ['MOVNTPD', 'Store packed double using non-temporal hint', '66 0F 2B /r', FLOAT_SSE2, whole],
    ['MOVNTDQ', 'Store packed integers using non-temporal hint', '66 0F E7 /r', INTEGERS, whole],
    ['MOVNTQ', 'Store of quadword using non-temporal hint', 'NP 0F E7 /r', { mmx: 'SSE' }, whole],
  ]),
  ...rows({ operands: 'V, M', exceptions: 1 }, [
    ['MOVNTDQA', 'Load double quadword non-temporal aligned hint', '66 0F 38 2A /r', INTEGER_SSE4_1, whole],
  ]),
];
