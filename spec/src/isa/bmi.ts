/** Bit manipulation, BMI1 and BMI2: general-purpose registers with VEX encodings. SDM vol. 1, 5.1.16. */

import type { SeenFlags } from '../cpus/profile.ts';
import type { Feature } from '../cpus/features.table.ts';
import { s, u } from '../numbers/bits.ts';
import { type Citation, sdm } from '../state/citation.ts';
import { RDX } from '../state/fields.ts';
import { AF, CF, OF, PF, SF, ZF, resultFlags } from './flags.ts';
import { type InstructionDefinition, instruction } from './instruction.ts';

/** `VEX.LZ.F2.0F38` and the rest, once for 32 and once for 64 bits: W chooses, in 64-bit mode. */
const both = (prefix: string, opcode: string, operands: string): string[] => [
  `${prefix}.W0 ${opcode} | ${operands.replaceAll('#', '32')}`,
  `${prefix}.W1 ${opcode} | ${operands.replaceAll('#', '64')} | o64`,
];
const RVM = 'r#, vvvv#, r/m#', RMV = 'r#, r/m#, vvvv#', VM = 'vvvv#, r/m#';

/** A result, and whether CF is set by it. */
interface Extracted {
  readonly result: bigint;
  readonly carry: boolean;
}

/** What becomes of the undefined flags, from those of the result and those before. */
type Seen = (flags: number, before: number) => SeenFlags;

/** Instructions that set flags. `undefinedFlags` are those that the manual leaves open; OF becomes 0. */
const flagging = (
  mnemonic: string, title: string, forms: string[], cpuid: Feature, undefinedFlags: number, seen: Seen,
  operate: (n: number, a: bigint, b: bigint) => Extracted, source: Citation,
): InstructionDefinition => instruction({
  mnemonic,
  title,
  forms,
  cpuid,
  operation(x, i) {
    x.requireProtected(i.definition.mnemonic);
    const n = i.size;
    const [first, second] = i.operands.slice(1);
    const { result, carry } = operate(n, x.read(first!), second ? x.read(second) : 0n);
    x.write(i.operands[0]!, result);
    const flags = resultFlags(n, result);
    const value = (flags & (SF | ZF)) | (carry ? CF : 0);
    x.setDefinedFlags((CF | OF | SF | ZF) & ~undefinedFlags, value, undefinedFlags, seen(flags, x.flags));
  },
  source,
});

/** Instructions that leave the flags alone. */
const plain = (
  mnemonic: string, title: string, forms: string[], operate: (n: number, a: bigint, b: bigint) => bigint,
  source: Citation,
): InstructionDefinition => instruction({
  mnemonic,
  title,
  forms,
  cpuid: 'BMI2',
  operation(x, i) {
    x.requireProtected(i.definition.mnemonic);
    x.write(i.operands[0]!, operate(i.size, x.read(i.operands[1]!), x.read(i.operands[2]!)));
  },
  source,
});

/** The lowest `count` bits, all of `n` from there on. */
const low = (n: number, count: bigint): bigint => (count >= BigInt(n) ? u(n, -1n) : u(n, u(n, 1n << count) - 1n));

const LOWEST = 'VEX.LZ.0F38';

/** AF is 0; PF is that of the result on Zen 4, and 0 on Skylake. */
const parity: Seen = (flags) => ({ zen: flags & PF, skylake: 0 });
const extracted: Seen = (flags, before) => ({ zen: AF | (flags & PF), skylake: before, sapphireRapids: 0 });

