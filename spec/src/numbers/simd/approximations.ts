/**
 * RCPPS and RSQRTPS: a relative error of up to 1.5 × 2^-12, and no exceptions. Which value within that, the manuals
 * leave to the processor. SDM vol. 2B, RCPPS and RSQRTPS.
 */

import { int } from '../bits.ts';
import { nanIn } from '../float80/store.ts';
import { SINGLE, zeroIn } from './format.ts';
import { isNaN } from './nan.ts';

/** Either is 0 or a result of 13 bits: 4096 to 8191. */
interface Estimate {
  readonly exponent: number;
  readonly significand: number;
}

/**
 * What is looked up with the leading bits of a significand is what the middle of their interval has, rounded to 13
 * bits. Measured of Intel's processors for all operands: `test/numbers/README.md` says how.
 *
 * Those of a reciprocal are the first 11 bits of the fraction.
 */
function reciprocalOf(exponent: number, fraction: number): Estimate {
  // The middle is divisor / 4096.
  const divisor = int(4097 + 2 * (fraction >> 12));
  return { exponent: int(253 - exponent), significand: Math.floor((2 ** 26 + divisor) / (2 * divisor)) };
}

/** Those of the reciprocal of a square root are the last bit of the exponent and the first 10 of the fraction. */
function reciprocalSquareRootOf(exponent: number, fraction: number): Estimate {
  // The middle is radicand / 2048, from 1 to 4.
  const odd = int((exponent + 1) & 1), radicand = int((2049 + 2 * (fraction >> 13)) << odd);
  const root = Math.sqrt(2 ** 37 / radicand);
  return { exponent: int((379 - exponent + odd) >> 1), significand: Math.floor(root + 0.5) };
}

const approximation = (
  of: (exponent: number, fraction: number) => Estimate, negativeIsInvalid: boolean,
) => (bits: bigint): bigint => {
  const x = SINGLE.unpack(bits), to = SINGLE.destination;
  if (isNaN(x)) return nanIn(to, x);
  // Denormal operands are zeros, whatever MXCSR.DAZ says.
  if (x.kind === 'zero' || x.denormal) return to.infinity(x.sign);
  if (negativeIsInvalid && x.sign === 1) return SINGLE.indefinite;
  if (x.kind === 'infinity') return zeroIn(to, x.sign);
  const pattern = Number(bits), { exponent, significand } = of((pattern >>> 23) & 0xff, pattern & 0x7f_ffff);
  // Tiny results are zeros, whatever MXCSR.FTZ says.
  if (exponent < 1) return zeroIn(to, x.sign);
  return BigInt(((x.sign << 31) | (exponent << 23) | ((significand - 4096) << 11)) >>> 0);
};

/** Of a lane of single precision, as Intel's processors compute it. */
export const approximateReciprocal = approximation(reciprocalOf, false);
export const approximateReciprocalSquareRoot = approximation(reciprocalSquareRootOf, true);
