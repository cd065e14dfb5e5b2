/** Far JMP and CALL: where they lead, in every mode. SDM vol. 2A, JMP and CALL; vol. 3A, 5.8. */

import { hex, u } from '../../numbers/bits.ts';
import { sdm } from '../../state/citation.ts';
import { CS } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';
import { type InstructionDefinition, instruction } from '../instruction.ts';
import { throughCallGate } from './call-gate.ts';
import { is64Bit, requireReachable } from './code-segment.ts';
import {
  type Descriptor, isCode, isNull, readDescriptor, requirePresent, requireVisible, selectorCode,
} from './descriptor.ts';
import { switchTask } from '../tasks/index.ts';
import { type Entry, type Transfer, enter } from './enter.ts';
import { readPointer } from './far-pointer.ts';
import { realModeSegment, virtual8086Segment } from './load.ts';
import { currentStack, stackInMode } from './stack.ts';

const transferring = (mnemonic: string, kind: Transfer, forms: string[]): InstructionDefinition => instruction({
  mnemonic,
  title: kind === 'jump' ? 'Jump, far' : 'Call, far',
  forms,
  operation(x, i) {
    const pointer = i.operands[0]!.kind === 'far' ? i.operands[0]! : readPointer(x, i);
    if (x.addressing === 'protected') transferProtected(x, kind, i.size, pointer);
    else transferReal(x, kind, i.size, pointer);
  },
  source: sdm('2A', `3.2, ${mnemonic}`),
});

const FAR_JMP = transferring('JMP', 'jump', ['EA cp | ptr16:z | i64', 'FF /5 | m16:v']);
const FAR_CALL = transferring('CALL', 'call', ['9A cp | ptr16:z | i64', 'FF /3 | m16:v']);

interface Pointer {
  readonly selector: number;
  readonly offset: bigint;
}

/** Real-address and virtual-8086 mode: no descriptor, only the limit. */
function transferReal(x: Execution, kind: Transfer, size: number, { selector, offset }: Pointer): void {
  const code = x.addressing === 'real' ? realModeSegment(x, CS, selector) : virtual8086Segment(selector);
  enterDirectly(x, { kind, size, code, offset });
}

function transferProtected(x: Execution, kind: Transfer, size: number, { selector, offset }: Pointer): void {
  if (isNull(selector)) x.fault('#GP', `a far ${kind} to a null selector`, 0);
  const descriptor = readDescriptor(x, selector);
  if (isCode(descriptor.attributes)) {
    requireReachable(x, descriptor);
    enterDirectly(x, { kind, size, code: descriptor, offset });
    return;
  }
  switch (systemKind(x, descriptor.attributes)) {
    case 'call gate': return throughCallGate(x, kind, descriptor);
    case 'task gate': return throughTaskGate(x, kind, descriptor);
    case 'task': return toTask(x, kind, descriptor);
    case undefined: x.fault('#GP', `selector ${hex(selector)} names no code, gate or task`, selectorCode(selector));
  }
}

/** What a system descriptor is to a far transfer; IA-32e mode has left only call gates. SDM vol. 3A, 3.5, table 3-2. */
function systemKind(x: Execution, attributes: number): 'call gate' | 'task gate' | 'task' | undefined {
  switch (attributes & 0x1f) {
    case 0xc: return 'call gate';
    case 4: return x.longMode ? undefined : 'call gate';
    case 5: return x.longMode ? undefined : 'task gate';
    case 1: case 3: case 9: case 0xb: return x.longMode ? undefined : 'task';
    default: return undefined;
  }
}

/** To a code segment at the same level. */
function enterDirectly(x: Execution, entry: Omit<Entry, 'stack'>): void {
  const target = x.cpu.accesses.farCall === 'stack of the target';
  enter(x, { ...entry, stack: target ? stackInMode(x, is64Bit(x, entry.code.attributes)) : currentStack(x) });
}

/** SDM vol. 2A, JMP: TASK-GATE. The task state segment itself is checked by the switch. */
function throughTaskGate(x: Execution, kind: Transfer, descriptor: Descriptor): void {
  requireVisible(x, descriptor, 'task gate');
  requirePresent(x, descriptor, 'task gate');
  switchTask(x, { selector: Number(u(16, descriptor.raw >> 16n)), by: kind });
}

/** SDM vol. 2A, JMP: TASK-STATE-SEGMENT. Whether it is busy or present, the switch looks at. */
function toTask(x: Execution, kind: Transfer, descriptor: Descriptor): void {
  requireVisible(x, descriptor, 'task state segment');
  switchTask(x, { selector: descriptor.selector, by: kind });
}

export const FAR_TRANSFER: readonly InstructionDefinition[] = [FAR_JMP, FAR_CALL];
