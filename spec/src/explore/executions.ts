/**
 * All executions of a system of processors, up to stated bounds: at each boundary between two instructions, whatever
 * may happen happens in one of them, and any other processor runs on in another.
 *
 * A state that was reached before, with as much of the bounds left, is not explored again. Where what happened has left
 * no trace, an execution so falls back into one that is known, and the cost is linear in the length of the trunk (the
 * execution in which nothing happens), not quadratic. Going back is by undo log.
 */

import { requireKnown } from '../machine/options.ts';
import type { Journal } from '../machine/memory/journal.ts';
import { type MemoryHash, UNWRITTEN, afterWrites, identityOf } from './identity.ts';
import {
  type Deviation, type Endings, deviating, deviations, earlier, ending, together,
} from './outcomes.ts';
import { Stepper } from './stepper.ts';
import { type Occurrence, type System, canRun, requireSystem } from './system.ts';

export interface ExecutionOptions {
  /** Makes the system, standing where exploration begins. Called once. */
  start: () => System;
  /** What may happen, and to whom. */
  occurrences?: readonly Occurrence[];
  bounds?: Bounds;
  /** What an execution amounts to, asked when no processor can run on: equal texts are one outcome. */
  outcome: (system: System) => string;
}

/** How far exploration goes. */
export interface Bounds {
  /** Occurrences in one execution. Default 1. */
  occurrences?: number;
  /**
   * Times that a processor which could run on is left for another, in one execution. Default 2. To leave one that is
   * halted or has executed PAUSE costs nothing, and PAUSE leaves it wherever another can run.
   */
  preemptions?: number;
  /** Instructions of one execution; more is an error. Default 100,000. */
  instructions?: number;
  /** States to tell apart; more is an error. Default 2,000,000. */
  states?: number;
}

export interface Execution {
  outcome: string;
  /** Executions that end so: exact below 2⁵³. */
  count: number;
  /** The shortest way there: fewest deviations, and of those the earliest. Empty where the trunk ends so. */
  schedule: Deviation[];
}

/** A boundary of the trunk, and what becomes of the rest when something happens there. */
export interface Boundary {
  /** Instructions executed before it. */
  after: number;
  processor: number;
  rip: bigint;
  /** By occurrence, where it is possible: the outcomes that can follow, in order of appearance. */
  outcomes: Record<string, string[]>;
}

export interface Executions {
  /** In order of appearance. */
  executions: Execution[];
  /** Those of the trunk, in its order. */
  trunk: Boundary[];
  /** How the trunk ends. */
  trunkOutcome: string;
  /** States that were told apart, and instructions executed to reach them. */
  states: number;
  instructions: number;
}

/** An execution that comes back to a state in which it was, with nothing that could happen in between. */
export const NEVER_ENDS = 'never ends';

type Choice =
  | { readonly kind: 'run'; readonly processor: number; readonly deviates: boolean; readonly cost: 0 | 1 }
  | { readonly kind: 'occurrence'; readonly occurrence: Occurrence }
  /** No processor can run on, and nothing more happens. */
  | { readonly kind: 'end' };

interface Budget {
  readonly occurrences: number;
  readonly preemptions: number;
}

/** What follows from a state, `steps` instructions before what was found. */
interface Known {
  readonly endings: Endings;
  readonly steps: number;
}

/** A state on the way: what it takes to come back, and what is left to try. */
interface Frame {
  readonly choices: readonly Choice[];
  next: number;
  readonly moment: Moment;
  readonly budget: Budget;
  readonly depth: number;
  /** States that lead here without a choice, oldest first. */
  readonly keys: readonly string[];
  readonly onTrunk: Boundary | undefined;
  found: Endings | undefined;
}

interface Moment {
  readonly states: readonly Uint8Array[];
  readonly devices: unknown;
  readonly mark: number;
  readonly hash: MemoryHash;
  readonly yielded: boolean;
}

/** Explores every execution within the bounds. Throws a `RangeError` where one of them is too long. */
export function exploreExecutions(options: ExecutionOptions): Executions {
  requireKnown('exploreExecutions', options, ['start', 'occurrences', 'bounds', 'outcome']);
  requireKnown('exploreExecutions: bounds', options.bounds ?? {}, [
    'occurrences', 'preemptions', 'instructions', 'states',
  ]);
  const system = options.start();
  const memory = requireSystem(system, options.occurrences ?? []);
  return memory.journaled((journal) => new Explorer(system, journal, options).explore());
}

