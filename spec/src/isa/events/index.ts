/** INT n and IRET. SDM vol. 2A, INT n/INTO/INT 3 and IRET/IRETD/IRETQ. */

import { u } from '../../numbers/bits.ts';
import { sdm } from '../../state/citation.ts';
import { CS, OFFSET } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';
import { NT, VM } from '../flags.ts';
import { type InstructionDefinition, instruction } from '../instruction.ts';
import { realModeSegment } from '../segmentation/load.ts';
import { checkReturn, commitReturn } from '../segmentation/return.ts';
import { switchTask } from '../tasks/index.ts';
import { readTaskState } from '../tasks/task-state-segment.ts';
import { deliver } from './deliver.ts';
import { loadFlags, popped } from './return.ts';
import { redirect, redirected, requireIopl3, returnInVirtual8086, returnToVirtual8086 } from './virtual-8086.ts';

const INT = instruction({
  mnemonic: 'INT',
  title: 'Call to interrupt procedure',
  forms: ['CD ib | imm8'],
  operation(x, i) {
    const vector = Number(x.read(i.operands[0]!));
    if (redirected(x, vector)) redirect(x, vector);
    else throughGate(x, vector);
  },
  source: sdm('2A', '3.2, INT n/INTO/INT 3'),
});

function throughGate(x: Execution, vector: number): void {
  requireIopl3(x, `INT ${vector}`);
  deliver(x, { kind: 'INT n', vector, errorCode: undefined, returnTo: x.next });
}

const returning = (mnemonic: string, form: string, size: number): InstructionDefinition => instruction({
  mnemonic,
  title: 'Interrupt return',
  forms: [form],
  operation(x) {
    // Also where it faults. SDM vol. 3A, 6.7.1: NMIs are unmasked before the handler of that fault is invoked.
    x.state.setByte(OFFSET.nmiBlocking, 0);
    if (x.addressing === 'real') returnReal(x, size);
    else if (x.addressing === 'virtual-8086') returnInVirtual8086(x, size);
    else if (x.flags & NT) returnToTask(x);
    else returnProtected(x, size);
  },
  source: sdm('2A', '3.2, IRET/IRETD/IRETQ'),
});

function returnReal(x: Execution, size: number): void {
  const [ip, cs, flags] = popped(x, size, 3) as [bigint, bigint, bigint];
  const code = realModeSegment(x, CS, Number(u(16, cs)));
  if (Number(u(32, ip)) > code.limit) x.fault('#GP', 'the return address is beyond the limit of CS');
  x.release(3 * (size / 8));
  loadFlags(x, size, Number(u(32, flags)));
  x.state.setSegment(CS, code);
  x.next = u(size === 16 ? 16 : 32, ip);
}

/** The task that the current one is nested in goes on. SDM vol. 3A, 7.4. */
function returnToTask(x: Execution): void {
  if (x.longMode) x.fault('#GP', 'IRET with NT = 1 in IA-32e mode, which has no task switches', 0);
  switchTask(x, { selector: Number(readTaskState(x, 0, 2, 0)), by: 'return' });
}

/** The order in which a Zen 4 reads the words of the image: RFLAGS, CS, RIP; where it pops a stack, SS and RSP. */
function readFlagsFirst(x: Execution, size: number): void {
  const word = (n: number): bigint => x.peek(size, n * (size / 8));
  word(2);
  const outer = x.mode === 64 || (Number(word(1)) & 3) !== x.cpl;
  for (const n of outer ? [0, 4, 3] : [0]) word(n);
}

/** What RFLAGS in the image says: into virtual-8086 mode, which only CPL 0 can enter, or to protected mode. */
function returnProtected(x: Execution, size: number): void {
  const word = size / 8;
  if (x.cpu.accesses.return === 'flags first') readFlagsFirst(x, size);
  if (x.cpu.accesses.return === 'in order') popped(x, size, 2);
  const flags = Number(u(32, x.peek(size, 2 * word)));
  if (flags & VM && x.cpl === 0 && !x.longMode) returnToVirtual8086(x);
  else returnToSegment(x, size, flags);
}

/** To the same or an outer level; in 64-bit mode SS:RSP are popped even at the same one. */
function returnToSegment(x: Execution, size: number, flags: number): void {
  const selector = x.peekSelector(size, size / 8), ip = x.peek(size);
  const back = checkReturn(x, { size, ip, selector, below: 3 * (size / 8), always: x.mode === 64 });
  loadFlags(x, size, flags);
  commitReturn(x, back);
}

export const EVENTS: readonly InstructionDefinition[] = [
  INT, returning('IRET', 'CF | | s16', 16), returning('IRETD', 'CF | | s32', 32), returning('IRETQ', 'REX.W + CF', 64),
];
