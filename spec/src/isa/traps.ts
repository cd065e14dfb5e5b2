/** Instructions made to raise an exception. SDM vol. 1, 6.4.6 and 7.3.8.4. */

import { s, u } from '../numbers/bits.ts';
import { sdm } from '../state/citation.ts';
import { Fault } from '../state/outcomes.ts';
import { OF } from './flags.ts';
import { type InstructionDefinition, instruction } from './instruction.ts';
import type { MemoryOperand } from './operand.ts';

const BOUND = instruction({
  mnemonic: 'BOUND',
  title: 'Check array index against bounds',
  forms: ['62 /r | rv, mv&v | i64'],
  operation(x, i) {
    const bounds = i.operands[1] as MemoryOperand;
    const bytes = i.size / 8;
    // Two accesses: the upper bound may be on another page, at address 0, or beyond the limit when the lower one is
    // not.
    const upperBound = { ...bounds, displacement: u(bounds.addressSize, bounds.displacement + BigInt(bytes)) };
    const index = s(i.size, x.read(i.operands[0]!)), lower = s(i.size, x.load(bounds, bytes));
    const early = index < lower && x.cpu.accesses.bounds === 'lower one first';
    if (early) x.fault('#BR', `the index ${index} is below ${lower}`);
    const upper = s(i.size, x.load(upperBound, bytes));
    if (index < lower || index > upper) x.fault('#BR', `the index ${index} is outside ${lower} to ${upper}`);
  },
  source: sdm('2A', '3.2, BOUND'),
});

const INTO = instruction({
  mnemonic: 'INTO',
  title: 'Interrupt on overflow',
  forms: ['CE | | i64'],
  operation(x) {
    if (x.readFlags(OF) & OF) x.fault('#OF', 'INTO was executed with OF = 1');
  },
  source: sdm('2A', '3.2, INT n/INTO/INT 3'),
});

const INT3 = instruction({
  mnemonic: 'INT3',
  title: 'Breakpoint',
  forms: ['CC'],
  operation(x) {
    x.fault('#BP', 'INT3 was executed');
  },
  source: sdm('2A', '3.2, INT n/INTO/INT 3'),
});

/**
 * Written for in-circuit emulators. A trap that is #DB and leaves DR6 alone; its gate's DPL is not looked at.
 * SDM vol. 3A, 6.12.1.1.
 */
const INT1 = instruction({
  mnemonic: 'INT1',
  aliases: ['ICEBP'],
  title: 'Debug trap',
  forms: ['F1'],
  operation() {
    throw new Fault('#DB', 'INT1 was executed', undefined, undefined, 'ICEBP');
  },
  source: sdm('2D', 'A.3, table A-2'),
});

const UD2 = instruction({
  mnemonic: 'UD2',
  title: 'Undefined instruction',
  forms: ['0F 0B'],
  operation(x) {
    x.fault('#UD', 'UD2 was executed');
  },
  source: sdm('2C', '5.3, UD2'),
});

/** UD0 and UD1 have a ModRM byte, which AMD's processors do not fetch, and their memory operand is never accessed. */
const undefinedInstruction = (mnemonic: string, opcode: string): InstructionDefinition => instruction({
  mnemonic,
  title: 'Undefined instruction',
  forms: [`0F ${opcode} /r | rv, r/mv`],
  undefinedByOpcode: true,
  operation(x) {
    x.fault('#UD', `${mnemonic} was executed`);
  },
  source: sdm('2D', 'A.3, table A-3'),
});

export const TRAPS: readonly InstructionDefinition[] =
  [BOUND, INT3, INT1, INTO, UD2, undefinedInstruction('UD0', 'FF'), undefinedInstruction('UD1', 'B9')];
