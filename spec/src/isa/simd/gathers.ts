/**
 * Gathers: elements at addresses that a vector of indexes makes, those that a mask selects. First of all the sign of
 * each lane of the mask fills the lane. An element that has arrived stays, and its lane of the mask is cleared; a fault
 * leaves the rest to be done when the instruction is executed again. SDM vol. 2C, 5.3, VGATHERDPS; vol. 1, 14.6.
 */

import { bit, int, s, u } from '../../numbers/bits.ts';
import { type Citation, sdm } from '../../state/citation.ts';
import { OFFSET } from '../../state/fields.ts';
import { Fault } from '../../state/outcomes.ts';
import type { Execution } from '../execution.ts';
import type { Instruction, InstructionDefinition } from '../instruction.ts';
import type { MemoryOperand, RegisterOperand } from '../operand.ts';
import { DEBUGCTL } from '../system/control-bits.ts';
import { insert, join, mask as ones, split } from './lanes.ts';
import { vector } from './vector.ts';

interface Gather {
  readonly destination: RegisterOperand;
  readonly memory: MemoryOperand;
  readonly mask: RegisterOperand;
  /** Bits of an element and of an index, and how many elements there are. */
  readonly element: number;
  readonly index: number;
  readonly count: number;
}

function gatherOf({ operands, form }: Instruction, element: number, index: number): Gather {
  const [destination, memory, mask] = operands as [RegisterOperand, MemoryOperand, RegisterOperand];
  const width = form.vex!.l === 1 ? 256 : 128;
  return { destination, memory, mask, element, index, count: width / Math.max(element, index) };
}

/** Element `n`, where it lies. */
function loadElement(x: Execution, { memory, element, index }: Gather, indexes: bigint, n: number): bigint {
  const offset = s(64, s(index, indexes >> BigInt(n * index)) * BigInt(memory.scale));
  const at = u(memory.addressSize, x.offset(memory) + offset);
  return x.memory.read(x.linear(memory.segment, at, element / 8, false), element / 8);
}

interface Arrival {
  readonly values: ReadonlyMap<number, bigint>;
  /** That of the first element that did not arrive. */
  readonly fault: Fault | undefined;
}

/** The elements of `wanted`, from the first on, up to one that faults. */
function arrivals(x: Execution, gather: Gather, indexes: bigint, wanted: readonly number[]): Arrival {
  const values = new Map<number, bigint>();
  try {
    for (const n of wanted) values.set(n, loadElement(x, gather, indexes, n));
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { values, fault: error };
  }
  return { values, fault: undefined };
}

/**
 * A run that is to stop at what is undefined does so at a fault with elements behind it that can be read: any of them
 * may have been loaded before the fault is delivered.
 */
function reportOpen(
  x: Execution, i: Instruction, gather: Gather, indexes: bigint, loaded: number, behind: readonly number[],
): void {
  // They are read for this alone: the run ends here, unless all of them fault as well.
  const open = x.onUndefined === 'stop'
    ? behind.filter((n) => arrivals(x, gather, indexes, [n]).fault === undefined) : [];
  // From the highest on, so that the sets come out in their order.
  const allowed = open.toReversed().reduce((sets, n) => sets.flatMap((set) => [set, set | BIT[n]!]), [loaded]);
  if (open.length > 0) {
    x.leavesOpen(
      `the set of elements that ${i.definition.mnemonic} has loaded when one faults`, i.definition.source,
      allowed.map(BigInt),
    );
  }
}

/**
 * Traps that the elements before a fault have left pending are reported in its place: data breakpoints and, on a
 * Sapphire Rapids class Xeon, a single step. The gather is left as a string instruction is between two iterations, so
 * that RF is saved as 1, and is executed again. SDM vol. 2C, 5.3, VGATHERDPS.
 */
function raiseOrInterrupt(x: Execution, fault: Fault, { arrived, traps }: { arrived: boolean; traps: bigint }): void {
  const stepped = arrived && x.singleStep && !(x.state.quad(OFFSET.debugctl) & DEBUGCTL.BTF);
  if (!stepped && x.state.quad(OFFSET.pendingDebug) === traps) throw fault;
  x.next = x.ip;
  x.singleStep = stepped;
  x.state.setByte(OFFSET.repeating, 1);
}

