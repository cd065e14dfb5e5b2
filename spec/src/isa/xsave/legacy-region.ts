/**
 * The 512-byte region that FXSAVE stores and that every XSAVE area begins with.
 * SDM vol. 1, 10.5.1, table 10-2; vol. 1, 13.4.1; vol. 1, 8.1.8 for what REX.W does to the pointers.
 */

import { copyBytes, fromBytes, signExtend, u } from '../../numbers/bits.ts';
import type { Execution } from '../execution.ts';
import { type Part, XMM_OFFSET } from '../save-area.ts';
import { controlWord, driveFerr, pending, physical, withSummary } from '../x87/unit.ts';
import { packed, partOfVectors } from './register-file.ts';

export const LEGACY_BYTES = 512;
/** FOP, then FIP and FDP. */
const POINTERS_OFFSET = 6, POINTERS_END = 24;
const MXCSR_OFFSET = 24;
const X87_OFFSET = 32;
/** FCW, FSW, FTW and FOP. */
export const CONTROL = { at: 0, bytes: 8 };
/** Of an x87 register, which has this many bytes. */
const SLOT = 16, X87_BYTES = 10;
export const XMM = partOfVectors(0, 16);

/**
 * A save area in the making: the bytes that an instruction stores, in pieces; bytes between the pieces stay as they are
 * in memory.
 */
export type Piece = { readonly offset: number; readonly bytes: Uint8Array };

/**
 * Bytes 0 to 23 and the register slots 32 to 159. With `wide` (REX.W = 1 in 64-bit mode) FIP and FDP are 64 bits and
 * there is no room for FCS and FDS; without it they are 32 bits and the selectors follow, with zeros behind them.
 */
export function x87Pieces(x: Execution, wide: boolean): Piece[] {
  const { state, cpu } = x;
  const { fcw, fsw, ftw } = state, policy = pending(fcw, fsw) ? 'store' : cpu.x87.saveWithoutException;
  const start = new DataView(new ArrayBuffer(policy === 'leave memory' ? POINTERS_OFFSET : POINTERS_END));
  start.setUint16(0, fcw, true);
  start.setUint16(2, fsw, true);
  start.setUint8(4, ftw);
  if (policy === 'store') setPointers(x, start, wide);
  const registers = new Uint8Array(8 * SLOT);
  for (let i = 0; i < 8; i++) {
    copyBytes(registers, SLOT * i, state.bytes, state.x87Offset(physical(state, i)), X87_BYTES);
  }
  return [piece(0, start), { offset: X87_OFFSET, bytes: registers }];
}

const piece = (offset: number, { buffer }: DataView<ArrayBuffer>): Piece => ({ offset, bytes: new Uint8Array(buffer) });

function setPointers({ state }: Execution, image: DataView, wide: boolean): void {
  image.setUint16(POINTERS_OFFSET, state.fop & 0x7ff, true);
  // The narrow form has the selector, and zeros behind it, where the wide one has bits 63:32.
  image.setBigUint64(8, state.fip, true);
  image.setBigUint64(16, state.fdp, true);
  if (!wide) {
    image.setUint32(12, state.fcs, true);
    image.setUint32(20, state.fds, true);
  }
}

/**
 * Loads what `x87Pieces` stores, from one access to the next, of which a later one may fault. With `wide`, FCS and FDS
 * become 0; without it, the high halves of FIP and FDP do.
 */
export function loadX87(x: Execution, part: Part, wide: boolean): void {
  const { state, cpu } = x;
  const control = part(CONTROL.at, CONTROL.bytes);
  const word = (at: number): number => Number(fromBytes(control, at, 2));
  state.fcw = controlWord(word(0));
  state.fsw = withSummary(state.fcw, word(2));
  state.ftw = control[4]!;
  driveFerr(x);
  if (pending(state.fcw, state.fsw) || cpu.x87.restoreWithoutException === 'load') {
    state.fop = word(POINTERS_OFFSET) & 0x7ff;
    loadPointers(x, part, wide);
  }
  for (let i = 0; i < 8; i++) {
    copyBytes(state.bytes, state.x87Offset(physical(state, i)), part(X87_OFFSET + SLOT * i, SLOT), 0, X87_BYTES);
  }
  state.x87Written = false;
}

