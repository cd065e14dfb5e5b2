/**
 * The 512-byte region that FXSAVE stores and that every XSAVE area begins with.
 * SDM vol. 1, 10.5.1, table 10-2; vol. 1, 13.4.1; vol. 1, 8.1.8 for what REX.W does to the pointers.
 */

import { signExtend, toBytes, u } from '../../numbers/bits.ts';
import type { Execution } from '../execution.ts';
import type { Field } from '../save-area.ts';
import { controlWord, driveFerr, pending, physical, withSummary } from '../x87/unit.ts';

export const LEGACY_BYTES = 512;
const MXCSR_OFFSET = 24;
/** FCW, FSW, FTW and FOP. */
export const CONTROL = { at: 0, bytes: 8 };
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
  const policy = pending(state.fcw, state.fsw) ? 'store' : cpu.x87.saveWithoutException;
  const start = new Uint8Array(policy === 'leave memory' ? 6 : 24);
  start.set(toBytes(BigInt(state.fcw), 2), 0);
  start.set(toBytes(BigInt(state.fsw), 2), 2);
  start[4] = state.ftw;
  if (policy === 'store') start.set(pointerBytes(x, wide), 6);
  const registers = new Uint8Array(128);
  for (let i = 0; i < 8; i++) registers.set(toBytes(state.x87(physical(state, i)), 16), 16 * i);
  return [{ offset: 0, bytes: start }, { offset: 32, bytes: registers }];
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

/**
 * Loads what `x87Pieces` stores, from one access to the next, of which a later one may fault. With `wide`, FCS and FDS
 * become 0; without it, the high halves of FIP and FDP do.
 */
export function loadX87(x: Execution, field: Field, wide: boolean): void {
  const { state, cpu } = x;
  const control = field(CONTROL.at, CONTROL.bytes);
  state.fcw = controlWord(Number(u(16, control)));
  state.fsw = withSummary(state.fcw, Number(u(16, control >> 16n)));
  state.ftw = Number(u(8, control >> 32n));
  driveFerr(x);
  if (pending(state.fcw, state.fsw) || cpu.x87.restoreWithoutException === 'load') {
    state.fop = Number(u(11, control >> 48n));
    loadPointers(x, field, wide);
  }
  for (let i = 0; i < 8; i++) state.setX87(physical(state, i), u(80, field(32 + 16 * i, 16)));
  state.x87Written = false;
}

function loadPointers(x: Execution, field: Field, wide: boolean): void {
  const { state, cpu } = x;
  const selectors = !wide && !cpu.features.has('FPCSDS');
  const selector = (pointer: bigint): number => (selectors ? Number(u(16, pointer >> 32n)) : 0);
  const offset = (pointer: bigint): bigint => (wide ? pointer : u(32, pointer));
  const canonical = (address: bigint): bigint => (wide ? signExtend(cpu.linearAddressBits, address) : address);
  const instruction = field(8, 8);
  state.fip = canonical(offset(instruction));
  state.fcs = selector(instruction);
  const data = field(16, 8);
  state.fdp = cpu.x87.canonicalFdp ? canonical(offset(data)) : offset(data);
  state.fds = selector(data);
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

export function loadXmm(x: Execution, field: Field): void {
  for (let i = 0; i < xmmCount(x); i++) x.state.setXmm(i, field(XMM_OFFSET + 16 * i, 16));
  forgetXmmWrites(x);
}

/** The access that the first of them takes. */
export const FIRST_XMM = { at: XMM_OFFSET, bytes: 16 };

/** A restore leaves registers that count as written only by their values. */
export function forgetXmmWrites(x: Execution): void {
  x.state.xmmWritten &= xmmCount(x) === 16 ? 0 : 0xff00;
}

/** Asked for of x87 state that XRSTOR of the standard format only initialises, or XSAVEOPT leaves out. */
export const X87_ASKED: Piece = { offset: 0, bytes: new Uint8Array(4) };

/** MXCSR as the image has it; a reserved bit is #GP(0), to be checked before anything is loaded. */
export function checkedMxcsr(x: Execution, field: Field): number {
  const value = Number(field(MXCSR_OFFSET, 4));
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
