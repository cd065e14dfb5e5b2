/** What all devices share: their state is one plain value, so a snapshot is a copy of it. */

/** A copy of plain data: numbers, bigints, strings, booleans, and arrays and objects of them. */
export function copy<T>(value: T): T {
  if (Array.isArray(value)) return value.map((element: unknown) => copy(element)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, copy<unknown>(each)])) as T;
}

/** A wire from a device to whoever listens: called with the level whenever it may have changed. */
export type Line = (level: boolean) => void;

/**
 * A device with state of type `S`. Lines are not driven by `restore`: whoever listens is restored from a snapshot of
 * the same moment. The clock is restored before the devices that it drives.
 */
export abstract class Device<S extends object> {
  protected state: S;

  constructor(state: S) {
    this.state = state;
  }

  snapshot(): S {
    return copy(this.state);
  }

  restore(snapshot: S): void {
    this.state = copy(snapshot);
    this.restored();
  }

  /** Sets timers, and whatever else is derived from the state, anew. */
  protected restored(): void {}
}
