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
import { alignedArea, readArea } from '../save-area.ts';
import { CR0, CR4 } from '../system/control-bits.ts';
import { COMPACTED } from './compaction.ts';

export const HEADER_OFFSET = 512;
/** Where XCOMP_BV is in the header. */
const XCOMP_BV = 8;
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

/** Linear address of the area; not aligned on 64 bytes is #GP(0). May be asked for first: its end, or `probe`. */
export const areaAddress = (
  x: Execution, i: Instruction, bytes: number, write: boolean, probe = { at: bytes - 1, bytes: 1 },
): bigint => alignedArea(x, i.operands[0] as MemoryOperand, bytes, 64, write, probe);

export interface Header {
  readonly xstateBv: bigint;
  readonly xcompBv: bigint;
  /** Bytes 16 to 63 where the format is the compacted one, which alone looks at them: zero or not is what matters. */
  readonly reserved: bigint;
  /** Bytes 16 to 23, which the standard form of XRSTOR checks. */
  readonly reservedLow: bigint;
}

const readQuads = (x: Execution, i: Instruction, at: number, count = 1): bigint =>
  fromBytes(readArea(x, i.operands[0] as MemoryOperand, HEADER_OFFSET + at, 8 * count));

/** All that a save reads of the header. */
export const readXstateBv = (x: Execution, i: Instruction): bigint => readQuads(x, i, 0);

export function readHeader(x: Execution, i: Instruction): Header {
  const xstateBv = readXstateBv(x, i), xcompBv = readQuads(x, i, XCOMP_BV), reservedLow = readQuads(x, i, 16);
  return { xstateBv, xcompBv, reservedLow, reserved: xcompBv & COMPACTED ? readQuads(x, i, 16, 6) : 0n };
}

/** MXCSR is stored and loaded when SSE or AVX is requested, in the standard form. */
export const SSE_OR_AVX = 6n;
