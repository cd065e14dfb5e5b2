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

/**
 * A guest that loads FS in protected mode, changes the table or does not, goes back to real-address mode or does not,
 * and reads through FS from the label `use` on: EAX is a doubleword near its base, EBX one near the end of 64 KiB, or
 * at 128 KiB where the limit allows it. Run it with `prepare: tagMemory`, and each is the address that it came from.
 */
export function hiddenStateGuest({ limit, base, table, use }: HiddenState): Program {
  const at = base === 'other' ? OTHER : SELECTOR * 16;
  return assemble(`
        cli
        lgdt   [gdtr]
        mov    eax, cr0
        mov    edx, eax
        or     al, 1
        mov    cr0, eax
        jmp    0x08:protected
protected:
        mov    bx, 0x10
        mov    ds, bx
        mov    bx, ${SELECTOR}
        mov    fs, bx                 ; the hidden part is made here${edit(table, at, limit)}
${use === 'protected mode' ? '' : `        mov    cr0, edx
        jmp    0:real
real:   xor    bx, bx
        mov    ds, bx`}
        mov    ebx, ${FAR[limit]}
use:    mov    eax, fs:[${NEAR}]
        mov    ebx, fs:[ebx]
        hlt
        align  8
gdt:    dq     0, 0x00009b000000ffff, 0x000093000000ffff, 0, 0, ${descriptor(at, limit)}
gdtr:   dw     47
        dd     gdt
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
