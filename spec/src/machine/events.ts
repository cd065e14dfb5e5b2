/** From a fault to its handler: delivery, contributory faults, double fault, shutdown. SDM vol. 3A, 6.15, table 6-5. */

import { deliver } from '../isa/events/deliver.ts';
import type { Execution } from '../isa/execution.ts';
import { type ExceptionKind, Fault, type FaultMnemonic } from '../state/outcomes.ts';

/** Exceptions that report before the instruction: the handler returns to it. The others return behind it. */
const RESTARTING: ReadonlySet<ExceptionKind> = new Set(['fault', 'instruction breakpoint']);
const CONTRIBUTORY: ReadonlySet<FaultMnemonic> = new Set(['#DE', '#TS', '#NP', '#SS', '#GP']);

/** What `second` becomes when it is raised while `first` is being delivered. */
export function combined(first: Fault, second: Fault): 'deliver second' | 'double fault' | 'shutdown' {
  const serious = CONTRIBUTORY.has(second.mnemonic) || second.mnemonic === '#PF';
  if (first.mnemonic === '#DF') return serious ? 'shutdown' : 'deliver second';
  if (first.mnemonic === '#PF') return serious ? 'double fault' : 'deliver second';
  return CONTRIBUTORY.has(first.mnemonic) && CONTRIBUTORY.has(second.mnemonic) ? 'double fault' : 'deliver second';
}

/** Delivers `fault`, raised at `ip`. Answers false when it ended in shutdown. `Unmodelled` passes through. */
export function deliverFault(x: Execution, fault: Fault, ip: bigint): boolean {
  let current = fault;
  for (;;) {
    const { kind, vector, errorCode } = current;
    try {
      deliver(x, { kind, vector, errorCode, returnTo: RESTARTING.has(kind) ? ip : x.next });
      return true;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const next = combined(current, error);
      if (next === 'shutdown') return false;
      current = next === 'deliver second' ? error : new Fault('#DF', `${error.notation} while ${current.notation} was delivered`, 0);
    }
  }
}
