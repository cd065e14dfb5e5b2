/** Small guests, one for each way in which a hidden part can differ from what a load of its selector would give. */

import { type Program, assemble } from '../asm/assemble.ts';
import type { Machine } from '../machine/machine.ts';
import { hex } from '../numbers/bits.ts';

export const LIMITS = ['FFFFh', '4G'] as const;
export const BASES = ['selector times 16', 'other'] as const;
export const TABLES = ['same', 'rewritten', 'not present', 'out of range'] as const;
export const USES = ['real-address mode', 'protected mode'] as const;

/** What a guest has in FS when it uses it, and what it did to the descriptor after the load. */
export interface HiddenState {
  readonly limit: (typeof LIMITS)[number];
  readonly base: (typeof BASES)[number];
  readonly table: (typeof TABLES)[number];
  /** Where it goes on: `real-address mode` with a limit of 4 GiB is unreal mode. */
  readonly use: (typeof USES)[number];
}

/** All of them: both modes, both limits, both bases, and everything that can have happened to the table. */
export const hiddenStates: readonly HiddenState[] = USES.flatMap((use) => LIMITS.flatMap((limit) =>
  BASES.flatMap((base) => TABLES.map((table): HiddenState => ({ use, limit, base, table })))));

/** FS, a base that the selector does not give, and what a rewritten descriptor says. */
const SELECTOR = 0x28, OTHER = 0x5_0000, REWRITTEN = 0x6_0000;
/** The offsets that the guest reads: inside every limit, and one that only its own limit allows. */
const NEAR = 0x20;
const FAR: Readonly<Record<HiddenState['limit'], number>> = { FFFFh: 0xff00, '4G': 0x2_0000 };

const descriptor = (base: number, limit: 'FFFFh' | '4G', present = true): string => {
  const rights = present ? 0x93n : 0x13n;
  const flags = limit === '4G' ? 0xcfn : 0x40n;
  const value = 0xffffn | (BigInt(base) << 16n) | (rights << 40n) | (flags << 48n);
  return hex(value);
};

/** What the guest does to GDT[5] between the load and the use. */
function edit(table: HiddenState['table'], base: number, limit: HiddenState['limit']): string {
  const rewrite = (to: string): string => `
        mov    dword ptr [gdt + 40], ${hex(BigInt(to) & 0xffff_ffffn)}
        mov    dword ptr [gdt + 44], ${hex(BigInt(to) >> 32n)}`;
  switch (table) {
    case 'same': return '';
    case 'rewritten': return rewrite(descriptor(REWRITTEN, 'FFFFh'));
    case 'not present': return rewrite(descriptor(base, limit, false));
    case 'out of range': return '\n        lgdt   [shorter]';
  }
}

/** Into protected mode as the manual wants it; EDX is CR0 as it was. */
const ENTER = `
        cli
        lgdt   [gdtr]
        mov    eax, cr0
        mov    edx, eax
        or     al, 1
        mov    cr0, eax
        jmp    0x08:protected
protected:`;
const LEAVE = `
        mov    cr0, edx
        jmp    0:real
real:   `;

/** What ENTER needs behind the code, with GDT[5] for FS. */
const tableWith = (entry: string): string => `
        align  8
gdt:    dq     0, 0x00009b000000ffff, 0x000093000000ffff, 0, 0, ${entry}
gdtr:   dw     47
        dd     gdt`;

/**
 * The beginning and the end of guests in unreal mode, for `smallestGuest` to put its sequences between: `register`
 * (default: `fs`) has selector 28h, `base` and a limit of 4 GiB; AX is 1000h, CX 28h, ESI 20000h. GDT[5] is at
 * gdt + 40.
 */
export function unrealMode(
  { base, register = 'fs' }: { base: number; register?: 'es' | 'ss' | 'fs' | 'gs' },
): { mode: 16; before: string; behind: string } {
  return {
    mode: 16,
    before: `${ENTER}
        mov    bx, ${SELECTOR}
        mov    ${register}, bx
${LEAVE}mov    ax, 0x1000
        mov    cx, ${SELECTOR}
        mov    esi, 0x20000`,
    behind: tableWith(descriptor(base, '4G')),
  };
}

/**
 * A guest that loads FS in protected mode, changes the table or does not, goes back to real-address mode or does not,
 * and reads through FS from the label `use` on: EAX is a doubleword near its base, EBX one near the end of 64 KiB, or
 * at 128 KiB where the limit allows it. Run it with `prepare: tagMemory`, and each is the address that it came from.
 */
export function hiddenStateGuest({ limit, base, table, use }: HiddenState): Program {
  const at = base === 'other' ? OTHER : SELECTOR * 16;
  return assemble(`${ENTER}
        mov    bx, 0x10
        mov    ds, bx
        mov    bx, ${SELECTOR}
        mov    fs, bx                 ; the hidden part is made here${edit(table, at, limit)}
${use === 'protected mode' ? '' : `${LEAVE}xor    bx, bx
        mov    ds, bx`}
        mov    ebx, ${FAR[limit]}
use:    mov    eax, fs:[${NEAR}]
        mov    ebx, fs:[ebx]
        hlt
${tableWith(descriptor(at, limit))}
shorter: dw    39
        dd     gdt
`, { mode: 16 });
}

/** Fills the memory that these guests read with doublewords that say where they are. */
export function tagMemory(machine: Machine): void {
  for (const base of [SELECTOR * 16, OTHER, REWRITTEN, 0x33_3000, 0x55_5000]) {
    for (const offset of [NEAR, ...Object.values(FAR)]) {
      const address = BigInt(base + offset);
      machine.memory.map(address, 4);
      machine.memory.write(address, 4, address);
    }
  }
}
