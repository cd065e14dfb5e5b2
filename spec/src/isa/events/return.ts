/** What the forms of IRET share. SDM vol. 2A, IRET/IRETD/IRETQ. */

import type { Execution } from '../execution.ts';
import { AC, DF, ID, IF, IOPL, NT, RF, STATUS, TF, VIF, VIP } from '../flags.ts';

/** What `count` pops of `size` bits would read. */
export const popped = (x: Execution, size: number, count: number): bigint[] =>
  Array.from({ length: count }, (_, n) => x.peek(size, n * (size / 8)));

/** Flags that IRET loads at every level. */
const ALWAYS = STATUS | TF | DF | NT | RF | AC | ID;

/** IOPL is loaded at CPL 0, IF where CPL is not above IOPL, VIF and VIP at CPL 0 of protected mode; VM never here. */
export function loadFlags(x: Execution, size: number, value: number): void {
  const most = x.cpl === 0 ? IOPL | (x.addressing === 'real' ? 0 : VIF | VIP) : 0;
  const mask = ALWAYS | most | (x.cpl <= x.iopl ? IF : 0);
  x.setFlags(size === 16 ? mask & 0xffff : mask, value);
}
