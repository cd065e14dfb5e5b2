/** Status flags of RFLAGS, computed eagerly. SDM vol. 1, 3.4.3.1; rules by instruction in appendix A. */

import type { CpuProfile, SeenFlags } from '../cpus/profile.ts';

export const CF = 1 << 0, PF = 1 << 2, AF = 1 << 4, ZF = 1 << 6, SF = 1 << 7, OF = 1 << 11;
export const TF = 1 << 8, IF = 1 << 9, DF = 1 << 10, NT = 1 << 14, RF = 1 << 16, VM = 1 << 17, AC = 1 << 18;
export const VIF = 1 << 19, VIP = 1 << 20, ID = 1 << 21;
/** I/O privilege level: bits 13:12. */
export const IOPL = 3 << 12;
export const STATUS = CF | PF | AF | ZF | SF | OF;
/** All flags; the other bits of RFLAGS are reserved. SDM vol. 1, figure 3-8. */
export const DEFINED_FLAGS = STATUS | TF | IF | DF | IOPL | NT | RF | VM | AC | VIF | VIP | ID;

const EVEN_PARITY = new Uint8Array(256);
for (let value = 0; value < 256; value++) {
  let bits = value;
  bits ^= bits >> 4;
  bits ^= bits >> 2;
  bits ^= bits >> 1;
  EVEN_PARITY[value] = bits & 1 ? 0 : PF;
}

/** Two addends and their sum, split into doublewords: flags are bits, and integers of 32 bits do for them. */
const values = new BigUint64Array(3);
const halves = new Uint32Array(values.buffer);
/** Where the low doubleword of the first addend, the second one and the sum is; the high one follows. */
const FIRST = 0, SECOND = 2, SUM = 4;

/** Moves bit `n` - 1 of the doubleword that holds it to bit 0. */
const atSign = (n: number, doubleword: number): number => (doubleword >>> ((n - 1) & 31)) & 1;

/** SF, ZF and PF of an `n`-bit result. */
export function resultFlags(n: number, result: bigint): number {
  values[SUM >> 1] = result;
  return resultFlagsAt(n, SUM);
}

/** The same, of a result that is in `values` already. */
function resultFlagsAt(n: number, place: number): number {
  const low = halves[place]!, high = halves[place + 1]!;
  return EVEN_PARITY[low & 0xff]! | ((low | high) === 0 ? ZF : 0) | (atSign(n, n === 64 ? high : low) === 1 ? SF : 0);
}

/**
 * CF, AF and OF of `sum` = `a` + `b`, or `a` + `b` + CF, at `n` bits: a carry leaves a bit where both have it, or one
 * has it and the sum has not.
 */
function carryFlags(n: number, a: bigint, b: bigint, sum: bigint): number {
  values[FIRST >> 1] = a;
  values[SECOND >> 1] = b;
  values[SUM >> 1] = sum;
  const top = n === 64 ? 1 : 0;
  const x = halves[FIRST + top]!, y = halves[SECOND + top]!, z = halves[SUM + top]!;
  return atSign(n, (x & y) | ((x | y) & ~z))
    | ((halves[FIRST]! ^ halves[SECOND]! ^ halves[SUM]!) & AF)
    | (atSign(n, (x ^ z) & (y ^ z)) * OF);
}

/** All six flags of `sum` = `a` + `b`, or `a` + `b` + CF, at `n` bits. */
export const additionFlags = (n: number, a: bigint, b: bigint, sum: bigint): number =>
  carryFlags(n, a, b, sum) | resultFlagsAt(n, SUM);

/**
 * All six flags of `difference` = `a` - `b`, or `a` - `b` - CF, at `n` bits: it borrows where adding it to `b` again
 * carries.
 */
export const subtractionFlags = (n: number, a: bigint, b: bigint, difference: bigint): number =>
  carryFlags(n, difference, b, a) | resultFlagsAt(n, FIRST);

/** The sixteen conditions, by encoding, with every mnemonic suffix. SDM vol. 1, appendix B. */
export const CONDITIONS: readonly {
  readonly names: readonly [string, ...string[]];
  readonly holds: (flags: number) => boolean;
  readonly reads: number;
}[] = [
  { names: ['O'], reads: OF, holds: (f) => (f & OF) !== 0 },
  { names: ['NO'], reads: OF, holds: (f) => (f & OF) === 0 },
  { names: ['B', 'C', 'NAE'], reads: CF, holds: (f) => (f & CF) !== 0 },
  { names: ['AE', 'NB', 'NC'], reads: CF, holds: (f) => (f & CF) === 0 },
  { names: ['E', 'Z'], reads: ZF, holds: (f) => (f & ZF) !== 0 },
  { names: ['NE', 'NZ'], reads: ZF, holds: (f) => (f & ZF) === 0 },
  { names: ['BE', 'NA'], reads: CF | ZF, holds: (f) => (f & (CF | ZF)) !== 0 },
  { names: ['A', 'NBE'], reads: CF | ZF, holds: (f) => (f & (CF | ZF)) === 0 },
  { names: ['S'], reads: SF, holds: (f) => (f & SF) !== 0 },
  { names: ['NS'], reads: SF, holds: (f) => (f & SF) === 0 },
  { names: ['P', 'PE'], reads: PF, holds: (f) => (f & PF) !== 0 },
  { names: ['NP', 'PO'], reads: PF, holds: (f) => (f & PF) === 0 },
  { names: ['L', 'NGE'], reads: SF | OF, holds: (f) => ((f & SF) !== 0) !== ((f & OF) !== 0) },
  { names: ['GE', 'NL'], reads: SF | OF, holds: (f) => ((f & SF) !== 0) === ((f & OF) !== 0) },
  { names: ['LE', 'NG'], reads: ZF | SF | OF, holds: (f) => (f & ZF) !== 0 || ((f & SF) !== 0) !== ((f & OF) !== 0) },
  { names: ['G', 'NLE'], reads: ZF | SF | OF, holds: (f) => (f & ZF) === 0 && ((f & SF) !== 0) === ((f & OF) !== 0) },
];

/** A condition's code as the last digit of an opcode. */
export const hexDigit = (code: number): string => code.toString(16).toUpperCase();

/** The flags that processors of `family` were seen to give. */
export function seenBy(family: CpuProfile['undefinedFlags'], seen: SeenFlags, before: number): number {
  switch (family) {
    case 'unchanged': return before;
    case 'zen': return seen.zen;
    case 'skylake': return seen.skylake;
    case 'sapphire rapids': return seen.sapphireRapids ?? seen.skylake;
  }
}
