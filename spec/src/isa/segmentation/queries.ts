/** Questions about a selector, answered in ZF: LAR, LSL, VERR, VERW; and ARPL. SDM vol. 3A, 5.10. */

import { u } from '../../numbers/bits.ts';
import { sdm } from '../../state/citation.ts';
import { ATTRIBUTE } from '../../state/state.ts';
import type { Execution } from '../execution.ts';
import { ZF } from '../flags.ts';
import { type InstructionDefinition, instruction } from '../instruction.ts';
import {
  type Descriptor, findDescriptor, findUpperHalf, isCode, isConforming, isNull, isWritableData,
} from './descriptor.ts';

/** System descriptor types that have an answer, without and with IA-32e mode. */
interface Types {
  readonly legacy: readonly number[];
  readonly long: readonly number[];
}

/** SDM vol. 2A, tables 3-52 and 3-64. */
const LAR_TYPES: Types = { legacy: [1, 2, 3, 4, 5, 9, 0xb, 0xc], long: [9, 0xb, 0xc] };
const LSL_TYPES: Types = { legacy: [1, 2, 3, 9, 0xb], long: [2, 9, 0xb] };
const LDT = 2, CALL_GATE = 0xc;

/** What the program may see: a descriptor in its table whose DPL is not below CPL and RPL, or conforming code. */
function visible(x: Execution, selector: number): Descriptor | undefined {
  const descriptor = isNull(selector) ? undefined : findDescriptor(x, selector);
  if (!descriptor) return undefined;
  const { attributes, dpl, rpl } = descriptor;
  return isConforming(attributes) || (dpl >= x.cpl && dpl >= rpl) ? descriptor : undefined;
}

/** Code, data, and system descriptors of these types, with an upper half as it should be where they have one. */
function answers(x: Execution, { attributes, selector }: Descriptor, types: Types): boolean {
  if (attributes & ATTRIBUTE.codeOrData) return true;
  const type = attributes & 15;
  // LDT and task state segment have one to 64-bit code, call gates in all of IA-32e mode. SDM vol. 3A, 3.5 and 5.8.3.1.
  const long = x.mode === 64 || (x.longMode && type === CALL_GATE);
  return (x.longMode ? types.long : types.legacy).includes(type) && !(long && findUpperHalf(x, selector) === undefined);
}

/** Sets ZF, and where there is an answer writes it; otherwise the destination stays as it is. */
const asking = (
  mnemonic: string, title: string, opcode: string, answer: (x: Execution, descriptor: Descriptor) => bigint | undefined,
): InstructionDefinition => instruction({
  mnemonic,
  title,
  forms: [`0F ${opcode} /r | rv, rmv`, `0F ${opcode} /r | rv, m16`],
  operation(x, i) {
    x.requireProtected(mnemonic);
    const descriptor = visible(x, Number(u(16, x.read(i.operands[1]!))));
    const found = descriptor && answer(x, descriptor);
    if (found !== undefined) x.write(i.operands[0]!, u(i.size, found));
    x.setFlags(ZF, found === undefined ? 0 : ZF);
  },
  source: sdm('2A', `3.2, ${mnemonic}`),
});

/** Bits 23:8 of the second doubleword. The manual leaves bits 19:16 open; a Zen 4 gives those of the descriptor. */
const LAR = asking('LAR', 'Load access rights byte', '02', (x, descriptor) => {
  const long = x.cpu.larInLongMode === 'LDT too' ? [LDT, ...LAR_TYPES.long] : LAR_TYPES.long;
  return answers(x, descriptor, { ...LAR_TYPES, long }) ? (descriptor.raw >> 32n) & 0x00ff_ff00n : undefined;
});

/** The limit in bytes; a 16-bit destination gets its low word. */
const LSL = asking('LSL', 'Load segment limit', '03', (x, descriptor) =>
  (answers(x, descriptor, LSL_TYPES) ? BigInt(descriptor.limit) : undefined));

/** Whether the segment is present does not matter to either. */
const verifying = (
  mnemonic: string, digit: number, title: string, allowed: (attributes: number) => boolean,
): InstructionDefinition =>
  instruction({
    mnemonic,
    title,
    forms: [`0F 00 /${digit} | r/m16`],
    operation(x, i) {
      x.requireProtected(mnemonic);
      const descriptor = visible(x, Number(x.read(i.operands[0]!)));
      x.setFlags(ZF, descriptor && allowed(descriptor.attributes) ? ZF : 0);
    },
    source: sdm('2C', '5.3, VERR/VERW'),
  });

const isReadable = (attributes: number): boolean =>
  (attributes & ATTRIBUTE.codeOrData) !== 0 && !(isCode(attributes) && !(attributes & ATTRIBUTE.writableOrReadable));
const VERR = verifying('VERR', 4, 'Verify a segment for reading', isReadable);
const VERW = verifying('VERW', 5, 'Verify a segment for writing', isWritableData);

const ARPL = instruction({
  mnemonic: 'ARPL',
  title: 'Adjust RPL field of segment selector',
  forms: ['63 /r | r/m16, r16 | i64'],
  operation(x, i) {
    x.requireProtected('ARPL');
    // A destination that stays as it is need not be writable, as on a Zen 4.
    const selector = Number(x.read(i.operands[0]!));
    const rpl = Number(x.read(i.operands[1]!)) & 3;
    const raised = (selector & 3) < rpl;
    if (raised) x.write(i.operands[0]!, BigInt((selector & 0xfffc) | rpl));
    x.setFlags(ZF, raised ? ZF : 0);
  },
  source: sdm('2A', '3.2, ARPL'),
});

export const QUERIES: readonly InstructionDefinition[] = [LAR, LSL, VERR, VERW, ARPL];
