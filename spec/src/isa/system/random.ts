/**
 * RDRAND and RDSEED. SDM vol. 1, 7.3.17. The numbers are drawn from a state that is part of the machine's, so a run can
 * be repeated; it is the seed to begin with. The generator is splitmix64 (G. L. Steele, D. Lea, C. H. Flood, 2014).
 */

import { u } from '../../numbers/bits.ts';
import type { Feature } from '../../cpus/features.table.ts';
import { sdm } from '../../state/citation.ts';
import { OFFSET } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';
import { CF, STATUS } from '../flags.ts';
import { type InstructionDefinition, instruction } from '../instruction.ts';

function draw(x: Execution): bigint {
  const state = u(64, x.state.quad(OFFSET.random) + 0x9e37_79b9_7f4a_7c15n);
  x.state.setQuad(OFFSET.random, state);
  const once = u(64, (state ^ (state >> 30n)) * 0xbf58_476d_1ce4_e5b9n);
  const twice = u(64, (once ^ (once >> 27n)) * 0x94d0_49bb_1331_11ebn);
  return twice ^ (twice >> 31n);
}

/** There is always a number: CF = 1. */
const drawing = (mnemonic: Feature & string, title: string, digit: number): InstructionDefinition => instruction({
  mnemonic,
  title,
  forms: [`NFx 0F C7 /${digit} | rmv`],
  cpuid: mnemonic,
  operation(x, i) {
    x.write(i.operands[0]!, u(i.size, draw(x)));
    x.setFlags(STATUS, CF);
  },
  source: sdm('2B', `4.3, ${mnemonic}`),
});

export const RANDOM: readonly InstructionDefinition[] = [
  drawing('RDRAND', 'Read random number', 6), drawing('RDSEED', 'Read random seed', 7),
];
