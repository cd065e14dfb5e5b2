/** What `make` makes, made when it is first asked for: a new engine does not wait for tables that few programs need. */
export function once<T extends object>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
