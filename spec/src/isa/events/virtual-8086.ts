/**
 * Interrupts and returns of virtual-8086 mode, with and without its extensions (CR4.VME). SDM vol. 3B, 20.2 and 20.3;
 * vol. 2A, INT n and IRET. Interrupt and trap gates are in `deliver.ts`.
 */

import { hex, u } from '../../numbers/bits.ts';
import { CS, DS, ES, FS, GS, RSP, SS, TR } from '../../state/fields.ts';
import type { Execution } from '../execution.ts';
import { DEFINED_FLAGS, DF, IF, IOPL, NT, STATUS, TF, VIF, VIP } from '../flags.ts';
import { loadSegment, virtual8086Segment } from '../segmentation/load.ts';
import { currentStack, pushOn } from '../segmentation/stack.ts';
import { CR4 } from '../system/control-bits.ts';
import { ioMapBase } from '../tasks/task-state-segment.ts';
import { loadFlags, popped } from './return.ts';

/** In virtual-8086 mode below IOPL 3, with the extensions on: VIF stands for IF. */
export const usesVirtualFlag = (x: Execution): boolean =>
  x.addressing === 'virtual-8086' && x.iopl < 3 && (x.state.cr4 & CR4.VME) !== 0n;

/** #GP(0) in virtual-8086 mode unless IOPL is 3. Other modes have rules of their own. */
export function requireIopl3(x: Execution, what: string): void {
  const refused = x.addressing === 'virtual-8086' && x.iopl < 3;
  if (refused) x.fault('#GP', `${what} in virtual-8086 mode needs IOPL 3, it is ${x.iopl}`, 0);
}

/** FLAGS as PUSHF and a redirected INT n push it where VIF stands for IF: with VIF as IF, and IOPL 3. */
export const virtualImage = (flags: number): number => (flags & ~IF) | IOPL | (flags & VIF ? IF : 0);

/** Loads FLAGS where VIF stands for IF. */
export function loadVirtualFlags(x: Execution, value: number): void {
  x.setFlags(STATUS | TF | DF | NT | VIF, (value & ~VIF) | (value & IF ? VIF : 0));
}

/** #GP(0) for FLAGS that only the monitor can load: TF, and VIF while an interrupt waits. */
export function requireVirtualFlags(x: Execution, value: number): void {
  if (value & TF) x.fault('#GP', 'TF cannot be set with virtual-8086 mode extensions below IOPL 3', 0);
  if (value & IF && x.flags & VIP) x.fault('#GP', 'VIF cannot be set while an interrupt is pending (VIP = 1)', 0);
}

/**
 * #GP(0) at the beginning of an instruction while VIF and VIP are both 1: only IRET of a monitor and a task switch
 * bring that about. SDM vol. 3B, 20.3.2; that VIP counts below IOPL 3 alone, vol. 3A, 2.3.
 */
export function requireNoVirtualInterrupt(x: Execution): void {
  const extensions = x.addressing === 'virtual-8086' ? CR4.VME : x.mode === 64 ? 0n : CR4.PVI;
  const recognised = x.cpl === 3 && x.iopl < 3 && (x.state.cr4 & extensions) !== 0n;
  const waiting = (x.flags & VIF) !== 0 && (x.flags & VIP) !== 0;
  if (recognised && waiting) x.fault('#GP', 'a virtual interrupt is pending and enabled (VIF = VIP = 1)', 0);
}

/** Bytes of the software interrupt redirection bit map, which ends where the I/O permission bit map begins. */
const REDIRECTION_BYTES = 32;

/** INT n goes to the 8086 program's own handler: with CR4.VME, where the vector's bit is 0. SDM vol. 3B, table 20-2. */
export function redirected(x: Execution, vector: number): boolean {
  return x.addressing === 'virtual-8086' && (x.state.cr4 & CR4.VME) !== 0n && !redirectionBit(x, vector);
}

function redirectionBit(x: Execution, vector: number): boolean {
  const end = ioMapBase(x) ?? x.fault('#GP', 'the task state segment has no software interrupt redirection bit map', 0);
  const at = end - REDIRECTION_BYTES + (vector >> 3);
  const outside = at < 0 || at > x.state.limit(TR);
  if (outside) x.fault('#GP', `bit ${vector} of the redirection bit map is outside the task state segment`, 0);
  return ((Number(x.tables.read(u(64, x.state.base(TR) + BigInt(at)), 1)) >> (vector & 7)) & 1) === 1;
}

/** As an 8086: FLAGS, CS and IP on the current stack, the handler from the vector table at linear address 0. */
export function redirect(x: Execution, vector: number): void {
  const virtual = usesVirtualFlag(x);
  const pointer = x.tables.read(BigInt(vector * 4), 4);
  const image = virtual ? virtualImage(x.flags) : x.flags;
  pushOn(x, currentStack(x), 16, [BigInt(image), BigInt(x.state.selector(CS)), x.next]);
  x.setFlags(TF | (virtual ? VIF : IF), 0);
  x.state.setSegment(CS, virtual8086Segment(Number(pointer >> 16n)));
  x.next = u(16, pointer);
  x.enteredHandler();
}

/** IRET of the 8086 program: IOPL 3, or the 16-bit form with the extensions. */
export function returnInVirtual8086(x: Execution, size: number): void {
  const virtual = usesVirtualFlag(x) && size === 16;
  if (!virtual) requireIopl3(x, 'IRET');
  const [ip, cs, flags] = popped(x, size, 3).map((value) => Number(u(32, value))) as [number, number, number];
  const code = virtual8086Segment(cs & 0xffff);
  if (virtual) requireVirtualFlags(x, flags);
  if (ip > code.limit) x.fault('#GP', `the return address ${hex(ip)} is beyond the limit of CS`, 0);
  x.release(3 * (size / 8));
  if (virtual) loadVirtualFlags(x, flags);
  else loadFlags(x, size, flags);
  x.state.setSegment(CS, code);
  x.next = BigInt(ip);
}

/** IRETD of the monitor at CPL 0, with VM = 1 in the image: all flags are loaded, and all segment registers. */
export function returnToVirtual8086(x: Execution): void {
  const [ip, cs, flags, pointer, ...selectors] = popped(x, 32, 9) as [bigint, bigint, bigint, bigint, ...bigint[]];
  const code = virtual8086Segment(Number(u(16, cs)));
  if (Number(ip) > code.limit) x.fault('#GP', `the return address ${hex(ip)} is beyond the limit of CS`, 0);
  x.setFlags(DEFINED_FLAGS, Number(flags));
  x.state.setSegment(CS, code);
  [SS, ES, DS, FS, GS].forEach((segment, n) => loadSegment(x, segment, Number(u(16, selectors[n]!))));
  x.state.gpr[RSP] = pointer;
  x.next = ip;
}
