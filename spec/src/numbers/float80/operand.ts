/** Source operands taken apart. Those from memory widen without loss, but stay denormal or signalling as they were. */

import { int, u } from '../bits.ts';
import { BIAS, type Float80, INTEGER_BIT, classOf, pack, signAndExponentOf, significandOf } from './format.ts';
import { normalise } from './shift.ts';

export interface Operand {
  readonly kind: 'zero' | 'finite' | 'infinity' | 'quiet NaN' | 'signalling NaN' | 'unsupported';
  readonly sign: number;
  /** Biased by 3FFFh. Below 1 where a denormal was normalised; in a zero, below that of any finite value. */
  readonly exponent: number;
  /** 64 bits; bit 63 is 1 in all kinds but `zero` and `unsupported`. */
  readonly significand: bigint;
  /** Using this value raises the denormal-operand exception. */
  readonly denormal: boolean;
}

/** A register's pattern, or what `fromFloat32`, `fromFloat64` or `fromInteger` made of a memory operand. */
export type Source = Float80 | Operand;

export const operand = (source: Source): Operand => (typeof source === 'bigint' ? fromFloat80(source) : source);

const ZERO_EXPONENT = -64;

export const zero = (sign: number): Operand =>
  ({ kind: 'zero', sign, exponent: ZERO_EXPONENT, significand: 0n, denormal: false });

function finite(sign: number, exponent: number, significand: bigint, denormal: boolean): Operand {
  const normal = normalise(64, exponent, significand);
  return { kind: 'finite', sign, exponent: normal.exponent, significand: normal.significand, denormal };
}

export const fromFloat80 = (x: Float80): Operand => fromParts(signAndExponentOf(x), significandOf(x));

/** A pattern by its bits 79:64 and 63:0, as a register holds them. */
export function fromParts(signAndExponent: number, significand: bigint): Operand {
  const sign = signAndExponent >> 15, exponent = signAndExponent & 0x7fff, kind = classOf(exponent, significand);
  switch (kind) {
    case 'zero': return zero(sign);
    case 'normal': return { kind: 'finite', sign, exponent, significand, denormal: false };
    case 'denormal':
    case 'pseudo-denormal': return finite(sign, 1, significand, true);
    case 'infinity':
    case 'quiet NaN':
    case 'signalling NaN': return { kind, sign, exponent, significand, denormal: false };
    default: return { kind: 'unsupported', sign, exponent, significand, denormal: false };
  }
}

/** A format whose integer bit is implied, by the widths of its fields. */
function implied(exponentBits: number, fractionBits: number): (x: bigint) => Operand {
  const width = int(1 + exponentBits + fractionBits), below = BigInt(fractionBits), free = BigInt(63 - fractionBits);
  const greatest = int((1 << exponentBits) - 1), rebias = int(BIAS - (greatest >> 1));
  return (bits) => {
    const x = u(width, bits);
    const above = Number(x >> below), sign = above >> exponentBits, exponent = above & greatest;
    const fraction = u(63, x << free);
    if (exponent === greatest) return fromParts((sign << 15) | 0x7fff, INTEGER_BIT | fraction);
    if (exponent === 0) return fraction === 0n ? zero(sign) : finite(sign, int(rebias + 1), fraction, true);
    return {
      kind: 'finite', sign, exponent: int(exponent + rebias), significand: INTEGER_BIT | fraction, denormal: false,
    };
  };
}

export const fromFloat16 = implied(5, 10);
export const fromFloat32 = implied(8, 23);
export const fromFloat64 = implied(11, 52);

/** A two's complement integer of `width` bits, 16, 32 or 64: always exact. */
export function fromInteger(width: number, x: bigint): Operand {
  const sign = Number(u(1, x >> BigInt(width - 1)));
  const magnitude = u(width, sign === 1 ? u(width, -x) : x);
  return magnitude === 0n ? zero(0) : finite(sign, int(BIAS + 63), magnitude, false);
}

/** The register pattern of an operand that is not denormal in this format: memory operands never are. */
export const toFloat80 = (x: Operand): Float80 =>
  x.kind === 'zero' ? pack(x.sign, 0, 0n) : pack(x.sign, x.exponent, x.significand);
