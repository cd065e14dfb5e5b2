/** Computes what a captured vector should hold, and says where the capture differs. */

import { u } from '../../spec/src/numbers/bits.ts';
import * as f from '../../spec/src/numbers/float80.ts';
import { MEMORY_BEFORE, type Vector } from './vectors.ts';

interface Prediction {
  result: bigint;
  top: number;
  flags: number;
  c1: number;
  /** C3, C2 and C0 in their places, for the instructions that define them. */
  conditions?: number;
}

type Predict = (vector: Vector, control: f.Control) => Prediction;
type Unary = (x: f.Source, control: f.Control) => f.Outcome;
type Binary = (x: f.Source, y: f.Source, control: f.Control) => f.Outcome;
type Widen = (memory: bigint) => f.Source;

const CONDITIONS = 0x4500;
const ERROR_SUMMARY = 0x80, BUSY = 0x8000;

const asIs: Widen = (x) => x;
const int16: Widen = (x) => f.fromInteger(16, x);
const int32: Widen = (x) => f.fromInteger(32, x);

const toRegister = (outcome: f.Outcome, { st0 }: Vector): Prediction =>
  ({ ...outcome, result: outcome.written ? outcome.value : st0, top: 0 });

const binary = (operation: Binary, widen: Widen = asIs): Predict => (vector, control) =>
  toRegister(operation(vector.st0, widen(vector.source), control), vector);

const unary = (operation: Unary): Predict => (vector, control) =>
  toRegister(operation(vector.st0, control), vector);

/** A load pushes where it writes. */
const load = (operation: (x: bigint, control: f.Control) => f.Outcome): Predict => ({ source, st0 }, control) => {
  const outcome = operation(source, control);
  return { ...outcome, result: outcome.written ? outcome.value : st0, top: outcome.written ? 7 : 0 };
};

const loadInteger = (width: 16 | 32 | 64): Predict =>
  load((x) => ({ written: true, value: f.loadInteger(width, x), flags: 0, c1: 0 }));

/** A store that pops does so where it writes. */
const store = (width: number, operation: Unary): Predict => ({ st0 }, control) => {
  const { written, value, flags, c1 } = operation(st0, control);
  const untouched = (MEMORY_BEFORE >> BigInt(width)) << BigInt(width);
  return { result: written ? untouched | value : MEMORY_BEFORE, top: written ? 1 : 0, flags, c1 };
};

const RELATION: Record<f.Relation, number> = { greater: 0, less: 0x0100, equal: 0x4000, unordered: 0x4500 };

const comparison = (operation: typeof f.compare, widen: Widen = asIs): Predict => ({ st0, source }, control) => {
  const { relation, flags } = operation(st0, widen(source), control);
  return { result: st0, top: 0, flags, c1: 0, conditions: RELATION[relation] };
};

/** After a pop, ST1 has become ST0. */
const comparisonWithPop = (operation: typeof f.compare): Predict => ({ st0, source }, control) => {
  const { relation, flags, pops } = operation(st0, source, control);
  return { result: pops ? source : st0, top: pops ? 1 : 0, flags, c1: 0, conditions: RELATION[relation] };
};

/** SDM vol. 2, FXAM. */
const EXAMINED: Record<f.Float80Class, number> = {
  'unnormal': 0, 'pseudo-infinity': 0, 'pseudo-NaN': 0,
  'quiet NaN': 0x0100, 'signalling NaN': 0x0100,
  'normal': 0x0400, 'infinity': 0x0500, 'zero': 0x4000, 'denormal': 0x4400, 'pseudo-denormal': 0x4400,
};

const examine: Predict = ({ st0 }) =>
  ({ result: st0, top: 0, flags: 0, c1: f.signOf(st0), conditions: EXAMINED[f.classify(st0)] });

const PREDICTIONS: Record<string, Predict> = {
  fadd: binary(f.add),
  fsub: binary(f.subtract),
  fsubr: binary(f.subtractReversed),
  fmul: binary(f.multiply),
  fdiv: binary(f.divide),
  fdivr: binary(f.divideReversed),
  fsqrt: unary(f.squareRoot),
  frndint: unary(f.roundToInteger),
  fxam: examine,
  ftst: comparison(f.compare, () => 0n),
  fcom: comparison(f.compare),
  fucom: comparison(f.compareUnordered),
  fcomp: comparisonWithPop(f.compare),
  fucomp: comparisonWithPop(f.compareUnordered),
  fcom_m32: comparison(f.compare, f.fromFloat32),
  fcom_m64: comparison(f.compare, f.fromFloat64),
  fadd_m32: binary(f.add, f.fromFloat32),
  fadd_m64: binary(f.add, f.fromFloat64),
  fsubr_m32: binary(f.subtractReversed, f.fromFloat32),
  fmul_m64: binary(f.multiply, f.fromFloat64),
  fdiv_m32: binary(f.divide, f.fromFloat32),
  fdivr_m64: binary(f.divideReversed, f.fromFloat64),
  fiadd_m16: binary(f.add, int16),
  fidiv_m32: binary(f.divide, int32),
  ficom_m32: comparison(f.compare, int32),
  fld_m32: load(f.loadFloat32),
  fld_m64: load(f.loadFloat64),
  fild_m16: loadInteger(16),
  fild_m32: loadInteger(32),
  fild_m64: loadInteger(64),
  fstp_m32: store(32, f.storeFloat32),
  fstp_m64: store(64, f.storeFloat64),
  fistp_m16: store(16, (x, control) => f.storeInteger(x, 16, control)),
  fistp_m32: store(32, (x, control) => f.storeInteger(x, 32, control)),
  fistp_m64: store(64, (x, control) => f.storeInteger(x, 64, control)),
  fisttp_m16: store(16, (x, control) => f.storeIntegerTruncated(x, 16, control)),
  fisttp_m32: store(32, (x, control) => f.storeIntegerTruncated(x, 32, control)),
  fisttp_m64: store(64, (x, control) => f.storeIntegerTruncated(x, 64, control)),
};

export const OPERATIONS: readonly string[] = Object.keys(PREDICTIONS);

const hex = (x: bigint | number, digits: number): string => x.toString(16).padStart(digits, '0');

/** A line that says what differs, or nothing where computation and capture agree. */
export function mismatch(vector: Vector): string | undefined {
  const predict = PREDICTIONS[vector.operation];
  if (!predict) throw new RangeError(`no prediction for operation ${JSON.stringify(vector.operation)}`);
  const { result, top, flags, c1, conditions } = predict(vector, f.controlOf(vector.fcw));
  const summary = (flags & ~vector.fcw & 0x3f) === 0 ? 0 : ERROR_SUMMARY | BUSY;
  const compared = conditions === undefined ? 0xffff & ~CONDITIONS : 0xffff;
  const fsw = flags | summary | (top << 11) | (c1 << 9) | (conditions ?? 0);
  if (u(80, result) === vector.result && fsw === (vector.fsw & compared)) return undefined;
  const shown = (value: bigint, status: number): string => `${hex(value, 20)} FSW ${hex(status, 4)}`;
  return `${vector.operation} FCW ${hex(vector.fcw, 4)} ST0 ${hex(vector.st0, 20)} operand ${hex(vector.source, 20)}: `
    + `computed ${shown(result, fsw)}, captured ${shown(vector.result, vector.fsw & compared)}`;
}
