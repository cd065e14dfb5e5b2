/** One execution of a host as a timeline: the shortest that has an outcome, around what happened. */

import { symbol } from '../asm/assemble.ts';
import type { Host } from '../hypervisors/kvm/host.ts';
import type { Machine } from '../machine/machine.ts';
import { CS } from '../state/fields.ts';
import { exploreExecutions } from './executions.ts';
import { type HostExecutionOptions, type HostExecutions, hostExecutions } from './host-executions.ts';
import { replay } from './replay.ts';
import type { Timeline, TimelineStep } from './verdict.ts';

export interface HostTimelineOptions extends Omit<HostExecutionOptions, 'step' | 'senders'> {
  /** What the outcome begins with: `SIGSEGV`. */
  readonly outcome: string;
  /** Fields that are tracked. Default: `XCR0` and `XMM0`. */
  readonly fields?: readonly string[];
  /** Steps before and after what happens. Default: 8 and 16. */
  readonly before?: number;
  readonly after?: number;
}

const LANES: Timeline['lanes'] = [
  { id: 'task', name: 'QEMU thread', kind: 'guest' },
  { id: 'kernel', name: 'Linux and KVM', kind: 'host' },
  { id: 'handler', name: 'handler', kind: 'host' },
  { id: 'guest', name: 'guest', kind: 'guest' },
];
/** What a reader looks for: extended state, interrupts, calls and flags; not moves, jumps and pushes. */
const TELLING = /^(?:xsetbv|xsave|xrstor|v?movup|call|iretq|cli|sti|sysret|hlt|mov byte|vmresume)/;
/** What a byte of the task or of KVM says, where its place alone does not. Offsets as in hypervisors/kvm/program.ts. */
const NOTES: readonly (readonly [RegExp, string])[] = [
  [/^mov.*\[rdi\+0x8\], 0x0$/, 'has_fpu = 0'], [/\[rdi\+0x8\], 0x1$/, 'has_fpu = 1'],
  [/\[rdi\+0x9\], 0x1$/, 'TIF_NEED_FPU_LOAD'], [/^mov.*\[rdi\+0x9\], 0x0$/, 'TIF_NEED_FPU_LOAD cleared'],
  [/\[rdi\+0xa\], 0x1$/, 'force_sig(SIGSEGV)'], [/\[rdi\+0xb\], 0x1$/, 'the kernel warns'],
];
const REPLAY_BUDGET = 5000;

/** Explores, finds the outcome and replays it. Throws a `RangeError` that lists the outcomes where it is none. */
export function hostTimeline(options: HostTimelineOptions): Timeline {
  const { outcome, fields = ['XCR0', 'XMM0'], before = 8, after = 16, ...rest } = options;
  const { host: _coarse, ...coarse } = hostExecutions(rest);
  const found = exploreExecutions(coarse).executions;
  const wanted = found.find((each) => each.outcome.startsWith(outcome));
  if (!wanted) {
    const all = found.map((each) => each.outcome).join('; ');
    throw new RangeError(`nothing ends in ${JSON.stringify(outcome)}; there are ${all}`);
  }
  const { host, ...executions } = hostExecutions({ ...rest, step: 'instruction' });
  const schedule = wanted.schedule.map((each) =>
    ({ ...each, after: instructionsBefore(executions, host, each.after) }));
  const laneOf = (machine: Machine): string => {
    const counts = ['hardirq_count', 'nmi_count'].map((name) => machine.memory.read(symbol(host().program, name), 1));
    if (host().inGuest) return 'guest';
    if (machine.state.selector(CS) & 3) return 'task';
    return counts.some((count) => count !== 0n) ? 'handler' : 'kernel';
  };
  const timeline = replay({
    ...executions, schedule, fields, laneOf, lanes: LANES, symbols: host().program.symbols,
    steps: REPLAY_BUDGET, limit: REPLAY_BUDGET,
  });
  const at = (name: string): bigint => symbol(host().program, name);
  const steps = timeline.steps.map((step, n) => {
    const faulted = timeline.steps[n + 1]?.rip === at('general_protection');
    return { ...step, ...saying(step, at('vm_entry'), faulted) };
  });
  return around({ ...timeline, steps }, before, after);
}

/** Instructions up to a boundary that is so many open boundaries from the beginning, with nothing that happens. */
function instructionsBefore(
  { start, occurrences }: Pick<HostExecutions, 'start' | 'occurrences'>, host: () => Host, boundaries: number,
): number {
  const { machines: [machine] } = start();
  let instructions = 0;
  for (let open = 0; open < boundaries; instructions++) {
    host().advance();
    if (host().ended || occurrences.some(({ possible }) => possible(machine!))) open++;
  }
  return instructions;
}

/** VMRESUME is no instruction of the engine's, so it has no text; some bytes need a word. */
function saying({ text, rip, note }: TimelineStep, entry: bigint, faulted: boolean): Partial<TimelineStep> {
  if (rip === entry) return { text: 'vmresume', note: 'VM entry' };
  if (faulted) return { note: 'raises #GP(0), which has an entry in the exception table' };
  const said = note ?? NOTES.find(([pattern]) => pattern.test(text))?.[1];
  return said === undefined ? {} : { note: said };
}

/** The telling steps around what happened, and the lanes that they are in. The first shows what all fields hold. */
function around(timeline: Timeline, before: number, after: number): Timeline {
  const steps = timeline.steps.filter(({ text, note }) => note !== undefined || TELLING.test(text));
  const at = steps.findIndex(({ note }) => note?.endsWith('arrives'));
  const [first, ...rest] = steps.slice(Math.max(0, at - before), at + 1 + after);
  const shown: TimelineStep[] = [{ ...first!, changed: timeline.fields.map(({ name }) => name) }, ...rest];
  return { ...timeline, steps: shown, lanes: LANES.filter(({ id }) => shown.some(({ lane }) => lane === id)) };
}
