/** What the options of a machine, a PC, a run and an exploration have in common: how a wrong one is refused. */

/** A key of `options` that is not among `known` is a `TypeError` that names it and those. */
export function requireKnown<Options extends object>(
  of: string, options: Options, known: readonly (keyof Options & string)[],
): void {
  const unknown = Object.keys(options).find((key) => !(known as readonly string[]).includes(key));
  if (unknown === undefined) return;
  const others = `${known.slice(0, -1).join(', ')} and ${known.at(-1)}`;
  throw new TypeError(`${of}: unknown option ${JSON.stringify(unknown)}; there are ${others}`);
}

/** A number of instructions that is none is a `RangeError`. */
export function requireLimit(limit: number): void {
  if (!(limit >= 0)) throw new RangeError(`run: limit is ${limit}; it is a number of instructions, 0 or more`);
}
