/**
 * The 512-byte region that FXSAVE stores and that every XSAVE area begins with.
 * SDM vol. 1, 10.5.1, table 10-2; vol. 1, 13.4.1; vol. 1, 8.1.8 for what REX.W does to the pointers.
 */

import { copyBytes, fromBytes, signExtend, u } from '../../numbers/bits.ts';
import type { Execution } from '../execution.ts';
import { controlWord, driveFerr, pending, physical, withSummary } from '../x87/unit.ts';
import { packed, partOfVectors, unpack } from './register-file.ts';

export const LEGACY_BYTES = 512;
/** FOP, then FIP and FDP. */
const POINTERS_OFFSET = 6;
const MXCSR_OFFSET = 24;
const X87_OFFSET = 32;
const XMM_OFFSET = 160;
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
  const start = new DataView(new ArrayBuffer(POINTERS_OFFSET));
  start.setUint16(0, state.fcw, true);
  start.setUint16(2, state.fsw, true);
  start.setUint8(4, state.ftw);
  const pieces = [piece(0, start)];
  const policy = pending(state.fcw, state.fsw) ? 'store' : cpu.x87.saveWithoutException;
  if (policy !== 'leave memory') pieces.push(pointerPiece(x, wide, policy === 'store zero'));
  const registers = new Uint8Array(8 * SLOT);
  for (let i = 0; i < 8; i++) {
    copyBytes(registers, SLOT * i, state.bytes, state.x87Offset(physical(state, i)), X87_BYTES);
  }
  pieces.push({ offset: X87_OFFSET, bytes: registers });
  return pieces;
}

const piece = (offset: number, { buffer }: DataView<ArrayBuffer>): Piece => ({ offset, bytes: new Uint8Array(buffer) });

function pointerPiece({ state }: Execution, wide: boolean, zero: boolean): Piece {
  const pointers = new DataView(new ArrayBuffer(18));
  if (!zero) {
    pointers.setUint16(0, state.fop & 0x7ff, true);
    // The narrow form has the selector, and zeros behind it, where the wide one has bits 63:32.
    pointers.setBigUint64(2, state.fip, true);
    pointers.setBigUint64(10, state.fdp, true);
    if (!wide) {
      pointers.setUint32(6, state.fcs, true);
      pointers.setUint32(14, state.fds, true);
    }
  }
  return piece(POINTERS_OFFSET, pointers);
}

/** Loads what `x87Pieces` stores. With `wide`, FCS and FDS become 0; without it, the high halves of FIP and FDP do. */
export function loadX87(x: Execution, image: Uint8Array, wide: boolean): void {
  const { state, cpu } = x;
  const word = (offset: number): number => Number(fromBytes(image, offset, 2));
  state.fcw = controlWord(word(0));
  state.fsw = withSummary(state.fcw, word(2));
  state.ftw = image[4]!;
  for (let i = 0; i < 8; i++) {
    copyBytes(state.bytes, state.x87Offset(physical(state, i)), image, X87_OFFSET + SLOT * i, X87_BYTES);
  }
  state.x87Written = false;
  if (pending(state.fcw, state.fsw) || cpu.x87.restoreWithoutException === 'load') loadPointers(x, image, wide);
  driveFerr(x);
}

function loadPointers(x: Execution, image: Uint8Array, wide: boolean): void {
  const { state, cpu } = x;
  const selectors = !wide && !cpu.features.has('FPCSDS');
  const pointer = (offset: number): bigint => fromBytes(image, offset, wide ? 8 : 4);
  const canonical = (address: bigint): bigint => (wide ? signExtend(cpu.linearAddressBits, address) : address);
  state.fop = Number(fromBytes(image, 6, 2)) & 0x7ff;
  state.fip = canonical(pointer(8));
  state.fdp = cpu.x87.canonicalFdp ? canonical(pointer(16)) : pointer(16);
  state.fcs = selectors ? Number(fromBytes(image, 12, 2)) : 0;
  state.fds = selectors ? Number(fromBytes(image, 20, 2)) : 0;
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

export function loadXmm(x: Execution, image: Uint8Array): void {
  unpack(x.state, XMM, xmmCount(x), image, XMM_OFFSET);
  forgetXmmWrites(x);
}

/** A restore leaves registers that count as written only by their values. */
export function forgetXmmWrites(x: Execution): void {
  x.state.xmmWritten &= xmmCount(x) === 16 ? 0 : 0xff00;
}

/** MXCSR as the image has it; a reserved bit is #GP(0), to be checked before anything is loaded. */
export function checkedMxcsr(x: Execution, image: Uint8Array): number {
  const value = Number(fromBytes(image, MXCSR_OFFSET, 4));
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
