/** What boot sectors here have in common: the way from 16-bit to 32-bit code with flat segments, and the table for it. */

/** Loads GDTR from `table`, sets CR0.PE, and goes on at `label` in 32-bit code. */
export const intoFlat = (label: string): string => `
        lgdt   [table]
        mov    eax, cr0
        or     al, 1
        mov    cr0, eax
        jmp    0x8:${label}
        bits   32
${label}:`;

/** Code at selector 8, data at 10h. */
export const FLAT_TABLE = `
        align  8
gdt:    dq     0, 0x00cf9b000000ffff, 0x00cf93000000ffff
table:  dw     23
        dd     gdt`;
