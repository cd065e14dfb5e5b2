/** Searching and counting bits, and CRC32. SDM vol. 1, 5.1.6, 5.1.15 and 12.12. */

import { u } from '../numbers/bits.ts';
import { once } from '../numbers/once.ts';
import { sdm } from '../state/citation.ts';
import { AF, CF, OF, PF, SF, STATUS, ZF, resultFlags } from './flags.ts';
import type { Execution } from './execution.ts';
import { type Instruction, type InstructionDefinition, instruction } from './instruction.ts';
import { generalRegister } from './operand.ts';

/** Zeros above the highest 1 of `n` bits; `n` for 0. */
const leadingZeros = (n: number, value: bigint): number => (value === 0n ? n : n - value.toString(2).length);
/** Zeros below the lowest 1; `n` for 0. */
const trailingZeros = (n: number, value: bigint): number =>
  (value === 0n ? n : u(n, value & u(n, -value)).toString(2).length - 1);
const ones = (value: bigint): number => value.toString(2).replaceAll('0', '').length;

/** BSF and BSR. A source of 0 leaves the destination alone, which the SDM calls undefined and AMD defines. */
function scan(x: Execution, i: Instruction, position: (n: number, value: bigint) => number): void {
  const value = x.read(i.operands[1]!);
  const target = i.operands[0]!;
  const found = value !== 0n;
  const index = target.kind === 'register' ? target.index : 0;
  const kept = generalRegister(index, 64);
  const where = found ? BigInt(position(i.size, value)) : 0n;
  x.write(found ? target : kept, found ? where : x.read(kept));
  // A source of 0 counts as position 0.
  const parity = resultFlags(8, where) & PF;
  x.setDefinedFlags(ZF, found ? 0 : ZF, CF | OF | SF | AF | PF, { zen: parity, skylake: parity });
}

const highest = (n: number, value: bigint): number => n - 1 - leadingZeros(n, value);

const BSF = instruction({
  mnemonic: 'BSF',
  title: 'Bit scan forward',
  forms: ['0F BC /r | rv, r/mv'],
  operation(x, i) {
    scan(x, i, trailingZeros);
  },
  source: sdm('2A', '3.2, BSF'),
});

const BSR = instruction({
  mnemonic: 'BSR',
  title: 'Bit scan reverse',
  forms: ['0F BD /r | rv, r/mv'],
  operation(x, i) {
    scan(x, i, highest);
  },
  source: sdm('2A', '3.2, BSR'),
});

function count(x: Execution, i: Instruction, zeros: (n: number, value: bigint) => number): void {
  const value = x.read(i.operands[1]!);
  const result = zeros(i.size, value);
  x.write(i.operands[0]!, BigInt(result));
  x.setDefinedFlags(CF | ZF, (value === 0n ? CF : 0) | (result === 0 ? ZF : 0), OF | SF | PF | AF, {
    zen: x.flags & OF,
    skylake: resultFlags(8, BigInt(result)) & PF,
    sapphireRapids: 0,
  });
}

/** No CPUID bit here: without it the F3 prefix means nothing, and the processor executes BSR. */
const LZCNT = instruction({
  mnemonic: 'LZCNT',
  title: 'Count the number of leading zero bits',
  forms: ['F3 0F BD /r | rv, r/mv'],
  operation(x, i) {
    if (x.cpu.features.has('LZCNT')) count(x, i, leadingZeros);
    else scan(x, i, highest);
  },
  source: sdm('2A', '3.2, LZCNT'),
});

/** Likewise BSF without BMI1. */
const TZCNT = instruction({
  mnemonic: 'TZCNT',
  title: 'Count the number of trailing zero bits',
  forms: ['F3 0F BC /r | rv, r/mv'],
  operation(x, i) {
    if (x.cpu.features.has('BMI1')) count(x, i, trailingZeros);
    else scan(x, i, trailingZeros);
  },
  source: sdm('2B', '4.3, TZCNT'),
});

const POPCNT = instruction({
  mnemonic: 'POPCNT',
  title: 'Return the count of bits set to 1',
  forms: ['F3 0F B8 /r | rv, r/mv'],
  cpuid: 'POPCNT',
  operation(x, i) {
    const value = x.read(i.operands[1]!);
    x.write(i.operands[0]!, BigInt(ones(value)));
    x.setFlags(STATUS, value === 0n ? ZF : 0);
  },
  source: sdm('2B', '4.3, POPCNT'),
});

/** The polynomial 11EDC6F41h without its highest term, bits reversed as the data are. */
const REFLECTED_POLYNOMIAL = 0x82f6_3b78;

/** What eight shifts of the division do to the low byte. */
const crcBytes = once(() => Uint32Array.from({ length: 256 }, (_, byte) =>
  Array.from({ length: 8 }).reduce<number>((crc) => (crc >>> 1) ^ (crc & 1 ? REFLECTED_POLYNOMIAL : 0), byte)));

const CRC32 = instruction({
  mnemonic: 'CRC32',
  title: 'Accumulate CRC32 value',
  forms: ['F2 0F 38 F0 /r | ry, r/m8', 'F2 0F 38 F1 /r | ry, r/mv'],
  cpuid: 'SSE4_2',
  operation(x, i) {
    const source = i.operands[1]!;
    const value = x.read(source);
    const width = source.kind === 'relative' ? 0 : source.size;
    const crc = Array.from({ length: width / 8 }).reduce<number>(
      (sum, _, n) => (sum >>> 8) ^ crcBytes()[(sum ^ Number(u(8, value >> BigInt(8 * n)))) & 0xff]!,
      Number(u(32, x.read(i.operands[0]!))));
    x.write(i.operands[0]!, BigInt(crc >>> 0));
  },
  source: sdm('2A', '3.2, CRC32'),
});

export const BIT_COUNTS: readonly InstructionDefinition[] = [BSF, BSR, LZCNT, TZCNT, POPCNT, CRC32];
