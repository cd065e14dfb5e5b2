/** AND, OR and exclusive OR, in the names of integers and of floating-point vectors. SDM vol. 1, 5.4.4 and 5.5.1.4. */

import { sdm } from '../../state/citation.ts';
import type { InstructionDefinition } from '../instruction.ts';
import { type Compute, type Levels, family } from './family.ts';
import { FLOAT_SSE, FLOAT_SSE2, MMX } from './levels.ts';

const and: Compute = ({ a, b }) => a & b;
const andNot: Compute = ({ a, b }) => ~a & b;
const or: Compute = ({ a, b }) => a | b;
const xor: Compute = ({ a, b }) => a ^ b;

/** mnemonic, title, encoding, CPUID bits, operation, volume and section */
type Row = readonly [string, string, string, Levels, Compute, string];
const ROWS: readonly Row[] = [
  ['PAND', 'Logical AND', '66 0F DB /r', MMX, and, '2B'],
  ['PANDN', 'Logical AND NOT', '66 0F DF /r', MMX, andNot, '2B'],
  ['POR', 'Bitwise logical OR', '66 0F EB /r', MMX, or, '2B'],
  ['PXOR', 'Logical exclusive OR', '66 0F EF /r', MMX, xor, '2B'],
  ['ANDPS', 'Bitwise logical AND of packed single', 'NP 0F 54 /r', FLOAT_SSE, and, '2A'],
  ['ANDPD', 'Bitwise logical AND of packed double', '66 0F 54 /r', FLOAT_SSE2, and, '2A'],
  ['ANDNPS', 'Bitwise logical AND NOT of packed single', 'NP 0F 55 /r', FLOAT_SSE, andNot, '2A'],
  ['ANDNPD', 'Bitwise logical AND NOT of packed double', '66 0F 55 /r', FLOAT_SSE2, andNot, '2A'],
  ['ORPS', 'Bitwise logical OR of packed single', 'NP 0F 56 /r', FLOAT_SSE, or, '2B'],
  ['ORPD', 'Bitwise logical OR of packed double', '66 0F 56 /r', FLOAT_SSE2, or, '2B'],
  ['XORPS', 'Bitwise logical XOR of packed single', 'NP 0F 57 /r', FLOAT_SSE, xor, '2C'],
  ['XORPD', 'Bitwise logical XOR of packed double', '66 0F 57 /r', FLOAT_SSE2, xor, '2C'],
];

const SECTIONS: Readonly<Record<string, string>> = { '2A': '3.2', '2B': '4.3', '2C': '5.3' };

export const LOGIC: readonly InstructionDefinition[] = ROWS.flatMap(
  ([mnemonic, title, encoding, levels, compute, volume]) => family({
    mnemonic, title, encoding, operands: 'V, H, W', levels, exceptions: 4, compute,
    ...(mnemonic === 'PXOR' ? { zeroing: true as const } : {}),
    source: sdm(volume, `${SECTIONS[volume]}, ${mnemonic}`),
  }),
);
