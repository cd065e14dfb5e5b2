/** RESET, and the first steps of a ROM. */

import { bochsCase } from '../case.ts';

export const RESET_CASES = [
  bochsCase({
    name: 'reset',
    title: 'the state of RESET, a far jump and loads of segment registers in real-address mode',
    text: `
        point start
        mov    ax, 0x1234
        mov    ds, ax
        mov    fs, ax
        point loaded
        finish
`,
  }),
];
