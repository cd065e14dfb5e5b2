/**
 * Which processor runs when: an input, and a function of nothing but the number of the turn, so a run can be repeated
 * and resumed.
 */

/** Up to `instructions` instructions of one processor; fewer if it halts. */
export interface Turn {
  readonly processor: number;
  readonly instructions: number;
}

/**
 * How several processors share the time. A number: round robin, each for so many instructions. A list of turns, which
 * is repeated. A seed: random turns of 1 to `most` instructions. Or any function of the turn's number.
 */
export type Schedule = number | readonly Turn[] | { readonly seed: number; readonly most: number }
  | ((turn: number) => Turn);

/**
 * Instructions of a turn by default, on average. Turns in order, but of irregular length: with a regular one a
 * processor that takes and releases a lock in a loop can hold it at the end of each of its turns, for ever.
 */
const DEFAULT_QUANTUM = 500;
const irregular = (processors: number) => (turn: number): Turn =>
  ({ processor: turn % processors, instructions: 1 + (scattered(0, turn) % (2 * DEFAULT_QUANTUM)) });

/** The schedule of `processors` processors as a function. */
export function turns(schedule: Schedule | undefined, processors: number): (turn: number) => Turn {
  if (processors === 1) return () => ({ processor: 0, instructions: Infinity });
  const choose = schedule === undefined ? irregular(processors) : chooser(schedule, processors);
  return (turn) => {
    const chosen = choose(turn);
    const { processor, instructions } = chosen;
    if (!Number.isInteger(processor) || processor < 0 || processor >= processors || !(instructions >= 1)) {
      throw new RangeError(
        `turn ${turn} of the schedule is processor ${processor} for ${instructions} instructions; processors are 0 to `
          + `${processors - 1}, and a turn has 1 instruction or more`,
      );
    }
    return chosen;
  };
}

function chooser(schedule: Schedule, processors: number): (turn: number) => Turn {
  if (typeof schedule === 'function') return schedule;
  if (typeof schedule === 'number') return (turn) => ({ processor: turn % processors, instructions: schedule });
  if ('seed' in schedule) {
    return (turn) =>
      ({
        processor: scattered(schedule.seed, 2 * turn) % processors,
        instructions: 1 + (scattered(schedule.seed, 2 * turn + 1) % schedule.most),
      });
  }
  if (schedule.length === 0) throw new RangeError('a schedule that is a list has one turn or more');
  return (turn) => schedule[turn % schedule.length]!;
}

/** 32 bits that look random: the finalizer of MurmurHash3, on seed and number. */
function scattered(seed: number, n: number): number {
  let h = Math.imul(seed ^ Math.imul(n + 1, 0x9e37_79b9), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 15), 0xc2b2_ae35);
  h = Math.imul(h ^ (h >>> 13), 0x85eb_ca6b);
  return (h ^ (h >>> 16)) >>> 0;
}
