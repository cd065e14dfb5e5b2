/** States that were reached, as bytes: a set that compares contents. */

export class StateSet {
  readonly #byHash = new Map<number, Uint8Array[]>();
  size = 0;

  /** Whether the state is new. The bytes are kept and must not change; their length is a multiple of four. */
  add(bytes: Uint8Array): boolean {
    const hash = hashOf(bytes);
    const same = this.#byHash.get(hash);
    if (same?.some((other) => equal(other, bytes))) return false;
    if (same) same.push(bytes);
    else this.#byHash.set(hash, [bytes]);
    this.size++;
    return true;
  }
}

/** FNV-1a over doublewords. */
function hashOf({ buffer, byteOffset, length }: Uint8Array): number {
  const words = new Uint32Array(buffer, byteOffset, length >> 2);
  let hash = 0x811c_9dc5;
  for (const word of words) hash = Math.imul(hash ^ word, 0x0100_0193) ^ (word >>> 15);
  return hash;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  for (let n = 0; n < a.length; n++) if (a[n] !== b[n]) return false;
  return a.length === b.length;
}
