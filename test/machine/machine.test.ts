/** The machine around the instructions: memory, faults, budget, snapshots, self-modifying code, string iterations. */

import { Fault, Machine, type MachineOptions, type Program, Undefined, Unmodelled, asm32, asm64, cpus, symbol } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { CS, DS, SS } from '../../spec/src/state/fields.ts';

const machineOf = (program: Program, options?: MachineOptions): Machine => new Machine(program, options);

function faultOf(machine: Machine): Fault {
  try {
    machine.run({ limit: 1000 });
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error('no fault');
}

describe('snapshot, restore, diff', () => {
  const program = asm64`
        mov  rax, 1
        mov  [value], rax
        fld1
        movups xmm3, [value]
        push rax
        hlt
value:  dq 0`;

  test('a restored machine runs the same way to the same bytes', () => {
    const machine = machineOf(program);
    const start = machine.snapshot();
    machine.run();
    const end = machine.snapshot();
    machine.restore(start);
    expect(machine.diff(start)).toEqual({ fields: [], memory: [] });
    machine.run();
    expect(machine.diff(end)).toEqual({ fields: [], memory: [] });
    expect(machine.snapshot().state).toEqual(end.state);
  });
  test('a snapshot does not change with the machine', () => {
    const machine = machineOf(program);
    const start = machine.snapshot(), copy = start.state.slice();
    machine.run();
    expect(start.state).toEqual(copy);
  });
  test('the difference names fields and bytes, nothing more', () => {
    const machine = machineOf(program);
    const start = machine.snapshot();
    machine.run({ limit: 2 });
    const { fields, memory } = machine.diff(start);
    expect(fields.map(({ field, after }) => `${field.name} ${after.toString(16)}`)).toEqual(['RAX 1', `RIP ${machine.state.rip.toString(16)}`]);
    expect(memory).toEqual([{ linear: symbol(program, 'value'), before: Uint8Array.of(0), after: Uint8Array.of(1) }]);
  });
  test('pages mapped later are gone after restoring', () => {
    const machine = machineOf(program);
    const start = machine.snapshot();
    machine.memory.map(0x5000n, 1);
    machine.restore(start);
    expect(() => machine.memory.read(0x5000n, 1)).toThrow(/physical address 0x5000/);
  });
});

describe('the budget', () => {
  test('an endless loop stops at it, and can go on', () => {
    const machine = machineOf(asm64`again: inc rax
      jmp again`);
    expect(machine.run({ limit: 1001 })).toMatchObject({ reason: 'budget', executed: 1001 });
    machine.run({ limit: 999 });
    expect(machine.state.gpr[0]).toBe(1000n);
  });
  test('without a limit it stops as well', () => {
    expect(machineOf(asm64`again: jmp again`).run()).toMatchObject({ reason: 'budget', executed: 1_000_000 });
  });
  test('HLT ends the run, and a halted machine executes nothing', () => {
    const machine = machineOf(asm64`nop
      hlt
      inc rax`);
    expect(machine.run()).toMatchObject({ reason: 'halted', executed: 2 });
    expect(machine.run()).toMatchObject({ reason: 'halted', executed: 0 });
  });
  test.each([-1, Number.NaN])('a limit of %d is an error that says so', (limit) => {
    expect(() => machineOf(asm64`nop`).run({ limit })).toThrow(/number of instructions/);
  });
});

describe('self-modifying code', () => {
  test('in the same page, the very next instruction', () => {
    const machine = machineOf(asm64`
        mov byte ptr [next + 1], 2
next:   mov al, 1
        hlt`);
    machine.run();
    expect(machine.state.gpr[0]).toBe(2n);
  });
  test('in a loop, an instruction that has run before', () => {
    const machine = machineOf(asm64`
        mov ecx, 3
again:  mov al, 1
        add bl, al
        add byte ptr [again + 1], 1
        loop again
        hlt`);
    machine.run();
    expect(machine.state.gpr[3]).toBe(6n);
  });
  test('an instruction across two pages, changed in the second', () => {
    const program = asm64`
        mov ecx, 2
again:  call across
        add rbx, rax
        mov dword ptr [across + 1], 30h
        loop again
        hlt
        align 4096
        resb 4093
across: mov eax, 1
        ret`;
    expect(Number(symbol(program, 'across') & 0xfffn)).toBe(0xffd);
    const machine = machineOf(program);
    machine.run();
    expect(machine.state.gpr[3]).toBe(0x31n);
  });
  test('by a push, by MOVUPS and by REP STOSB', () => {
    const machine = machineOf(asm64`
        mov ecx, 2
again:  mov al, 1
        add rbx, rax
        lea rdi, [again + 1]
        mov rdx, rcx
        mov al, 5
        mov ecx, 1
        rep stosb
        mov rcx, rdx
        loop again
        hlt`);
    machine.run();
    expect(machine.state.gpr[3]).toBe(6n);
  });
});

describe('page faults', () => {
  test.each([
    ['read', 'mov rax, [rcx]', 0], ['write', 'mov [rcx], rax', 2], ['read-modify-write', 'add [rcx], rax', 2], ['fetch', 'jmp rcx', 0x10],
  ] as const)('%s of a page that is not there: CR2 and the error code, also from user mode', (_, code, errorCode) => {
    for (const user of [false, true]) {
      const machine = machineOf(asm64`${code}
        hlt`);
      machine.state.gpr[1] = 0x1234_5678n;
      if (user) machine.state.set('SS.attributes', 0xc0f3);
      const fault = faultOf(machine);
      expect([fault.mnemonic, fault.errorCode, machine.state.get('CR2')]).toEqual(['#PF', errorCode | (user ? 4 : 0), 0x1234_5678n]);
    }
  });
  test('a page that is not writable: bits 0 and 1, and the page can be read', () => {
    const machine = machineOf(asm64`mov rax, [rcx]
      mov [rcx], rax`);
    machine.memory.map(0x7000n, 16, { writable: false });
    machine.state.gpr[1] = 0x7000n;
    expect(faultOf(machine).notation).toBe('#PF(0x3)');
  });
  test('an access across two pages faults with the address in the second, and writes nothing to the first', () => {
    const machine = machineOf(asm64`mov [rcx], rax`);
    machine.memory.map(0x7000n, 16);
    machine.state.gpr[0] = ~0n;
    machine.state.gpr[1] = 0x7ffcn;
    expect(faultOf(machine).linearAddress).toBe(0x8000n);
    expect(machine.memory.read(0x7ffcn, 4)).toBe(0n);
  });
  test('an instruction that runs off its page faults at the next', () => {
    const machine = new Machine({ mode: 64, origin: 0x10_0000n, bytes: Uint8Array.of(0x90) });
    machine.memory.writeBytes(0x10_0ffen, Uint8Array.of(0x48, 0xb8));
    machine.state.rip = 0x10_0ffen;
    const fault = faultOf(machine);
    expect([fault.errorCode, machine.state.get('CR2'), machine.state.rip]).toEqual([0x10, 0x10_1000n, 0x10_0ffen]);
  });
});

describe('segment and address checks', () => {
  test.each([['mov rax, [rcx]', '#GP(0)'], ['mov rax, [rbp]', '#SS(0)'], ['jmp rcx', '#GP(0)'], ['mov rax, fs:[rcx]', '#GP(0)']])('%s with an address that is not canonical: %s', (code, expected) => {
    const machine = machineOf(asm64`${code}
      hlt`);
    machine.state.gpr[1] = machine.state.gpr[5] = 0x0000_8000_0000_0000n;
    expect(expected === undefined ? machine.run().reason : faultOf(machine).notation).toBe(expected ?? 'halted');
  });
  test('a push with RSP not canonical is #SS(0)', () => {
    const machine = machineOf(asm64`push rax`);
    machine.state.gpr[4] = 0x0000_8000_0000_1000n;
    expect(faultOf(machine).notation).toBe('#SS(0)');
  });
  test('32-bit: the hidden limit decides, whatever the selector says', () => {
    const machine = machineOf(asm32`mov eax, [402000h]
      hlt`);
    machine.memory.map(0x40_2000n, 16);
    machine.run();
    machine.state.halted = false;
    machine.state.rip = 0x40_1000n;
    machine.state.setSegment(DS, { selector: machine.state.selector(DS), base: 0n, limit: 0x40_2002, attributes: 0xc0f3 });
    expect(faultOf(machine).notation).toBe('#GP(0)');
  });
  test('32-bit: beyond the limit of SS is #SS(0), of CS #GP(0) at the fetch', () => {
    const push = machineOf(asm32`push eax`);
    push.state.setSegment(SS, { selector: 0x10, base: 0n, limit: 0xfff, attributes: 0xc093 });
    expect(faultOf(push).notation).toBe('#SS(0)');
    const fetch = machineOf(asm32`nop
      mov eax, 12345678h`);
    fetch.state.setSegment(CS, { selector: 8, base: 0n, limit: 0x40_1003, attributes: 0xc09b });
    const fault = faultOf(fetch);
    expect([fault.notation, fetch.state.rip]).toEqual(['#GP(0)', 0x40_1001n]);
  });
  test('32-bit: the hidden base moves the access', () => {
    const machine = machineOf(asm32`mov eax, [0]
      hlt`);
    machine.memory.map(0x7000n, 4);
    machine.memory.write(0x7000n, 4, 0x55n);
    machine.state.setBase(DS, 0x7000n);
    machine.run();
    expect(machine.state.gpr[0]).toBe(0x55n);
  });
});

describe('what is not modelled says so', () => {
  test.each([
    ['an MSR', 'rdmsr', (m: Machine) => { m.state.gpr[1] = 0x1fcn; }, /MSR_POWER_CTL \(MSR 0x1fc\)/],
    ['an opcode', 'db 0Fh, 37h', () => {}, /opcode 0F 37 in 64-bit code: GETSEC/],
  ] as const)('%s', (_, code, prepare, message) => {
    const machine = machineOf(asm64`${code}`);
    prepare(machine);
    const before = machine.snapshot();
    expect(() => machine.step()).toThrow(Unmodelled);
    expect(() => machine.step()).toThrow(message);
    expect(machine.diff(before)).toEqual({ fields: [], memory: [] });
  });
});

describe('undefined results', () => {
  const program = asm64`
        mov cl, 3
        shl rax, cl
read:   seto al
        hlt`;
  test('are reported where a program reads one and the machine is told to stop', () => {
    const machine = machineOf(program, { onUndefined: 'stop' });
    expect(() => machine.run()).toThrow(Undefined);
    expect(machine.state.rip).toBe(symbol(program, 'read'));
  });
  test('pass otherwise, and are not reported once defined again', () => {
    expect(machineOf(program).run().reason).toBe('halted');
    expect(machineOf(asm64`mov cl, 3
      shl rax, cl
      add rax, 1
      seto al
      hlt`, { onUndefined: 'stop' }).run().reason).toBe('halted');
  });
});

describe('transactions', () => {
  test('roll back, nested, in whatever order pages were written', () => {
    const { memory } = new Machine();
    memory.map(0x1000n, 0x3000);
    memory.write(0x1000n, 8, 1n);
    memory.transaction((outer) => {
      memory.write(0x1000n, 8, 2n);
      memory.transaction((inner) => {
        memory.write(0x1004n, 4, 3n);
        memory.write(0x1ffen, 4, 0x0404_0404n);
        expect(inner(() => true).map(({ linear }) => linear)).toEqual([0x1004n, 0x1ffen, 0x1fffn, 0x2000n, 0x2001n]);
        expect(memory.read(0x1000n, 8)).toBe(0x3_0000_0002n);
      });
      expect(memory.read(0x1000n, 8)).toBe(2n);
      expect(outer((page) => page === 0x1000n).map(({ linear }) => linear)).toEqual([0x1000n]);
    });
    expect(memory.read(0x1000n, 8)).toBe(1n);
    expect(memory.read(0x1ffen, 4)).toBe(0n);
  });
  test('roll back when the body throws', () => {
    const { memory } = new Machine();
    memory.map(0x1000n, 8);
    expect(() => memory.transaction(() => { memory.write(0x1000n, 1, 9n); throw new Error('stop'); })).toThrow('stop');
    expect(memory.read(0x1000n, 1)).toBe(0n);
  });
  test('code written inside one is forgotten after it', () => {
    const program = asm64`again: mov al, 1
      hlt`;
    const machine = machineOf(program);
    machine.memory.transaction(() => {
      machine.memory.write(program.origin + 1n, 1, 7n);
      machine.run();
      expect(machine.state.gpr[0]).toBe(7n);
    });
    machine.state.halted = false;
    machine.state.rip = program.origin;
    machine.run();
    expect(machine.state.gpr[0]).toBe(1n);
  });
});

describe('REP', () => {
  const program = asm64`
        lea  rsi, [from]
        lea  rdi, [to]
        mov  ecx, 3
copy:   rep movsw
        hlt
from:   dw 1, 2, 3
to:     dw 0, 0, 0`;
  test('can be interrupted between iterations: RIP stays, the registers are consistent', () => {
    const machine = machineOf(program);
    machine.run({ limit: 3 });
    for (let done = 0; done < 3; done++) {
      expect([machine.state.rip, machine.state.gpr[1]]).toEqual([symbol(program, 'copy'), BigInt(3 - done)]);
      expect(machine.state.gpr[6]).toBe(symbol(program, 'from') + BigInt(2 * done));
      machine.step();
    }
    expect(machine.state.rip).toBe(symbol(program, 'copy') + 3n);
    expect(machine.memory.read(symbol(program, 'to'), 6)).toBe(0x0003_0002_0001n);
  });
  test('a fault in the middle keeps what the iterations before did', () => {
    const machine = machineOf(asm64`
        lea rdi, [rbx]
        mov ecx, 10
        rep stosb`);
    machine.memory.map(0x7000n, 16);
    machine.state.gpr[3] = 0x7ffcn;
    const fault = faultOf(machine);
    expect([fault.linearAddress, machine.state.gpr[1], machine.state.gpr[7]]).toEqual([0x8000n, 6n, 0x8000n]);
  });
  test('with RCX = 0 touches nothing', () => {
    const machine = machineOf(asm64`rep stosb
      hlt`);
    machine.state.gpr[7] = 0x1234n;
    expect(machine.run().reason).toBe('halted');
    expect(machine.state.gpr[7]).toBe(0x1234n);
  });
});

test('a machine takes only the options that there are', () => {
  expect(() => new Machine(undefined, { cpus: cpus.zen3 } as MachineOptions)).toThrow(/unknown option/);
});
