/** Shifts and rotates. SDM vol. 1, 5.1.5; vol. 2B, SAL/SAR/SHL/SHR and RCL/RCR/ROL/ROR. */

import { bit, s, u } from '../numbers/bits.ts';
import { sdm } from '../state/citation.ts';
import { AF, CF, OF, PF, SF, ZF, resultFlags } from './flags.ts';
import type { Execution } from './execution.ts';
import { type Instruction, type InstructionDefinition, instruction } from './instruction.ts';

/** Result and CF for a count of `count`, and OF of the last of as many shifts by 1: of a single one it is defined. */
interface Shifted {
  result: bigint;
  carry: boolean;
  overflow: boolean;
  /** CF is undefined: a logical shift by at least the operand's width. */
  carryUndefined: boolean;
}

type Operate = (n: number, a: bigint, count: number) => Shifted;

/** OF of the first shift by 1, which Skylake keeps for all of them; Zen 4 has that of the last. */
type FirstOverflow = (n: number, a: bigint, carry: boolean) => boolean;
const intoSign: FirstOverflow = (n, a) => bit(a, n - 1) !== bit(a, n - 2);

const forms = (digit: number): string[] => [
  `D0 /${digit} | r/m8, 1`, `D1 /${digit} | r/mv, 1`, `D2 /${digit} | r/m8, CL`, `D3 /${digit} | r/mv, CL`,
  `C0 /${digit} ib | r/m8, imm8`, `C1 /${digit} ib | r/mv, imm8`,
];

/** The count is masked to 5 bits, or 6 for 64-bit operands. */
const countOf = (x: Execution, i: Instruction): number =>
  Number(x.read(i.operands[1]!) & (i.size === 64 ? 0x3fn : 0x1fn));

const shift = (
  mnemonic: string, digits: readonly number[], title: string, aliases: string[], operate: Operate, first: FirstOverflow,
): InstructionDefinition => instruction({
  mnemonic,
  aliases,
  title,
  forms: digits.flatMap(forms),
  operation(x, i) {
    const count = countOf(x, i);
    const before = x.readToModify(i.operands[0]!);
    const { result, carry, overflow, carryUndefined } = operate(i.size, before, count);
    x.write(i.operands[0]!, result);
    // A count of 0 changes no flag.
    const changed = count === 0 ? 0 : CF | PF | ZF | SF | (count === 1 ? OF : 0);
    const open = count === 0 ? 0 : AF | (count === 1 ? 0 : OF) | (carryUndefined ? CF : 0);
    x.setDefinedFlags(changed, resultFlags(i.size, result) | (carry ? CF : 0) | (overflow ? OF : 0), open, {
      zen: AF | (overflow ? OF : 0),
      skylake: count > 1 && first(i.size, before, false) ? OF : 0,
    });
  },
  source: sdm('2B', '4.3, SAL/SAR/SHL/SHR'),
});

const rotate = (
  mnemonic: string, digit: number, title: string, operate: Operate, first: FirstOverflow,
): InstructionDefinition => instruction({
  mnemonic,
  title,
  forms: forms(digit),
  operation(x, i) {
    const count = countOf(x, i);
    const before = x.readToModify(i.operands[0]!);
    const { result, carry, overflow } = operate(i.size, before, count % i.size);
    x.write(i.operands[0]!, result);
    const value = (carry ? CF : 0) | (overflow ? OF : 0);
    x.setDefinedFlags(count === 0 ? 0 : CF | (count === 1 ? OF : 0), value, count > 1 ? OF : 0, {
      zen: overflow ? OF : 0,
      skylake: first(i.size, before, false) ? OF : 0,
      // A register by an immediate: OF stays.
      ...(i.operands.every(({ kind }) => kind === 'register' || kind === 'immediate') && i.form.immediate === 1
        ? { sapphireRapids: x.flags } : {}),
    });
  },
  source: sdm('2B', '4.3, RCL/RCR/ROL/ROR'),
});

const rotateLeft = (n: number, a: bigint, count: number): bigint =>
  u(n, u(128, a << BigInt(count)) | (a >> BigInt(n - count)));

/** Nine bits for a byte, seventeen for a word: CF takes part. */
const rotateThroughCarry = (
  mnemonic: string, digit: number, title: string, left: boolean, first: FirstOverflow,
): InstructionDefinition => instruction({
  mnemonic,
  title,
  forms: forms(digit),
  operation(x, i) {
    const n = i.size, wide = n + 1;
    const count = countOf(x, i);
    const steps = BigInt(left ? count % wide : (wide - (count % wide)) % wide);
    const carry = BigInt(x.readFlags(CF) & CF);
    const a = x.readToModify(i.operands[0]!);
    const before = u(wide, u(wide, carry << BigInt(n)) | a);
    const after = u(wide, u(128, before << steps) | (before >> BigInt(wide - Number(steps))));
    const result = u(n, after);
    x.write(i.operands[0]!, result);
    const overflow = bit(result, n - 1) !== (left ? bit(after, n) : bit(result, n - 2));
    const value = (bit(after, n) ? CF : 0) | (overflow ? OF : 0);
    x.setDefinedFlags(count === 0 ? 0 : CF | (count === 1 ? OF : 0), value, count > 1 ? OF : 0, {
      zen: overflow ? OF : 0,
      // A whole turn changes nothing.
      skylake: count % wide === 0 ? x.flags : first(n, a, carry !== 0n) ? OF : 0,
    });
  },
  source: sdm('2B', '4.3, RCL/RCR/ROL/ROR'),
});

export const SHIFTS: readonly InstructionDefinition[] = [
  // The digit 6 is not listed by the manual; every processor takes it as well. AMD APM vol. 3, table A-6.
  shift('SHL', [4, 6], 'Shift left', ['SAL'], (n, a, count) => {
    const result = u(n, a << BigInt(count));
    const carry = count > 0 && count <= n && bit(a, n - count);
    return { result, carry, overflow: bit(result, n - 1) !== carry, carryUndefined: count > n };
  }, intoSign),
  shift('SHR', [5], 'Shift right, logical', [], (n, a, count) => {
    const carry = count > 0 && bit(a, count - 1);
    return { result: a >> BigInt(count), carry, overflow: count === 1 && bit(a, n - 1), carryUndefined: count > n };
  }, (n, a) => bit(a, n - 1)),
  shift('SAR', [7], 'Shift right, arithmetic', [], (n, a, count) => {
    const carry = count > 0 && bit(u(64, s(n, a)), Math.min(count - 1, 63));
    return { result: u(n, s(n, a) >> BigInt(count)), carry, overflow: false, carryUndefined: false };
  }, () => false),
  rotate('ROL', 0, 'Rotate left', (n, a, count) => {
    const result = rotateLeft(n, a, count);
    return { result, carry: bit(result, 0), overflow: bit(result, n - 1) !== bit(result, 0), carryUndefined: false };
  }, intoSign),
  rotate('ROR', 1, 'Rotate right', (n, a, count) => {
    const result = rotateLeft(n, a, n - count);
    const carry = bit(result, n - 1);
    return { result, carry, overflow: carry !== bit(result, n - 2), carryUndefined: false };
  }, (n, a) => bit(a, 0) !== bit(a, n - 1)),
  rotateThroughCarry('RCL', 2, 'Rotate left through carry', true, intoSign),
  rotateThroughCarry('RCR', 3, 'Rotate right through carry', false, (n, a, carry) => bit(a, n - 1) !== carry),
];
