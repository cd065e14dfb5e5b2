/** Two dumps of one point, field by field; what is listed in `differences.ts` does not count. */

import type { BochsCase, MemoryRange } from './case.ts';
import { DIFFERENCES, type Place } from './differences.ts';
import type { Dump } from './dump.ts';

/** Where two ranges differ: whole elements of an array, or single bytes. */
function elements({ bytes, records }: MemoryRange, bochs: string, engine: string): { what: string; bochs: string; engine: string }[] {
  const step = records?.bytes ?? 1;
  return Array.from({ length: Math.ceil(bytes / step) }, (_, n) => ({
    what: records?.names[n] ?? `+${(n * step).toString(16)}`,
    bochs: bochs.slice(2 * n * step, 2 * (n + 1) * step),
    engine: engine.slice(2 * n * step, 2 * (n + 1) * step),
  })).filter((element) => element.bochs !== element.engine);
}

/** A sentence for each difference. Entries of the list that cover one are added to `needed`. */
export function compare({ name, memory = {} }: BochsCase, bochs: Dump, engine: Dump, needed: Set<string>): string[] {
  const fields = Object.keys(bochs.fields).map((field) => ({ field, bochs: bochs.fields[field]!, engine: engine.fields[field]! }));
  const cells = Object.entries(memory).flatMap(([range, definition]) =>
    elements(definition, bochs.memory[range]!, engine.memory[range]!).map(({ what, ...values }) => ({ field: `${range} ${what}`, ...values })));
  return [...fields, ...cells].filter((place) => place.bochs !== place.engine).flatMap((values) => {
    const place: Place = { name, point: bochs.point, ...values };
    const known = DIFFERENCES.find((difference) => difference.covers(place));
    if (known) needed.add(known.what);
    return known ? [] : [`${name}, ${place.point}: ${place.field} is ${place.engine}, in Bochs ${place.bochs}`];
  });
}
