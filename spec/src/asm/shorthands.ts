/** Operands that other assemblers let people leave out, because there is only one thing that they can be. */

import type { Parsed } from './operands.ts';

const TEN: Parsed = { operand: { kind: 'immediate', value: 10n, size: 0 }, address: undefined, column: 0 };

/** XMM0, which the manual writes in angle brackets: it can be nothing else. */
const isXmm0 = ({ operand }: Parsed): boolean =>
  operand.kind === 'register' && operand.file === 'xmm' && operand.index === 0;

/** The operands with what goes without saying, and without what may be said and is not encoded. */
export function inFull(mnemonic: string, operands: readonly Parsed[]): readonly Parsed[] {
  switch (mnemonic.toLowerCase()) {
    // Decimal digits.
    case 'aam': case 'aad': return operands.length === 0 ? [TEN] : operands;
    // A register multiplied by a number, back into itself.
    case 'imul': {
      const [first, second] = operands;
      const itself = operands.length === 2 && first!.operand.kind === 'register'
        && second!.operand.kind === 'immediate';
      return itself ? [first!, first!, second!] : operands;
    }
    case 'pblendvb': case 'blendvps': case 'blendvpd': case 'sha256rnds2':
      return operands.length === 3 && isXmm0(operands[2]!) ? operands.slice(0, 2) : operands;
    default: return operands;
  }
}
