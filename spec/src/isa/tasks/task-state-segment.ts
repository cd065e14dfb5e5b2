/** Where a task state segment keeps what. SDM vol. 3A, 7.2.1 and figure 7-2 (32-bit), 7.6 and figure 7-10 (16-bit). */

import { u } from '../../numbers/bits.ts';
import { CS, DS, ES, FS, GS, SS, TR } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';
import { selectorCode } from '../segmentation/descriptor.ts';

export interface TaskStateLayout {
  /** Bytes of a register's field. Selectors always take two; the rest of their field is reserved. */
  readonly width: 2 | 4;
  /** The least limit with which the segment can be switched to. */
  readonly leastLimit: number;
  /** The stack pointer of level 0; its SS follows, then those of levels 1 and 2. */
  readonly stacks: number;
  /** EIP; EFLAGS and the eight general-purpose registers, in the order of their encoding, follow. */
  readonly instructionPointer: number;
  /** The selectors that are saved with the task; a segment register that is not among them becomes null. */
  readonly selectors: readonly (readonly [segment: number, offset: number])[];
  readonly ldt: number;
  /** CR3 and the debug trap flag: only the 32-bit segment has them. */
  readonly pageDirectoryBase: number | undefined;
  readonly debugTrap: number | undefined;
}

const TASK_STATE_32: TaskStateLayout = {
  width: 4, leastLimit: 0x67, stacks: 4, instructionPointer: 0x20,
  selectors: [[ES, 0x48], [CS, 0x4c], [SS, 0x50], [DS, 0x54], [FS, 0x58], [GS, 0x5c]],
  ldt: 0x60, pageDirectoryBase: 0x1c, debugTrap: 0x64,
};
const TASK_STATE_16: TaskStateLayout = {
  width: 2, leastLimit: 0x2b, stacks: 2, instructionPointer: 0xe,
  selectors: [[ES, 0x22], [CS, 0x24], [SS, 0x26], [DS, 0x28]],
  ldt: 0x2a, pageDirectoryBase: undefined, debugTrap: undefined,
};

/** The layout of a task state segment with these attributes: types 1 and 3 are 16-bit, 9 and 11 are 32-bit. */
export const layoutOf = (attributes: number): TaskStateLayout => (attributes & 8 ? TASK_STATE_32 : TASK_STATE_16);

/** A field of the current task state segment; beyond its limit is #TS(TR). */
export function readTaskState(x: Execution, offset: number, bytes: number, external: number): bigint {
  if (offset + bytes - 1 > x.state.limit(TR)) {
    const reason = `byte ${offset + bytes - 1} is beyond the limit of the task state segment`;
    x.fault('#TS', reason, selectorCode(x.state.selector(TR)) | external);
  }
  return x.tables.read(u(64, x.state.base(TR) + BigInt(offset)), bytes);
}

const IO_MAP_BASE = 0x66;

/**
 * Offset of the I/O permission bit map in the current task state segment; undefined where the segment is a 16-bit one
 * or too short to say. The software interrupt redirection bit map ends there. SDM vol. 1, figure 18-2; vol. 3A, 7.7.
 */
export function ioMapBase(x: Execution): number | undefined {
  const there = (x.state.attributes(TR) & 0xd) === 9 && x.state.limit(TR) >= IO_MAP_BASE + 1;
  return there ? Number(x.tables.read(u(64, x.state.base(TR) + BigInt(IO_MAP_BASE)), 2)) : undefined;
}
