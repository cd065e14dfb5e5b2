/** One execution of a system, step by step, as a schedule has it: for figures and for the terminal. */

import { print } from '../isa/print.ts';
import type { Machine } from '../machine/machine.ts';
import { Fault, Unmodelled } from '../state/outcomes.ts';
import { fieldNamed } from '../state/fields.ts';
import { readField } from '../state/state.ts';
import type { ExecutionOptions } from './executions.ts';
import type { Deviation } from './outcomes.ts';
import { Stepper } from './stepper.ts';
import { type System, canRun } from './system.ts';
import type { FieldValue, Timeline, TimelineStep } from './verdict.ts';

export interface ReplayOptions extends Pick<ExecutionOptions, 'start' | 'occurrences'> {
  /** What is not the next instruction of the processor that runs, in order. */
  schedule: readonly Deviation[];
  /** Fields that are tracked, by their manual names. */
  fields: readonly string[];
  /** The lanes of the figure, and which of them a processor is in before its next step. */
  lanes: Timeline['lanes'];
  laneOf: (machine: Machine, processor: number, system: System) => string;
  /** Names for addresses, in the text of instructions. */
  symbols?: Readonly<Record<string, bigint>>;
  /** Steps to show: the last ones where there are more. Default 60. */
  steps?: number;
  /** Instructions to execute at most. Default 100,000. */
  limit?: number;
}

/** Executes the schedule and notes every step with the tracked fields after it. Throws as the machines do. */
export function replay(options: ReplayOptions): Timeline {
  const system = options.start();
  const stepper = new Stepper(system);
  const names = new Map(Object.entries(options.symbols ?? {}).map(([name, address]) => [address, name]));
  const widths = options.fields.map((name) => ({ name, width: fieldNamed(name).width }));
  const steps: TimelineStep[] = [];
  const deviations = [...options.schedule];
  let current = 0;
  let before = valuesOf(system.machines[current]!, options.fields);
  const note = (lane: string, text: string, rip: bigint, said?: string): void => {
    const values = valuesOf(system.machines[current]!, options.fields);
    const changed = options.fields.filter((name) => values[name] !== before[name]);
    before = values;
    steps.push({ lane, text, rip, values, changed, wrong: [], ...(said === undefined ? {} : { note: said }) });
  };
  for (let executed = 0; executed < (options.limit ?? 100_000);) {
    const next = deviations[0];
    if (next?.after === executed) {
      deviations.shift();
      if (next.processor !== current) before = valuesOf(system.machines[next.processor]!, options.fields);
      current = next.processor;
      const occurrence = options.occurrences?.find(({ name }) => name === next.what);
      if (occurrence) {
        const machine = system.machines[current]!;
        const lane = options.laneOf(machine, current, system), { rip } = machine.state;
        occurrence.happen(machine);
        note(lane, occurrence.name, rip, `${occurrence.name} arrives`);
        continue;
      }
    } else if (!canRun(system.machines[current]!)) {
      const other = system.machines.findIndex(canRun);
      if (other < 0) break;
      current = other;
      before = valuesOf(system.machines[current]!, options.fields);
    }
    const machine = system.machines[current]!;
    const { rip } = machine.state;
    const lane = options.laneOf(machine, current, system), text = textOf(machine, names);
    stepper.step(current);
    note(lane, text, rip);
    executed++;
  }
  stepper.release();
  const most = options.steps ?? 60;
  return { lanes: options.lanes, fields: widths, steps: steps.slice(-most) };
}

const valuesOf = ({ state }: Machine, names: readonly string[]): Record<string, FieldValue> =>
  Object.fromEntries(names.map((name) => [name, readField(state, fieldNamed(name))]));

function textOf(machine: Machine, names: ReadonlyMap<bigint, string>): string {
  const { rip } = machine.state;
  try {
    return print(machine.decodeAt(rip), rip, (address) => names.get(address));
  } catch (error) {
    if (error instanceof Fault) return error.notation;
    if (error instanceof Unmodelled) return error.message;
    throw error;
  }
}
