/** Comparisons of floating-point vectors and scalars. SDM vol. 1, 5.5.1.3 and 5.6.1.4. */

import { type Relation, compareLanes, compareTo, eachLane, exactly } from '../../../numbers/simd.ts';
import type { Execution } from '../../execution.ts';
import { AF, CF, OF, PF, SF, ZF } from '../../flags.ts';
import type { Instruction, InstructionDefinition } from '../../instruction.ts';
import { KINDS, type Suffix, controlOf, deliver, rows } from './rows.ts';
import { entry } from '../rows.ts';
import { vector } from '../vector.ts';

/** ZF, PF and CF; OF, SF and AF are cleared. SDM vol. 2A, COMISS. */
const RELATION_FLAGS: Readonly<Record<Relation, number>> =
  { greater: 0, less: CF, equal: ZF, unordered: ZF | PF | CF };

const comparing = (quietIsInvalid: boolean, suffix: Suffix) => {
  const { format } = KINDS[suffix];
  return (x: Execution, i: Instruction): void => {
    const control = controlOf(x), [first, second] = [x.read(i.operands[0]!), x.read(i.operands[1]!)];
    const { relation, flags } = compareLanes(format, first, second, quietIsInvalid, control);
    deliver(x, eachLane(1, format.width, control, () => exactly(0n, flags)));
    x.setFlags(OF | SF | ZF | AF | PF | CF, RELATION_FLAGS[relation]);
  };
};

/** COMISS and its kin, with VEX and without. */
const comparison = (
  name: string, title: string, opcode: string, quietIsInvalid: boolean,
): readonly InstructionDefinition[] => (['SS', 'SD'] as const).flatMap((suffix) => {
  const { format, words, levels } = KINDS[suffix], single = suffix === 'SS';
  const vex = `VEX.LIG.${single ? '' : '66.'}0F.WIG`;
  const common = {
    title: `Compare ${words} values, ${title}, into EFLAGS`, exceptions: 3,
    operation: comparing(quietIsInvalid, suffix),
    source: entry(name + suffix),
  } as const;
  const operands = `xmm, xmm/m${format.width}`;
  return [
    vector({
      ...common, mnemonic: name + suffix, forms: [`${single ? 'NP' : '66'} 0F ${opcode} /r | ${operands}`],
      cpuid: levels.sse!,
    }),
    vector({
      ...common, mnemonic: `V${name}${suffix}`, forms: [`${vex} ${opcode} /r | ${operands}`], cpuid: levels.avx!,
    }),
  ];
});

export const FLOAT_COMPARISON: readonly InstructionDefinition[] = [
  ...rows({
    name: 'CMP', title: 'Compare', encoding: '0F C2 /r ib',
    // Without VEX there are eight predicates.
    of: (format, first, second, control, { immediate, i }) =>
      compareTo(format, first, second, immediate & (i.form.vex ? 31 : 7), control),
  }),
  ...comparison('COMI', 'ordered', '2F', true),
  ...comparison('UCOMI', 'unordered', '2E', false),
];
