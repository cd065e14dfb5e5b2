/** The smallest guest on which a policy is wrong: all sequences of given instructions, the shortest first. */

import { type Program, assemble } from '../asm/assemble.ts';
import type { Mode } from '../isa/instruction.ts';
import { type Consequence, type ConsequenceOptions, consequences } from './consequence.ts';

export interface SmallestGuestOptions extends Pick<ConsequenceOptions, 'cpu' | 'policy' | 'prepare'> {
  readonly mode: Mode;
  /** Text before the sequence, which it ends with the label `use`; and behind it, for data. */
  readonly before: string;
  readonly behind: string;
  /** Instructions to build sequences from. */
  readonly alphabet: readonly string[];
  /** Instructions of the longest sequences to try. */
  readonly longest: number;
}

export interface SmallestGuest {
  /** Sequences that were run. */
  tried: number;
  /** The first that ends otherwise than on bare metal, and the switch after which it does. */
  found: { instructions: string[]; consequence: Consequence } | undefined;
}

/**
 * Tries every sequence, with a world switch at each boundary from `use` on. Sequences that do not end on bare metal are
 * no guests and left out.
 */
export function smallestGuest(
  { mode, before, behind, alphabet, longest, ...options }: SmallestGuestOptions,
): SmallestGuest {
  let tried = 0;
  for (let length = 1; length <= longest; length++) {
    for (const instructions of sequences(alphabet, length)) {
      const guest = program(mode, [before, 'use:', ...instructions, 'hlt', behind]);
      const { bareMetal, boundaries } = consequences(guest, { ...options, from: 'use' });
      if (bareMetal.how !== 'halted') continue;
      tried++;
      const consequence = boundaries.find(({ outcome }) => outcome !== 'identical');
      if (consequence) return { tried, found: { instructions, consequence } };
    }
  }
  return { tried, found: undefined };
}

const program = (mode: Mode, lines: readonly string[]): Program => assemble(lines.join('\n'), { mode });

/** All sequences of `length` from `alphabet`, in its order. */
function* sequences(alphabet: readonly string[], length: number): Generator<string[]> {
  if (length === 0) {
    yield [];
    return;
  }
  for (const first of alphabet) for (const rest of sequences(alphabet, length - 1)) yield [first, ...rest];
}
