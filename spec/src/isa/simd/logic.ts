/** AND, OR and exclusive OR, in the names of integers and of floating-point vectors. SDM vol. 1, 5.4.4 and 5.5.1.4. */

import type { InstructionDefinition } from '../instruction.ts';
import type { Compute } from './family.ts';
import { FLOAT_SSE, FLOAT_SSE2, MMX } from './levels.ts';
import { rows } from './rows.ts';

const and: Compute = ({ a, b }) => a & b;
const andNot: Compute = ({ a, b }) => ~a & b;
const or: Compute = ({ a, b }) => a | b;
const xor: Compute = ({ a, b }) => a ^ b;

export const VECTOR_LOGIC: readonly InstructionDefinition[] = [
  ...rows({ operands: 'V, H, W', exceptions: 4 }, [
    ['PAND', 'Logical AND', '66 0F DB /r', MMX, and],
    ['PANDN', 'Logical AND NOT', '66 0F DF /r', MMX, andNot],
    ['POR', 'Bitwise logical OR', '66 0F EB /r', MMX, or],
    ['ANDPS', 'Bitwise logical AND of packed single', 'NP 0F 54 /r', FLOAT_SSE, and],
    ['ANDPD', 'Bitwise logical AND of packed double', '66 0F 54 /r', FLOAT_SSE2, and],
    ['ANDNPS', 'Bitwise logical AND NOT of packed single', 'NP 0F 55 /r', FLOAT_SSE, andNot],
    ['ANDNPD', 'Bitwise logical AND NOT of packed double', '66 0F 55 /r', FLOAT_SSE2, andNot],
    ['ORPS', 'Bitwise logical OR of packed single', 'NP 0F 56 /r', FLOAT_SSE, or],
    ['ORPD', 'Bitwise logical OR of packed double', '66 0F 56 /r', FLOAT_SSE2, or],
    ['XORPS', 'Bitwise logical XOR of packed single', 'NP 0F 57 /r', FLOAT_SSE, xor],
    ['XORPD', 'Bitwise logical XOR of packed double', '66 0F 57 /r', FLOAT_SSE2, xor],
  ]),
  ...rows({ operands: 'V, H, W', exceptions: 4, zeroing: true }, [
    ['PXOR', 'Logical exclusive OR', '66 0F EF /r', MMX, xor],
  ]),
];
