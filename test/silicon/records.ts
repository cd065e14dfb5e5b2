/**
 * A record is a piece of machine code with everything that it starts from; a result is what it left. The same records
 * go to runner.ts, which runs them on the processor, and to model.ts, which runs them on the engine.
 */

import { fromBytes } from '../../spec/src/numbers/bits.ts';
import { PLACES, type Place, SELECTOR } from './environment.ts';

export interface Piece { readonly offset: number; readonly bytes: Uint8Array }

export interface RunRecord {
  readonly mode: 16 | 32 | 64;
  readonly place: Place;
  readonly code: Uint8Array;
  /** Linear address of the code; `PLACES[place].code` where nothing is said. */
  readonly at?: bigint;
  /** By encoding; RSP is index 4. */
  readonly gpr: readonly bigint[];
  readonly rflags: number;
  /** What differs in the data region from the image that all records share. */
  readonly pieces: readonly Piece[];
  /** What differs from `initialArea` in the XSAVE area that the record is entered from; its result has an area then. */
  readonly extended?: readonly Piece[] | undefined;
  /** Selectors of ES, CS, SS, DS, FS and GS; Linux's flat ones where nothing is said. */
  readonly segments?: readonly number[];
  /** FS and GS base, where they do not come from the descriptors. */
  readonly bases?: readonly [fs: bigint, gs: bigint];
  /** RIP at the start, where CS has a base. */
  readonly ip?: bigint;
}

export interface RunResult {
  /** How many of the repetitions gave this result. */
  readonly votes: number;
  readonly vector: number;
  readonly errorCode: number;
  readonly cr2: bigint;
  readonly rip: bigint;
  /** As the fault saved them, RF included. */
  readonly rflags: number;
  readonly gpr: readonly bigint[];
  /** Selectors of ES, CS, SS, DS, FS and GS. */
  readonly segments: readonly number[];
  /** FS and GS base. */
  readonly bases: readonly [fs: bigint, gs: bigint];
  readonly fcw: number;
  readonly fsw: number;
  /** Abridged. */
  readonly ftw: number;
  readonly mxcsr: number;
  /** ST(0) to ST(7), XMM0 to XMM15. */
  readonly st: readonly bigint[];
  readonly xmm: readonly bigint[];
  /** x87, SSE and AVX state as XSAVE64 stores it, of a record that began with its own: `AREA_BYTES` bytes. */
  readonly area?: Uint8Array | undefined;
  /** Bytes of the data region that changed. */
  readonly written: readonly Piece[];
}

export interface CpuidLeaf { leaf: number; subleaf: number; eax: number; ebx: number; ecx: number; edx: number }

/** In place of a vector: the record took longer than it may, made a system call, ended the process. */
export const TIMEOUT = 255, SYSTEM_CALL = 254, DIED = 253;

export const flatSegments = (mode: 16 | 32 | 64): readonly number[] =>
  mode === 64 ? [0, SELECTOR.code64, SELECTOR.data, 0, 0, 0] : [SELECTOR.data, SELECTOR.code32, SELECTOR.data, SELECTOR.data, 0, 0];

/** Legacy region, header, upper halves of the YMM registers. SDM vol. 1, 13.4. */
export const AREA_BYTES = 832;
/** What the header's XSTATE_BV and the components beyond the legacy region have for offsets. */
export const XSTATE_BV_AT = 512, YMM_AT = 576;
const AVX = 4;

/** The XSAVE area that records are entered from: everything in its initial configuration. */
export function initialArea(): Uint8Array {
  const area = new Uint8Array(AREA_BYTES), view = new DataView(area.buffer);
  view.setUint16(0, 0x37f, true);
  view.setUint32(24, 0x1f80, true);
  return area;
}

/** The area that `record` is entered from. */
export function areaBefore({ extended = [] }: Pick<RunRecord, 'extended'>): Uint8Array {
  const area = initialArea();
  for (const { offset, bytes } of extended) area.set(bytes, offset);
  return area;
}

