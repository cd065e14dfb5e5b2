/**
 * Time of a machine. It is counted in instructions, and a nominal rate of instructions per second relates it to the
 * crystals of devices: exactly, in whole numbers, so nothing drifts however long a machine runs.
 */

/** Instructions a second unless told otherwise: also the frequency of the time-stamp counter. */
const DEFAULT_FREQUENCY = 1_000_000_000;

/** A moment at which a device has something to do. */
export class Timer {
  readonly #clock: Clock;
  readonly #fire: () => void;
  #due = Infinity;

  constructor(clock: Clock, fire: () => void) {
    this.#clock = clock;
    this.#fire = fire;
  }

  /** When it fires next; `Infinity` when it does not. */
  get due(): number {
    return this.#due;
  }

  set(time: number): void {
    this.#due = time;
    this.#clock.rescheduled();
  }

  clear(): void {
    this.set(Infinity);
  }

  /** Fires; it is clear by then, and can be set again. */
  fire(): void {
    this.clear();
    this.#fire();
  }
}

export class Clock {
  /** Instructions per second. */
  readonly frequency: bigint;
  #source: { readonly time: number } = { time: 0 };
  /** While timers fire: the moment at which the one that fires is due. */
  #moment: number | undefined;
  #next = Infinity;
  readonly #timers: Timer[] = [];

  constructor(frequency: number = DEFAULT_FREQUENCY) {
    if (!Number.isSafeInteger(frequency) || frequency <= 0) {
      throw new RangeError(`the clock's frequency is a whole number of instructions per second, not ${frequency}`);
    }
    this.frequency = BigInt(frequency);
  }

  /** The time: instructions executed, and those that were skipped while all processors were halted. */
  get now(): number {
    return this.#moment ?? this.#source.time;
  }

  /** Takes the time from `source` from now on: from the processor that is running. */
  follow(source: { readonly time: number }): void {
    this.#source = source;
  }

  /**
   * The earliest moment at which a timer fires: the one number that a machine compares with the time after each step.
   */
  get next(): number {
    return this.#next;
  }

  /** A timer that calls `fire`. Timers that are due at the same time fire in the order in which they were made. */
  timer(fire: () => void): Timer {
    const timer = new Timer(this, fire);
    this.#timers.push(timer);
    return timer;
  }

  /** Periods of a crystal of `hertz` that are over by `time`. */
  ticks(hertz: bigint, time: number = this.now): bigint {
    return (BigInt(time) * hertz) / this.frequency;
  }

  /** The first time by which `tick` periods of a crystal of `hertz` are over. */
  at(tick: bigint, hertz: bigint): number {
    return Number((tick * this.frequency + hertz - 1n) / hertz);
  }

  /** A timer was set: called by it. */
  rescheduled(): void {
    let next = Infinity;
    for (const { due } of this.#timers) if (due < next) next = due;
    this.#next = next;
  }

  /** Fires what is due by `time`, each at its own moment. The source goes there, or is there already. */
  advance(time: number): void {
    for (let moment = -Infinity; this.#next <= time;) {
      this.#moment = moment = Math.max(moment, this.#next);
      this.#timers.find(({ due }) => due === this.#next)!.fire();
    }
    this.#moment = undefined;
  }
}

/** A clock that stands alone, for devices without a processor: `advance` moves it. */
export class FreeClock extends Clock {
  readonly #own = { time: 0 };

  constructor(frequency?: number) {
    super(frequency);
    this.follow(this.#own);
  }

  override advance(time: number): void {
    super.advance(time);
    this.#own.time = time;
  }
}
