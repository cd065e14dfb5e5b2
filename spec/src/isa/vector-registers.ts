/** XMM, YMM and MMX registers: how they are read and written, and what a write notes for the XSAVE family. */

import { u } from '../numbers/bits.ts';
import type { State } from '../state/state.ts';
import { IN_USE, modifyUpper, use } from './xsave/tracking.ts';

/** A register of `file`: `xmm`, `ymm` or `mm`. Of any other it is a `TypeError`. */
export function readVectorRegister(state: State, file: string, index: number): bigint {
  switch (file) {
    case 'xmm': return state.xmm(index);
    case 'ymm': return u(256, state.ymmHigh(index) << 128n) | state.xmm(index);
    case 'mm': return u(64, state.x87(index));
    default: throw new TypeError(`register file ${file} is read by its own instructions`);
  }
}

/**
 * Bits above those written are kept by legacy SSE and cleared by what has a VEX prefix, given as `vex` with what its
 * form says of VEX.L. SDM vol. 1, 14.1.3.
 */
export function writeVectorRegister(
  state: State, file: string, index: number, value: bigint, vex: { readonly l: 0 | 1 | undefined } | undefined,
): void {
  switch (file) {
    case 'xmm':
      writeXmm(state, index, value, vex !== undefined);
      if (vex?.l === 1) useUpper(state, index);
      break;
    case 'ymm': writeYmm(state, index, value); break;
    case 'mm': writeMmx(state, index, value); break;
    default: throw new TypeError(`register file ${file} is written by its own instructions`);
  }
}

function writeXmm(state: State, index: number, value: bigint, vex: boolean): void {
  state.setXmm(index, value);
  state.xmmWritten |= 1 << index;
  use(state, index, IN_USE.sse);
  if (vex) clearAbove(state, index, 16);
}

/** Bits above 255 become 0. */
function writeYmm(state: State, index: number, value: bigint): void {
  writeXmm(state, index, u(128, value), true);
  state.setYmmHigh(index, value >> 128n);
  useUpper(state, index);
}

/**
 * An instruction of 256 bits brings AVX state into use, even one that leaves bits 255:128 of its destination clear: a
 * Sapphire Rapids class Xeon has XINUSE[2] = 1 after VCVTPD2PS, VCVTPS2PH, VEXTRACTF128 and VPGATHERQD of YMM registers
 * to an XMM register, and 0 after the same to memory, and after VADDSS with VEX.L = 1, which it ignores.
 */
const useUpper = (state: State, index: number): void => use(state, index, IN_USE.avx);

/**
 * Clears a vector register from byte `from` on. That brings no state into use, and takes none out of it: a Sapphire
 * Rapids class Xeon, asked by XGETBV with ECX = 1, has XINUSE[2] = 0 after VZEROALL and VPCMPEQB of XMM registers, and
 * 1 after VPXOR of XMM registers whose upper halves were in use.
 */
function clearAbove(state: State, index: number, from: number): void {
  state.clearVector(index, from);
  modifyUpper(state, index);
}

/**
 * An MMX register is the low 64 bits of a physical x87 register, whose sign and exponent become ones.
 * SDM vol. 1, 9.2.2.
 */
function writeMmx(state: State, index: number, value: bigint): void {
  state.setX87(index, u(80, 0xffffn << 64n) | value);
  state.x87Written = true;
}
