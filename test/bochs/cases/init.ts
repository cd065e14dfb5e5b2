/** INIT, which keeps some of the state, and RESET after a triple fault. */

import { bochsCase } from '../case.ts';

export const INIT_CASES = [
  bochsCase({
    name: 'init',
    title: 'INIT through port 92h: what it clears and what it keeps',
    text: `
        cmp    word ptr [0x500], 0x1234
        je     again
        mov    word ptr [0x500], 0x1234
        mov    eax, 0xc0000080
        fninit
        fld1
        mov    eax, 0x12345678
        mov    dr0, eax
        mov    dr3, eax
        mov    eax, 0x3
        mov    dr7, eax
        mov    cr2, eax
        mov    eax, 0x600
        mov    cr4, eax
        mov    eax, 0x60000012
        mov    cr0, eax
        mov    bx, 0x1111
        mov    ds, bx
        mov    ecx, 0x22222222
        mov    ebp, 0x33333333
        mov    esi, 0x44444444
        stc
        point before
        mov    al, 3
        out    0x92, al
        hlt
again:
        point again
        finish
`,
  }),
];