const FLAGGING = [
  flagging('ANDN', 'Logical and not', both(LOWEST, 'F2 /r', RVM), 'BMI1', AF | PF, parity,
    (n, a, b) => ({ result: u(n, ~a) & b, carry: false }), sdm('2A', '3.2, ANDN')),
  flagging('BEXTR', 'Bit field extract', both(LOWEST, 'F7 /r', RMV), 'BMI1', AF | SF | PF, extracted,
    (n, a, b) => ({ result: (a >> u(8, b)) & low(n, u(8, b >> 8n)), carry: false }), sdm('2A', '3.2, BEXTR')),
  flagging('BLSI', 'Extract lowest set isolated bit', both(LOWEST, 'F3 /3', VM), 'BMI1', AF | PF, parity,
    (n, a) => ({ result: u(n, -a) & a, carry: a !== 0n }), sdm('2A', '3.2, BLSI')),
  flagging('BLSMSK', 'Get mask up to lowest set bit', both(LOWEST, 'F3 /2', VM), 'BMI1', AF | PF, parity,
    (n, a) => ({ result: u(n, a - 1n) ^ a, carry: a === 0n }), sdm('2A', '3.2, BLSMSK')),
  flagging('BLSR', 'Reset lowest set bit', both(LOWEST, 'F3 /1', VM), 'BMI1', AF | PF, parity,
    (n, a) => ({ result: u(n, a - 1n) & a, carry: a === 0n }), sdm('2A', '3.2, BLSR')),
  flagging('BZHI', 'Zero high bits starting with specified bit position', both(LOWEST, 'F5 /r', RMV), 'BMI2',
    AF | PF, parity,
    (n, a, b) => ({ result: a & low(n, u(8, b)), carry: u(8, b) >= BigInt(n) }), sdm('2A', '3.2, BZHI')),
];

const MULX = instruction({
  mnemonic: 'MULX',
  title: 'Unsigned multiply without affecting flags',
  forms: both('VEX.LZ.F2.0F38', 'F6 /r', RVM),
  cpuid: 'BMI2',
  operation(x, i) {
    x.requireProtected(i.definition.mnemonic);
    const product = u(128, x.general(RDX, i.size) * x.read(i.operands[2]!));
    // In this order: where both are one register, the upper half stays.
    x.write(i.operands[1]!, u(i.size, product));
    x.write(i.operands[0]!, product >> BigInt(i.size));
  },
  source: sdm('2B', '4.3, MULX'),
});

/** Bits of `source`, from the lowest on, to the places that are 1 in `mask`. */
function deposit(n: number, source: bigint, mask: bigint): bigint {
  let result = 0n, rest = source;
  for (let position = 0n; position < BigInt(n); position = u(8, position + 1n)) {
    const wanted = (mask >> position) & 1n;
    result |= u(n, (rest & wanted) << position);
    rest >>= wanted;
  }
  return result;
}

/** The inverse: the bits of `source` at those places, packed. */
function extract(n: number, source: bigint, mask: bigint): bigint {
  let result = 0n, count = 0n;
  for (let position = 0n; position < BigInt(n); position = u(8, position + 1n)) {
    const wanted = (mask >> position) & 1n;
    result |= u(n, ((source >> position) & wanted) << count);
    count = u(8, count + wanted);
  }
  return result;
}

/** The count is taken modulo the operand size. */
const countOf = (n: number, b: bigint): bigint => b & BigInt(n - 1);

const SHIFTS_WITHOUT_FLAGS = sdm('2B', '4.3, SARX/SHLX/SHRX');

export const BMI: readonly InstructionDefinition[] = [
  ...FLAGGING, MULX,
  plain('PDEP', 'Parallel bits deposit', both('VEX.LZ.F2.0F38', 'F5 /r', RVM), deposit, sdm('2B', '4.3, PDEP')),
  plain('PEXT', 'Parallel bits extract', both('VEX.LZ.F3.0F38', 'F5 /r', RVM), extract, sdm('2B', '4.3, PEXT')),
  plain('RORX', 'Rotate right without affecting flags', both('VEX.LZ.F2.0F3A', 'F0 /r ib', 'r#, r/m#, imm8'),
    (n, a, b) => u(n, (a >> countOf(n, b)) | u(128, a << BigInt(n - Number(countOf(n, b))))), sdm('2B', '4.3, RORX')),
  plain('SARX', 'Shift right, arithmetic, without affecting flags', both('VEX.LZ.F3.0F38', 'F7 /r', RMV),
    (n, a, b) => u(n, s(n, a) >> countOf(n, b)), SHIFTS_WITHOUT_FLAGS),
  plain('SHLX', 'Shift left without affecting flags', both('VEX.LZ.66.0F38', 'F7 /r', RMV),
    (n, a, b) => u(n, a << countOf(n, b)), SHIFTS_WITHOUT_FLAGS),
  plain('SHRX', 'Shift right, logical, without affecting flags', both('VEX.LZ.F2.0F38', 'F7 /r', RMV),
    (n, a, b) => a >> countOf(n, b), SHIFTS_WITHOUT_FLAGS),
];
