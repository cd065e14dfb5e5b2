/** Moves of a part of a vector, and between the register files. SDM vol. 1, 5.4.1, 5.5.1.1, 5.6.1.1 and 5.7. */

import { bit, u } from '../../numbers/bits.ts';
import type { Feature } from '../../cpus/features.table.ts';
import type { InstructionDefinition } from '../instruction.ts';
import type { ExceptionClass } from './exceptions.ts';
import { type Compute, encodings } from './family.ts';
import { insert, join, split } from './lanes.ts';
import { entry, rows } from './rows.ts';
import { FLOAT_SSE3 } from './levels.ts';

/** Lane `lane` of the destination is replaced by lane `from` of the other source. */
const replace = (bits: number, lane: number, from = 0): Compute => ({ a, b }) =>
  insert(bits, lane, a, u(bits, b >> BigInt(bits * from)));
/** The lane alone, whatever is above it zero. */
const take = (bits: number, from = 0): Compute => ({ a }) => u(bits, a >> BigInt(bits * from));

/** The signs of the lanes, as bits. */
const signs = (bits: number): Compute => ({ width, a }) =>
  split(width, bits, a).reduce((mask, lane, n) => mask | (bit(lane, bits - 1) ? u(64, 1n << BigInt(n)) : 0n), 0n);

/** `merging`: the destination, or what VEX.vvvv names, gives what is not moved. */
const moving = (
  mnemonic: string, title: string, cpuid: Feature, exceptions: ExceptionClass, forms: string[], compute: Compute,
  merging: 'merging' | '' = '',
): InstructionDefinition => encodings({
  mnemonic, title, forms, cpuid, exceptions, compute, destructive: merging !== '',
  source: entry(mnemonic.replace(/^V/, '')),
});

/** MOVSS and MOVSD: between registers the rest stays, from memory it becomes zero. */
const scalar = (mnemonic: string, title: string, prefix: string, bits: number, cpuid: Feature) => [
  moving(mnemonic, title, cpuid, 5, [`${prefix} 0F 10 /r | xmm, rmxmm`, `${prefix} 0F 11 /r | rmxmm, xmm`],
    replace(bits, 0), 'merging'),
  moving(mnemonic, title, cpuid, 5, [`${prefix} 0F 10 /r | xmm, m${bits}`, `${prefix} 0F 11 /r | m${bits}, xmm`],
    take(bits)),
  moving(`V${mnemonic}`, title, 'AVX', 5, [
    `VEX.LIG.${prefix}.0F.WIG 10 /r | xmm, vvvvxmm, rmxmm`, `VEX.LIG.${prefix}.0F.WIG 11 /r | rmxmm, vvvvxmm, xmm`,
  ], replace(bits, 0), 'merging'),
  moving(`V${mnemonic}`, title, 'AVX', 5, [
    `VEX.LIG.${prefix}.0F.WIG 10 /r | xmm, m${bits}`, `VEX.LIG.${prefix}.0F.WIG 11 /r | m${bits}, xmm`,
  ], take(bits)),
];

/** Half of a vector from memory, and to it: MOVLPS and its kin. */
const half = (mnemonic: string, title: string, prefix: 'NP' | '66', load: number, lane: 0 | 1, cpuid: Feature) => {
  const vex = `VEX.128${prefix === 'NP' ? '' : '.66'}.0F.WIG`;
  return [
    moving(mnemonic, title, cpuid, 5, [`${prefix} 0F ${load} /r | xmm, m64`], replace(64, lane), 'merging'),
    moving(mnemonic, title, cpuid, 5, [`${prefix} 0F ${load + 1} /r | m64, xmm`], take(64, lane)),
    moving(`V${mnemonic}`, title, 'AVX', 5, [`${vex} ${load} /r | xmm, vvvvxmm, m64`], replace(64, lane), 'merging'),
    moving(`V${mnemonic}`, title, 'AVX', 5, [`${vex} ${load + 1} /r | m64, xmm`], take(64, lane)),
  ];
};

/** MOVMSKPS and its kin; the register has 64 bits with REX.W. */
const signMask = (mnemonic: string, title: string, prefix: 'NP' | '66', opcode: string, bits: number) => {
  const vex = (length: number, w: 0 | 1): string =>
    `VEX.${length}${prefix === 'NP' ? '' : '.66'}.0F.W${w} ${opcode} /r | ${
      w ? 'r64' : 'r32'}, rm${length === 256 ? 'ymm' : 'xmm'}${w ? ' | o64' : ''}`;
  const wide = bits === 8 ? 'AVX2' : 'AVX';
  return [
    moving(mnemonic, title, bits === 32 ? 'SSE' : 'SSE2', 7, [
      `${prefix} 0F ${opcode} /r | r32, rmxmm`, `${prefix} REX.W + 0F ${opcode} /r | r64, rmxmm | o64`,
    ], signs(bits)),
    moving(`V${mnemonic}`, title, 'AVX', 7, [vex(128, 0), vex(128, 1)], signs(bits)),
    moving(`V${mnemonic}`, title, wide, 7, [vex(256, 0), vex(256, 1)], signs(bits)),
  ];
};

const evenSingles: Compute = ({ width, a }) => duplicate(32, width, a, 0);
const oddSingles: Compute = ({ width, a }) => duplicate(32, width, a, 1);
const evenDoubles: Compute = ({ width, a }) => duplicate(64, width, a, 0);

