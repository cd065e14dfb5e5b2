const limit = 200_000;

/** A copy that `postMessage` accepts: own data of instances, without functions, symbols and cycles. */
export function sendable(value: unknown): unknown {
  let members = 0;
  const copy = (item: unknown, above: readonly unknown[]): unknown => {
    if (typeof item === 'function' || typeof item === 'symbol') return undefined;
    if (typeof item !== 'object' || item === null) return item;
    if (above.includes(item) || (members += 1) > limit) return undefined;
    if (item instanceof Uint8Array) return item.slice();
    const within = [...above, item];
    if (Array.isArray(item)) return item.map((each) => copy(each, within) ?? null);
    if (item instanceof Map || item instanceof Set) return [...item].map((each) => copy(each, within) ?? null);
    const copied = Object.entries(item).map(([name, each]) => [name, copy(each, within)] as const);
    return Object.fromEntries(copied.filter(([, each]) => each !== undefined));
  };
  const result = copy(value, []);
  return members > limit ? undefined : result;
}
