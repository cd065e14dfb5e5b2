/**
 * VM entry and VM exit where a marked VMRESUME stands: what VMX and the code around it swap, and nothing else. Extended
 * state and XCR0 are in no VMCS. SDM vol. 3C, 24.4, 26.3 and 27.3 to 27.5.
 */

import type { Machine } from '../../machine/machine.ts';
import { EXTENDED_STATE, OFFSET, STATE_SIZE } from '../../state/fields.ts';
import { eventOf } from './events.ts';

/** An instruction's worth of a guest's exit. */
export interface Exit {
  readonly reason: number;
  readonly vector?: number;
  readonly qualification?: number;
  /** Bytes of the instruction that exits. */
  readonly length?: number;
}

/** Where the host keeps what the VMCS would hold; general-purpose registers are among the guest's. */
export interface ControlStructure {
  readonly guest: bigint;
  readonly host: bigint;
  readonly event: bigint;
  readonly qualification: bigint;
  readonly length: bigint;
  /** RIP after an exit. */
  readonly hostRip: bigint;
}

/** Byte ranges that neither entry nor exit touches: what a machine check and an NMI leave is the processor's own. */
const KEPT: readonly (readonly [start: number, end: number])[] = [
  [OFFSET.xcr0, OFFSET.xcr0 + 8],
  [OFFSET.xss, OFFSET.xfdErr + 8],
  [OFFSET.mcgStatus, OFFSET.mcgStatus + 8],
  [OFFSET.supervisor, OFFSET.uif + 8],
  [OFFSET.nmiPending, OFFSET.nmiPending + 1],
  [OFFSET.nmiBlocking, OFFSET.nmiBlocking + 1],
  ...EXTENDED_STATE,
  [STATE_SIZE, STATE_SIZE],
];

function load(machine: Machine, from: bigint): void {
  const area = machine.memory.readBytes(from, STATE_SIZE);
  let start = 0;
  for (const [kept, end] of KEPT) {
    machine.state.bytes.set(area.subarray(start, kept), start);
    start = end;
  }
}

/** Writes those quadwords of the state that memory has not got already, and no extended state. */
function store({ memory, state }: Machine, to: bigint): void {
  const there = memory.readBytes(to, STATE_SIZE);
  let start = 0;
  for (const [kept, end] of KEPT) {
    for (let at = start; at < kept; at += 8) {
      const quad = state.bytes.subarray(at, Math.min(at + 8, kept));
      if (quad.some((byte, n) => byte !== there[at + n])) memory.writeBytes(to + BigInt(at), quad);
    }
    start = end;
  }
}

export function vmEntry(machine: Machine, structure: ControlStructure): void {
  store(machine, structure.host);
  load(machine, structure.guest);
  machine.state.setByte(OFFSET.guestMode, 1);
}

/** RFLAGS is 2 after an exit: interrupts are off. */
export function vmExit(machine: Machine, structure: ControlStructure, exit: Exit): void {
  const { memory, state } = machine;
  store(machine, structure.guest);
  load(machine, structure.host);
  state.setByte(OFFSET.guestMode, 0);
  state.rip = structure.hostRip;
  state.rflags = 2;
  memory.write(structure.event, 4, BigInt(eventOf(exit.reason, exit.vector)));
  for (const field of ['qualification', 'length'] as const) {
    memory.write(structure[field], 4, BigInt(exit[field] ?? 0));
  }
}