/** Where Linux says, in bytes that XSAVE leaves to software, that its frame has more than FXSAVE's 512 bytes. */
const FRAME_MAGIC_AT = 464, FRAME_MAGIC = 0x4650_5853;

/** A copy of what the frame has; AVX state that is in its initial configuration, or not there, as zeros. */
function areaOf(frame: Uint8Array): Uint8Array {
  const area = Uint8Array.from(frame.subarray(0, AREA_BYTES)), view = new DataView(area.buffer);
  const present = view.getUint32(FRAME_MAGIC_AT, true) === FRAME_MAGIC ? area[XSTATE_BV_AT]! & AVX : 0;
  if (!present) area.fill(0, YMM_AT);
  return area;
}

/** Byte offsets in a record, as the runner's program reads it. */
export const RECORD = { place: 0, withBases: 1, pieces: 2, length: 4, extended: 6, es: 8, ds: 10, fs: 12, gs: 14, at: 16, fsBase: 24, gsBase: 32, gpr: 40, frame: 168, code: 208 } as const;

/** The bytes of one record. */
export function writeRecord(record: RunRecord): Uint8Array {
  const [es, cs, ss, ds, fs, gs] = record.segments ?? flatSegments(record.mode);
  const { code } = PLACES[record.place];
  const { extended = [] } = record, pieces = [...record.pieces, ...extended];
  const total = RECORD.code + record.code.length + pieces.reduce((sum, { bytes }) => sum + 4 + bytes.length, 0);
  const out = new Uint8Array(total);
  const view = new DataView(out.buffer);
  out[RECORD.place] = record.place === 'high' ? 0 : 1;
  out[RECORD.withBases] = record.bases ? 1 : 0;
  view.setUint16(RECORD.pieces, record.pieces.length, true);
  view.setUint16(RECORD.length, record.code.length, true);
  view.setUint16(RECORD.extended, extended.length, true);
  for (const [at, selector] of [[RECORD.es, es], [RECORD.ds, ds], [RECORD.fs, fs], [RECORD.gs, gs]] as const) view.setUint16(at, selector!, true);
  const at = record.at ?? code;
  view.setBigUint64(RECORD.at, at, true);
  record.bases?.forEach((base, n) => view.setBigUint64(RECORD.fsBase + 8 * n, base, true));
  record.gpr.forEach((value, n) => view.setBigUint64(RECORD.gpr + 8 * n, value, true));
  [record.ip ?? at, BigInt(cs!), BigInt(record.rflags), record.gpr[4]!, BigInt(ss!)].forEach((value, n) => view.setBigUint64(RECORD.frame + 8 * n, value, true));
  out.set(record.code, RECORD.code);
  let end = RECORD.code + record.code.length;
  for (const { offset, bytes } of pieces) {
    view.setUint16(end, offset, true);
    view.setUint16(end + 2, bytes.length, true);
    out.set(bytes, end + 4);
    end += 4 + bytes.length;
  }
  return out;
}

/** Byte offsets in a result: signal, selectors, Linux's signal context, segment bases, the frame's XSAVE area, changed quadwords. */
export const RESULT = { signal: 0, changedBytes: 4, es: 8, ds: 10, fs: 12, gs: 14, context: 16, fsBase: 208, gsBase: 216, area: 224, changed: 224 + AREA_BYTES } as const;

/** Quadwords of the signal context: general-purpose registers by encoding, then the rest. Linux, struct sigcontext_64. */
const GPR_IN_CONTEXT = [13, 14, 12, 11, 15, 10, 9, 8, 0, 1, 2, 3, 4, 5, 6, 7];
const RIP = 16, FLAGS = 17, SELECTORS = 18, ERROR = 19, TRAP = 20, CR2 = 22;
const SIGALRM = 14, SIGVTALRM = 26, SIGSYS = 31;