/** Of each pair of lanes, one of them twice. */
const duplicate = (bits: number, width: number, value: bigint, which: 0 | 1): bigint => {
  const lanes = split(width, bits, value);
  return join(bits, lanes.map((_, n) => lanes[(n & ~1) + which]!));
};

export const PARTIAL_MOVES: readonly InstructionDefinition[] = [
  moving('MOVD', 'Move doubleword', 'MMX', 'MMX', ['NP 0F 6E /r | mm, r/m32', 'NP 0F 7E /r | r/m32, mm'], take(32)),
  moving('MOVQ', 'Move quadword', 'MMX', 'MMX', [
    'NP REX.W + 0F 6E /r | mm, r/m64 | o64', 'NP REX.W + 0F 7E /r | r/m64, mm | o64', 'NP 0F 6F /r | mm, mm/m64',
    'NP 0F 7F /r | mm/m64, mm',
  ], take(64)),
  moving('MOVD', 'Move doubleword', 'SSE2', 5, ['66 0F 6E /r | xmm, r/m32', '66 0F 7E /r | r/m32, xmm'], take(32)),
  moving('MOVQ', 'Move quadword', 'SSE2', 5, [
    '66 REX.W + 0F 6E /r | xmm, r/m64 | o64', '66 REX.W + 0F 7E /r | r/m64, xmm | o64', 'F3 0F 7E /r | xmm, xmm/m64',
    '66 0F D6 /r | xmm/m64, xmm',
  ], take(64)),
  moving('VMOVD', 'Move doubleword', 'AVX', 5, [
    'VEX.128.66.0F.W0 6E /r | xmm, r/m32', 'VEX.128.66.0F.W0 7E /r | r/m32, xmm',
  ], take(32)),
  moving('VMOVQ', 'Move quadword', 'AVX', 5, [
    'VEX.128.66.0F.W1 6E /r | xmm, r/m64 | o64', 'VEX.128.66.0F.W1 7E /r | r/m64, xmm | o64',
    'VEX.128.F3.0F.WIG 7E /r | xmm, xmm/m64', 'VEX.128.66.0F.WIG D6 /r | xmm/m64, xmm',
  ], take(64)),
  moving('MOVDQ2Q', 'Move quadword from XMM to MMX register', 'SSE2', 'MMX and SSE', ['F2 0F D6 /r | mm, rmxmm'],
    take(64)),
  moving('MOVQ2DQ', 'Move quadword from MMX to XMM register', 'SSE2', 'MMX and SSE', ['F3 0F D6 /r | xmm, rmmm'],
    take(64)),

  ...scalar('MOVSS', 'Move scalar single', 'F3', 32, 'SSE'),
  ...scalar('MOVSD', 'Move scalar double', 'F2', 64, 'SSE2'),
  ...half('MOVLPS', 'Move low packed single', 'NP', 12, 0, 'SSE'),
  ...half('MOVLPD', 'Move low packed double', '66', 12, 0, 'SSE2'),
  ...half('MOVHPS', 'Move high packed single', 'NP', 16, 1, 'SSE'),
  ...half('MOVHPD', 'Move high packed double', '66', 16, 1, 'SSE2'),
  moving('MOVHLPS', 'Move packed single high to low', 'SSE', 7, ['NP 0F 12 /r | xmm, rmxmm'], replace(64, 0, 1),
    'merging'),
  moving('VMOVHLPS', 'Move packed single high to low', 'AVX', 7, ['VEX.128.0F.WIG 12 /r | xmm, vvvvxmm, rmxmm'],
    replace(64, 0, 1), 'merging'),
  moving('MOVLHPS', 'Move packed single low to high', 'SSE', 7, ['NP 0F 16 /r | xmm, rmxmm'], replace(64, 1),
    'merging'),
  moving('VMOVLHPS', 'Move packed single low to high', 'AVX', 7, ['VEX.128.0F.WIG 16 /r | xmm, vvvvxmm, rmxmm'],
    replace(64, 1), 'merging'),

  ...rows({ operands: 'V, W', exceptions: 4 }, [
    ['MOVSLDUP', 'Replicate even single', 'F3 0F 12 /r', FLOAT_SSE3, evenSingles],
    ['MOVSHDUP', 'Replicate odd single', 'F3 0F 16 /r', FLOAT_SSE3, oddSingles],
  ]),
  ...rows({ operands: 'V, W64', exceptions: 5 }, [
    ['MOVDDUP', 'Replicate double', 'F2 0F 12 /r', { sse: 'SSE3', avx: 'AVX' }, evenDoubles],
  ]),
  ...rows({ operands: 'V, W', exceptions: 5, source: entry('MOVDDUP') }, [
    ['MOVDDUP', 'Replicate double', 'F2 0F 12 /r', { avx2: 'AVX' }, evenDoubles],
  ]),

  ...signMask('MOVMSKPS', 'Extract packed single sign mask', 'NP', '50', 32),
  ...signMask('MOVMSKPD', 'Extract packed double sign mask', '66', '50', 64),
  ...signMask('PMOVMSKB', 'Move byte mask', '66', 'D7', 8),
  moving('PMOVMSKB', 'Move byte mask', 'SSE', 'MMX', [
    'NP 0F D7 /r | r32, rmmm', 'NP REX.W + 0F D7 /r | r64, rmmm | o64',
  ], signs(8)),
];
