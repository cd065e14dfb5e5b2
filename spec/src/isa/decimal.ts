/** Packed and unpacked decimal adjustments, outside 64-bit mode. SDM vol. 1, 5.1.3. */

import { u } from '../numbers/bits.ts';
import { type Citation, sdm } from '../state/citation.ts';
import { AF, CF, OF, PF, SF, ZF, resultFlags } from './flags.ts';
import type { Execution } from './execution.ts';
import { type InstructionDefinition, instruction } from './instruction.ts';

const accumulator = (size: 8 | 16) => ({ kind: 'register', file: 'gpr', index: 0, size, high: false }) as const;

/** A digit carried over, or more than 9 in the low nibble. */
const adjusts = (x: Execution, al: bigint): boolean => u(4, al) > 9n || (x.readFlags(AF) & AF) !== 0;

/** AAA and AAS: `change` is what a carry does to AX. */
const unpacked = (
  mnemonic: string, title: string, opcode: string, change: (ax: bigint) => bigint,
): InstructionDefinition =>
  instruction({
    mnemonic,
    title,
    forms: [`${opcode} | | i64`],
    operation(x) {
      const ax = x.read(accumulator(16));
      const carried = adjusts(x, ax);
      x.write(accumulator(16), (carried ? u(16, change(ax)) : ax) & 0xff0fn);
      x.setFlags(AF | CF, carried ? AF | CF : 0);
      x.undefineFlags(OF | SF | ZF | PF);
    },
    source: sdm('2A', `3.2, ${mnemonic}`),
  });

/** DAA and DAS: `combine` adds or subtracts a correction. */
const packed = (
  mnemonic: string, title: string, opcode: string, combine: (al: bigint, by: bigint) => bigint, source: Citation,
): InstructionDefinition =>
  instruction({
    mnemonic,
    title,
    forms: [`${opcode} | | i64`],
    operation(x) {
      const al = x.read(accumulator(8));
      const low = adjusts(x, al);
      const high = al > 0x99n || (x.readFlags(CF) & CF) !== 0;
      const once = low ? u(8, combine(al, 6n)) : al;
      const result = high ? u(8, combine(once, 0x60n)) : once;
      // A borrow out of the low digit counts for DAS: SDM vol. 2A, DAS.
      const borrowed = mnemonic === 'DAS' && low && al < 6n;
      x.write(accumulator(8), result);
      x.setFlags(CF | AF | PF | ZF | SF, resultFlags(8, result) | (low ? AF : 0) | (high || borrowed ? CF : 0));
      x.undefineFlags(OF);
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
    const al = x.read(accumulator(8));
    x.write(accumulator(16), u(16, u(16, (al / base) << 8n) | (al % base)));
    x.setFlags(SF | ZF | PF, resultFlags(8, al % base));
    x.undefineFlags(OF | AF | CF);
  },
  source: sdm('2A', '3.2, AAM'),
});

const AAD = instruction({
  mnemonic: 'AAD',
  title: 'ASCII adjust AX before division',
  forms: ['D5 ib | imm8 | i64'],
  operation(x, i) {
    const ax = x.read(accumulator(16));
    const result = u(8, ax + u(16, (ax >> 8n) * x.read(i.operands[0]!)));
    x.write(accumulator(16), result);
    x.setFlags(SF | ZF | PF, resultFlags(8, result));
    x.undefineFlags(OF | AF | CF);
  },
  source: sdm('2A', '3.2, AAD'),
});

export const DECIMAL: readonly InstructionDefinition[] = [
  unpacked('AAA', 'ASCII adjust after addition', '37', (ax) => u(16, ax + 0x106n)),
  unpacked('AAS', 'ASCII adjust AL after subtraction', '3F', (ax) => u(16, ax - 0x106n)),
  AAM, AAD,
  packed('DAA', 'Decimal adjust AL after addition', '27', (al, by) => u(8, al + by), sdm('2A', '3.2, DAA')),
  packed('DAS', 'Decimal adjust AL after subtraction', '2F', (al, by) => u(8, al - by), sdm('2A', '3.2, DAS')),
];
