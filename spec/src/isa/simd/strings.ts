/** Comparison of strings of up to 16 bytes or 8 words. SDM vol. 2B, 4.1 and 4.3. */

import { s, u } from '../../numbers/bits.ts';
import { RAX, RCX, RDX } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';
import { AF, CF, OF, PF, SF, ZF } from '../flags.ts';
import type { Instruction, InstructionDefinition } from '../instruction.ts';
import { join, mask as ones, split, splitSigned } from './lanes.ts';
import { immediateBit } from './lanewise.ts';
import { entry } from './rows.ts';
import { vector } from './vector.ts';

/** An operand: its elements, and how many of them are valid. */
interface Text {
  readonly elements: readonly bigint[];
  readonly length: number;
}

/** What the immediate asks for. SDM vol. 2B, table 4-1 to 4-5. */
interface Control {
  readonly bits: 8 | 16;
  readonly count: number;
  readonly signed: boolean;
  readonly aggregation: 'equal any' | 'ranges' | 'equal each' | 'equal ordered';
  readonly negative: boolean;
  /** Only bits of valid elements are negated. */
  readonly masked: boolean;
  /** The index of the last match, or a mask of whole elements. */
  readonly last: boolean;
}

const AGGREGATIONS = ['equal any', 'ranges', 'equal each', 'equal ordered'] as const;

function controlOf(immediate: number): Control {
  const bits = immediateBit(immediate, 0) ? 16 : 8;
  return {
    bits, count: 128 / bits, signed: immediateBit(immediate, 1), aggregation: AGGREGATIONS[(immediate >> 2) & 3]!,
    negative: immediateBit(immediate, 4), masked: immediateBit(immediate, 5), last: immediateBit(immediate, 6),
  };
}

const elementsOf = ({ bits, signed }: Control, value: bigint): bigint[] =>
  (signed ? splitSigned : split)(128, bits, value);

/** A string ends before its first element that is zero. */
function implicitText(control: Control, value: bigint): Text {
  const elements = elementsOf(control, value);
  const end = elements.indexOf(0n);
  return { elements, length: end < 0 ? control.count : end };
}

/** Its length is the absolute value of a register, at most the whole operand. */
function explicitText(control: Control, value: bigint, length: bigint): Text {
  const absolute = length < 0n ? u(64, -length) : length;
  const whole = BigInt(control.count);
  return { elements: elementsOf(control, value), length: Number(absolute > whole ? whole : absolute) };
}

/** IntRes1: for each element of the second operand, whether it matches. */
function matches({ aggregation, count }: Control, first: Text, second: Text): boolean[] {
  const places = Array.from({ length: count }, (_, n) => n);
  const valid = (text: Text, n: number): boolean => n < text.length;
  const equal = (i: number, j: number): boolean => first.elements[i] === second.elements[j];
  switch (aggregation) {
    case 'equal any':
      return places.map((j) => valid(second, j) && places.some((i) => valid(first, i) && equal(i, j)));
    case 'ranges':
      return places.map((j) => valid(second, j) && places.some((i) => i % 2 === 0 && valid(first, i + 1)
        && second.elements[j]! >= first.elements[i]! && second.elements[j]! <= first.elements[i + 1]!));
    case 'equal each':
      return places.map((j) =>
        (valid(first, j) && valid(second, j) ? equal(j, j) : valid(first, j) === valid(second, j)));
    case 'equal ordered':
      // The first string is found from here on; beyond its end anything goes.
      return places.map((j) => places.slice(j).every((at, i) =>
        !valid(first, i) || (valid(second, at) && equal(i, at))));
  }
}

interface Comparison {
  readonly control: Control;
  readonly first: Text;
  readonly second: Text;
  /** IntRes2. */
  readonly result: readonly boolean[];
}

function compare(control: Control, first: Text, second: Text): Comparison {
  const found = matches(control, first, second);
  const result = found.map((match, n) => match !== (control.negative && (!control.masked || n < second.length)));
  return { control, first, second, result };
}