/**
 * Element by element, from the lowest: what a fault interrupts is as if it had been executed for the first ones alone.
 */
const gathering = (
  mnemonic: string, title: string, opcode: string, element: 32 | 64, index: 32 | 64, source: Citation,
): InstructionDefinition => {
  const w = element === 64 ? 'W1' : 'W0';
  /** A vector of the narrower ones needs no more than an XMM register. */
  const short = (bits: number): string => (bits < Math.max(element, index) ? 'xmm' : 'ymm');
  return vector({
    mnemonic,
    title,
    forms: [
      `VEX.128.66.0F38.${w} ${opcode} /r | xmm, vm${index}x, vvvvxmm`,
      `VEX.256.66.0F38.${w} ${opcode} /r | ${short(element)}, vm${index}${short(index)[0]}, vvvv${short(element)}`,
    ],
    cpuid: 'AVX2',
    exceptions: 12,
    operation(x, i) {
      const gather = gatherOf(i, element, index);
      // Before the last element is there, all 256 bits count with VEX.L, whatever the operands: so on a Sapphire Rapids
      // class Xeon.
      const wide = i.form.vex!.l === 1;
      const whole = (register: RegisterOperand): RegisterOperand => (wide ? { ...register, file: 'ymm' } : register);
      const lanes = split(wide ? 256 : 128, element, x.read(whole(gather.mask)));
      const selected = lanes.map((lane) => bit(lane, element - 1));
      const indexes = x.read({ ...gather.destination, file: gather.memory.vectorIndex!, index: gather.memory.index });
      const wanted = ELEMENTS.filter((n) => n < gather.count && selected[n]);
      const traps = x.state.quad(OFFSET.pendingDebug);
      const { values, fault } = arrivals(x, gather, indexes, wanted);
      const loaded = [...values.keys()].reduce((set, n) => set | BIT[n]!, 0);
      if (fault) reportOpen(x, i, gather, indexes, loaded, wanted.slice(int(values.size + 1)));
      const missing = selected.map((chosen, n) => ones(element, chosen && !values.has(n)));
      x.write(whole(gather.mask), join(element, missing));
      const before = x.read(whole(gather.destination));
      const merged = [...values].reduce((all, [n, value]) => insert(element, n, all, value), before);
      if (values.size > 0) x.write(whole(gather.destination), merged);
      if (fault === undefined) {
        x.write(gather.destination, low(gather, merged));
        x.write(gather.mask, 0n);
      } else {
        raiseOrInterrupt(x, fault, { arrived: values.size > 0, traps });
      }
    },
    source,
  });
};

const ELEMENTS = [0, 1, 2, 3, 4, 5, 6, 7] as const;
/** A set of elements is a number, of these. */
const BIT = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80] as const;

/** Four doublewords at four quadword indexes, or two, leave zeros above them. */
const low = ({ element, count }: Gather, value: bigint): bigint => u(element * count, value);

const integers = sdm('2C', '5.3, VPGATHERDD/VPGATHERQD and VPGATHERDQ/VPGATHERQQ');
const floats = sdm('2C', '5.3, VGATHERDPS/VGATHERQPS and VGATHERDPD/VGATHERQPD');

export const GATHERS: readonly InstructionDefinition[] = [
  gathering('VPGATHERDD', 'Gather packed doublewords using doubleword indexes', '90', 32, 32, integers),
  gathering('VPGATHERQD', 'Gather packed doublewords using quadword indexes', '91', 32, 64, integers),
  gathering('VPGATHERDQ', 'Gather packed quadwords using doubleword indexes', '90', 64, 32, integers),
  gathering('VPGATHERQQ', 'Gather packed quadwords using quadword indexes', '91', 64, 64, integers),
  gathering('VGATHERDPS', 'Gather packed single using doubleword indexes', '92', 32, 32, floats),
  gathering('VGATHERQPS', 'Gather packed single using quadword indexes', '93', 32, 64, floats),
  gathering('VGATHERDPD', 'Gather packed double using doubleword indexes', '92', 64, 32, floats),
  gathering('VGATHERQPD', 'Gather packed double using quadword indexes', '93', 64, 64, floats),
];
