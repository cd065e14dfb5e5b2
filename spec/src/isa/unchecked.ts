/** Accesses whose alignment is not checked, whatever RFLAGS.AC says. */

import type { Execution } from './execution.ts';

export function unchecked<T>(x: Execution, body: () => T): T {
  const { alignment } = x;
  x.alignment = undefined;
  try {
    return body();
  } finally {
    x.alignment = alignment;
  }
}
