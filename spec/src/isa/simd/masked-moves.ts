/** Moves of the elements that a mask selects. SDM vol. 1, 5.4.7, 5.6.4 and 14.6. */

import { bit, u } from '../../numbers/bits.ts';
import type { Feature } from '../../cpus/features.table.ts';
import { DS, RDI } from '../../state/fields.ts';
import { metByWrite, pend, watchesAccesses } from '../debug/breakpoints.ts';
import type { Execution } from '../execution.ts';
import type { Instruction, InstructionDefinition } from '../instruction.ts';
import type { MemoryOperand } from '../operand.ts';
import { further, wrapsAround } from '../segmentation/limit.ts';
import { type ExceptionClass, usesMmx } from './exceptions.ts';
import { widthOf } from './family.ts';
import { join, split } from './lanes.ts';
import { entry } from './rows.ts';
import { enterMmx, vector } from './vector.ts';

/** An element in memory, and whether the sign of its lane of the mask selects it. */
interface Element {
  readonly offset: bigint;
  readonly selected: boolean;
  readonly value: bigint;
}

/**
 * The elements of a vector in memory, from the lanes of a mask and, for a store, of a source. They follow one another
 * from the effective address on and wrap at 32 bits, or at 64 in 64-bit mode, whatever the address size: so on a
 * Sapphire Rapids class Xeon.
 */
function elementsOf(
  x: Execution, i: Instruction, operand: MemoryOperand, bits: number, mask: bigint, source: bigint,
): Element[] {
  const width = widthOf(i), start = x.offset(operand), values = split(width, bits, source);
  const wrap = x.mode === 64 ? 64 : 32;
  return split(width, bits, mask).map((lane, n) => ({
    offset: u(wrap, start + BigInt(n * (bits / 8))), selected: bit(lane, bits - 1), value: values[n]!,
  }));
}

/** Bytes of an element that the limit is asked about before any is accessed. */
function firstPart(x: Execution, segment: number, offset: bigint, bytes: number): number {
  const last = Number(offset) + bytes - 1, { state } = x;
  const around = x.mode !== 64 && x.cpu.accesses.wrapping === 'wraps'
    && wrapsAround(state.attributes(segment), state.limit(segment), last);
  return around ? 0x1_0000_0000 - Number(offset) : bytes;
}

/**
 * Loads the elements that are selected, once all their offsets are within the segment; zeros for the others. Whether an
 * element around the end of 4 GiB is, is seen when its turn has come.
 */
function loadElements(x: Execution, segment: number, bits: number, elements: readonly Element[]): bigint[] {
  const bytes = bits / 8;
  const load = (offset: bigint): bigint => x.memory.read(x.linear(segment, offset, bytes, false), bytes);
  for (const { offset, selected } of elements) {
    if (selected) x.linear(segment, offset, firstPart(x, segment, offset, bytes), false);
  }
  return elements.map(({ offset, selected }) => (selected ? load(offset) : 0n));
}

/**
 * Stores the elements that are selected. It is one access from the first byte of them to the last, and those two are
 * what a page fault reports; then an element around the end of 4 GiB may be beyond the limit, when those before it are
 * written: so does a Sapphire Rapids class Xeon.
 */
function storeElements(x: Execution, segment: number, bits: number, elements: readonly Element[]): void {
  const bytes = bits / 8;
  const selected = elements.filter((element) => element.selected).map((element) => (
    { ...element, linear: x.linear(segment, element.offset, firstPart(x, segment, element.offset, bytes), true) }));
  const first = selected.at(0), last = selected.at(-1);
  if (first) x.memory.requireWritable(first.linear, 1);
  if (last) x.memory.requireWritable(further(x.mode, last.linear, bytes - 1), 1);
  for (const { offset, value } of selected) x.memory.write(x.linear(segment, offset, bytes, true), bytes, value);
}

