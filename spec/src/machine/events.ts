/**
 * From an event to its handler: delivery, contributory faults, double fault, shutdown. SDM vol. 3A, 6.15, table 6-5.
 */

import { type Event, deliver, isSoftware } from '../isa/events/deliver.ts';
import { clearGeneralDetect } from '../isa/debug/status.ts';
import type { Execution } from '../isa/execution.ts';
import { OFFSET } from '../state/fields.ts';
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

/**
 * Delivers `fault`, raised at RIP or, for a trap, before it; once a task switch is past its commit point, RIP is at the
 * first instruction of the new task. Answers false when it ended in shutdown. `Unmodelled` passes through. A fault that
 * is raised on the way to an interrupt's handler comes here like any other: interrupts are benign.
 */
export function deliverFault(x: Execution, fault: Fault): boolean {
  let current = fault;
  for (;;) {
    x.observer?.fault?.(current);
    const { kind, vector, errorCode } = current;
    try {
      deliverEvent(x, { kind, vector, errorCode, returnTo: RESTARTING.has(kind) ? x.ip : x.next });
      if (current.mnemonic === '#DB') clearGeneralDetect(x.state);
      return true;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      if (error.linearAddress !== undefined) x.state.setQuad(OFFSET.cr2, error.linearAddress);
      const next = combined(current, error);
      if (next === 'shutdown') {
        x.observer?.fault?.(error);
        return false;
      }
      current = next === 'deliver second'
        ? error
        : new Fault('#DF', `${error.notation} while ${current.notation} was delivered`, 0);
    }
  }
}

/**
 * Delivers an event at a boundary. Debug exceptions that wait behind a load of SS outlast INT n, INT3 and INTO, and are
 * lost to any other event: what SDM vol. 3C, 26.6.3 says of injected events.
 */
export function deliverEvent(x: Execution, event: Event): void {
  const pending = x.state.quad(OFFSET.pendingDebug);
  if (!isSoftware(event.kind)) x.state.setQuad(OFFSET.pendingDebug, 0n);
  try {
    deliver(x, event);
  } catch (error) {
    x.state.setQuad(OFFSET.pendingDebug, pending);
    throw error;
  }
}
