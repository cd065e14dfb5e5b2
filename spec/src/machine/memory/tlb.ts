/**
 * Translations that a processor keeps. Entries stay until they are invalidated: of all that SDM vol. 3A, 4.10, allows,
 * this is the most stale, as long as the guest invalidates nothing; a processor without a TLB is the other end. What is
 * kept is whole translations: paging-structure caches, which the architecture also allows, are not modelled.
 */

import type { TlbScope } from '../../isa/connections.ts';
import { pageNumber } from './address.ts';
import type { Translation } from './walk.ts';

/** Log2 of page sizes, as shifts of a page number: 4 KiB, 2 MiB, 4 MiB, 1 GiB. */
const SHIFTS = [0, 9, 10, 18] as const;

const GLOBAL = -1;

/** Entries of one address space, for each size of page by linear address divided by that size. */
type Space = readonly Map<number, Translation>[];

const newSpace = (): Space => SHIFTS.map(() => new Map<number, Translation>());

/** A linear page number divided by the size of a larger page. Not a shift: page numbers have up to 52 bits. */
const scaled = (number: number, shift: number): number => Math.floor(number / 2 ** shift);

/** What the TLB holds at one moment. */
export type TlbSnapshot = ReadonlyMap<number, readonly ReadonlyMap<number, Translation>[]>;

export class Tlb {
  /** By process-context identifier; global pages have a space of their own. */
  #spaces = new Map<number, Space>();

  lookup(number: number, pcid: number): Translation | undefined {
    return this.#find(GLOBAL, number) ?? this.#find(pcid, number);
  }

  #find(space: number, number: number): Translation | undefined {
    const maps = this.#spaces.get(space);
    if (!maps) return undefined;
    for (let size = 0; size < SHIFTS.length; size++) {
      const map = maps[size]!;
      const found = map.size === 0 ? undefined : map.get(scaled(number, SHIFTS[size]!));
      if (found) return found;
    }
    return undefined;
  }

  insert(number: number, pcid: number, translation: Translation): void {
    const space = translation.global ? GLOBAL : pcid;
    let maps = this.#spaces.get(space);
    if (!maps) this.#spaces.set(space, (maps = newSpace()));
    const size = SHIFTS.indexOf((translation.shift - 12) as (typeof SHIFTS)[number]);
    maps[size]!.set(scaled(number, SHIFTS[size]!), translation);
  }

  /** Forgets what `scope` says. SDM vol. 3A, 4.10.4.1. */
  invalidate(scope: TlbScope): void {
    switch (scope.kind) {
      case 'all': this.#spaces.clear(); return;
      case 'all but global':
        for (const space of [...this.#spaces.keys()]) if (space !== GLOBAL) this.#spaces.delete(space);
        return;
      case 'context': this.#spaces.delete(scope.pcid); return;
      case 'page':
        this.#drop(scope.pcid, scope.linear);
        if (scope.global) this.#drop(GLOBAL, scope.linear);
    }
  }

  #drop(space: number, linear: bigint): void {
    const number = pageNumber(linear);
    this.#spaces.get(space)?.forEach((map, size) => map.delete(scaled(number, SHIFTS[size]!)));
  }

  snapshot(): TlbSnapshot {
    return new Map([...this.#spaces].map(([space, maps]) => [space, maps.map((map) => new Map(map))]));
  }

  restore(snapshot: TlbSnapshot): void {
    this.#spaces = new Map([...snapshot].map(([space, maps]) => [space, maps.map((map) => new Map(map))]));
  }
}