/** VMASKMOV and VPMASKMOV: elements that are not selected become zero, or stay in memory. */
const masking = (
  mnemonic: string, title: string, cpuid: Feature, bits: number, w: 'W0' | 'W1', load: string, store: string,
): readonly InstructionDefinition[] => {
  const common = { mnemonic, title, cpuid, exceptions: '6, masked', source: entry(mnemonic) } as const;
  return [
    vector({
      ...common,
      forms: [
        `VEX.128.66.0F38.${w} ${load} /r | xmm, vvvvxmm, m128`, `VEX.256.66.0F38.${w} ${load} /r | ymm, vvvvymm, m256`,
      ],
      operation(x, i) {
        const [destination, mask, memory] = i.operands;
        const elements = elementsOf(x, i, memory as MemoryOperand, bits, x.read(mask!), 0n);
        const { segment } = memory as MemoryOperand;
        x.write(destination!, join(bits, loadElements(x, segment, bits, elements)));
      },
    }),
    vector({
      ...common,
      forms: [
        `VEX.128.66.0F38.${w} ${store} /r | m128, vvvvxmm, xmm`,
        `VEX.256.66.0F38.${w} ${store} /r | m256, vvvvymm, ymm`,
      ],
      operation(x, i) {
        const [memory, mask, source] = i.operands;
        const elements = elementsOf(x, i, memory as MemoryOperand, bits, x.read(mask!), x.read(source!));
        storeElements(x, (memory as MemoryOperand).segment, bits, elements);
      },
    }),
  ];
};

/** MASKMOVQ and MASKMOVDQU: bytes to DS:rDI, or another segment. */
const bytesToPointer = (
  mnemonic: string, cpuid: Feature, exceptions: ExceptionClass, form: string,
): InstructionDefinition => vector({
  mnemonic,
  title: 'Store selected bytes',
  forms: [form],
  cpuid,
  exceptions,
  operation(x, i) {
    const memory: MemoryOperand = {
      kind: 'memory', segment: i.segment >= 0 ? i.segment : DS, segmentOverridden: false, base: RDI, index: -1,
      scale: 1, displacement: 0n, ripRelative: false, addressSize: i.addressSize, size: widthOf(i), direct: false,
    };
    const bytes = elementsOf(x, i, memory, 8, x.read(i.operands[1]!), x.read(i.operands[0]!));
    const elements = bytes.map((byte) => ({ ...byte, offset: u(i.addressSize, byte.offset) }));
    // TOP = 0 and all registers valid is what a fault of MASKMOVQ leaves there.
    if (usesMmx(i) && x.cpu.faultingMmxStore === 'leaves TOP at 0') enterMmx(x);
    // Bytes that are not selected fault, too, and so does a mask of zeros; the upper half comes first, and #AC where it
    // is not aligned on its 8 bytes, before a look at the lower one: all this on a Sapphire Rapids class Xeon.
    const halves = memory.size === 128 ? [{ ...memory, displacement: 8n }, memory] : [memory];
    const met = halves.map((half) => metByWrite(x.state, x.requireStorable(half, 8), 8));
    const meets = x.cpu.debugTraps.maskedBytes === 'every byte' && watchesAccesses(x.state);
    if (meets) pend(x.state, met.reduce((all, some) => all | some));
    storeElements(x, memory.segment, 8, elements);
  },
  source: entry(mnemonic.replace(/^V/, '')),
});

export const MASKED_MOVES: readonly InstructionDefinition[] = [
  bytesToPointer('MASKMOVQ', 'SSE', 'MMX', 'NP 0F F7 /r | mm, rmmm | asz'),
  bytesToPointer('MASKMOVDQU', 'SSE2', 4, '66 0F F7 /r | xmm, rmxmm | asz'),
  bytesToPointer('VMASKMOVDQU', 'AVX', 4, 'VEX.128.66.0F.WIG F7 /r | xmm, rmxmm | asz'),
  ...masking('VMASKMOVPS', 'Conditional move of packed single', 'AVX', 32, 'W0', '2C', '2E'),
  ...masking('VMASKMOVPD', 'Conditional move of packed double', 'AVX', 64, 'W0', '2D', '2F'),
  ...masking('VPMASKMOVD', 'Conditional move of packed doublewords', 'AVX2', 32, 'W0', '8C', '8E'),
  ...masking('VPMASKMOVQ', 'Conditional move of packed quadwords', 'AVX2', 64, 'W1', '8C', '8E'),
];
