/** Double-precision shifts. SDM vol. 1, 5.1.5 and 7.3.6.3. */

import { bit, u } from '../numbers/bits.ts';
import { sdm } from '../state/citation.ts';
import { AF, CF, OF, PF, SF, ZF, resultFlags } from './flags.ts';
import { type InstructionDefinition, instruction } from './instruction.ts';

/** Result and CF, and OF of the last and of the first of as many shifts by 1: of a single one it is defined. */
interface Shifted {
  readonly result: bigint;
  readonly carry: boolean;
  readonly overflow: boolean;
  readonly first: boolean;
}

const doubleShift = (
  mnemonic: string, title: string, opcodes: readonly [string, string],
  operate: (n: number, a: bigint, b: bigint, count: number, again: bigint) => Shifted,
): InstructionDefinition => instruction({
  mnemonic,
  title,
  forms: [`0F ${opcodes[0]} /r ib | r/mv, rv, imm8`, `0F ${opcodes[1]} /r | r/mv, rv, CL`],
  operation(x, i) {
    const n = i.size;
    const count = Number(x.read(i.operands[2]!) & (n === 64 ? 0x3fn : 0x1fn));
    const a = x.readToModify(i.operands[0]!);
    const b = x.read(i.operands[1]!);
    // What a 16-bit operand gets beyond 16 bits, where the manual says nothing.
    const again = x.cpu.wordDoubleShift === 'second operand again' ? b : a;
    const { result, carry, overflow, first } = operate(n, a, b, count, again);
    x.write(i.operands[0]!, result);
    const flags = resultFlags(n, result);
    const changed = count === 0 ? 0 : CF | PF | ZF | SF | (count === 1 ? OF : 0);
    // A count above the operand's width leaves everything undefined.
    const beyond = count > n ? CF | PF | ZF | SF : 0;
    const open = count === 0 ? 0 : AF | (count === 1 ? 0 : OF) | beyond;
    x.setDefinedFlags(changed, flags | (carry ? CF : 0) | (overflow ? OF : 0), open, {
      zen: flags | AF | (overflow ? OF : 0),
      skylake: flags | (carry ? CF : 0) | (first ? OF : 0),
    });
  },
  source: sdm('2B', `4.3, ${mnemonic}`),
});

/** `high` and `low` as one number of `2 * n` bits. */
const joined = (n: number, high: bigint, low: bigint): bigint => u(n * 2, u(n * 2, high << BigInt(n)) | low);

export const DOUBLE_SHIFTS: readonly InstructionDefinition[] = [
  doubleShift('SHLD', 'Double precision shift left', ['A4', 'A5'], (n: number, a, b, count: number, again) => {
    const value = count > n ? joined(n, b, again) : joined(n, a, b);
    const shifted = u(192, value << BigInt(count > n ? count - n : count));
    const result = u(n, shifted >> BigInt(n)), carry = bit(shifted, n * 2);
    // Only with bits of the first operand: what follows them is not counted where the first is used up.
    const overflow = (count < n && bit(result, n - 1)) !== (count <= n && carry);
    return { result, carry, overflow, first: bit(a, n - 1) !== bit(a, n - 2) };
  }),
  doubleShift('SHRD', 'Double precision shift right', ['AC', 'AD'], (n: number, a, b, count: number, again) => {
    const value = count > n ? joined(n, again, b) : joined(n, b, a);
    const rest = count > n ? count - n : count;
    const result = u(n, value >> BigInt(rest)), carry = rest > 0 && bit(value, rest - 1);
    return { result, carry, overflow: bit(result, n - 1) !== bit(result, n - 2), first: bit(a, n - 1) !== bit(b, 0) };
  }),
];
