/** Families that differ in name, opcode and operation alone, a line each. */

import { type Citation, sdm } from '../../state/citation.ts';
import type { InstructionDefinition } from '../instruction.ts';
import { type Compute, type Family, type Levels, family } from './family.ts';

export type Row = readonly [mnemonic: string, title: string, encoding: string, levels: Levels, compute: Compute];

/** What the lines of a table have in common. */
export type Common = Pick<Family, 'operands' | 'exceptions'> & Partial<Family>;

export const rows = (common: Common, table: readonly Row[]): readonly InstructionDefinition[] =>
  table.flatMap(([mnemonic, title, encoding, levels, compute]) =>
    family({ source: entry(mnemonic, levels), ...common, mnemonic, title, encoding, levels, compute }));

/** The manual's page: volumes 2A, 2B and 2C go by the alphabet. What came with VEX is under its own letter. */
export function entry(mnemonic: string, levels?: Levels): Citation {
  const name = levels && !levels.mmx && !levels.sse ? `V${mnemonic}` : mnemonic;
  const [volume, section] = name < 'M' ? ['2A', '3.2'] : name < 'V' ? ['2B', '4.3'] : ['2C', '5.3'];
  return sdm(volume!, `${section}, ${name}`);
}
