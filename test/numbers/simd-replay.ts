/** Computes what a captured vector should hold, and says where the capture differs. */

import { u } from '../../spec/src/numbers/bits.ts';
import * as f from '../../spec/src/numbers/simd.ts';
import type { SimdVector } from './simd-vectors.ts';

type Predict = (vector: SimdVector, control: f.SimdControl) => f.VectorOutcome;

const FORMATS = { ps: f.SINGLE, pd: f.DOUBLE } as const;
type Suffix = keyof typeof FORMATS;

const packed = (of: (format: f.Format, x: bigint, y: bigint, control: f.SimdControl, v: SimdVector, n: number) => f.Outcome) =>
  (format: f.Format): Predict => (v, control) => f.eachLane(128 / format.width, format.width, control, (n) =>
    of(format, f.lane(v.first, format.width, n), f.lane(v.second, format.width, n), control, v, n));

/** The lanes of a source in pairs: those of the first operand, then those of the second. */
const horizontal = (of: f.Binary) => (format: f.Format): Predict => (v, control) => {
  const { width } = format, half = 64 / width;
  return f.eachLane(2 * half, width, control, (n) => {
    const from = n < half ? v.first : v.second, at = 2 * (n % half);
    return of(format, f.lane(from, width, at), f.lane(from, width, at + 1), control);
  });
};

/** From `count` lanes of one width to lanes of another; what is above them is zero. */
const convert = (count: number, from: number, to: number, of: (x: bigint, control: f.SimdControl, v: SimdVector) => f.Outcome): Predict =>
  (v, control) => f.eachLane(count, to, control, (n) => of(f.lane(v.second, from, n), control, v));

const scalar = (of: (x: bigint, control: f.SimdControl) => f.Outcome): Predict =>
  (v, control) => f.eachLane(1, 64, control, () => of(v.second, control));

/** Into the lowest lane of the destination. */
const intoLowest = (width: number, of: (x: bigint, control: f.SimdControl) => f.Outcome): Predict => (v, control) => {
  const outcome = f.eachLane(1, width, control, () => of(v.second, control));
  return { ...outcome, value: ((v.first >> BigInt(width)) << BigInt(width)) | outcome.value };
};

/** CF, PF and ZF. SDM vol. 2A, COMISS. */
const RELATION: Record<f.Relation, number> = { greater: 0, less: 1, equal: 0x40, unordered: 0x45 };

/** Flags are set by masked comparisons only: before, AF, SF and OF of the capturing program show. */
const comparison = (quietIsInvalid: boolean) => (format: f.Format): Predict => (v, control) => {
  let flags = 0;
  const outcome = f.eachLane(1, 64, control, () => {
    const compared = f.compareLanes(format, v.first, v.second, quietIsInvalid, control);
    flags = RELATION[compared.relation];
    return { written: true, value: 0n, flags: compared.flags, c1: 0 };
  });
  return { ...outcome, value: BigInt(flags) };
};

/** Which of destination, second and third operand are multiplicand, multiplier and addend. SDM vol. 2C, VFMADD132PS. */
const ORDERS = { 132: ['first', 'third', 'second'], 213: ['second', 'first', 'third'], 231: ['second', 'third', 'first'] } as const;

const fused = (order: keyof typeof ORDERS, negateProduct: boolean, negateAddend: (n: number) => boolean) =>
  packed((format, _x, _y, control, v, n) => {
    const [x, y, z] = ORDERS[order].map((which) => f.lane(v[which], format.width, n)) as [bigint, bigint, bigint];
    return f.fusedMultiplyAdd(format, x, y, z, { negateProduct, negateAddend: negateAddend(n) }, control);
  });

const BOTH: Record<string, (format: f.Format) => Predict> = {
  add: packed(f.add), sub: packed(f.subtract), mul: packed(f.multiply), div: packed(f.divide),
  min: packed(f.minimum), max: packed(f.maximum),
  sqrt: packed((format, _, y, control) => f.squareRoot(format, y, control)),
  addsub: packed((format, x, y, control, _, n) => (n % 2 ? f.add : f.subtract)(format, x, y, control)),
  hadd: horizontal(f.add), hsub: horizontal(f.subtract),
  cmp: packed((format, x, y, control, v) => f.compareTo(format, x, y, v.immediate, control)),
  round: packed((format, _, y, control, v) => f.roundLane(format, y, v.immediate, control)),
  dp: (format) => (v, control) => f.dotProduct(format, 128, v.first, v.second, v.immediate, 'by lane', control),
  vfmaddsub132: fused(132, false, (n) => n % 2 === 0), vfmsubadd213: fused(213, false, (n) => n % 2 === 1),
};
for (const order of [132, 213, 231] as const) {
  BOTH[`vfmadd${order}`] = fused(order, false, () => false);
  BOTH[`vfmsub${order}`] = fused(order, false, () => true);
  BOTH[`vfnmadd${order}`] = fused(order, true, () => false);
  BOTH[`vfnmsub${order}`] = fused(order, true, () => true);
}

