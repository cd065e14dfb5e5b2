/** Operands that other assemblers let people leave out, because there is only one thing that they can be. */

import type { Parsed } from './operands.ts';

const TEN: Parsed = { operand: { kind: 'immediate', value: 10n, size: 0 }, address: undefined, column: 0 };

/** The operands with what goes without saying. */
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
    default: return operands;
  }
}
