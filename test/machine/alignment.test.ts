/** Alignment checking: who is checked, what for, and what comes first. SDM vol. 3A, 6.15, interrupt 17. */

import { Fault, Machine, asm64, assemble, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { CS, OFFSET, SS } from '../../spec/src/state/fields.ts';

const AC = 0x4_0000, AM = 0x4_0000n;
const DATA = 0x10_0000n;

/** Code at CPL 3 with RFLAGS.AC = 1 and CR0.AM = 1, and RAX at `offset` of a page. */
function machineAt(text: string, offset: number, cpl: 0 | 3 = 3): Machine {
  const machine = new Machine(assemble(text, { mode: 64 }), { cpu: cpus.sapphireRapids });
  const { state } = machine;
  for (const segment of [CS, SS]) {
    const { selector, ...hidden } = state.segment(segment);
    state.setSegment(segment, { ...hidden, selector: selector | cpl, attributes: hidden.attributes | (cpl << 5) });
  }
  machine.memory.map(DATA, 0x1000);
  state.gpr[0] = DATA + BigInt(offset);
  state.rflags |= AC;
  return machine;
}

function refusal(machine: Machine): string {
  try {
    machine.step();
    return '.';
  } catch (error) {
    if (error instanceof Fault) return error.notation;
    throw error;
  }
}

/** By offset from an aligned address, 0 to 16: `A` is #AC, as a Sapphire Rapids class Xeon answered in 2026-11. */
const MEASURED: readonly (readonly [string, string])[] = [
  ['mov cx, [rax]', '.A.A.A.A.A.A.A.A.'],
  ['mov ecx, [rax]', '.AAA.AAA.AAA.AAA.'],
  ['mov rcx, [rax]', '.AAAAAAA.AAAAAAA.'],
  ['mov [rax], rcx', '.AAAAAAA.AAAAAAA.'],
  ['mov cl, [rax]', '.................'],
  ['movups xmm0, [rax]', '.................'],
  ['movups [rax], xmm0', '.................'],
  ['fld tbyte ptr [rax]', '.AAAAAAA.AAAAAAA.'],
  ['fld qword ptr [rax]', '.AAAAAAA.AAAAAAA.'],
  ['fld dword ptr [rax]', '.AAA.AAA.AAA.AAA.'],
  ['fstp tbyte ptr [rax]', '.AAAAAAA.AAAAAAA.'],
  ['fnstenv [rax]', '.AAA.AAA.AAA.AAA.'],
  ['fldenv [rax]', '.AAA.AAA.AAA.AAA.'],
  ['fnsave [rax]', '.AAA.AAA.AAA.AAA.'],
  ['frstor [rax]', '.AAA.AAA.AAA.AAA.'],
  ['fnstsw [rax]', '.A.A.A.A.A.A.A.A.'],
  ['fild qword ptr [rax]', '.AAAAAAA.AAAAAAA.'],
  ['ldmxcsr [rax]', '.AAA.AAA.AAA.AAA.'],
  ['cmpxchg8b [rax]', '.AAAAAAA.AAAAAAA.'],
  ['movnti [rax], rcx', '.AAAAAAA.AAAAAAA.'],
  ['prefetcht0 [rax]', '.................'],
];

describe('at CPL 3 with AC and AM', () => {
  test.for(MEASURED)('%s', ([text, expected]) => {
    const seen = Array.from({ length: 17 }, (_, offset) => refusal(machineAt(text, 64 + offset)));
    expect(seen.map((each) => (each === '#AC(0)' ? 'A' : each === '.' ? '.' : each)).join('')).toBe(expected);
  });

  test('the stack is checked too', () => {
    for (const text of ['push rcx', 'pop rcx', 'call next\nnext: nop', 'enter 16, 0', 'pushfq']) {
      const machine = machineAt(text, 0);
      machine.state.gpr[4] = DATA + 0x801n;
      expect(refusal(machine), text).toBe('#AC(0)');
      expect(machine.state.gpr[4]).toBe(DATA + 0x801n);
    }
  });

  test('nothing is written', () => {
    const machine = machineAt('mov [rax], rcx', 1);
    machine.state.gpr[1] = ~0n;
    expect(refusal(machine)).toBe('#AC(0)');
    expect(machine.memory.read(DATA, 16)).toBe(0n);
  });
});

describe('not checked', () => {
  test('below CPL 3', () => expect(refusal(machineAt('mov rcx, [rax]', 1, 0))).toBe('.'));
  test('without RFLAGS.AC', () => {
    const machine = machineAt('mov rcx, [rax]', 1);
    machine.state.rflags &= ~AC;
    expect(refusal(machine)).toBe('.');
  });
  test('without CR0.AM', () => {
    const machine = machineAt('mov rcx, [rax]', 1);
    machine.state.cr0 &= ~AM;
    expect(refusal(machine)).toBe('.');
  });
});

describe('what comes first, as measured on the same processor', () => {
  test('#AC before #PF', () => expect(refusal(machineAt('mov rcx, [rax]', 0x1001))).toBe('#AC(0)'));
  test('#GP of an address that is not canonical before #AC', () => {
    const machine = machineAt('mov rcx, [rax]', 0);
    machine.state.gpr[0] = 0x8000_0000_0000_0001n;
    expect(refusal(machine)).toBe('#GP(0)');
  });
});

test('POPFQ that sets AC: the next access is the first one checked', () => {
  const program = asm64`
        push   0x40202
        popfq
        mov    rcx, [rsp - 15]
        hlt`;
  const machine = new Machine(program, { cpu: cpus.ivyBridge });
  const { state } = machine;
  for (const segment of [CS, SS]) state.setSegment(segment, { ...state.segment(segment), attributes: state.attributes(segment) | 0x60 });
  machine.step();
  machine.step();
  expect(state.doubleword(OFFSET.rflags) & AC).toBe(AC);
  expect(refusal(machine)).toBe('#AC(0)');
});
