/** FMA3: three orders of the operands, ten operations. SDM vol. 1, 14.5, and vol. 2C, VFMADD132PD. */

import { type Signs, fusedMultiplyAdd, lane } from '../../../numbers/simd.ts';
import type { InstructionDefinition } from '../../instruction.ts';
import { type Compute, family } from '../family.ts';
import { entry } from '../rows.ts';
import { KINDS, type LaneOperation, type Suffix, lanewise } from './rows.ts';

/** Which of the three operands are multiplicand, multiplier and addend. */
type Order = readonly [number, number, number];
const ORDERS: Readonly<Record<string, Order>> = { 132: [0, 2, 1], 213: [1, 0, 2], 231: [1, 2, 0] };

const fused = ([x, y, z]: Order, signs: (n: number) => Signs): LaneOperation =>
  (format, first, second, control, { c }, n) => {
    const operands = [first, second, lane(c, format.width, n)];
    return fusedMultiplyAdd(format, operands[x]!, operands[y]!, operands[z]!, signs(n), control);
  };

/** The destination is the first of the three operands, and what is above a scalar stays in it. */
const withDestination = (compute: Compute): Compute => (sources) =>
  compute({ ...sources, a: sources.x.read(sources.i.operands[0]!), b: sources.a, c: sources.b });

/** Name, title, low digit of the packed and of the scalar opcodes, and what is negated in lane `n`. */
type Row = readonly [string, string, string, string | undefined, (n: number) => Signs];
const constant = (negateProduct: boolean, negateAddend: boolean) => (): Signs => ({ negateProduct, negateAddend });
const alternating = (odd: number) => (n: number): Signs =>
  ({ negateProduct: false, negateAddend: (n & 1) === odd });

const ROWS: readonly Row[] = [
  ['FMADDSUB', 'Fused multiply and alternating add and subtract of', '6', undefined, alternating(0)],
  ['FMSUBADD', 'Fused multiply and alternating subtract and add of', '7', undefined, alternating(1)],
  ['FMADD', 'Fused multiply and add of', '8', '9', constant(false, false)],
  ['FMSUB', 'Fused multiply and subtract of', 'A', 'B', constant(false, true)],
  ['FNMADD', 'Fused negative multiply and add of', 'C', 'D', constant(true, false)],
  ['FNMSUB', 'Fused negative multiply and subtract of', 'E', 'F', constant(true, true)],
];
const HIGH_DIGITS: Readonly<Record<string, string>> = { 132: '9', 213: 'A', 231: 'B' };

const PACKED = { avx: 'FMA', avx2: 'FMA' } as const;
const SCALAR = { avx: 'FMA' } as const;

const definition = (
  [name, title, packed, single, signs]: Row, order: string, suffix: Suffix,
): readonly InstructionDefinition[] => {
  const kind = KINDS[suffix], { words, format, scalar } = kind, low = scalar ? single : packed;
  if (low === undefined) return [];
  const mnemonic = name + order + suffix;
  return family({
    mnemonic,
    title: `${title} ${words} values`,
    encoding: `66 0F 38 ${HIGH_DIGITS[order]}${low} /r`,
    operands: `V, H, W${scalar ? format.width : ''}`,
    levels: scalar ? SCALAR : PACKED,
    exceptions: scalar ? 3 : 2,
    w: format.width === 64 ? 'W1' : 'W0',
    ...(scalar ? { scalar } : {}),
    compute: withDestination(lanewise(kind, false, fused(ORDERS[order]!, signs))),
    source: entry(`V${mnemonic}`),
  });
};

export const FUSED_MULTIPLY_ADD: readonly InstructionDefinition[] = ROWS.flatMap((row) =>
  Object.keys(ORDERS).flatMap((order) =>
    (['PS', 'PD', 'SS', 'SD'] as const).flatMap((suffix) => definition(row, order, suffix))));
