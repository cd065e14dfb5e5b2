/** What executions end in: how many of them, and by which shortest schedule. */

/** One step that is not the next instruction of the processor that runs. */
export interface Deviation {
  /** Instructions executed since the execution began. */
  readonly after: number;
  /** Name of an occurrence, or `processor 1 runs`. */
  readonly what: string;
  readonly processor: number;
}

/** A chain of deviations, each with its distance from the one before. */
interface Link {
  readonly distance: number;
  readonly what: string;
  readonly processor: number;
  readonly next: Link | undefined;
  /** Deviations from here on. */
  readonly length: number;
}

export interface Ending {
  readonly count: number;
  readonly schedule: Link | undefined;
}

/** By outcome. `low`: the earliest place on the path that this depends on, `Infinity` where on none. */
export interface Endings {
  readonly outcomes: ReadonlyMap<string, Ending>;
  readonly low: number;
}

export const ending = (outcome: string, low = Infinity): Endings =>
  ({ outcomes: new Map([[outcome, { count: 1, schedule: undefined }]]), low });

/** The same, `steps` instructions earlier. */
export function earlier({ outcomes, low }: Endings, steps: number): Endings {
  if (steps === 0) return { outcomes, low };
  return {
    low,
    outcomes: new Map([...outcomes].map(([outcome, { count, schedule }]) => [
      outcome, { count, schedule: schedule && { ...schedule, distance: schedule.distance + steps } },
    ])),
  };
}

/** The same, after a deviation. `steps`: instructions that it executed itself. */
export function deviating({ outcomes, low }: Endings, what: string, processor: number, steps: number): Endings {
  return {
    low,
    outcomes: new Map([...earlier({ outcomes, low }, steps).outcomes].map(([outcome, { count, schedule }]) => [
      outcome,
      { count, schedule: { distance: 0, what, processor, next: schedule, length: 1 + (schedule?.length ?? 0) } },
    ])),
  };
}

const shorter = (a: Link | undefined, b: Link | undefined): boolean => {
  const [lengthA, lengthB] = [a?.length ?? 0, b?.length ?? 0];
  return lengthA !== lengthB ? lengthA < lengthB : (a?.distance ?? 0) < (b?.distance ?? 0);
};

/** All of both: the shorter schedule for each outcome, and of two as short the one that deviates earlier. */
export function together(a: Endings, b: Endings): Endings {
  const outcomes = new Map(a.outcomes);
  for (const [outcome, { count, schedule }] of b.outcomes) {
    const known = outcomes.get(outcome);
    outcomes.set(outcome, known
      ? {
        count: known.count + count,
        schedule: shorter(schedule, known.schedule) ? schedule : known.schedule,
      }
      : { count, schedule });
  }
  return { outcomes, low: Math.min(a.low, b.low) };
}

/** A schedule as data, with places counted from the beginning. */
export function deviations(schedule: Link | undefined): Deviation[] {
  const found: Deviation[] = [];
  let after = 0;
  for (let link = schedule; link; link = link.next) {
    after += link.distance;
    found.push({ after, what: link.what, processor: link.processor });
  }
  return found;
}
