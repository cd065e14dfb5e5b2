/** CMPEQPS and its kin: names of comparisons whose immediate is in the name. SDM vol. 2A, tables 3-2 and 3-4. */

import type { Parsed } from './operands.ts';

/** By immediate. Without VEX there are the first eight. */
const PREDICATES: readonly string[] = [
  'eq', 'lt', 'le', 'unord', 'neq', 'nlt', 'nle', 'ord', 'eq_uq', 'nge', 'ngt', 'false', 'neq_oq', 'ge', 'gt', 'true',
  'eq_os', 'lt_oq', 'le_oq', 'unord_s', 'neq_us', 'nlt_uq', 'nle_uq', 'ord_s', 'eq_us', 'nge_uq', 'ngt_uq', 'false_os',
  'neq_os', 'ge_oq', 'gt_oq', 'true_us',
];

export interface Named {
  readonly mnemonic: string;
  /** What comes behind the operands that are written. */
  readonly implied: readonly Parsed[];
}

/** The instruction that `word` is a name of, and the operand that the name stands for. */
export function instructionNamed(word: string): Named {
  const [, vex = '', predicate = '', suffix = ''] = /^(v?)cmp(\w+)([ps][sd])$/.exec(word.toLowerCase()) ?? [];
  const value = PREDICATES.indexOf(predicate);
  if (value < 0 || (value > 7 && !vex)) return { mnemonic: word, implied: [] };
  const operand = { kind: 'immediate', value: BigInt(value), size: 0 } as const;
  return { mnemonic: `${vex}cmp${suffix}`, implied: [{ operand, address: undefined, column: 0 }] };
}
