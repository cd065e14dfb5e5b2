/** Registers in words: what their bits are called. */

import { AC, AF, CF, DF, ID, IF, NT, OF, PF, RF, SF, TF, VIF, VIP, VM, ZF } from '../isa/flags.ts';
import { CR0, CR4, EFER } from '../isa/system/control-bits.ts';
import { LDTR, TR } from '../state/fields.ts';
import { ATTRIBUTE } from '../state/state.ts';

/** Names of the bits that are 1, highest first. */
const setBits = (value: bigint, names: Readonly<Record<string, bigint>>): string =>
  Object.entries(names).filter(([, mask]) => value & mask).sort(([, a], [, b]) => (a < b ? 1 : -1))
    .map(([name]) => name).join(' ');

const FLAGS = Object.fromEntries(
  Object.entries({ CF, PF, AF, ZF, SF, TF, IF, DF, OF, NT, RF, VM, AC, VIF, VIP, ID })
    .map(([name, flag]) => [name, BigInt(flag)]),
);

export const cr0Bits = (value: bigint): string => setBits(value, CR0);
export const cr4Bits = (value: bigint): string => setBits(value, CR4);
export const eferBits = (value: bigint): string => setBits(value, EFER);
export function flagBits(value: bigint): string {
  const iopl = Number((value >> 12n) & 3n);
  return [setBits(value, FLAGS), iopl ? `IOPL=${iopl}` : ''].filter(Boolean).join(' ');
}

/** System segments by type. SDM vol. 3A, table 3-2. */
const SYSTEM: Readonly<Record<number, string>> = {
  1: '16-bit TSS', 2: 'LDT', 3: '16-bit TSS, busy', 9: 'TSS', 11: 'TSS, busy',
};

/** Attributes of a segment register in words. SDM vol. 3A, table 3-1. */
export function segmentWords(register: number, attributes: number, longMode: boolean): string {
  if (!(attributes & ATTRIBUTE.present)) {
    return attributes & 0x60 ? `unusable, DPL ${(attributes >> 5) & 3}` : 'unusable';
  }
  if (register === LDTR || register === TR) return SYSTEM[attributes & 0x1f] ?? `type ${attributes & 0x1f}`;
  const code = (attributes & ATTRIBUTE.code) !== 0;
  const second = (attributes & ATTRIBUTE.writableOrReadable) !== 0;
  const third = (attributes & ATTRIBUTE.expandDownOrConforming) !== 0;
  const legacy = attributes & ATTRIBUTE.big ? '32-bit' : '16-bit';
  const size = code && longMode && attributes & ATTRIBUTE.long ? '64-bit' : legacy;
  const kind = code ? `code ${second ? 'RX' : 'X'}` : `data ${second ? 'RW' : 'R'}`;
  return [
    code || attributes & ATTRIBUTE.big ? `${kind} ${size}` : kind,
    third ? (code ? 'conforming' : 'expand-down') : '',
    attributes & ATTRIBUTE.accessed ? 'accessed' : '',
    `DPL ${(attributes >> 5) & 3}`,
  ].filter(Boolean).join(', ');
}