function loadPointers(x: Execution, part: Part, wide: boolean): void {
  const { state, cpu } = x;
  const selectors = !wide && !cpu.features.has('FPCSDS');
  const selector = (pointer: bigint): number => (selectors ? Number(u(16, pointer >> 32n)) : 0);
  const offset = (pointer: bigint): bigint => (wide ? pointer : u(32, pointer));
  const canonical = (address: bigint): bigint => (wide ? signExtend(cpu.linearAddressBits, address) : address);
  const instruction = fromBytes(part(8, 8), 0, 8);
  state.fip = canonical(offset(instruction));
  state.fcs = selector(instruction);
  const data = fromBytes(part(16, 8), 0, 8);
  state.fdp = cpu.x87.canonicalFdp ? canonical(offset(data)) : offset(data);
  state.fds = selector(data);
}

/** Bytes 24 to 31: MXCSR and MXCSR_MASK. */
export function mxcsrPiece(x: Execution): Piece {
  const values = new DataView(new ArrayBuffer(8));
  values.setUint32(0, x.state.mxcsr, true);
  values.setUint32(4, x.cpu.mxcsrMask, true);
  return piece(MXCSR_OFFSET, values);
}

/** XMM8 to XMM15 exist only in 64-bit mode; elsewhere their slots are neither stored nor loaded. */
export const xmmCount = (x: Execution): number => (x.mode === 64 ? 16 : 8);

export const xmmPiece = (x: Execution): Piece => ({ offset: XMM_OFFSET, bytes: packed(x.state, XMM, xmmCount(x)) });

export function loadXmm(x: Execution, part: Part): void {
  for (let i = 0; i < xmmCount(x); i++) {
    copyBytes(x.state.bytes, x.state.vectorOffset(i), part(XMM_OFFSET + SLOT * i, SLOT), 0, SLOT);
  }
  forgetXmmWrites(x);
}

/** The access that the first of them takes. */
export const FIRST_XMM = { at: XMM_OFFSET, bytes: SLOT };

/** A restore leaves registers that count as written only by their values. */
export function forgetXmmWrites(x: Execution): void {
  x.state.xmmWritten &= xmmCount(x) === 16 ? 0 : 0xff00;
}

const X87_ASKED: Piece = { offset: 0, bytes: new Uint8Array(4) };
const MXCSR_ASKED: Piece = { offset: MXCSR_OFFSET, bytes: new Uint8Array(4) };

/**
 * What of the legacy region is asked for although it may be neither stored nor loaded: the beginning of x87 state, and
 * MXCSR, where RFBM has their components. `mxcsr` says for which MXCSR is.
 */
export const legacyAsked = (rfbm: bigint, mxcsr: bigint): Piece[] =>
  [...(rfbm & 1n ? [X87_ASKED] : []), ...(rfbm & mxcsr ? [MXCSR_ASKED] : [])];

/** MXCSR as the image has it; a reserved bit is #GP(0), to be checked before anything is loaded. */
export function checkedMxcsr(x: Execution, part: Part): number {
  const value = Number(fromBytes(part(MXCSR_OFFSET, 4), 0, 4));
  if (value & ~x.cpu.mxcsrMask) x.fault('#GP', `MXCSR in memory sets reserved bits: ${value.toString(16)}h`, 0);
  return value;
}

/** REX.W selects the 64-bit pointers, and only in 64-bit mode. */
export const wideForm = (x: Execution, rexW: boolean): boolean => rexW && x.mode === 64;

/** The initial configuration of x87 state. SDM vol. 1, 13.6. */
export function initialX87(x: Execution): void {
  const { state } = x;
  state.fcw = 0x37f;
  state.fsw = 0;
  state.ftw = 0;
  state.fop = 0;
  state.fip = state.fdp = u(64, 0n);
  state.fcs = state.fds = 0;
  for (let j = 0; j < 8; j++) state.setX87(j, 0n);
  state.x87Written = false;
  driveFerr(x);
}