function comparisonOf(x: Execution, i: Instruction, explicit: boolean): Comparison {
  const [first, second, immediate] = i.operands.map((operand) => x.read(operand));
  const control = controlOf(Number(immediate));
  const width = i.rexW && x.mode === 64 ? 64 : 32;
  return explicit
    ? compare(control, explicitText(control, first!, s(width, x.general(RAX, width))),
      explicitText(control, second!, s(width, x.general(RDX, width))))
    : compare(control, implicitText(control, first!), implicitText(control, second!));
}

function setFlags(x: Execution, { control: { count }, first, second, result }: Comparison): void {
  x.setFlags(CF | ZF | SF | OF | AF | PF,
    (result.includes(true) ? CF : 0) | (second.length < count ? ZF : 0) | (first.length < count ? SF : 0)
    | (result[0] ? OF : 0));
}

/** The index of the first or last match, or how many elements there are. */
function indexOf({ control: { last, count }, result }: Comparison): bigint {
  const index = last ? result.lastIndexOf(true) : result.indexOf(true);
  return BigInt(index < 0 ? count : index);
}

/** A bit for each element, or all of its bits. */
const maskOf = ({ control: { last, bits }, result }: Comparison): bigint =>
  (last ? join(bits, result.map((match) => ones(bits, match))) : bitsOf(result));

const bitsOf = (result: readonly boolean[]): bigint =>
  result.reduce((mask, match, n) => mask | (match ? u(16, 1n << BigInt(n)) : 0n), 0n);

/** What becomes of a comparison. */
type Deliver = (x: Execution, comparison: Comparison) => void;
const index: Deliver = (x, comparison) => x.setGeneral(RCX, 32, indexOf(comparison));
const mask: Deliver = (x, comparison) => x.writeXmm(0, maskOf(comparison));

const comparing = (
  mnemonic: string, title: string, cpuid: 'SSE4_2' | 'AVX', form: string, explicit: boolean, deliver: Deliver,
): InstructionDefinition => vector({
  mnemonic,
  title,
  forms: [form],
  cpuid,
  exceptions: '4, unaligned',
  operation(x, i) {
    const comparison = comparisonOf(x, i, explicit);
    deliver(x, comparison);
    setFlags(x, comparison);
  },
  source: entry(mnemonic.replace(/^V|64$/g, '')),
});

const implicit = (mnemonic: string, title: string, opcode: string, deliver: Deliver): InstructionDefinition[] => {
  const rest = `${opcode} /r ib | xmm, xmm/m128, imm8`;
  return [
    comparing(mnemonic, title, 'SSE4_2', `66 0F 3A ${rest}`, false, deliver),
    comparing(`V${mnemonic}`, title, 'AVX', `VEX.128.66.0F3A.WIG ${rest}`, false, deliver),
  ];
};

/** REX.W, or VEX.W, makes the lengths 64 bits wide. */
const explicit = (mnemonic: string, title: string, opcode: string, deliver: Deliver): InstructionDefinition[] => {
  const rest = `${opcode} /r ib | xmm, xmm/m128, imm8`;
  return [
    comparing(mnemonic, title, 'SSE4_2', `66 0F 3A ${rest}`, true, deliver),
    comparing(`${mnemonic}64`, title, 'SSE4_2', `66 REX.W + 0F 3A ${rest} | o64`, true, deliver),
    comparing(`V${mnemonic}`, title, 'AVX', `VEX.128.66.0F3A.W0 ${rest} | w64`, true, deliver),
    comparing(`V${mnemonic}64`, title, 'AVX', `VEX.128.66.0F3A.W1 ${rest} | o64`, true, deliver),
  ];
};

export const STRING_COMPARES: readonly InstructionDefinition[] = [
  ...explicit('PCMPESTRM', 'Packed compare explicit length strings, return mask', '60', mask),
  ...explicit('PCMPESTRI', 'Packed compare explicit length strings, return index', '61', index),
  ...implicit('PCMPISTRM', 'Packed compare implicit length strings, return mask', '62', mask),
  ...implicit('PCMPISTRI', 'Packed compare implicit length strings, return index', '63', index),
];
