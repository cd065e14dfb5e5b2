/**
 * The 512-byte region that FXSAVE stores and that every XSAVE area begins with.
 * SDM vol. 1, 10.5.1, table 10-2; vol. 1, 13.4.1; vol. 1, 8.1.8 for what REX.W does to the pointers.
 */

import { fromBytes, signExtend, toBytes, u } from '../../numbers/bits.ts';
import type { Execution } from '../execution.ts';
import { controlWord, driveFerr, pending, physical, withSummary } from '../x87/unit.ts';

export const LEGACY_BYTES = 512;
const MXCSR_OFFSET = 24;
const XMM_OFFSET = 160;

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
  const start = new Uint8Array(6);
  start.set(toBytes(BigInt(state.fcw), 2), 0);
  start.set(toBytes(BigInt(state.fsw), 2), 2);
  start[4] = state.ftw;
  const pieces: Piece[] = [{ offset: 0, bytes: start }];
  const policy = pending(state.fcw, state.fsw) ? 'store' : cpu.x87.saveWithoutException;
  if (policy === 'store zero') pieces.push({ offset: 6, bytes: new Uint8Array(18) });
  if (policy === 'store') pieces.push({ offset: 6, bytes: pointerBytes(x, wide) });
  const registers = new Uint8Array(128);
  for (let i = 0; i < 8; i++) registers.set(toBytes(state.x87(physical(state, i)), 16), 16 * i);
  return [...pieces, { offset: 32, bytes: registers }];
}

function pointerBytes(x: Execution, wide: boolean): Uint8Array {
  const { state } = x;
  const bytes = new Uint8Array(18);
  bytes.set(toBytes(BigInt(state.fop & 0x7ff), 2), 0);
  bytes.set(toBytes(state.fip, wide ? 8 : 4), 2);
  bytes.set(toBytes(state.fdp, wide ? 8 : 4), 10);
  if (!wide) {
    bytes.set(toBytes(BigInt(state.fcs), 2), 6);
    bytes.set(toBytes(BigInt(state.fds), 2), 14);
  }
  return bytes;
}

/** Loads what `x87Pieces` stores. With `wide`, FCS and FDS become 0; without it, the high halves of FIP and FDP do. */
export function loadX87(x: Execution, image: Uint8Array, wide: boolean): void {
  const { state, cpu } = x;
  const word = (offset: number): number => Number(fromBytes(image, offset, 2));
  state.fcw = controlWord(word(0));
  state.fsw = withSummary(state.fcw, word(2));
  state.ftw = image[4]!;
  for (let i = 0; i < 8; i++) state.setX87(physical(state, i), fromBytes(image, 32 + 16 * i, 10));
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
  const bytes = new Uint8Array(8);
  bytes.set(toBytes(BigInt(x.state.mxcsr), 4), 0);
  bytes.set(toBytes(BigInt(x.cpu.mxcsrMask), 4), 4);
  return { offset: MXCSR_OFFSET, bytes };
}

/** XMM8 to XMM15 exist only in 64-bit mode; elsewhere their slots are neither stored nor loaded. */
export const xmmCount = (x: Execution): number => (x.mode === 64 ? 16 : 8);

export function xmmPiece(x: Execution): Piece {
  const bytes = new Uint8Array(16 * xmmCount(x));
  for (let i = 0; i < xmmCount(x); i++) bytes.set(toBytes(x.state.xmm(i), 16), 16 * i);
  return { offset: XMM_OFFSET, bytes };
}

export function loadXmm(x: Execution, image: Uint8Array): void {
  for (let i = 0; i < xmmCount(x); i++) x.state.setXmm(i, fromBytes(image, XMM_OFFSET + 16 * i, 16));
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
