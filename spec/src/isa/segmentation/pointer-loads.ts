/** LDS, LES, LSS, LFS, LGS: a segment register and an offset from a far pointer in memory. SDM vol. 1, 7.3.15. */

import { sdm } from '../../state/citation.ts';
import { DS, ES, FS, GS, SS } from '../../state/fields.ts';
import { type InstructionDefinition, instruction } from '../instruction.ts';
import { readPointer } from './far-pointer.ts';
import { loadSegment } from './load.ts';

type Load = readonly [mnemonic: string, segment: number, form: string];

const loadingPointer = ([mnemonic, segment, form]: Load): InstructionDefinition => instruction({
  mnemonic,
  title: 'Load far pointer',
  forms: [form],
  operation(x, i) {
    const { selector, offset } = readPointer(x, i);
    loadSegment(x, segment, selector);
    // LSS loads both halves of the stack pointer at once and blocks no interrupt. SDM vol. 3A, 6.8.3.
    x.write(i.operands[0]!, offset);
  },
  source: sdm('2A', '3.2, LDS/LES/LFS/LGS/LSS'),
});

const LOADS = [
  ['LDS', DS, 'C5 /r | rv, m16:v | i64'], ['LES', ES, 'C4 /r | rv, m16:v | i64'],
  ['LSS', SS, '0F B2 /r | rv, m16:v'], ['LFS', FS, '0F B4 /r | rv, m16:v'], ['LGS', GS, '0F B5 /r | rv, m16:v'],
] as const;

export const POINTER_LOADS: readonly InstructionDefinition[] = LOADS.map(loadingPointer);
