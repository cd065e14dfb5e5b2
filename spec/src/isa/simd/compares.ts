/** Compares and tests. SDM vol. 1, 5.4.3, 5.10.10, 5.10.13 and 14.7. */

import { s } from '../../numbers/bits.ts';
import { AF, CF, OF, PF, SF, ZF } from '../flags.ts';
import type { InstructionDefinition } from '../instruction.ts';
import type { Compute } from './family.ts';
import { mask, splitSigned } from './lanes.ts';
import { lanewise, lanewiseSigned } from './lanewise.ts';
import { INTEGER_SSE4_1, INTEGER_SSE4_2, MMX } from './levels.ts';
import { entry, rows } from './rows.ts';
import { widthOf } from './family.ts';
import { vector } from './vector.ts';

const equal = (bits: number): Compute => lanewise(bits, (a, b) => mask(bits, a === b));
const greater = (bits: number): Compute => lanewiseSigned(bits, (a, b) => mask(bits, a > b));

/** Whether ZF and CF are to be set, from the AND and the AND NOT of the operands. */
type IsZero = (width: number, value: bigint) => boolean;
const wholeZero: IsZero = (_, value) => value === 0n;
const signsZero = (bits: number): IsZero => (width, value) =>
  splitSigned(width, bits, value).every((lane) => s(bits, lane) >= 0n);

const testing = (
  mnemonic: string, title: string, form: string, cpuid: 'SSE4_1' | 'AVX', isZero: IsZero,
): InstructionDefinition => vector({
  mnemonic,
  title,
  forms: [form],
  cpuid,
  exceptions: 4,
  operation(x, i) {
    const first = x.read(i.operands[0]!), second = x.read(i.operands[1]!), width = widthOf(i);
    const zero = isZero(width, first & second) ? ZF : 0;
    x.setFlags(OF | SF | ZF | AF | PF | CF, zero | (isZero(width, ~first & second) ? CF : 0));
  },
  source: entry(mnemonic.replace(/^VP/, 'P')),
});

export const COMPARES: readonly InstructionDefinition[] = [
  ...rows({ operands: 'V, H, W', exceptions: 4 }, [
    ['PCMPEQB', 'Compare packed bytes for equal', '66 0F 74 /r', MMX, equal(8)],
    ['PCMPEQW', 'Compare packed words for equal', '66 0F 75 /r', MMX, equal(16)],
    ['PCMPEQD', 'Compare packed doublewords for equal', '66 0F 76 /r', MMX, equal(32)],
    ['PCMPEQQ', 'Compare packed quadwords for equal', '66 0F 38 29 /r', INTEGER_SSE4_1, equal(64)],
    ['PCMPGTB', 'Compare packed signed bytes for greater than', '66 0F 64 /r', MMX, greater(8)],
    ['PCMPGTW', 'Compare packed signed words for greater than', '66 0F 65 /r', MMX, greater(16)],
    ['PCMPGTD', 'Compare packed signed doublewords for greater than', '66 0F 66 /r', MMX, greater(32)],
    ['PCMPGTQ', 'Compare packed signed quadwords for greater than', '66 0F 38 37 /r', INTEGER_SSE4_2, greater(64)],
  ]),
  testing('PTEST', 'Logical compare', '66 0F 38 17 /r | xmm, xmm/m128', 'SSE4_1', wholeZero),
  testing('VPTEST', 'Logical compare', 'VEX.128.66.0F38.WIG 17 /r | xmm, xmm/m128', 'AVX', wholeZero),
  testing('VPTEST', 'Logical compare', 'VEX.256.66.0F38.WIG 17 /r | ymm, ymm/m256', 'AVX', wholeZero),
  testing('VTESTPS', 'Packed bit test of signs', 'VEX.128.66.0F38.W0 0E /r | xmm, xmm/m128', 'AVX', signsZero(32)),
  testing('VTESTPS', 'Packed bit test of signs', 'VEX.256.66.0F38.W0 0E /r | ymm, ymm/m256', 'AVX', signsZero(32)),
  testing('VTESTPD', 'Packed bit test of signs', 'VEX.128.66.0F38.W0 0F /r | xmm, xmm/m128', 'AVX', signsZero(64)),
  testing('VTESTPD', 'Packed bit test of signs', 'VEX.256.66.0F38.W0 0F /r | ymm, ymm/m256', 'AVX', signsZero(64)),
];
