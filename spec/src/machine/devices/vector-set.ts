/** A set of the 256 vectors as the eight doublewords of IRR, ISR and TMR. SDM vol. 3A, 10.8.4. */

export const emptyVectors = (): number[] => Array.from({ length: 8 }, () => 0);

export const hasVector = (words: readonly number[], vector: number): boolean =>
  ((words[vector >> 5]! >>> (vector & 31)) & 1) === 1;

export function putVector(words: number[], vector: number, member: boolean): void {
  const bit = 1 << (vector & 31);
  words[vector >> 5] = (member ? words[vector >> 5]! | bit : words[vector >> 5]! & ~bit) >>> 0;
}

/** The highest vector of the set; -1 when it is empty. */
export function highestVector(words: readonly number[]): number {
  for (let n = 7; n >= 0; n--) if (words[n]) return n * 32 + 31 - Math.clz32(words[n]!);
  return -1;
}
