/** Linux and KVM among what executions are explored of: what may happen to them, and what becomes of them. */

import { symbol } from '../asm/assemble.ts';
import { EXIT, VECTOR } from '../hypervisors/kvm/events.ts';
import { Host, type HostOptions } from '../hypervisors/kvm/host.ts';
import { printOutcome } from '../hypervisors/kvm/outcome.ts';
import { IF } from '../isa/flags.ts';
import { Machine } from '../machine/machine.ts';
import { OFFSET, RSP } from '../state/fields.ts';
import type { ExecutionOptions } from './executions.ts';
import {
  type Occurrence, type System, externalInterrupt, machineCheck, nonMaskableInterrupt,
} from './system.ts';

/** The stress module's IPI, an NMI, a machine check, and a timer interrupt that asks for another task. */
export type Happening = 'IPI' | 'NMI' | '#MC' | 'timer';

export interface HostExecutionOptions extends HostOptions {
  /** Default: `['IPI']`. */
  readonly happenings?: readonly Happening[];
  /**
   * What counts as a step. `open boundary`: all instructions up to the next boundary at which one of the happenings is
   * possible, which leaves nothing out and is many times faster, as handlers run with interrupts off. `instruction`:
   * one, as figures and other processors need it. Default: `open boundary`.
   */
  readonly step?: 'open boundary' | 'instruction';
  /** Further processors that run the stress module and send an IPI each; steps are instructions then. Default: 0. */
  readonly senders?: number;
}

/** What happens, and how VMX reports it where the guest runs: reason and vector of an exit. */
const HAPPENINGS = {
  IPI: [externalInterrupt(VECTOR.call), EXIT.externalInterrupt, VECTOR.call],
  NMI: [nonMaskableInterrupt(), EXIT.exceptionOrNmi, VECTOR.nmi],
  '#MC': [machineCheck(), EXIT.exceptionOrNmi, VECTOR.machineCheck],
  timer: [externalInterrupt(VECTOR.timer), EXIT.externalInterrupt, VECTOR.timer],
} as const satisfies Record<Happening, readonly [Occurrence, number, number]>;

const MCIP = 4n;
/** More than a few are beyond what can be explored. */
const MOST_SENDERS = 3;
/** Instructions between two boundaries at which something can happen: more is an endless loop with interrupts off. */
const CLOSED_BUDGET = 20_000;

/** What `exploreExecutions` and `replay` take, for a host with one vCPU; and the host that it starts with. */
export interface HostExecutions extends Required<Pick<ExecutionOptions, 'start' | 'occurrences' | 'outcome'>> {
  readonly host: () => Host;
}

/** Throws a `TypeError` or `RangeError` that says what is wrong with the options. */
export function hostExecutions(options: HostExecutionOptions): HostExecutions {
  const { happenings = ['IPI'], senders = 0, step = senders ? 'instruction' : 'open boundary', ...rest } = options;
  for (const name of happenings) {
    if (!Object.hasOwn(HAPPENINGS, name)) {
      throw new RangeError(
        `there is no happening ${JSON.stringify(name)}; there are ${Object.keys(HAPPENINGS).join(', ')}`,
      );
    }
  }
  if (!Number.isInteger(senders) || senders < 0 || senders > MOST_SENDERS) {
    throw new RangeError(`senders is ${senders}; it is a number of processors, at most ${MOST_SENDERS}`);
  }
  let host = new Host(rest);
  const occurrences = happenings.map((name) => occurrence(name, () => host));
  const start = (): System => {
    host = new Host(rest);
    if (senders) host.connect();
    const { machine, stacks } = host;
    const one = (): void => { host.advance(); };
    const maskable = happenings.every((name) => name === 'IPI' || name === 'timer');
    const several = (): void => { advanceClosed(host, occurrences, maskable); };
    const first = step === 'instruction' ? one : several;
    const machines = [machine, ...Array.from({ length: senders }, (_, n) => senderOf(host, n + 1))];
    const advance = (each: Machine, processor: number): void => {
      if (processor === 0) first();
      else each.run({ limit: 1 });
    };
    return { machines, advance, ...(step === 'instruction' && { stacks }) };
  };
  return { start, occurrences, outcome: () => printOutcome(host.outcome()), host: () => host };
}

/** What arrives while the guest runs is not the guest's: it exits, whatever the guest has masked. SDM vol. 3C, 25.2. */
function occurrence(name: Happening, host: () => Host): Occurrence {
  const [arrival, reason, vector] = HAPPENINGS[name];
  const possible = (machine: Machine): boolean => !host().ended && (host().inGuest || arrival.possible(machine));
  return {
    ...arrival, name, possible,
    happen(machine) {
      if (!host().inGuest) {
        arrival.happen(machine);
        return;
      }
      host().exit({ reason, vector });
      const { state } = machine;
      if (name === 'NMI') state.setByte(OFFSET.nmiBlocking, 1);
      if (name === '#MC') state.setQuad(OFFSET.mcgStatus, state.quad(OFFSET.mcgStatus) | MCIP);
    },
  };
}

/** On to the next boundary at which something can happen; clears what the way there leaves below stack pointers. */
function advanceClosed(host: Host, occurrences: readonly Occurrence[], maskable: boolean): void {
  const { machine, stacks } = host;
  const { state } = machine;
  const lowest = stacks.map(() => 2n ** 64n);
  let last = -1n;
  const stackOf = (pointer: bigint): number =>
    stacks.findIndex(({ address, bytes }) => pointer >= address && pointer <= address + BigInt(bytes));
  for (let executed = 0; ; executed++) {
    if (executed === CLOSED_BUDGET) {
      throw new RangeError(
        `kernel ${JSON.stringify(host.options.kernel.id)} executes more than ${CLOSED_BUDGET.toLocaleString('en')} `
          + 'instructions in a row with interrupts off: it is in a loop',
      );
    }
    const pointer = state.gpr[RSP]!;
    const stack = pointer === last ? -1 : stackOf(pointer);
    if (stack >= 0 && !host.inGuest && pointer < lowest[stack]!) lowest[stack] = pointer;
    last = pointer;
    host.advance();
    // Most instructions are executed with interrupts off, where maskable ones need not be asked for.
    if (maskable && !(state.rflags & IF) && !host.inGuest && !state.halted) continue;
    if (host.ended || occurrences.some(({ possible }) => possible(machine))) break;
  }
  const pointer = state.gpr[RSP]!;
  const current = host.inGuest ? -1 : stackOf(pointer);
  for (const [n, { address, bytes }] of stacks.entries()) {
    // The kernel's own stack is in use for as long as a handler or the guest runs; the others are left for good.
    const end = n === current ? pointer : n === 0 ? 0n : address + BigInt(bytes);
    if (lowest[n]! < end) machine.memory.writeBytes(lowest[n]!, new Uint8Array(Number(end - lowest[n]!)));
  }
}

function senderOf({ program, machine: { memory, cpu } }: Host, processor: number): Machine {
  const machine = new Machine(undefined, { cpu, memory, processor, faults: 'deliver' });
  machine.state.rip = symbol(program, 'sender');
  return machine;
}
