/** The x87 environment in memory: 28 or 14 bytes by operand size. SDM vol. 1, 8.1.10, figures 8-9 to 8-12. */

import { fromBytes, toBytes, u } from '../../numbers/bits.ts';
import { classify } from '../../numbers/float80.ts';
import type { State } from '../../state/state.ts';
import type { Execution } from '../execution.ts';
import { CR0 } from '../system/control-bits.ts';
import { controlWord, physical, withSummary } from './unit.ts';

/** Tag values of the full tag word: 00 valid, 01 zero, 10 special, 11 empty. SDM vol. 1, figure 8-7. */
export function fullTagWord(state: State): number {
  let tags = 0;
  for (let j = 0; j < 8; j++) {
    const kind = (state.ftw >> j) & 1 ? classify(state.x87(j)) : 'empty';
    const tag = kind === 'empty' ? 3 : kind === 'zero' ? 1 : kind === 'normal' ? 0 : 2;
    tags |= tag << (2 * j);
  }
  return tags;
}

/** The abridged form: bit j is 1 unless tag j says empty. Only emptiness survives; the rest is computed anew when read. */
export function abridgedTagWord(full: number): number {
  let abridged = 0;
  for (let j = 0; j < 8; j++) if (((full >> (2 * j)) & 3) !== 3) abridged |= 1 << j;
  return abridged;
}

export const environmentBytes = (size: number): number => (size === 16 ? 14 : 28);

/** Size of the environment that an instruction uses: 16-bit with an operand-size prefix, else 32-bit; REX.W changes nothing. */
export const environmentSize = (size: number): 16 | 32 => (size === 16 ? 16 : 32);

function requireProtectedMode(x: Execution): void {
  if (!(x.state.cr0 & CR0.PE) || x.state.rflags & (1 << 17)) x.unmodelled('the real-address mode format of the x87 environment');
}

/** The environment as FNSTENV and FNSAVE store it. Unused words of the 32-bit form are FFFFh, as silicon writes them. */
export function storeEnvironment(x: Execution, size: 16 | 32): Uint8Array {
  requireProtectedMode(x);
  const { state } = x;
  const bytes = new Uint8Array(environmentBytes(size));
  const put = (offset: number, length: number, value: number | bigint): void => bytes.set(toBytes(u(8 * length, BigInt(value)), length), offset);
  const stride = size / 8;
  if (size === 32) bytes.fill(0xff);
  put(0, 2, state.fcw);
  put(stride, 2, state.fsw);
  put(2 * stride, 2, fullTagWord(state));
  put(3 * stride, stride, state.fip);
  put(4 * stride, 2, state.fcs);
  if (size === 32) put(18, 2, state.fop & 0x7ff);
  put(5 * stride, stride, state.fdp);
  put(6 * stride, 2, state.fds);
  return bytes;
}

/** Loads what FLDENV and FRSTOR read. The high halves of FIP and FDP become zero, and with the 16-bit form FOP too. */
export function loadEnvironment(x: Execution, size: 16 | 32, bytes: Uint8Array): void {
  requireProtectedMode(x);
  const { state } = x;
  const stride = size / 8;
  const word = (offset: number): number => Number(fromBytes(bytes, offset, 2));
  const selectors = !x.cpu.features.has('FPCSDS');
  state.fcw = controlWord(word(0));
  state.fsw = withSummary(state.fcw, word(stride));
  state.ftw = abridgedTagWord(word(2 * stride));
  state.fip = fromBytes(bytes, 3 * stride, stride);
  state.fcs = selectors ? word(4 * stride) : 0;
  state.fop = size === 32 ? word(18) & 0x7ff : 0;
  state.fdp = fromBytes(bytes, 5 * stride, stride);
  state.fds = selectors ? word(6 * stride) : 0;
  state.x87Written = false;
}

/** The eight registers in stack order, ten bytes each. */
export function storeStack(state: State): Uint8Array {
  const bytes = new Uint8Array(80);
  for (let i = 0; i < 8; i++) bytes.set(toBytes(state.x87(physical(state, i)), 10), 10 * i);
  return bytes;
}

export function loadStack(state: State, bytes: Uint8Array): void {
  for (let i = 0; i < 8; i++) state.setX87(physical(state, i), fromBytes(bytes, 10 * i, 10));
}

/** FNINIT's state: FCW 037Fh, everything else zero, all registers empty, contents kept. SDM vol. 2A, FINIT/FNINIT. */
export function initialise(state: State): void {
  state.fcw = 0x37f;
  state.fsw = 0;
  state.ftw = 0;
  state.fop = 0;
  state.fip = 0n;
  state.fdp = 0n;
  state.fcs = 0;
  state.fds = 0;
  state.x87Written = false;
}
