/** What a processor refuses: the fault of one step, after which nothing may have changed. */

import { Fault, type Machine } from 'hidden-state';

/** The notation of the next instruction's fault, or `ok`. A fault that has changed something but CR2 is an `Error`. */
export function refusalOf(machine: Machine, ok = 'none'): string {
  const before = machine.snapshot();
  try {
    machine.step();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const changed = machine.diff(before).fields.map(({ field }) => field.name).filter((name) => name !== 'CR2');
    if (changed.length) throw new Error(`${error.notation} has changed ${changed.join(', ')}`, { cause: error });
    return error.notation;
  }
  return ok;
}
