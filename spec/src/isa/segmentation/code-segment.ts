/** What a code segment must be for control to reach it. SDM vol. 3A, 5.8; vol. 2A, CALL and JMP. */

import { hex } from '../../numbers/bits.ts';
import { RSP, SS } from '../../state/fields.ts';
import { ATTRIBUTE, type Segment } from '../../state/state.ts';
import type { Execution } from '../execution.ts';
import { type Descriptor, isConforming, requirePresent, selectorCode } from './descriptor.ts';

/** Both L and D are set: reserved in IA-32e mode, where a code segment is 64-bit code or has a default operand size. */
export const isLongAndBig = (x: Execution, attributes: number): boolean =>
  x.longMode && (attributes & ATTRIBUTE.long) !== 0 && (attributes & ATTRIBUTE.big) !== 0;

/** The segment holds 64-bit code. */
export const is64Bit = (x: Execution, attributes: number): boolean => x.longMode && (attributes & ATTRIBUTE.long) !== 0;

/**
 * The stack pointer that code of this kind finds. Leaving 64-bit mode, bits 63:32 are not preserved (SDM vol. 1,
 * 3.4.1.1): a Zen 4 clears them in RSP for a 32-bit stack, and keeps those of the other registers.
 */
export function stackPointerFor(x: Execution, attributes: number): bigint {
  const narrows = x.mode === 64 && !is64Bit(x, attributes) && (x.state.attributes(SS) & ATTRIBUTE.big) !== 0;
  return narrows ? x.general(RSP, 32) : x.state.gpr[RSP]!;
}

/** The checks of a JMP or CALL that names a code segment itself, in the manual's order. */
export function requireReachable(x: Execution, descriptor: Descriptor): void {
  const { attributes, dpl, rpl } = descriptor;
  const code = selectorCode(descriptor.selector);
  const { cpl } = x;
  if (isLongAndBig(x, attributes)) x.fault('#GP', 'a code segment cannot have both L and D', code);
  if (isConforming(attributes)) {
    if (dpl > cpl) x.fault('#GP', `the conforming segment has DPL ${dpl}, above CPL ${cpl}`, code);
  } else if (rpl > cpl || dpl !== cpl) {
    x.fault('#GP', `a code segment needs DPL ${cpl}, the CPL, and an RPL not above it`, code);
  }
  requirePresent(x, descriptor, 'code segment');
}

/** The target is canonical in 64-bit code, inside the limit in any other, all 64 bits counted; else #GP. */
export function requireWithin(x: Execution, offset: bigint, { attributes, limit }: Segment, errorCode = 0): void {
  const outside = is64Bit(x, attributes) ? !x.canonical(offset) : offset > BigInt(limit);
  if (outside) x.fault('#GP', `the target ${hex(offset)} is outside its code segment`, errorCode);
}