class Explorer {
  readonly #system: System;
  readonly #journal: Journal;
  readonly #stepper: Stepper;
  readonly #occurrences: readonly Occurrence[];
  readonly #limits: Required<Bounds>;
  readonly #outcome: ExecutionOptions['outcome'];
  readonly #known = new Map<string, Known>();
  /** States on the present path: where each stands. */
  readonly #path = new Map<string, number>();
  readonly #frames: Frame[] = [];
  readonly #trunk: Boundary[] = [];
  #trunkOutcome: string | undefined;
  #hash = UNWRITTEN;
  #instructions = 0;
  #depth = 0;
  #yielded = false;

  constructor(system: System, journal: Journal, { occurrences = [], bounds = {}, outcome }: ExecutionOptions) {
    this.#system = system;
    this.#journal = journal;
    this.#stepper = new Stepper(system);
    this.#occurrences = occurrences;
    this.#outcome = outcome;
    this.#limits = { occurrences: 1, preemptions: 2, instructions: 100_000, states: 2_000_000, ...bounds };
  }

  explore(): Executions {
    const { occurrences, preemptions } = this.#limits;
    try {
      let found = this.#follow(0, { occurrences, preemptions }, true);
      while (this.#frames.length) found = this.#resume(found);
      return {
        executions: [...found!.outcomes].map(([outcome, { count, schedule }]) =>
          ({ outcome, count, schedule: deviations(schedule) })),
        trunk: this.#trunk, trunkOutcome: this.#trunkOutcome!, states: this.#known.size,
        instructions: this.#instructions,
      };
    } finally {
      this.#stepper.release();
    }
  }

  /**
   * Runs on while there is one thing to do. Answers how that ends, or nothing where it came to a choice: that is the
   * uppermost frame then.
   */
  #follow(current: number, budget: Budget, trunk: boolean): Endings | undefined {
    const keys: string[] = [];
    let processor = current;
    for (;;) {
      const key = this.#key(processor, budget);
      const known = trunk ? undefined : this.#known.get(key);
      if (known) return this.#settle(keys, earlier(known.endings, known.steps));
      const place = this.#path.get(key);
      if (place !== undefined) {
        if (trunk) this.#trunkOutcome = NEVER_ENDS;
        return this.#settle(keys, ending(NEVER_ENDS, place));
      }
      const choices = this.#choices(processor, budget);
      keys.push(key);
      this.#path.set(key, this.#depth);
      const boundary = trunk ? this.#boundary(processor) : undefined;
      const last = choices.at(-1)!;
      if (choices.length > 1) {
        this.#frames.push({
          choices, next: 0, moment: this.#moment(), budget, depth: this.#depth, keys, onTrunk: boundary,
          found: undefined,
        });
        return this.#take();
      }
      if (last.kind !== 'run') return this.#settle(keys, this.#end(trunk), 0);
      processor = last.processor;
      this.#step(processor);
    }
  }

  /** Puts what was found to the uppermost frame, and goes on with its next choice, or with what is above it. */
  #resume(found: Endings | undefined): Endings | undefined {
    if (!found) return undefined;
    const frame = this.#frames.at(-1)!;
    const choice = frame.choices[frame.next]!;
    const whole = throughChoice(choice, found);
    if (frame.onTrunk && choice.kind === 'occurrence') {
      frame.onTrunk.outcomes[choice.occurrence.name] = [...found.outcomes.keys()];
    }
    frame.found = frame.found ? together(frame.found, whole) : whole;
    frame.next++;
    if (frame.next < frame.choices.length) {
      this.#restore(frame);
      return this.#take();
    }
    this.#frames.pop();
    return this.#settle(frame.keys, frame.found, 0);
  }

  /** Takes the uppermost frame's next choice. */
  #take(): Endings | undefined {
    const { choices, next, budget, onTrunk } = this.#frames.at(-1)!;
    const choice = choices[next]!;
    if (choice.kind === 'occurrence') {
      const { happen, processor } = choice.occurrence;
      happen(this.#system.machines[processor]!);
      this.#account();
      this.#depth++;
      return this.#follow(processor, { ...budget, occurrences: budget.occurrences - 1 }, false);
    }
    // The last choice is what is done where nothing happens.
    const trunk = onTrunk !== undefined && next === choices.length - 1;
    if (choice.kind === 'end') return this.#end(trunk);
    this.#step(choice.processor);
    const left = { ...budget, preemptions: budget.preemptions - choice.cost };
    return this.#follow(choice.processor, left, trunk);
  }

  /**
   * Everything that may be done here, one thing or more. Last comes what is done where nothing happens: the processor
   * runs on or, where it cannot, the first one that can; where none can, the execution ends.
   */
  #choices(current: number, budget: Budget): Choice[] {
    const { machines } = this.#system;
    const choices: Choice[] = [];
    if (budget.occurrences > 0) {
      for (const occurrence of this.#occurrences) {
        if (occurrence.possible(machines[occurrence.processor]!)) choices.push({ kind: 'occurrence', occurrence });
      }
    }
    const ready = machines.flatMap((machine, processor) => (canRun(machine) ? [processor] : []));
    const others = ready.filter((processor) => processor !== current);
    const stays = ready.includes(current) && !(this.#yielded && others.length > 0);
    if (stays && budget.preemptions > 0) {
      for (const processor of others) choices.push({ kind: 'run', processor, deviates: true, cost: 1 });
    }
    if (stays) return [...choices, { kind: 'run', processor: current, deviates: false, cost: 0 }];
    others.toReversed().forEach((processor, n) => {
      choices.push({ kind: 'run', processor, deviates: n < others.length - 1, cost: 0 });
    });
    return others.length > 0 ? choices : [...choices, { kind: 'end' }];
  }

  #step(processor: number): void {
    const { instructions, states } = this.#limits;
    this.#yielded = this.#stepper.step(processor) === 'PAUSE';
    this.#account();
    this.#instructions++;
    this.#depth++;
    if (this.#depth > instructions) {
      throw new RangeError(
        `exploreExecutions: an execution is longer than ${instructions.toLocaleString('en')} instructions. Give a `
          + 'shorter program, or bounds: { instructions }',
      );
    }
    if (this.#known.size > states) {
      throw new RangeError(
        `exploreExecutions: there are more than ${states.toLocaleString('en')} states. Give smaller bounds, stacks `
          + 'whose dead part may be cleared, or bounds: { states }',
      );
    }
  }

  /** Takes the writes since the last time into the hash. */
  #account(): void {
    this.#hash = afterWrites(this.#hash, this.#journal.since(this.#counted));
    this.#counted = this.#journal.mark;
  }
  #counted = 0;

  #key(processor: number, { occurrences, preemptions }: Budget): string {
    const { machines, devices } = this.#system;
    const outside = devices ? JSON.stringify(devices.snapshot(), plainBigints) : '';
    const who = machines.length > 1 ? `${processor}${this.#yielded ? 'y' : ''}` : '';
    return `${identityOf(machines, this.#hash)} ${who} ${occurrences} ${preemptions}${outside}`;
  }

  #moment(): Moment {
    return {
      states: this.#system.machines.map(({ state }) => state.snapshot()),
      devices: this.#system.devices?.snapshot(), mark: this.#journal.mark, hash: this.#hash, yielded: this.#yielded,
    };
  }

  #restore({ moment, depth }: Frame): void {
    const { machines, devices } = this.#system;
    this.#journal.undo(moment.mark);
    machines.forEach((machine, n) => {
      machine.state.restore(moment.states[n]!);
      machine.paging.changed();
    });
    devices?.restore(moment.devices as never);
    this.#hash = moment.hash;
    this.#counted = moment.mark;
    this.#yielded = moment.yielded;
    this.#depth = depth;
  }

  #boundary(processor: number): Boundary {
    const boundary = {
      after: this.#depth, processor, rip: this.#system.machines[processor]!.state.rip, outcomes: {},
    };
    this.#trunk.push(boundary);
    return boundary;
  }

  #end(trunk: boolean): Endings {
    const outcome = this.#outcome(this.#system);
    if (trunk) this.#trunkOutcome = outcome;
    return ending(outcome);
  }

  /**
   * What was found holds for the states that lead there without a choice, each an instruction earlier. It is not kept
   * for a state where it depends on one further up the path: from there more may follow.
   */
  #settle(keys: readonly string[], found: Endings, distance = 1): Endings {
    let endings = found;
    let steps = distance;
    for (let n = keys.length - 1; n >= 0; n--, steps++) {
      const key = keys[n]!;
      const place = this.#path.get(key)!;
      this.#path.delete(key);
      if (endings.low === place) endings = { outcomes: endings.outcomes, low: Infinity };
      if (endings.low > place) this.#known.set(key, { endings, steps });
    }
    return keys.length === 0 ? endings : earlier(endings, steps - 1);
  }
}

/** What was found behind a choice, as it is before it. */
function throughChoice(choice: Choice, found: Endings): Endings {
  if (choice.kind === 'end') return found;
  if (choice.kind === 'occurrence') return deviating(found, choice.occurrence.name, choice.occurrence.processor, 0);
  const { deviates, processor } = choice;
  return deviates ? deviating(found, `processor ${processor} runs`, processor, 1) : earlier(found, 1);
}

const plainBigints = (_: string, value: unknown): unknown =>
  typeof value === 'bigint' ? `${value}n` : value instanceof Uint8Array || value instanceof Set ? [...value]
    : value instanceof Map ? [...value] : value;
