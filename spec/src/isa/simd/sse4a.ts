/** AMD's SSE4A: bit fields of the low quadword, and scalar stores around the caches. APM vol. 4, EXTRQ and INSERTQ. */

import { u } from '../../numbers/bits.ts';
import { apm } from '../../state/citation.ts';
import type { Instruction, InstructionDefinition } from '../instruction.ts';
import { type Compute, encodings } from './family.ts';

/** Length and position of a field; a length of 0 is 64. What reaches beyond bit 63 is undefined: zeros come in. */
const extract = (value: bigint, length: number, position: number): bigint =>
  u(length === 0 ? 64 : length, u(64, value) >> BigInt(position));

const insertField = (into: bigint, value: bigint, length: number, position: number): bigint => {
  const bits = length === 0 ? 64 : length;
  const field = u(64, u(bits, -1n) << BigInt(position));
  return (u(64, into) & ~field) | (u(64, u(bits, value) << BigInt(position)) & field);
};

const six = (value: bigint, from: number): number => Number(u(6, value >> BigInt(from)));

/** The two immediate bytes: length and position. */
const immediates = ({ operands }: Instruction): readonly [length: number, position: number] => {
  const [length, position] = operands.slice(-2).map((operand) => (operand.kind === 'immediate' ? operand.value : 0n));
  return [six(length!, 0), six(position!, 0)];
};

const field = (
  mnemonic: string, title: string, form: string, compute: Compute,
): InstructionDefinition => encodings({
  mnemonic, title, forms: [form], cpuid: 'SSE4A', exceptions: 7, destructive: true, compute,
  source: apm('4', mnemonic),
});

const store = (mnemonic: string, title: string, form: string, bits: number): InstructionDefinition => encodings({
  mnemonic, title, forms: [form], cpuid: 'SSE4A', exceptions: 5, compute: ({ a }) => u(bits, a),
  source: apm('4', mnemonic),
});

/** Bits 127:64 are undefined afterwards: they become zero here. */
export const SSE4A: readonly InstructionDefinition[] = [
  field('EXTRQ', 'Extract field from register', '66 0F 78 /0 ib ib | rmxmm, imm8, imm8',
    ({ a, i }) => extract(a, ...immediates(i))),
  field('EXTRQ', 'Extract field from register', '66 0F 79 /r | xmm, rmxmm',
    ({ a, b }) => extract(a, six(b, 0), six(b, 8))),
  field('INSERTQ', 'Insert field', 'F2 0F 78 /r ib ib | xmm, rmxmm, imm8, imm8',
    ({ a, b, i }) => insertField(a, b, ...immediates(i))),
  field('INSERTQ', 'Insert field', 'F2 0F 79 /r | xmm, rmxmm',
    ({ a, b }) => insertField(a, b, six(b, 64), six(b, 72))),
  store('MOVNTSS', 'Move non-temporal scalar single', 'F3 0F 2B /r | m32, xmm', 32),
  store('MOVNTSD', 'Move non-temporal scalar double', 'F2 0F 2B /r | m64, xmm', 64),
];
