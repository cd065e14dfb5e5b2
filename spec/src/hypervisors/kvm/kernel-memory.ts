/** What the host's kernel finds set up: descriptor tables, stacks with a missing page below each, entry points. */

import { type Program, symbol } from '../../asm/assemble.ts';
import type { Machine } from '../../machine/machine.ts';
import { CR4 } from '../../isa/system/control-bits.ts';
import { CS, DS, ES, FS, GS, SS, TR } from '../../state/fields.ts';
import { FLAT, flatSegment } from '../../state/state.ts';
import { VECTOR } from './events.ts';

/** Where Linux has such stacks, one a kernel stack and one for each that an interrupt-stack-table entry names. */
const AREA = 0xffff_c900_0000_0000n, PAGE = 0x1000;
const bottom = (n: number): bigint => AREA + BigInt((2 * n + 1) * PAGE);
const top = (n: number): bigint => bottom(n) + BigInt(PAGE);
const GDT = AREA + 0x10_000n, IDT = GDT + BigInt(PAGE), TSS = IDT + BigInt(PAGE);

export const stacks = [0, 1, 2, 3].map((n) => ({ address: bottom(n), bytes: PAGE }));

/** Entries of the interrupt stack table. */
const IST: Readonly<Record<number, number>> = { [VECTOR.nmi]: 1, [VECTOR.machineCheck]: 2, 8: 3 };
const HANDLERS: readonly (readonly [vector: number, label: string])[] = [
  [VECTOR.nmi, 'nmi'], [6, 'invalid_opcode'], [8, 'double_fault'], [13, 'general_protection'], [14, 'page_fault'],
  [VECTOR.machineCheck, 'machine_check'], [VECTOR.timer, 'timer_interrupt'], [VECTOR.call, 'call_function_interrupt'],
];

/** Linux's selectors, and the flags that SYSCALL clears: AC, NT, IOPL, DF, IF and TF. */
const KERNEL_CS = 0x10, KERNEL_DS = 0x18, USER32_CS = 0x23, USER_DS = 0x28, USER_CS = 0x30, TSS_SELECTOR = 0x40;
const SYSCALL_MASK = 0x4_7700n;

export function layOutKernel(machine: Machine, program: Program): void {
  const { memory, state } = machine;
  for (const { address, bytes } of stacks) memory.map(address, bytes);
  for (const table of [GDT, IDT, TSS]) memory.map(table, PAGE);
  const descriptors = [
    [KERNEL_CS, 0x00af_9b00_0000_ffffn], [KERNEL_DS, 0x00cf_9300_0000_ffffn], [USER_DS, 0x00cf_f300_0000_ffffn],
    [USER_CS, 0x00af_fb00_0000_ffffn],
  ] as const;
  for (const [selector, descriptor] of descriptors) memory.write(GDT + BigInt(selector), 8, descriptor);
  memory.write(TSS + 4n, 8, top(0));
  for (const ist of [1, 2, 3]) memory.write(TSS + 0x24n + BigInt(8 * (ist - 1)), 8, top(ist));
  memory.write(symbol(program, 'kernel_rsp'), 8, top(0));
  for (const [vector, label] of HANDLERS) {
    const offset = symbol(program, label);
    const ist = BigInt(IST[vector] ?? 0);
    const low = (offset & 0xffffn) | (BigInt(KERNEL_CS) << 16n) | (ist << 32n) | (0x8en << 40n)
      | (((offset >> 16n) & 0xffffn) << 48n);
    memory.write(IDT + 16n * BigInt(vector), 8, low);
    memory.write(IDT + 16n * BigInt(vector) + 8n, 8, offset >> 32n);
  }
  state.cr4 |= CR4.MCE;
  state.set('GDTR.base', GDT);
  state.set('GDTR.limit', 0xff);
  state.set('IDTR.base', IDT);
  state.set('IDTR.limit', 0xfff);
  state.setSegment(CS, flatSegment(KERNEL_CS, FLAT.code64));
  state.setSegment(SS, flatSegment(KERNEL_DS, FLAT.data));
  for (const segment of [DS, ES, FS, GS]) state.setSegment(segment, flatSegment(0, 0));
  state.setSegment(TR, { selector: TSS_SELECTOR, base: TSS, limit: 0x67, attributes: 0x8b });
  state.set('IA32_STAR', (BigInt(USER32_CS) << 48n) | (BigInt(KERNEL_CS) << 32n));
  state.set('IA32_LSTAR', symbol(program, 'entry_syscall'));
  state.set('IA32_FMASK', SYSCALL_MASK);
}
