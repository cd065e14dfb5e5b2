/** Multiplication and division. SDM vol. 1, 5.1.2. */

import { s, u } from '../numbers/bits.ts';
import { type Citation, sdm } from '../state/citation.ts';
import { RAX, RDX } from '../state/fields.ts';
import { AF, CF, OF, PF, SF, STATUS, ZF, resultFlags } from './flags.ts';
import type { Execution } from './execution.ts';
import { type InstructionDefinition, instruction } from './instruction.ts';

/** Reads or extends a value of `n` bits: as unsigned or as signed. */
type Reading = (n: number, value: bigint) => bigint;

/** A double-width value goes to AX for bytes, else to rDX:rAX. */
function writeDouble(x: Execution, n: number, low: bigint, high: bigint): void {
  if (n === 8) x.setGeneral(RAX, 16, u(16, u(16, u(8, high) << 8n) | u(8, low)));
  else {
    x.setGeneral(RAX, n, u(n, low));
    x.setGeneral(RDX, n, u(n, high));
  }
}

/** AX, or rDX:rAX. */
function readDouble(x: Execution, n: number): bigint {
  return n === 8 ? x.general(RAX, 16) : u(twice(n), u(twice(n), x.general(RDX, n) << BigInt(n)) | x.general(RAX, n));
}

/** Twice as wide. */
const twice = (n: number): number => n * 2;

/** CF and OF tell that the product needs more than `n` bits; the other status flags are undefined. */
function setProductFlags(x: Execution, n: number, product: bigint, significant: boolean): void {
  // Skylake never sets ZF, whatever the product.
  const skylake = resultFlags(n, u(n, product)) & (SF | PF);
  x.setDefinedFlags(CF | OF, significant ? CF | OF : 0, SF | ZF | AF | PF, { zen: x.flags, skylake });
}

const multiply = (
  mnemonic: string, title: string, digit: number, read: Reading, source: Citation,
): InstructionDefinition =>
  instruction({
    mnemonic,
    title,
    forms: [`F6 /${digit} | r/m8`, `F7 /${digit} | r/mv`],
    operation(x, i) {
      const n = i.size;
      const product = u(twice(n), read(n, x.general(RAX, n)) * read(n, x.read(i.operands[0]!)));
      writeDouble(x, n, u(n, product), product >> BigInt(n));
      setProductFlags(x, n, product, u(twice(n), read(n, u(n, product))) !== product);
    },
    source,
  });

const IMUL = instruction({
  mnemonic: 'IMUL',
  title: 'Signed multiply, truncated',
  forms: ['0F AF /r | rv, r/mv', '6B /r ib | rv, r/mv, simm8', '69 /r iz | rv, r/mv, immz'],
  operation(x, i) {
    const n = i.size;
    const [a, b] = i.operands.slice(-2).map((operand) => s(n, x.read(operand)));
    const product = s(twice(n), a! * b!);
    x.write(i.operands[0]!, u(n, product));
    setProductFlags(x, n, product, s(n, product) !== product);
  },
  source: sdm('2A', '3.2, IMUL'),
});

const divide = (
  mnemonic: string, title: string, digit: number, read: Reading, source: Citation,
): InstructionDefinition =>
  instruction({
    mnemonic,
    title,
    forms: [`F6 /${digit} | r/m8`, `F7 /${digit} | r/mv`],
    operation(x, i) {
      const n = i.size;
      const divisor = read(n, x.read(i.operands[0]!));
      if (divisor === 0n) x.fault('#DE', 'the divisor is 0');
      const dividend = read(twice(n), readDouble(x, n));
      const quotient = dividend / divisor;
      if (read(n, u(n, quotient)) !== quotient) x.fault('#DE', `the quotient does not fit in ${n} bits`);
      writeDouble(x, n, u(n, quotient), u(n, dividend % divisor));
      x.setDefinedFlags(0, 0, STATUS, { zen: (x.flags & (CF | OF)) | AF, skylake: x.flags });
    },
    source,
  });

export const MULTIPLY_DIVIDE: readonly InstructionDefinition[] = [
  multiply('MUL', 'Unsigned multiply', 4, u, sdm('2B', '4.3, MUL')),
  multiply('IMUL', 'Signed multiply', 5, s, sdm('2A', '3.2, IMUL')),
  IMUL,
  divide('DIV', 'Unsigned divide', 6, u, sdm('2A', '3.2, DIV')),
  divide('IDIV', 'Signed divide', 7, s, sdm('2A', '3.2, IDIV')),
];
