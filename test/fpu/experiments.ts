/** The experiments as one table: assembly text, what memory holds before it, and nothing about what it should do. */

import { assemble } from '../../spec/src/asm/assemble.ts';
import { toBytes } from '../../spec/src/numbers/bits.ts';
import { PLACES, type Place } from '../silicon/environment.ts';
import type { Piece, RunRecord } from '../silicon/records.ts';

export interface Experiment {
  readonly name: string;
  /** Default 64. */
  readonly mode?: 32 | 64;
  /** Default high for 64-bit code; 32-bit code is always low. */
  readonly place?: Place;
  readonly code: string;
  readonly memory?: Readonly<Partial<Record<Symbol, Uint8Array>>>;
}

export const DATA_BYTES = 0x3000;
/** What memory holds where nothing else is said: easy to tell from anything stored. */
export const FILL = 0xa5;

/** Offsets in the data region. Areas are aligned on 64 bytes and reach to the next; wide ones have room for AVX-512 state. */
export const SYMBOLS = {
  areaA: 0x000, areaB: 0x400, areaC: 0x800, env: 0xc00, env2: 0xc80, out: 0xd00, fx: 0xe00,
  one: 0x1000, zero: 0x1008, third: 0x1010, minusTwo: 0x1018, huge: 0x1020, int16: 0x1028, int32: 0x1030, int64: 0x1038,
  single: 0x1040, denormal64: 0x1048, signalling32: 0x1050, signalling64: 0x1058,
  unnormal: 0x1060, pseudoDenormal: 0x1070, infinity: 0x1080, signalling80: 0x1090, denormal80: 0x10a0, pi80: 0x10b0, pseudoInfinity: 0x10c0,
  cw0: 0x1100, cwFFFF: 0x1102, cw37F: 0x1104, cw37B: 0x1106, cw37E: 0x1108, cw27F: 0x110a, cw340: 0x110c,
  mx1F80: 0x1110, mx1FBF: 0x1114, mx0: 0x1118, mxReserved: 0x111c,
  mxMisaligned: 0x1140, xmmOnes: 0x1120, stack: 0x1800,
  wideA: 0x1a00, wideB: 0x2500,
} as const;
export type Symbol = keyof typeof SYMBOLS;

const double = (value: number): Uint8Array => new Uint8Array(new Float64Array([value]).buffer);
const CONSTANTS: Partial<Record<Symbol, Uint8Array>> = {
  one: double(1), zero: double(0), third: double(1 / 3), minusTwo: double(-2), huge: double(1e300),
  int16: toBytes(0xfff9n, 2), int32: toBytes(123_456_789n, 4), int64: toBytes(0x8000_0000_0000_0001n, 8),
  single: toBytes(0x3fc0_0000n, 4), denormal64: toBytes(1n, 8), signalling32: toBytes(0x7fa0_0001n, 4), signalling64: toBytes(0x7ff4_0000_0000_0001n, 8),
  unnormal: toBytes(0x4000_4000_0000_0000_0000n, 10), pseudoDenormal: toBytes(0x0000_8000_0000_0000_0001n, 10),
  infinity: toBytes(0x7fff_8000_0000_0000_0000n, 10), signalling80: toBytes(0xffff_a000_0000_0000_0001n, 10),
  denormal80: toBytes(0x8000_0000_0000_0000_0123n, 10), pi80: toBytes(0x4000_c90f_daa2_2168_c235n, 10), pseudoInfinity: toBytes(0x7fff_0000_0000_0000_0000n, 10),
  cw0: toBytes(0n, 2), cwFFFF: toBytes(0xffffn, 2), cw37F: toBytes(0x37fn, 2), cw37B: toBytes(0x37bn, 2), cw37E: toBytes(0x37en, 2),
  cw27F: toBytes(0x27fn, 2), cw340: toBytes(0x340n, 2),
  mx1F80: toBytes(0x1f80n, 4), mx1FBF: toBytes(0x1fbfn, 4), mx0: toBytes(0n, 4), mxReserved: toBytes(0x1_1f80n, 4),
  mxMisaligned: toBytes(0x2_1f80n, 4), xmmOnes: new Uint8Array(16).fill(0xff),
};

export const IMAGE: Uint8Array = (() => {
  const image = new Uint8Array(DATA_BYTES).fill(FILL);
  for (const [name, bytes] of Object.entries(CONSTANTS)) image.set(bytes, SYMBOLS[name as Symbol]);
  return image;
})();

const placeOf = ({ mode = 64, place }: Experiment): Place => (mode === 32 ? 'low' : place ?? 'high');

/** The record that both sides run: the text through our own assembler, HLT behind it. */
export function recordOf(experiment: Experiment): RunRecord {
  const { mode = 64, code, memory = {} } = experiment;
  const place = placeOf(experiment);
  const { code: origin, data } = PLACES[place];
  const symbols = Object.fromEntries(Object.entries(SYMBOLS).map(([name, offset]) => [name, data + BigInt(offset)]));
  const text = code.split(';').map((line) => line.trim()).join('\n');
  const pieces = Object.entries(memory).map(([name, bytes]): Piece => ({ offset: SYMBOLS[name as Symbol], bytes }));
  const gpr = Array.from({ length: 16 }, () => 0n);
  gpr[4] = data + BigInt(SYMBOLS.stack);
  return { mode, place, code: assemble(`${text}\nhlt`, { mode, origin, symbols }).bytes, gpr, rflags: 0x202, pieces };
}
