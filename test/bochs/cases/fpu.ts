/** What the x87 unit stores of its pointers, in the formats of each mode. */

import { HASWELL, IVY_BRIDGE, bochsCase } from '../case.ts';
import { CODE, FLAT_CODE, FLAT_DATA, PROTECTED, gdt, segment } from './parts.ts';

const area = (at: string, bytes: number) => ({ at, bytes });
const areas = { env16: area('env16', 14), env32: area('env32', 28), save16: area('save16', 94), save32: area('save32', 108), fx: area('fx', 160) };
const space = `
        align 16
fx:     times 512 db 0
env16:  times 16 db 0
env32:  times 32 db 0
save16: times 96 db 0
save32: times 112 db 0
`;
/** An unmasked exception stays pending, so that every processor keeps the pointers. */
const work = (access: string): string => `
        fninit
        fnstcw [control]
        mov    word ptr [control], 0x0360
        fldcw  [control]
        fld1
        fld    dword ptr ${access}
        fldz
        fdiv   dword ptr ${access}
`;

const realText = `
        mov    eax, cr0
        and    eax, 0xfffffff9
        or     al, 0x20
        mov    cr0, eax
        mov    eax, 0x200
        mov    cr4, eax
        mov    ax, 0x0123
        mov    fs, ax
        jmp    0x40:next - 0x400
next:
        ${work('fs:[0x4567]')}
        point work
        fnstenv [env16]
        db 0x66
        fnstenv [env32]
        fnclex
        point FNSTENV
        ${work('fs:[0x4567]')}
        fxsave [fx]
        fnsave [save16]
        point FNSAVE
        ${work('fs:[0x4567]')}
        db 0x66
        fnsave [save32]
        point 32-bit FNSAVE
        fldenv [env16]
        point FLDENV
        fnclex
        db 0x66
        fldenv [env32]
        point 32-bit FLDENV
        fnclex
        fninit
        point FNINIT
        fxrstor [fx]
        point FXRSTOR
        fninit
        fld    tbyte ptr [number]
        fstp   dword ptr [number]
        fild   dword ptr [number]
        point masked
        finish
control: dw 0
        align 16
number: dt 3.25
${space}`;

const protectedText = `
${PROTECTED}
        mov    eax, cr0
        and    eax, 0xfffffff9
        or     al, 0x20
        mov    cr0, eax
        mov    eax, 0x200
        mov    cr4, eax
        mov    eax, based
        mov    fs, ax
        ${work('fs:[0x4567]')}
        point work
        fnstenv [env32]
        db     0x66
        fnstenv [env16]
        fnclex
        point FNSTENV
        ${work('fs:[0x4567]')}
        fxsave [fx]
        db     0x66
        fnsave [save16]
        point 16-bit FNSAVE
        ${work('fs:[0x4567]')}
        fnsave [save32]
        point FNSAVE
        fldenv [env32]
        point FLDENV
        fnclex
        fninit
        fxrstor [fx]
        point FXRSTOR
        fnclex
        db     0x66
        frstor [save16]
        point 16-bit FRSTOR
        fnclex
        frstor [save32]
        point FRSTOR
        finish
control: dd 0
${space}
${gdt({ code32: FLAT_CODE, flat: FLAT_DATA, based: segment(0x2_0000, 0xffff, 0x92), code16: segment(0, 0xffff, CODE) })}`;

export const FPU_CASES = [IVY_BRIDGE, HASWELL].flatMap((processor) => {
  const haswell = processor === HASWELL;
  return [
    bochsCase({ name: `fpu-real${haswell ? '-haswell' : ''}`, title: `the real-address formats${haswell ? ' without FCS and FDS' : ''}`, processor, memory: areas, text: realText }),
    bochsCase({ name: `fpu-protected${haswell ? '-haswell' : ''}`, title: `the protected-mode formats${haswell ? ' without FCS and FDS' : ''}`, processor, memory: areas, text: protectedText }),
  ];
});
