/** String instructions, with REP as one iteration a step. SDM vol. 1, 7.3.9; vol. 2B, REP/REPE/REPZ/REPNE/REPNZ. */

import { u } from '../numbers/bits.ts';
import { sdm } from '../state/citation.ts';
import { ES, OFFSET, RAX, RDI, RSI } from '../state/fields.ts';
import { DF, STATUS, ZF, subtractionFlags } from './flags.ts';
import type { Execution } from './execution.ts';
import { type Instruction, type InstructionDefinition, instruction } from './instruction.ts';

/** By the bytes of an element: what to add to an index register to go forward, and to go backward. */
const step = (bytes: number): readonly [forward: bigint, backward: bigint] => [BigInt(bytes), u(64, BigInt(-bytes))];
const STEPS: Readonly<Record<number, ReturnType<typeof step>>> = { 1: step(1), 2: step(2), 4: step(4), 8: step(8) };

/** Moves an index register by one element, forward or backward by DF. */
export function advance(x: Execution, index: number, addressSize: number, bytes: number): void {
  const by = STEPS[bytes]![x.flags & DF ? 1 : 0];
  x.setGeneral(index, addressSize, u(addressSize, x.general(index, addressSize) + by));
}

/** Cuts index registers that a repetition with 32-bit addresses uses, where the processor does that at once. */
function cutIndexes(x: Execution, i: Instruction, indexes: readonly number[]): void {
  const cut = x.cutsRepetition(i) ? indexes : [];
  cut.forEach((index) => x.setGeneral(index, 32, x.general(index, 32)));
}

/** The forms of an instruction whose byte form has opcode `byte` and whose other forms have `other`. */
const SIZES = [
  ['B', 8, (byte: string) => `${byte} | | asz`],
  ['W', 16, (_: string, other: string) => `${other} | | s16 asz`],
  ['D', 32, (_: string, other: string) => `${other} | | s32 asz`],
  ['Q', 64, (_: string, other: string) => `REX.W + ${other} | | asz`],
] as const;

const MOVS = SIZES.map(([suffix, size, form]) => instruction({
  mnemonic: `MOVS${suffix}`,
  title: 'Move data from string to string',
  forms: [form('A4', 'A5')],
  repeat: 'REP',
  operation(x, i) {
    cutIndexes(x, i, [RSI, RDI]);
    x.repeat(i, () => {
      const from = x.linear(x.sourceSegment(i), x.general(RSI, i.addressSize), size / 8, false);
      const value = x.memory.read(from, size / 8);
      x.memory.write(x.linear(ES, x.general(RDI, i.addressSize), size / 8, true), size / 8, value);
      advance(x, RSI, i.addressSize, size / 8);
      advance(x, RDI, i.addressSize, size / 8);
    });
  },
  source: sdm('2B', '4.3, MOVS/MOVSB/MOVSW/MOVSD/MOVSQ'),
}));

const STOS = SIZES.map(([suffix, size, form]) => instruction({
  mnemonic: `STOS${suffix}`,
  title: 'Store string',
  forms: [form('AA', 'AB')],
  repeat: 'REP',
  operation(x, i) {
    cutIndexes(x, i, [RDI]);
    x.repeat(i, () => {
      const to = x.linear(ES, x.general(RDI, i.addressSize), size / 8, true);
      x.memory.write(to, size / 8, x.general(RAX, size));
      advance(x, RDI, i.addressSize, size / 8);
    });
  },
  source: sdm('2B', '4.3, STOS/STOSB/STOSW/STOSD/STOSQ'),
}));

const LODS = SIZES.map(([suffix, size, form]) => instruction({
  mnemonic: `LODS${suffix}`,
  title: 'Load string',
  forms: [form('AC', 'AD')],
  repeat: 'REP',
  operation(x, i) {
    x.repeat(i, () => {
      const from = x.linear(x.sourceSegment(i), x.general(RSI, i.addressSize), size / 8, false);
      x.setGeneral(RAX, size, x.memory.read(from, size / 8));
      advance(x, RSI, i.addressSize, size / 8);
    });
  },
  source: sdm('2A', '3.2, LODS/LODSB/LODSW/LODSD/LODSQ'),
}));

/** Repeats a comparison: F3 goes on while ZF is 1, F2 while it is 0. */
function compareRepeatedly(x: Execution, i: Instruction, compare: () => void): void {
  const behind = x.next;
  const before = x.continues ? x.state.doubleword(OFFSET.repeatedFlags) : x.flags;
  x.repeat(i, compare);
  x.state.setDoubleword(OFFSET.repeatedFlags, before);
  const goesOn = (x.flags & ZF ? 0xf3 : 0xf2) === i.repeat;
  x.next = goesOn ? x.next : behind;
  x.state.setByte(OFFSET.repeating, goesOn ? x.state.byte(OFFSET.repeating) : 0);
}

const SCAS = SIZES.map(([suffix, size, form]) => instruction({
  mnemonic: `SCAS${suffix}`,
  title: 'Scan string',
  forms: [form('AE', 'AF')],
  repeat: 'REPE',
  operation(x, i) {
    compareRepeatedly(x, i, () => {
      const a = x.general(RAX, size);
      const b = x.memory.read(x.linear(ES, x.general(RDI, i.addressSize), size / 8, false), size / 8);
      x.setFlags(STATUS, subtractionFlags(size, a, b, u(size, a - b)));
      advance(x, RDI, i.addressSize, size / 8);
    });
  },
  source: sdm('2B', '4.3, SCAS/SCASB/SCASW/SCASD'),
}));

const CMPS = SIZES.map(([suffix, size, form]) => instruction({
  mnemonic: `CMPS${suffix}`,
  title: 'Compare string operands',
  forms: [form('A6', 'A7')],
  repeat: 'REPE',
  operation(x, i) {
    compareRepeatedly(x, i, () => {
      const read = (segment: number, index: number): bigint =>
        x.memory.read(x.linear(segment, x.general(index, i.addressSize), size / 8, false), size / 8);
      const { compares } = x.cpu.accesses;
      const sourceFirst = compares === 'source first'
        || (compares === 'destination first but for REPE CMPSB' && i.repeat === 0xf3 && size === 8);
      const early = sourceFirst ? undefined : read(ES, RDI);
      const a = read(x.sourceSegment(i), RSI);
      const b = early ?? read(ES, RDI);
      x.setFlags(STATUS, subtractionFlags(size, a, b, u(size, a - b)));
      advance(x, RSI, i.addressSize, size / 8);
      advance(x, RDI, i.addressSize, size / 8);
    });
  },
  source: sdm('2A', '3.2, CMPS/CMPSB/CMPSW/CMPSD/CMPSQ'),
}));

const direction = (mnemonic: string, opcode: string, value: number): InstructionDefinition => instruction({
  mnemonic,
  title: value ? 'Set direction flag' : 'Clear direction flag',
  forms: [opcode],
  operation(x) {
    x.setFlags(DF, value);
  },
  source: sdm(value ? '2B' : '2A', mnemonic === 'STD' ? '4.3, STD' : '3.2, CLD'),
});

export const STRINGS: readonly InstructionDefinition[] =
  [...MOVS, ...STOS, ...LODS, ...SCAS, ...CMPS, direction('CLD', 'FC', 0), direction('STD', 'FD', DF)];
