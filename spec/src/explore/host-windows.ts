/** Where an event finds the guest's XCR0 loaded, and whether its handler would be let at the FPU there. */

import { symbol } from '../asm/assemble.ts';
import type { Host } from '../hypervisors/kvm/host.ts';
import { type Happening, type HostExecutionOptions, hostExecutions } from './host-executions.ts';
import type { Occurrence } from './system.ts';

/** Of one run in which nothing happens. */
export interface FpuWindows {
  /** Boundaries at which XCR0 is the guest's, in the guest and in the host. */
  readonly boundaries: number;
  /** Of these: at how many the event can come and its handler is let at the FPU, with XCR0 still the guest's. */
  readonly usable: Readonly<Record<Happening, number>>;
}

const EVENTS: readonly Happening[] = ['IPI', 'NMI', '#MC', 'timer'];
const HOST_XCR0 = 7n;
const BUDGET = 10_000;

/**
 * Asks the kernel's own `irq_fpu_usable` at every boundary under the guest's XCR0, by letting the event happen and
 * following it up to the answer. Throws a `RangeError` where a run does not come to an end.
 */
export function fpuWindows(options: Omit<HostExecutionOptions, 'happenings' | 'step' | 'senders'>): FpuWindows {
  const { start, occurrences, host } = hostExecutions({ ...options, happenings: EVENTS, step: 'instruction' });
  start();
  const { machine } = host();
  const usable: Record<Happening, number> = { IPI: 0, NMI: 0, '#MC': 0, timer: 0 };
  let boundaries = 0;
  for (let executed = 0; !host().ended; executed++) {
    requireEnd(executed);
    if (machine.state.xcr0 !== HOST_XCR0) {
      boundaries++;
      for (const each of occurrences) if (letAtFpu(host(), each)) usable[each.name as Happening]++;
    }
    host().advance();
  }
  return { boundaries, usable };
}

/** Whether the handler of an event that happens here comes to use the FPU under the guest's XCR0. Leaves no trace. */
function letAtFpu(host: Host, { possible, happen }: Occurrence): boolean {
  const { machine, program } = host;
  if (!possible(machine)) return false;
  const answered = symbol(program, 'handler_may_use_fpu'), refused = symbol(program, 'fpu_refused');
  const before = machine.state.snapshot();
  const { time } = machine.execution;
  return machine.memory.transaction(() => {
    happen(machine);
    let executed = 0;
    for (; !host.ended && machine.state.rip !== answered && machine.state.rip !== refused; executed++) {
      requireEnd(executed);
      host.advance();
    }
    const found = machine.state.rip === answered && machine.state.xcr0 !== HOST_XCR0;
    machine.state.restore(before);
    machine.execution.time = time;
    machine.paging.invalidate({ kind: 'all' });
    return found;
  });
}

function requireEnd(executed: number): void {
  if (executed < BUDGET) return;
  const most = BUDGET.toLocaleString('en');
  throw new RangeError(`fpuWindows: a run is longer than ${most} instructions; the kernel loops`);
}
