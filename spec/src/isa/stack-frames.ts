/** Stack frames and all registers at once. SDM vol. 1, 6.5 and 5.1.1. */

import { u } from '../numbers/bits.ts';
import { sdm } from '../state/citation.ts';
import { RBP, RSP, SS } from '../state/fields.ts';
import type { Execution } from './execution.ts';
import { type InstructionDefinition, instruction } from './instruction.ts';

/** Offset of a slot `depth` bytes below `pointer`. */
const below = (x: Execution, pointer: bigint, depth: number): bigint =>
  u(x.stackAddressSize, u(x.stackAddressSize, pointer) - BigInt(depth));

const loadStack = (x: Execution, offset: bigint, bytes: number): bigint =>
  x.memory.read(x.linear(SS, offset, bytes, false), bytes);

const ENTER = instruction({
  mnemonic: 'ENTER',
  title: 'Make stack frame for procedure parameters',
  forms: ['C8 iw ib | imm16, imm8 | d64'],
  operation(x, i) {
    const bytes = i.size / 8;
    const level = Number(x.read(i.operands[1]!) & 31n);
    const display = Array.from(
      { length: Math.max(level - 1, 0) }, (_, n) => below(x, x.state.gpr[RBP]!, (n + 1) * bytes),
    );
    const frame = below(x, x.state.gpr[RSP]!, bytes);
    const top = below(x, frame, level * bytes + Number(x.read(i.operands[0]!)));
    x.requirePushable(level + 1, bytes);
    for (const slot of [...display]) loadStack(x, slot, bytes);
    // What a write at the final stack pointer would raise, ENTER raises. A processor has pushed by then; the stack
    // pointer is as before, so nobody may look at what is below it.
    x.memory.requireWritable(x.linear(SS, top, bytes, true), bytes);
    x.push(i.size, x.general(RBP, i.size));
    display.forEach((slot) => x.push(i.size, loadStack(x, slot, bytes)));
    // By operand size, as an AMD processor does: above a 16-bit stack pointer that is what ESP has there.
    const pointer = u(i.size, x.stackAddressSize === 16 ? (x.state.gpr[RSP]! & ~0xffffn) | frame : frame);
    if (level > 0) x.push(i.size, pointer);
    x.setGeneral(RBP, i.size, pointer);
    x.setGeneral(RSP, x.stackAddressSize, top);
  },
  source: sdm('2A', '3.2, ENTER'),
});

const LEAVE = instruction({
  mnemonic: 'LEAVE',
  title: 'High level procedure exit',
  forms: ['C9 | | d64'],
  operation(x, i) {
    const frame = x.general(RBP, x.stackAddressSize);
    const value = loadStack(x, frame, i.size / 8);
    x.setGeneral(RSP, x.stackAddressSize, u(x.stackAddressSize, frame + BigInt(i.size / 8)));
    x.setGeneral(RBP, i.size, value);
  },
  source: sdm('2A', '3.2, LEAVE'),
});

/** The mnemonic says the operand size. */
const SIZES = [['', 16], ['D', 32]] as const;

const PUSHA = SIZES.map(([suffix, size]) => instruction({
  mnemonic: `PUSHA${suffix}`,
  title: 'Push all general-purpose registers',
  forms: [`60 | | s${size} i64`],
  operation(x) {
    x.requirePushable(8, size / 8);
    // RSP is pushed as it was before.
    const values = Array.from({ length: 8 }, (_, n) => x.general(n, size));
    values.forEach((value) => x.push(size, value));
  },
  source: sdm('2B', '4.3, PUSHA/PUSHAD'),
}));

const POPA = SIZES.map(([suffix, size]) => instruction({
  mnemonic: `POPA${suffix}`,
  title: 'Pop all general-purpose registers',
  forms: [`61 | | s${size} i64`],
  operation(x) {
    const values = Array.from({ length: 8 }, (_, n: number) => x.peek(size, (n * size) / 8));
    // The image of RSP is read and thrown away.
    x.release(size);
    values.forEach((value, n) => {
      if (7 - n !== RSP) x.setGeneral(7 - n, size, value);
    });
  },
  source: sdm('2B', '4.3, POPA/POPAD'),
}));

export const STACK_FRAMES: readonly InstructionDefinition[] = [ENTER, LEAVE, ...PUSHA, ...POPA];
