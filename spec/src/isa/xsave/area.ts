/**
 * What the instructions of the XSAVE family have in common: the checks, RFBM, the header. SDM vol. 1, 13.4 and 13.7 to
 * 13.9.
 */

import { fromBytes } from '../../numbers/bits.ts';
import { EXTENDED_REGION } from '../../cpus/xsave-layout.ts';
import type { Execution } from '../execution.ts';
import type { Instruction } from '../instruction.ts';
import type { MemoryOperand } from '../operand.ts';
import { readPair } from '../register-pair.ts';
import { type Area, HEADER_OFFSET, areaAt, readArea, requireArea } from '../save-area.ts';
import { CR0, CR4 } from '../system/control-bits.ts';
import { COMPACTED } from './compaction.ts';

/** Where XCOMP_BV is in the header. */
const XCOMP_BV = 8;
/** What of the header is read of either format, and of the compacted one besides. */
const CHECKED_BYTES = 24, REST_BYTES = 40, NOTHING = new Uint8Array(0);
/** Where the extended region begins. */
export const HEADER_END = EXTENDED_REGION;

/** #UD without CR4.OSXSAVE, #NM with CR0.TS: first of all in each instruction of the family but XGETBV and XSETBV. */
export function requireEnabled(x: Execution): void {
  if (!(x.state.cr4 & CR4.OSXSAVE)) x.fault('#UD', 'CR4.OSXSAVE is 0');
  if (x.state.cr0 & CR0.TS) x.fault('#NM', 'CR0.TS is 1');
}

/**
 * The requested-feature bitmap: EDX:EAX of what is enabled in XCR0, and in IA32_XSS for the supervisor instructions.
 */
export const requestedFeatures = (x: Execution, enabled: bigint): bigint => enabled & readPair(x);

/** XCOMP_BV, which says what is to be loaded. */
export const XCOMP_BV_PROBE = { at: HEADER_OFFSET + XCOMP_BV, bytes: 8 };

export const areaOf = (x: Execution, i: Instruction): Area => areaAt(x, i.operands[0] as MemoryOperand);

/** Not aligned on 64 bytes is #GP(0). May be asked for first: the area's end, or `probe`. */
export const requireXsaveArea = (
  x: Execution, area: Area, bytes: number, write: boolean, probe = { at: bytes - 1, bytes: 1 },
): void => requireArea(x, area, bytes, 64, write, probe);

export interface Header {
  readonly xstateBv: bigint;
  readonly xcompBv: bigint;
  /** Some of bytes 16 to 63 is not zero: in the compacted format, which alone looks at them. */
  readonly reserved: boolean;
  /** Bytes 16 to 23, which the standard form of XRSTOR checks. */
  readonly reservedLow: bigint;
}

/** All that a save reads of the header. */
export const readXstateBv = (x: Execution, area: Area): bigint => fromBytes(readArea(x, area, HEADER_OFFSET, 8), 0, 8);

export function readHeader(x: Execution, area: Area): Header {
  const start = readArea(x, area, HEADER_OFFSET, CHECKED_BYTES), xcompBv = fromBytes(start, XCOMP_BV, 8);
  const reservedLow = fromBytes(start, 16, 8), compacted = (xcompBv & COMPACTED) !== 0n;
  const rest = compacted ? readArea(x, area, HEADER_OFFSET + CHECKED_BYTES, REST_BYTES) : NOTHING;
  const reserved = compacted && (reservedLow !== 0n || rest.some((byte) => byte !== 0));
  return { xstateBv: fromBytes(start, 0, 8), xcompBv, reservedLow, reserved };
}

/** MXCSR is stored and loaded when SSE or AVX is requested, in the standard form. */
export const SSE_OR_AVX = 6n;
