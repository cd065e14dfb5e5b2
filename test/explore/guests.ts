import { asm64 } from 'hidden-state';

/** What Driver Verifier does to the FPU, with a save instruction that the processor has. */
export const verifier = (save: string) => asm64`
        fninit
        fld    qword ptr [value]
        mov    eax, 7
        xor    edx, edx
        ${save} [before]
        ${save} [after]
        hlt
value:  dq 1.0
        align 64
before: resb 832
after:  resb 832
`;

/** Uses no FPU at all. */
export const integerOnly = asm64`
        mov    ecx, 5
again:  add    rax, rcx
        push   rax
        loop   again
        hlt
`;
