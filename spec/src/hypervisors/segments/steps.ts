/** Steps that policies for segment registers share. */

import { Fault } from '../../state/outcomes.ts';
import type { Host, HostStep, Steps } from '../policy.ts';

/** Something that the processor does between two instructions, as a step: a VM exit, a VM entry. */
export function* happens(text: string, { guest }: Host): Steps {
  yield { text, rip: guest.rip } satisfies HostStep;
}

/** The entry code of a 32-bit or 16-bit monitor. */
export function* pushSelectors({ run }: Host): Steps {
  yield* run`push ds
             push es
             push fs
             push gs`;
}

/** Its exit code: each POP is a load like any other. */
export function* popSelectors({ run }: Host): Steps {
  yield* run`pop  gs
             pop  fs
             pop  es
             pop  ds`;
}

/** A load with an entry in the exception table: where it faults, the register gets the null selector. */
export function* loadOrNull({ run }: Host, register: 'ds' | 'es' | 'fs' | 'gs'): Steps {
  try {
    yield* run`mov ${register}, ax`;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    yield* run`xor eax, eax
               mov ${register}, ax`;
  }
}
