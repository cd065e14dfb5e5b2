/** Recording one run with the world switch at a given boundary, for figures and for the terminal. */

import type { Program } from '../asm/assemble.ts';
import { print } from '../isa/print.ts';
import { Fault } from '../state/outcomes.ts';
import { FIELDS, fieldNamed } from '../state/fields.ts';
import type { Policy } from '../hypervisors/policy.ts';
import { type State, readField } from '../state/state.ts';
import { Exploration, type ExploreOptions } from './exploration.ts';
import type { Difference, FieldValue, Timeline, TimelineStep } from './verdict.ts';

/** Shown even where nothing is lost: they are what a reader of these pages looks for. */
const POINTERS = ['FIP', 'FCS', 'FDP', 'FDS'], SEGMENT = ['FS', 'FS.base', 'FS.limit'];
const alwaysShown = ({ covers = 'extended state' }: Policy): string[] =>
  (covers === 'extended state' ? POINTERS : SEGMENT);
/** Guest steps around the switch: a long guest is shown in part. */
const BEFORE = 12, AFTER = 8;

export interface TimelineRequest {
  boundary: number;
  switches: 1 | 2;
  /** Guest instructions of the whole run. */
  executed: number;
  differences: readonly Difference[];
}

/** Runs the guest to the boundary, switches, and goes on; notes every step and the tracked fields after it. */
export function recordTimeline(guest: Program, options: ExploreOptions, request: TimelineRequest): Timeline {
  const names = [...new Set([...alwaysShown(options.policy), ...request.differences.map((d) => d.field)])]
    .filter((name) => FIELDS.some((field) => field.name === name));
  const run = new Exploration(guest, options);
  const { machine, world } = run;
  const recorder = new Recorder(names, machine.state);
  const symbols = new Map(Object.entries(guest.symbols).map(([name, address]) => [address, name]));
  const guestStep = (record: boolean): boolean => {
    try {
      const rip = machine.state.rip;
      const text = print(world.step(), rip, (address) => symbols.get(address));
      if (record) recorder.add('guest', text, rip);
      return !machine.state.halted;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      if (record) recorder.add('guest', error.notation, machine.state.rip);
      return false;
    }
  };
  for (let n = 0; n < request.boundary; n++) guestStep(n >= request.boundary - BEFORE);
  const expected = recorder.values();
  try {
    for (let n = 0; n < request.switches; n++) {
      for (const step of world.switch()) recorder.add(step.lane, step.text, step.rip);
    }
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    recorder.add('hypervisor', error.notation, machine.state.rip);
    return timeline(options, names, recorder);
  }
  recorder.markWrong(expected);
  for (let n = 0; n < AFTER && run.machine.state.halted === false && guestStep(true); n++);
  return timeline(options, names, recorder);
}

function timeline(options: ExploreOptions, names: readonly string[], recorder: Recorder): Timeline {
  return {
    lanes: [
      { id: 'guest', name: 'guest', kind: 'guest' },
      { id: 'hypervisor', name: options.policy.name, kind: 'host' },
      { id: 'other', name: 'another vCPU', kind: 'guest' },
    ],
    fields: names.map((name) => ({ name, width: fieldNamed(name).width })),
    steps: recorder.steps,
  };
}

class Recorder {
  readonly steps: TimelineStep[] = [];
  readonly #names: readonly string[];
  readonly #state: State;
  #before: Record<string, FieldValue>;
  #wrong = new Map<string, FieldValue>();

  constructor(names: readonly string[], state: State) {
    this.#names = names;
    this.#state = state;
    this.#before = this.values();
  }

  values(): Record<string, FieldValue> {
    return Object.fromEntries(this.#names.map((name) => [name, readField(this.#state, fieldNamed(name))]));
  }

  add(lane: TimelineStep['lane'], text: string, rip: bigint): void {
    const values = this.values();
    const changed = this.#names.filter((name) => values[name] !== this.#before[name]);
    // A field that the guest itself writes again is the guest's own from then on.
    for (const name of changed) if (lane === 'guest') this.#wrong.delete(name);
    this.steps.push({ lane, text, rip, values, changed, wrong: [...this.#wrong.keys()] });
    this.#before = values;
  }

  /** At the end of the switch: what is not as the guest left it. Marks the step that loaded it, too. */
  markWrong(expected: Record<string, FieldValue>): void {
    const values = this.values();
    for (const name of this.#names) if (values[name] !== expected[name]) this.#wrong.set(name, expected[name]!);
    const last = this.steps.at(-1);
    if (last) last.wrong = [...this.#wrong.keys()];
  }
}