const PREDICTIONS: Record<string, Predict> = {
  comiss: comparison(true)(f.SINGLE), comisd: comparison(true)(f.DOUBLE),
  ucomiss: comparison(false)(f.SINGLE), ucomisd: comparison(false)(f.DOUBLE),
  cvtps2pd: convert(2, 32, 64, (x, c) => f.convertLane(f.SINGLE, f.DOUBLE, x, c)),
  cvtpd2ps: convert(2, 64, 32, (x, c) => f.convertLane(f.DOUBLE, f.SINGLE, x, c)),
  cvtdq2ps: convert(4, 32, 32, (x, c) => f.fromIntegerLane(f.SINGLE, 32, x, c)),
  cvtdq2pd: convert(2, 32, 64, (x, c) => f.fromIntegerLane(f.DOUBLE, 32, x, c)),
  cvtsi2ss32: intoLowest(32, (x, c) => f.fromIntegerLane(f.SINGLE, 32, x, c)),
  cvtsi2ss64: intoLowest(32, (x, c) => f.fromIntegerLane(f.SINGLE, 64, x, c)),
  cvtsi2sd64: intoLowest(64, (x, c) => f.fromIntegerLane(f.DOUBLE, 64, x, c)),
  vcvtph2ps: convert(4, 16, 32, (x, c) => f.fromHalf(f.SINGLE, x, c)),
  vcvtps2ph: convert(4, 32, 16, (x, c, v) => f.toHalf(f.SINGLE, x, v.immediate, c)),
};
const approximate = (of: (x: bigint) => bigint): Predict =>
  convert(4, 32, 32, (x) => ({ written: true, value: of(x), flags: 0, c1: 0 }));
PREDICTIONS['rcpps'] = approximate(f.approximateReciprocal);
PREDICTIONS['rsqrtps'] = approximate(f.approximateReciprocalSquareRoot);

for (const t of ['', 't']) {
  for (const [suffix, format, single] of [['ps', f.SINGLE, 'ss'], ['pd', f.DOUBLE, 'sd']] as const) {
    const to = (width: 32 | 64) => (x: bigint, c: f.SimdControl) => f.toIntegerLane(format, width, x, t === 't', c);
    PREDICTIONS[`cvt${t}${suffix}2dq`] = convert(128 / format.width, format.width, 32, to(32));
    PREDICTIONS[`cvt${t}${single}2si32`] = scalar(to(32));
    PREDICTIONS[`cvt${t}${single}2si64`] = scalar(to(64));
  }
}
for (const [name, of] of Object.entries(BOTH)) {
  for (const suffix of Object.keys(FORMATS) as Suffix[]) PREDICTIONS[name + suffix] = of(FORMATS[suffix]);
}

export const SIMD_OPERATIONS: readonly string[] = Object.keys(PREDICTIONS);

const hex = (x: bigint | number, digits: number): string => x.toString(16).padStart(digits, '0');
const inRegister = (operation: string): boolean => /2si|comis/.test(operation);

/** A line that says what differs, or nothing where computation and capture agree. */
export function simdMismatch(vector: SimdVector): string | undefined {
  const { operation, immediate, mxcsr, first, second, third } = vector;
  const predict = PREDICTIONS[operation];
  if (!predict) throw new RangeError(`no prediction for operation ${JSON.stringify(operation)}`);
  const { value, flags, trapped } = predict(vector, f.simdControlOf(mxcsr));
  const before = !inRegister(operation) ? first : u(64, second);
  // What the flags were before a comparison that is trapped is the capturing program's.
  const unseen = trapped && operation.includes('comis');
  const result = unseen ? vector.result : trapped ? before : value, after = mxcsr | flags;
  if (result === vector.result && after === vector.mxcsrAfter && trapped === vector.trapped) return undefined;
  const shown = (x: bigint, status: number, trap: boolean): string => `${hex(x, 32)} ${hex(status, 4)}${trap ? ' #XM' : ''}`;
  return `${operation} ${immediate} MXCSR ${hex(mxcsr, 4)} ${[first, second, third].map((x) => hex(x, 32)).join(' ')}: `
    + `computed ${shown(result, after, trapped)}, captured ${shown(vector.result, vector.mxcsrAfter, vector.trapped)}`;
}
