/** INS and OUTS, with REP as one iteration a step. SDM vol. 1, 18.3 and 18.5; vol. 2A, INS; vol. 2B, OUTS. */

import { sdm } from '../state/citation.ts';
import { ES, RDI, RDX, RSI } from '../state/fields.ts';
import { type InstructionDefinition, instruction } from './instruction.ts';
import { requireAccess } from './io.ts';
import { advance } from './strings.ts';

/** The widest access is of 32 bits: REX.W changes nothing. */
const SIZES = [['B', 1, (byte: string) => [`${byte} | | asz`]],
  ['W', 2, (_: string, other: string) => [`${other} | | s16 asz`]],
  ['D', 4, (_: string, other: string) => [`${other} | | s32 asz`, `REX.W + ${other} | | asz`]]] as const;

const INS = SIZES.map(([suffix, bytes, forms]) => instruction({
  mnemonic: `INS${suffix}`,
  title: 'Input from port to string',
  forms: forms('6C', '6D'),
  repeat: 'REP',
  operation(x, i) {
    const port = Number(x.general(RDX, 16));
    // Also where REP has nothing to repeat, as on a Zen 4.
    requireAccess(x, port, bytes);
    x.repeat(i, () => {
      const to = x.linear(ES, x.general(RDI, i.addressSize), bytes, true);
      // What a device gives away cannot be taken back: memory is looked at first.
      x.memory.requireWritable(to, bytes);
      x.memory.write(to, bytes, x.ports.read(port, bytes));
      advance(x, RDI, i.addressSize, bytes);
    });
  },
  source: sdm('2A', '3.2, INS/INSB/INSW/INSD'),
}));

const OUTS = SIZES.map(([suffix, bytes, forms]) => instruction({
  mnemonic: `OUTS${suffix}`,
  title: 'Output string to port',
  forms: forms('6E', '6F'),
  repeat: 'REP',
  operation(x, i) {
    const port = Number(x.general(RDX, 16));
    // Also where REP has nothing to repeat, as on a Zen 4.
    requireAccess(x, port, bytes);
    x.repeat(i, () => {
      const from = x.linear(x.sourceSegment(i), x.general(RSI, i.addressSize), bytes, false);
      x.ports.write(port, bytes, x.memory.read(from, bytes));
      advance(x, RSI, i.addressSize, bytes);
    });
  },
  source: sdm('2B', '4.3, OUTS/OUTSB/OUTSW/OUTSD'),
}));

export const IO_STRINGS: readonly InstructionDefinition[] = [...INS, ...OUTS];
