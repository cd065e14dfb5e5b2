/** Alignment checking: who is checked, and what comes first. SDM vol. 3A, 6.15, interrupt 17. What for: test/silicon. */

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

describe('at CPL 3 with AC and AM', () => {
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
