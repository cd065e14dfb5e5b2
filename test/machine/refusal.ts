/** What a processor refuses: the fault of one step, after which nothing may have changed. */

import { Fault, type Machine } from 'hidden-state';

/** The fault that the next instruction ends in, if it does; any other error passes. */
export function faultOf(machine: Machine): Fault | undefined {
  try {
    machine.step();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return error;
  }
  return undefined;
}

/** The notation of the next instruction's fault, or `ok`. A fault that has changed something but CR2 is an `Error`. */
export function refusalOf(machine: Machine, ok = 'none'): string {
  const before = machine.snapshot(), fault = faultOf(machine);
  if (!fault) return ok;
  const changed = machine.diff(before).fields.map(({ field }) => field.name).filter((name) => name !== 'CR2');
  if (changed.length) throw new Error(`${fault.notation} has changed ${changed.join(', ')}`, { cause: fault });
  return fault.notation;
}
