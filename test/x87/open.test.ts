import { Machine, Undefined, asm64 } from 'hidden-state';
import { describe, expect, test } from 'vitest';

const program = (instruction: string) => asm64`
        fninit
        fld1
        fld    tbyte ptr [operand]
        ${instruction}
        hlt
        align  16
digits: dq     0x1a
        dw     0
operand: dq    0x95f6199800000000
        dw     0x4000
inside: dq     0x95f619980c4336f7
        dw     0xbffd
beyond: dq     0x95f619980c4336f8
        dw     0xbffd
`;

const run = (instruction: string, onUndefined: 'continue' | 'stop') => new Machine(program(instruction), { onUndefined }).run().reason;

describe('what the manual leaves open is reported where the caller asked to stop at it', () => {
  test.each([
    ['f2xm1', 'the result of F2XM1'], ['fyl2xp1', 'the result of FYL2XP1'], ['fbld [digits]', 'decimal digits above 9'],
    ['fld1\n fld tbyte ptr [beyond]\n fyl2xp1', 'the result of FYL2XP1'],
  ])('%s', (instruction, what) => {
    expect(run(instruction, 'continue')).toBe('halted');
    expect(() => run(instruction, 'stop')).toThrow(Undefined);
    expect(() => run(instruction, 'stop')).toThrow(what);
  });

  test.each(['fld1\n f2xm1', 'fyl2x', 'fsin', 'fld1\n fld tbyte ptr [inside]\n fyl2xp1'])(
    '%s is defined', (instruction) => expect(run(instruction, 'stop')).toBe('halted'),
  );
});