/** Reads one result at `at`; `start` is the data region as the record began with it. `extended`: with its XSAVE area. */
export function readResult(file: Uint8Array, at: number, start: Uint8Array, extended = false): { result: RunResult; end: number } {
  const view = new DataView(file.buffer, file.byteOffset + at);
  const context = (n: number): bigint => view.getBigUint64(RESULT.context + 8 * n, true);
  const signal = view.getUint32(RESULT.signal, true), changedBytes = view.getUint32(RESULT.changedBytes, true);
  const vector = signal === SIGVTALRM || signal === SIGALRM ? TIMEOUT : signal === SIGSYS ? SYSTEM_CALL : Number(context(TRAP));
  const selectors = context(SELECTORS);
  const fx = file.subarray(at + RESULT.area, at + RESULT.changed);
  const word = (offset: number, length: number): number => Number(fromBytes(fx, offset, length));
  const selector = (offset: number): number => view.getUint16(offset, true);
  const written: Piece[] = [];
  for (let n = RESULT.changed; n < RESULT.changed + changedBytes; n += 10) {
    const offset = view.getUint16(n, true);
    written.push(...changedRuns(start, offset, file.subarray(at + n + 2, at + n + 10)));
  }
  const result: RunResult = {
    votes: 1, vector, errorCode: Number(context(ERROR)), cr2: vector === 14 ? context(CR2) : 0n, rip: context(RIP), rflags: Number(context(FLAGS)),
    gpr: GPR_IN_CONTEXT.map(context),
    segments: [selector(RESULT.es), Number(selectors & 0xffffn), Number(selectors >> 48n), selector(RESULT.ds), selector(RESULT.fs), selector(RESULT.gs)],
    bases: [view.getBigUint64(RESULT.fsBase, true), view.getBigUint64(RESULT.gsBase, true)],
    fcw: word(0, 2), fsw: word(2, 2), ftw: word(4, 1), mxcsr: word(24, 4),
    st: Array.from({ length: 8 }, (_, n) => fromBytes(fx, 32 + 16 * n, 10)),
    xmm: Array.from({ length: 16 }, (_, n) => fromBytes(fx, 160 + 16 * n, 16)),
    ...(extended ? { area: areaOf(fx) } : {}),
    written: joined(written),
  };
  return { result, end: at + RESULT.changed + changedBytes };
}

/** The bytes of `now` at `offset` that are not those of `start`, as runs. */
export function changedRuns(start: Uint8Array, offset: number, now: Uint8Array): Piece[] {
  const found: Piece[] = [];
  // Most of it is as it was: four bytes at a time, where both have them.
  const words = (bytes: Uint8Array, at: number): Int32Array | undefined =>
    ((bytes.byteOffset + at) % 4 ? undefined : new Int32Array(bytes.buffer, bytes.byteOffset + at, (bytes.length - at) >> 2));
  const long = now.length >= 64, [before, after] = long ? [words(start, offset), words(now, 0)] : [];
  for (let n = 0; n < now.length; n++) {
    if (before && after && n % 4 === 0 && before[n >> 2] === after[n >> 2] && n + 4 <= now.length) {
      n += 3;
      continue;
    }
    if (now[n] === start[offset + n]) continue;
    let end = n;
    while (end < now.length && now[end] !== start[offset + end]) end++;
    found.push({ offset: offset + n, bytes: Uint8Array.from(now.subarray(n, end)) });
    n = end;
  }
  return found;
}

/** Runs that touch become one. */
function joined(pieces: readonly Piece[]): Piece[] {
  const found: Piece[] = [];
  for (let n = 0; n < pieces.length;) {
    const { offset } = pieces[n]!, parts: Uint8Array[] = [];
    for (let end = offset; n < pieces.length && pieces[n]!.offset === end; n++) {
      parts.push(pieces[n]!.bytes);
      end += pieces[n]!.bytes.length;
    }
    found.push({ offset, bytes: parts.length === 1 ? parts[0]! : Uint8Array.from(Buffer.concat(parts)) });
  }
  return found;
}

/** The data region as `record` starts with it. */
export function dataBefore(record: RunRecord, image: Uint8Array): Uint8Array {
  const start = image.slice();
  for (const { offset, bytes } of record.pieces) start.set(bytes, offset);
  return start;
}
