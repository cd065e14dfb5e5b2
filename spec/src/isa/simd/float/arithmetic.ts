/** Floating-point arithmetic of vectors. SDM vol. 1, 5.5.1.2, 5.6.1.2, 5.7.2, 5.7.3, 5.10.4 and 5.10.6. */

import { int } from '../../../numbers/bits.ts';
import {
  DOUBLE, type Format, SINGLE, add, approximateReciprocal, approximateReciprocalSquareRoot, divide, dotProduct, exactly,
  lane, maximum, minimum, multiply, roundLane, squareRoot, subtract,
} from '../../../numbers/simd.ts';
import type { Execution } from '../../execution.ts';
import type { InstructionDefinition } from '../../instruction.ts';
import { type Compute, family } from '../family.ts';
import { entry } from '../rows.ts';
import { type LaneOperation, controlOf, deliver, rows } from './rows.ts';
import { FLOAT_SSE3, FLOAT_SSE4_1, SCALAR_SSE4_1 } from '../levels.ts';

const root: LaneOperation = (format, _, x, control) => squareRoot(format, x, control);
const rounded: LaneOperation = (format, _, x, control, { immediate }) => roundLane(format, x, immediate, control);
const alternating: LaneOperation = (format, x, y, control, _, n) => (n & 1 ? add : subtract)(format, x, y, control);

/** Neighbours of one operand: the lower half of each 128 bits is of the first operand, the upper of the second. */
const neighbours = (of: typeof add): LaneOperation => (format, _x, _y, control, { a, b }, n) => {
  const { width } = format, count = 128 / width, half = 64 / width, inBlock = n % count;
  const from = inBlock < half ? a : b, at = int(n - inBlock + 2 * (inBlock % half));
  return of(format, lane(from, width, at), lane(from, width, int(at + 1)), control);
};

/** The manuals leave the value open within a bound; processors of one maker have the same. */
const approximated = (name: string, of: (x: bigint) => bigint): LaneOperation => (_f, _x, y, _c, { x }) => {
  requireKnownApproximation(x, name);
  return exactly(of(y));
};

function requireKnownApproximation(x: Execution, name: string): void {
  if (x.cpu.approximations === 'unknown') {
    x.unmodelled(`the approximation that ${name} gives on ${x.cpu.name}: it is known of Intel's processors only`);
  }
}

const dot = (format: Format): Compute => ({ x, width, a, b, immediate }) =>
  deliver(x, dotProduct(format, width, a, b, immediate, x.cpu.dotProduct, controlOf(x)));

const SSE3 = [FLOAT_SSE3] as const;

export const FLOAT_ARITHMETIC: readonly InstructionDefinition[] = [
  ...rows({ name: 'ADD', title: 'Add', encoding: '0F 58 /r', of: add }),
  ...rows({ name: 'SUB', title: 'Subtract', encoding: '0F 5C /r', of: subtract }),
  ...rows({ name: 'MUL', title: 'Multiply', encoding: '0F 59 /r', of: multiply }),
  ...rows({ name: 'DIV', title: 'Divide', encoding: '0F 5E /r', of: divide }),
  ...rows({ name: 'MIN', title: 'Minimum of', encoding: '0F 5D /r', of: minimum }),
  ...rows({ name: 'MAX', title: 'Maximum of', encoding: '0F 5F /r', of: maximum }),
  ...rows({ name: 'SQRT', title: 'Square root of', encoding: '0F 51 /r', unary: true, of: root }),
  ...rows({
    name: 'ADDSUB', title: 'Add and subtract', encoding: { PS: 'F2 0F D0 /r', PD: '66 0F D0 /r' }, levels: SSE3,
    of: alternating,
  }),
  ...rows({
    name: 'HADD', title: 'Add horizontally', encoding: { PS: 'F2 0F 7C /r', PD: '66 0F 7C /r' }, levels: SSE3,
    of: neighbours(add),
  }),
  ...rows({
    name: 'HSUB', title: 'Subtract horizontally', encoding: { PS: 'F2 0F 7D /r', PD: '66 0F 7D /r' }, levels: SSE3,
    of: neighbours(subtract),
  }),
  ...rows({
    name: 'ROUND', title: 'Round to an integer',
    encoding: {
      PS: '66 0F 3A 08 /r ib', PD: '66 0F 3A 09 /r ib', SS: '66 0F 3A 0A /r ib', SD: '66 0F 3A 0B /r ib',
    },
    levels: [FLOAT_SSE4_1, SCALAR_SSE4_1], unary: true, of: rounded,
  }),
  ...rows({
    name: 'RCP', title: 'Approximate reciprocal of', encoding: { PS: 'NP 0F 53 /r', SS: 'F3 0F 53 /r' },
    exceptions: [4, 5], unary: true, of: approximated('RCPPS', approximateReciprocal),
  }),
  ...rows({
    name: 'RSQRT', title: 'Approximate reciprocal of the square root of',
    encoding: { PS: 'NP 0F 52 /r', SS: 'F3 0F 52 /r' },
    exceptions: [4, 5], unary: true, of: approximated('RSQRTPS', approximateReciprocalSquareRoot),
  }),
  ...family({
    mnemonic: 'DPPS', title: 'Dot product of packed single-precision values', encoding: '66 0F 3A 40 /r ib',
    operands: 'V, H, W, imm8', levels: FLOAT_SSE4_1, exceptions: 2, compute: dot(SINGLE), source: entry('DPPS'),
  }),
  ...family({
    mnemonic: 'DPPD', title: 'Dot product of packed double-precision values', encoding: '66 0F 3A 41 /r ib',
    operands: 'V, H, W, imm8', levels: SCALAR_SSE4_1, exceptions: 2, compute: dot(DOUBLE), source: entry('DPPD'),
  }),
];
