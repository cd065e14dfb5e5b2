/** FBLD and FBSTP: 18 decimal digits of four bits, and a sign in bit 79. SDM vol. 1, 4.7; vol. 2A, 3.2. */

import { u } from '../bits.ts';
import { type Control, IE, type Outcome, PE, response } from './control.ts';
import { type Float80, REAL_INDEFINITE, signOf } from './format.ts';
import { UNIT_EXPONENT, integral } from './integer.ts';
import { loadInteger } from './load.ts';
import { type Source, operand } from './operand.ts';

const DIGITS = 18;
const LIMIT = 1_000_000_000_000_000_000n;
const SIGN = 1n << 79n;

/** Digits above 9, which the manual leaves open, count for what they are. */
export function loadDecimal(digits: bigint): Float80 {
  let magnitude = 0n;
  for (let n = DIGITS - 1; n >= 0; n--) {
    magnitude = u(64, u(64, magnitude * 10n) + u(4, digits >> BigInt(4 * n)));
  }
  return loadInteger(64, magnitude) | (signOf(digits) === 1 ? SIGN : 0n);
}

/** Whether each of the digits is one. */
export function isDecimal(digits: bigint): boolean {
  for (let n = 0; n < DIGITS; n++) if (u(4, digits >> BigInt(4 * n)) > 9n) return false;
  return true;
}

/** Rounded to an integer by the rounding control; beyond 18 digits, the packed BCD indefinite. */
export function storeDecimal(source: Source, control: Control): Outcome {
  const x = operand(source);
  const number = x.kind === 'zero' || x.kind === 'finite';
  if (!number || x.exponent > UNIT_EXPONENT) return response(IE, REAL_INDEFINITE, control);
  const { kept, inexact, up } = integral(x, control.mode);
  if (kept >= LIMIT) return response(IE, REAL_INDEFINITE, control);
  let value = x.sign === 1 ? SIGN : 0n, rest = kept;
  for (let n = 0; n < DIGITS; n++) {
    value |= u(80, (rest % 10n) << BigInt(4 * n));
    rest /= 10n;
  }
  return { written: true, value, flags: inexact ? PE : 0, c1: up ? 1 : 0 };
}
