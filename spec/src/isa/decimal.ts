/** Packed and unpacked decimal adjustments, outside 64-bit mode. SDM vol. 1, 5.1.3. */

import { u } from '../numbers/bits.ts';
import { type Citation, sdm } from '../state/citation.ts';
import { AF, CF, OF, PF, SF, ZF, additionFlags, resultFlags, subtractionFlags } from './flags.ts';
import { RAX } from '../state/fields.ts';
import type { Execution } from './execution.ts';
import { type InstructionDefinition, instruction } from './instruction.ts';

/** A digit carried over, or more than 9 in the low nibble. */
const adjusts = (x: Execution, al: bigint): boolean => u(4, al) > 9n || (x.readFlags(AF) & AF) !== 0;

interface Adjustment {
  readonly combine: (n: number, a: bigint, by: bigint) => bigint;
  /** All flags of it, of which Zen 4 takes those that are undefined. */
  readonly flags: (n: number, a: bigint, by: bigint, result: bigint) => number;
}
const addition: Adjustment = { combine: (n, a, by) => u(n, a + by), flags: additionFlags };
const subtraction: Adjustment = { combine: (n, a, by) => u(n, a - by), flags: subtractionFlags };

/** AAA and AAS: a carry changes AX by 106h. */
const unpacked = (
  mnemonic: string, title: string, opcode: string, { combine, flags }: Adjustment,
): InstructionDefinition =>
  instruction({
    mnemonic,
    title,
    forms: [`${opcode} | | i64`],
    operation(x) {
      const ax = x.general(RAX, 16);
      const carried = adjusts(x, ax);
      const by = carried ? 0x106n : 0n;
      const changed = combine(16, ax, by);
      x.setGeneral(RAX, 16, changed & 0xff0fn);
      const zen = flags(16, ax, by, changed);
      const sapphireRapids = resultFlags(8, changed & 0xfn);
      x.setDefinedFlags(AF | CF, carried ? AF | CF : 0, OF | SF | ZF | PF, { zen, skylake: x.flags, sapphireRapids });
    },
    source: sdm('2A', `3.2, ${mnemonic}`),
  });

/** DAA and DAS: a correction for each digit. */
const packed = (
  mnemonic: string, title: string, opcode: string, { combine, flags }: Adjustment, source: Citation,
): InstructionDefinition =>
  instruction({
    mnemonic,
    title,
    forms: [`${opcode} | | i64`],
    operation(x) {
      const al = x.general(RAX, 8);
      const low = adjusts(x, al);
      const high = al > 0x99n || (x.readFlags(CF) & CF) !== 0;
      const by = (low ? 6n : 0n) | (high ? 0x60n : 0n);
      const result = combine(8, al, by);
      // A borrow out of the low digit counts for DAS: SDM vol. 2A, DAS.
      const borrowed = mnemonic === 'DAS' && low && al < 6n;
      x.setGeneral(RAX, 8, result);
      const value = resultFlags(8, result) | (low ? AF : 0) | (high || borrowed ? CF : 0);
      x.setDefinedFlags(CF | AF | PF | ZF | SF, value, OF, {
        zen: flags(8, al, by, result), skylake: x.flags, sapphireRapids: 0,
      });
    },
    source,
  });

const AAM = instruction({
  mnemonic: 'AAM',
  title: 'ASCII adjust AX after multiply',
  forms: ['D4 ib | imm8 | i64'],
  operation(x, i) {
    const base = x.read(i.operands[0]!);
    if (base === 0n) x.fault('#DE', 'AAM divides by its immediate, which is 0');
    const al = x.general(RAX, 8);
    x.setGeneral(RAX, 16, u(16, u(16, (al / base) << 8n) | (al % base)));
    x.setDefinedFlags(SF | ZF | PF, resultFlags(8, al % base), OF | AF | CF, { zen: 0, skylake: 0 });
  },
  source: sdm('2A', '3.2, AAM'),
});

const AAD = instruction({
  mnemonic: 'AAD',
  title: 'ASCII adjust AX before division',
  forms: ['D5 ib | imm8 | i64'],
  operation(x, i) {
    const ax = x.general(RAX, 16);
    const al = u(8, ax), product = u(8, u(16, (ax >> 8n) * x.read(i.operands[0]!)));
    const result = u(8, al + product);
    x.setGeneral(RAX, 16, result);
    const sum = additionFlags(8, al, product, result);
    x.setDefinedFlags(SF | ZF | PF, sum, OF | AF | CF, { zen: sum, skylake: sum });
  },
  source: sdm('2A', '3.2, AAD'),
});

export const DECIMAL: readonly InstructionDefinition[] = [
  unpacked('AAA', 'ASCII adjust after addition', '37', addition),
  unpacked('AAS', 'ASCII adjust AL after subtraction', '3F', subtraction),
  AAM, AAD,
  packed('DAA', 'Decimal adjust AL after addition', '27', addition, sdm('2A', '3.2, DAA')),
  packed('DAS', 'Decimal adjust AL after subtraction', '2F', subtraction, sdm('2A', '3.2, DAS')),
];
