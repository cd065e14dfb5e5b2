/** IN and OUT. SDM vol. 1, chapter 18 (18.5 for protection); vol. 2A, IN; vol. 2B, OUT. */

import { hex, int, u } from '../numbers/bits.ts';
import { sdm } from '../state/citation.ts';
import { TR } from '../state/fields.ts';
import type { Execution } from './execution.ts';
import { type Instruction, type InstructionDefinition, instruction } from './instruction.ts';
import { ioMapBase } from './tasks/task-state-segment.ts';

/**
 * In protected mode with CPL above IOPL, and always in virtual-8086 mode, each byte's port needs a 0 in the I/O
 * permission bit map of the task state segment; a bit beyond the segment's limit counts as 1.
 */
export function requireAccess(x: Execution, port: number, bytes: number): void {
  const checked = x.addressing === 'virtual-8086' || (x.addressing === 'protected' && x.cpl > x.iopl);
  if (checked && !permitted(x, port, bytes)) x.fault('#GP', `port ${hex(port)} is not open to CPL ${x.cpl}`, 0);
}

function permitted(x: Execution, port: number, bytes: number): boolean {
  const map = ioMapBase(x);
  if (map === undefined) return false;
  const start = int(map + (port >> 3));
  // Two bytes are always read, so the map ends with a byte of ones. SDM vol. 1, 18.5.2.
  if (start + 1 > x.state.limit(TR)) return false;
  const bits = Number(x.tables.read(u(64, x.state.base(TR) + BigInt(start)), 2)) >> (port & 7);
  return (bits & ((1 << bytes) - 1)) === 0;
}

/** The port: an immediate byte, or DX. */
const portOf = (x: Execution, i: Instruction, operand: number): number => Number(u(16, x.read(i.operands[operand]!)));

const input = (name: string, forms: string[]): InstructionDefinition => instruction({
  mnemonic: 'IN',
  title: `Input from port${name}`,
  forms,
  operation(x, i) {
    const port = portOf(x, i, 1);
    const bytes = Math.min(i.size, 32) / 8;
    requireAccess(x, port, bytes);
    x.write(i.operands[0]!, x.ports.read(port, bytes));
  },
  source: sdm('2A', '3.2, IN'),
});

const output = (name: string, forms: string[]): InstructionDefinition => instruction({
  mnemonic: 'OUT',
  title: `Output to port${name}`,
  forms,
  operation(x, i) {
    const port = portOf(x, i, 0);
    const bytes = Number(i.form.operands[1]!.size === 8 ? 1 : Math.min(i.size, 32) / 8);
    requireAccess(x, port, bytes);
    x.ports.write(port, bytes, x.read(i.operands[1]!));
  },
  source: sdm('2B', '4.3, OUT'),
});

export const IO: readonly InstructionDefinition[] = [
  input(' in the instruction', ['E4 ib | AL, imm8', 'E5 ib | eAX, imm8']),
  input(' in DX', ['EC | AL, DX', 'ED | eAX, DX']),
  output(' in the instruction', ['E6 ib | imm8, AL', 'E7 ib | imm8, eAX']),
  output(' in DX', ['EE | DX, AL', 'EF | DX, eAX']),
];
