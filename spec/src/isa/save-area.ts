/** Areas of x87 and SSE state in memory, which several rules may find wrong: the profile says which is asked first. */

import { u } from '../numbers/bits.ts';
import { sdm } from '../state/citation.ts';
import { FS } from '../state/fields.ts';
import { VECTORS } from '../state/outcomes.ts';
import type { Execution } from './execution.ts';
import type { MemoryOperand } from './operand.ts';
import { outsideLimit } from './segmentation/limit.ts';

/** What is looked at of an area before its alignment is; in a flat segment, up to the end of the 4 GiB. */
const FIRST_ACCESS = 4;

/** The address that alignment is about: without a look at the segment. */
function addressOf(x: Execution, operand: MemoryOperand): bigint {
  const based = x.mode !== 64 || operand.segment >= FS;
  return u(64, x.offset(operand) + (based ? x.state.base(operand.segment) : 0n));
}

/** #GP(0) where a vector of `bytes` bytes is not aligned on them, before or after what the segment says of it. */
export function requireAlignedVector(x: Execution, operand: MemoryOperand, bytes: number): void {
  const misaligned = (addressOf(x, operand) & BigInt(bytes - 1)) !== 0n;
  const late = x.cpu.accesses.vectorAlignment === 'after the segment';
  if (misaligned && late) x.linear(operand.segment, x.offset(operand), bytes, false);
  if (misaligned) x.fault('#GP', `the memory operand is not aligned on ${bytes} bytes`, 0);
}

/**
 * The linear address of an FXSAVE or XSAVE area; where it is not aligned on `alignment` bytes, #GP(0), or #AC(0) while
 * alignment is checked: SDM vol. 2A, 3.2, FXSAVE.
 */
export function alignedArea(
  x: Execution, operand: MemoryOperand, bytes: number, alignment: number, write: boolean, probe: Probe,
): bigint {
  const misaligned = (addressOf(x, operand) & BigInt(alignment - 1)) !== 0n;
  const endsFirst = x.cpu.accesses.stateArea === 'ends first';
  const { segment } = operand, offset = x.offset(operand);
  const checked = endsFirst ? firstAccess(x, segment, offset) : bytes;
  // That first look is at the limit: whether the segment may be read or written is asked behind the alignment.
  const linear = x.linear(segment, offset, checked, write && !endsFirst, endsFirst);
  if (misaligned) refuse(x, linear, alignment);
  x.linear(segment, offset, checked, write);
  if (endsFirst) askFirst(x, operand, { linear, checked, bytes, write, probe });
  return endsFirst ? x.linear(segment, offset, bytes, write) : linear;
}

function refuse(x: Execution, linear: bigint, alignment: number): never {
  if (x.alignment) {
    x.leavesOpen(
      `the vector of the exception for an area that is not aligned on ${alignment} bytes`, sdm('2A', '3.2, FXSAVE'),
      [BigInt(VECTORS['#GP']), BigInt(VECTORS['#AC'])],
    );
  }
  if (x.cpu.accesses.misalignedArea === '#AC for its first four bytes') x.alignment?.(linear, FIRST_ACCESS);
  x.fault('#GP', `the area is not aligned on ${alignment} bytes`, 0);
}

/** Bytes that are looked at before the alignment is. */
function firstAccess(x: Execution, segment: number, offset: bigint): number {
  return isFlat(x, segment) ? Math.min(FIRST_ACCESS, 0x1_0000_0000 - Number(u(32, offset))) : FIRST_ACCESS;
}

const isFlat = (x: Execution, segment: number): boolean => x.mode !== 64 && x.state.base(segment) === 0n;

interface Asked {
  readonly linear: bigint;
  readonly checked: number;
  readonly bytes: number;
  readonly write: boolean;
  readonly probe: Probe;
}

/** What is accessed before the area as a whole: its beginning where the segment ends in it, or else its probe. */
function askFirst(x: Execution, operand: MemoryOperand, { linear, checked, bytes, write, probe }: Asked): void {
  const cut = !isFlat(x, operand.segment) && isCut(x, operand.segment, x.offset(operand), bytes);
  if (cut) x.touch(linear, checked, write);
  else x.touch(probed(x, operand, probe.at), probe.bytes, write);
}

/** What of an area is accessed first, by offset, where the profile says that it is not the first byte. */
interface Probe { readonly at: number; readonly bytes: number }

/** Its linear address: the effective address wraps at the address size. */
function probed(x: Execution, operand: MemoryOperand, at: number): bigint {
  const { segment } = operand;
  const offset = u(operand.addressSize, x.offset(operand) + BigInt(at));
  const base = x.mode !== 64 || segment >= FS ? x.state.base(segment) : 0n;
  return u(x.mode === 64 ? 64 : 32, offset + base);
}

/** The area begins inside of its segment and ends outside. */
function isCut(x: Execution, segment: number, offset: bigint, bytes: number): boolean {
  const first = Number(offset), last = first + bytes - 1;
  return x.mode !== 64 && outsideLimit(x.state.attributes(segment), x.state.limit(segment), first, last);
}

/** An x87 environment or state: its first word, of `word` bytes, and its last byte may be those. */
export function x87Area(x: Execution, operand: MemoryOperand, bytes: number, word: number, write: boolean): bigint {
  const { segment } = operand, offset = x.offset(operand);
  const endsFirst = x.cpu.accesses.stateArea === 'ends first';
  if (endsFirst) x.touch(x.linear(segment, offset, word, write), word, write);
  const linear = x.linear(segment, offset, bytes, write);
  if (endsFirst) x.touch(u(64, linear + BigInt(bytes - 1)), 1, write);
  if (write) x.memory.requireWritable(linear, bytes);
  return linear;
}
