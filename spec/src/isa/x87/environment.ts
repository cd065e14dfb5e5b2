/** The x87 environment in memory: 28 or 14 bytes by operand size. SDM vol. 1, 8.1.10, figures 8-9 to 8-12. */

import { toBytes, u } from '../../numbers/bits.ts';
import { classify } from '../../numbers/float80.ts';
import type { State } from '../../state/state.ts';
import type { Execution } from '../execution.ts';
import type { Field } from '../save-area.ts';
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

/**
 * The abridged form: bit j is 1 unless tag j says empty. Only emptiness survives; the rest is computed anew when read.
 */
function abridgedTagWord(full: number): number {
  let abridged = 0;
  for (let j = 0; j < 8; j++) if (((full >> (2 * j)) & 3) !== 3) abridged |= 1 << j;
  return abridged;
}

export const environmentBytes = (size: number): number => (size === 16 ? 14 : 28);

/**
 * Size of the environment that an instruction uses: 16-bit with an operand-size prefix, else 32-bit; REX.W changes
 * nothing.
 */
export const environmentSize = (size: number): 16 | 32 => (size === 16 ? 16 : 32);

/**
 * Real-address and virtual-8086 mode have linear addresses in the image, and FOP next to the upper bits of FIP in both
 * sizes: 20 bits of address in the short form, 32 in the long one. SDM vol. 1, figures 8-10 and 8-12.
 */
const linearFormat = (x: Execution): boolean => x.addressing !== 'protected';

const linearPointer = (selector: number, offset: bigint): bigint => u(32, u(32, BigInt(selector) << 4n) + offset);

/** An address and, in its upper part, FOP: two words or two doublewords. */
function linearWords(size: 16 | 32, address: bigint, fop: number): [bigint, bigint] {
  const upper = u(32, address >> 16n) & (size === 16 ? 0xfn : 0xffffn);
  return [u(16, address), u(32, upper << 12n) | BigInt(fop & 0x7ff)];
}

/**
 * The environment as FNSTENV and FNSAVE store it. Unused words of the 32-bit form are FFFFh, as silicon writes them.
 */
export function storeEnvironment(x: Execution, size: 16 | 32): Uint8Array {
  const { state } = x;
  const bytes = new Uint8Array(environmentBytes(size));
  const put = (offset: number, length: number, value: number | bigint): void =>
    bytes.set(toBytes(u(8 * length, BigInt(value)), length), offset);
  const stride = size / 8;
  if (size === 32) bytes.fill(0xff);
  put(0, 2, state.fcw);
  put(stride, 2, state.fsw);
  put(2 * stride, 2, fullTagWord(state));
  if (linearFormat(x)) {
    const pointers = [
      ...linearWords(size, linearPointer(state.fcs, state.fip), state.fop),
      ...linearWords(size, linearPointer(state.fds, state.fdp), 0),
    ];
    pointers.forEach((value, n) => put((3 + n) * stride, n % 2 === 0 ? 2 : stride, value));
    return bytes;
  }
  put(3 * stride, stride, state.fip);
  put(4 * stride, 2, state.fcs);
  if (size === 32) put(18, 2, state.fop & 0x7ff);
  put(5 * stride, stride, state.fdp);
  put(6 * stride, 2, state.fds);
  return bytes;
}

/**
 * Loads what FLDENV and FRSTOR read but for the control word, which it gives back: that comes last, behind the
 * registers. The high halves of FIP and FDP become zero, and with the 16-bit form FOP too. Status and tags are loaded
 * as soon as they are read: a Sapphire Rapids class Xeon shows it where a later access faults.
 */
export function loadEnvironment(x: Execution, size: 16 | 32, field: Field): number {
  const { state } = x;
  const stride = size / 8;
  const linear = linearFormat(x);
  const word = (n: number): number => Number(u(16, field(n * stride, stride)));
  const fcw = controlWord(word(0));
  state.fsw = withSummary(state.fcw, word(1));
  state.ftw = abridgedTagWord(word(2));
  const [fip, code, fdp, data] = [3, 4, 5, 6].map((n) => field(n * stride, stride)) as [bigint, bigint, bigint, bigint];
  const address = (low: bigint, high: bigint): bigint => u(16, low) | u(32, (high >> 12n) << 16n);
  const selectors = !x.cpu.features.has('FPCSDS');
  state.fip = linear ? address(fip, code) : fip;
  state.fcs = selectors && !linear ? Number(u(16, code)) : 0;
  state.fop = Number(u(11, linear ? code : size === 32 ? code >> 16n : 0n));
  state.fdp = linear ? address(fdp, data) : fdp;
  state.fds = selectors && !linear ? Number(u(16, data)) : 0;
  state.x87Written = false;
  return fcw;
}

/** The eight registers in stack order, ten bytes each. */
export function storeStack(state: State): Uint8Array {
  const bytes = new Uint8Array(80);
  for (let i = 0; i < 8; i++) bytes.set(toBytes(state.x87(physical(state, i)), 10), 10 * i);
  return bytes;
}

export function loadStack(state: State, from: number, field: Field): void {
  for (let i = 0; i < 8; i++) {
    const at = from + 10 * i, significand = field(at, 8);
    state.setX87(physical(state, i), significand | u(80, field(at + 8, 2) << 64n));
  }
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
