/** What became of the task, the other task, the guest and the kernel, read from what they left in memory. */

import { type Program, symbol } from '../../asm/assemble.ts';
import type { Memory } from '../../machine/memory/physical.ts';

/** The worst that happened to anybody. */
export type HostVerdict =
  /** The kernel is at an end, by an exception that it has no handler for. */
  | 'double fault' | '#UD' | '#GP'
  /** The task was killed, and its guest with it. */
  | 'SIGSEGV'
  /** Registers are not what their owner left in them, and nobody was told. */
  | 'task loses' | 'other task loses' | 'guest loses'
  /** The guest's XGETBV gave another value than its XSETBV took. */
  | 'guest under host XCR0'
  | 'fine';

export interface Outcome {
  readonly verdict: HostVerdict;
  /** The kernel warned of bad FPU state. */
  readonly warned: boolean;
  /** How often a handler was refused the FPU. */
  readonly refused: number;
  /** XCR0 when a handler was let at the FPU, if it was not the host's (the last of several); otherwise 0. */
  readonly handlerXcr0: number;
}

const OOPS: Readonly<Record<number, HostVerdict>> = { 6: '#UD', 8: 'double fault', 13: '#GP', 14: 'double fault' };
/** Offsets into a task. */
const SIGSEGV = 10n, WARNED = 11n, LOST = 12n;
const XMM0 = 160n;

export function readOutcome(memory: Memory, program: Program, guestXcr0: number): Outcome {
  const byte = (name: string, offset = 0n): number => Number(memory.read(symbol(program, name) + offset, 1));
  const quad = (name: string, offset = 0n): bigint => memory.read(symbol(program, name) + offset, 8);
  const saw = byte('guest_saw_xcr0');
  const oops = OOPS[byte('oops')];
  const cases: [boolean, HostVerdict][] = [
    [byte('qemu', SIGSEGV) !== 0, 'SIGSEGV'],
    [byte('qemu', LOST) !== 0, 'task loses'],
    [byte('other', LOST) !== 0, 'other task loses'],
    [quad('guest_saw_xmm0') !== quad('guest_image', XMM0), 'guest loses'],
    [saw !== guestXcr0, 'guest under host XCR0'],
  ];
  return {
    verdict: oops ?? cases.find(([happened]) => happened)?.[1] ?? 'fine',
    warned: byte('qemu', WARNED) !== 0 || byte('other', WARNED) !== 0,
    refused: byte('times_refused'), handlerXcr0: byte('handler_xcr0'),
  };
}

/** One line: the verdict, whether the kernel warned, and under which XCR0 but the host's a handler used the FPU. */
export function printOutcome({ verdict, warned, handlerXcr0 }: Outcome): string {
  const under = handlerXcr0 ? `, FPU used under XCR0 ${handlerXcr0}` : '';
  return `${verdict}${warned ? ', warned' : ''}${under}`;
}
