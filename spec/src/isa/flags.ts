/** Status flags of RFLAGS, computed eagerly. SDM vol. 1, 3.4.3.1; rules by instruction in appendix A. */

import { signBit } from '../numbers/bits.ts';

export const CF = 1 << 0, PF = 1 << 2, AF = 1 << 4, ZF = 1 << 6, SF = 1 << 7, OF = 1 << 11;
export const TF = 1 << 8, IF = 1 << 9, DF = 1 << 10, NT = 1 << 14, RF = 1 << 16, VM = 1 << 17, AC = 1 << 18, ID = 1 << 21;
export const VIF = 1 << 19, VIP = 1 << 20;
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

const low8 = (x: bigint): number => Number(BigInt.asUintN(8, x));

/** SF, ZF and PF of an `n`-bit result. */
export const resultFlags = (n: number, result: bigint): number =>
  EVEN_PARITY[low8(result)]! | (result === 0n ? ZF : 0) | (result >= signBit(n) ? SF : 0);

/** All six flags of `sum` = `a` + `b` + `carry` (0 or 1) at `n` bits. */
export function additionFlags(n: number, a: bigint, b: bigint, carry: number, sum: bigint): number {
  const sign = signBit(n);
  const negativeA = a >= sign, negativeB = b >= sign;
  return resultFlags(n, sum)
    | (sum < a || (carry === 1 && sum === a) ? CF : 0)
    | (low8(a ^ b ^ sum) & AF)
    | (negativeA === negativeB && negativeA !== (sum >= sign) ? OF : 0);
}

/** All six flags of `difference` = `a` - `b` - `borrow` (0 or 1) at `n` bits. */
export function subtractionFlags(n: number, a: bigint, b: bigint, borrow: number, difference: bigint): number {
  const sign = signBit(n);
  const negativeA = a >= sign, negativeB = b >= sign;
  return resultFlags(n, difference)
    | (a < b || (borrow === 1 && a === b) ? CF : 0)
    | (low8(a ^ b ^ difference) & AF)
    | (negativeA !== negativeB && negativeA !== (difference >= sign) ? OF : 0);
}

/** The sixteen conditions, by encoding, with every mnemonic suffix. SDM vol. 1, appendix B. */
export const CONDITIONS: readonly { readonly names: readonly [string, ...string[]]; readonly holds: (flags: number) => boolean; readonly reads: number }[] = [
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
