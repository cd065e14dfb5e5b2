/** INTR, NMI and HLT at the boundary between instructions. SDM vol. 3A, 6.3, 6.7 to 6.9; vol. 2A, HLT and IRET. */

import { InterruptQueue, Machine, assemble, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { SIZES, type Size, debugged, setTrapFlag } from './debug-log.ts';

const RETURN = { 16: 'iret', 32: 'iretd', 64: 'iretq' } as const;
const STACK = { 16: 'sp', 32: 'esp', 64: 'rsp' } as const;

/** Handlers of vector 20h and of NMI count in ESI and EDI; #DB logs. */
function interruptible(size: Size, body: string, nmiHandler = '') {
  const handlers = `jmp over\nintr: inc esi\n mov ebp, [${size === 16 ? 'e' : size === 32 ? 'e' : 'r'}sp]\n ${RETURN[size]}\nnmi: inc edi\n ${nmiHandler}\n ${RETURN[size]}\nover:`;
  const run = debugged(size, `${body}\n end: hlt\n${handlers}`, { vectors: { 0x20: 'intr', 2: 'nmi' } });
  const queue = new InterruptQueue();
  run.machine.interrupts.controller = queue;
  const until = (label: string): void => {
    for (let n = 0; run.machine.state.rip !== run.program.symbols[label]; n++) {
      if (n > 1000) throw new Error(`${label} is not reached`);
      run.machine.run({ limit: 1 });
    }
  };
  const counts = (): [number, number] => [Number(run.machine.state.gpr[6]), Number(run.machine.state.gpr[7])];
  return { ...run, queue, until, counts };
}

describe.each(SIZES)('%d-bit code', (size) => {
  test('INTR waits for IF, and not for longer', () => {
    const { machine, queue, counts, until } = interruptible(size, 'nop\n sti\na: nop\nb: nop');
    queue.raise(0x20);
    until('a');
    expect(counts()).toEqual([0, 0]);
    // STI that sets IF shields the next instruction.
    machine.run({ limit: 1 });
    expect(counts()).toEqual([0, 0]);
    machine.run({ limit: 1 });
    expect(counts()).toEqual([1, 0]);
    expect(machine.run({ limit: 100 }).reason).toBe('halted');
    expect(queue.pending()).toBe(false);
  });
  test('an STI with IF = 1 shields nothing', () => {
    const { machine, queue, counts, until } = interruptible(size, 'sti\n nop\n sti\na: nop\n nop');
    until('a');
    queue.raise(0x20);
    machine.run({ limit: 1 });
    expect(counts()).toEqual([1, 0]);
  });
  test('a load of SS shields the next instruction from INTR and NMI', () => {
    const { machine, queue, counts, until } = interruptible(size, 'sti\n mov ax, ss\n mov ss, ax\na: nop\nb: nop');
    until('a');
    queue.raise(0x20);
    machine.interrupts.nmi();
    machine.run({ limit: 1 });
    expect(counts()).toEqual([0, 0]);
    machine.run({ limit: 1 });
    expect(counts()).toEqual([0, 1]);
  });
  test('NMI goes first, and INTR waits for its IRET because the gate clears IF', () => {
    const { machine, queue, counts, until } = interruptible(size, 'sti\n nop\na: nop\nb: nop');
    until('a');
    queue.raise(0x20);
    machine.interrupts.nmi();
    machine.run({ limit: 1 });
    expect(counts()).toEqual([0, 1]);
    until('a');
    machine.run({ limit: 1 });
    expect(counts()).toEqual([1, 1]);
  });
  test('a second NMI waits for IRET, a third is lost', () => {
    const { machine, counts, until } = interruptible(size, 'a: nop\nb: nop');
    until('a');
    machine.interrupts.nmi();
    machine.run({ limit: 1 });
    machine.interrupts.nmi();
    machine.interrupts.nmi();
    expect(machine.state.get('blocking by NMI')).toBe(1);
    expect(machine.run({ limit: 100 }).reason).toBe('halted');
    expect([counts(), machine.state.get('blocking by NMI')]).toEqual([[0, 2], 0]);
  });
  test('any IRET ends it, also one of another handler inside that of the NMI', () => {
    const { machine, counts, until, program } = interruptible(size, 'a: nop\nb: nop', 'int 0x20\ninside: nop');
    until('a');
    machine.interrupts.nmi();
    until('inside');
    expect([counts(), machine.state.get('blocking by NMI')]).toEqual([[1, 1], 0]);
    machine.interrupts.nmi();
    machine.run({ limit: 1 });
    expect([counts()[1], machine.state.rip === program.symbols.inside]).toEqual([2, false]);
  });
  test('INTR wakes HLT where IF is 1, and the handler returns behind it', () => {
    const { machine, program, queue, counts } = interruptible(size, 'sti\n hlt\na: nop');
    expect(machine.run({ limit: 100 })).toMatchObject({ reason: 'halted', executed: 2 });
    queue.raise(0x20);
    expect(machine.run({ limit: 100 }).reason).toBe('halted');
    expect(counts()).toEqual([1, 0]);
    const saved = size === 16 ? BigInt.asUintN(16, machine.state.gpr[5]!) : machine.state.gpr[5];
    expect(saved).toBe(BigInt.asUintN(size === 16 ? 16 : 32, program.symbols.a!));
  });
  test('NMI wakes HLT also where IF is 0; INTR does not', () => {
    const { machine, queue, counts } = interruptible(size, 'hlt\na: nop');
    machine.run({ limit: 100 });
    queue.raise(0x20);
    expect(machine.run({ limit: 100 })).toMatchObject({ reason: 'halted', executed: 0 });
    machine.interrupts.nmi();
    expect(machine.run({ limit: 100 }).reason).toBe('halted');
    expect(counts()).toEqual([0, 1]);
  });
  test('a trap of the instruction before comes before INTR and NMI that the same instruction raised', () => {
    const { machine, queue, log, until, counts, program } = interruptible(size, `sti\n${setTrapFlag(size)}\na: out 0x80, al\nb: nop`);
    machine.ports.attach(0x80, { write: () => { queue.raise(0x20); machine.interrupts.nmi(); } });
    until('a');
    machine.run({ limit: 1 });
    // The NMI is taken at once in the handler of the trap, INTR after it has returned.
    expect([machine.state.rip, counts()]).toEqual([program.symbols.handler, [0, 0]]);
    machine.run({ limit: 1 });
    expect(counts()).toEqual([0, 1]);
    until('b');
    expect([counts()[0], log()[0]!.at]).toEqual([0, 'b']);
    machine.run({ limit: 1 });
    expect(counts()[0]).toBe(1);
  });
  test('between two iterations of a string instruction: it goes on where it was, RF saved as 1', () => {
    const { machine, queue, counts, until } = interruptible(size, `sti\n mov ${STACK[size].replace('sp', 'di')}, 0x5800\n mov ecx, 5\na: rep stosb\nb: nop`);
    until('a');
    machine.run({ limit: 2 });
    queue.raise(0x20);
    machine.run({ limit: 1 });
    expect([counts()[0], machine.state.gpr[1]]).toEqual([1, 3n]);
    expect(machine.state.rflags & 0x1_0000).toBe(0);
    // The 16-bit frame has no RF.
    const offset = { 16: undefined, 32: 8n, 64: 16n }[size];
    const saved = offset === undefined ? 0x1_0000n : machine.memory.read(machine.state.gpr[4]! + offset, 4);
    expect(saved & 0x1_0000n).toBe(0x1_0000n);
    until('b');
    expect(machine.state.gpr[1]).toBe(0n);
  });
});

describe('an interrupt that cannot be delivered', () => {
  const broken = (faults: 'throw' | 'deliver', nmi: boolean): Machine => {
    const machine = new Machine(assemble('sti\n nop\n nop\n hlt', { mode: 64 }), { cpu: cpus.ivyBridge, faults });
    const queue = new InterruptQueue();
    machine.interrupts.controller = queue;
    if (nmi) machine.interrupts.nmi();
    else queue.raise(0x20);
    return machine;
  };
  test.each([['INTR', false, /#GP\(0x103\)/], ['NMI', true, /#GP\(0x13\)/]] as const)('%s through an absent IDT: the error code has EXT', (_, nmi, message) => {
    const machine = broken('throw', nmi);
    machine.state.set('IDTR.limit', 0);
    expect(() => machine.run()).toThrow(message);
  });
  test('is benign: the second fault is delivered, and here ends in shutdown by way of a double fault', () => {
    const machine = broken('deliver', false);
    machine.state.set('IDTR.limit', 0);
    expect(machine.run().reason).toBe('shutdown');
    // NMI is among the few things that end a shutdown; it cannot be delivered either.
    machine.interrupts.nmi();
    expect(machine.run()).toMatchObject({ reason: 'shutdown', executed: 1 });
  });
});

describe('NMI blocking', () => {
  test('an IRET that faults has ended it', () => {
    const { machine } = debugged(64, 'push 0\n push 0\n push 0\n push 0\n push 0\n iretq\nother: nop', { vectors: { 13: 'other' } });
    machine.state.set('blocking by NMI', 1);
    machine.run({ limit: 20 });
    expect(machine.state.get('blocking by NMI')).toBe(0);
  });
  test('a machine restored in the middle of it behaves the same', () => {
    const { machine, counts, until } = interruptible(64, 'a: nop\nb: nop');
    until('a');
    machine.interrupts.nmi();
    machine.run({ limit: 1 });
    machine.interrupts.nmi();
    const there = machine.snapshot();
    machine.run({ limit: 100 });
    const end = machine.snapshot();
    machine.restore(there);
    machine.run({ limit: 100 });
    expect(machine.diff(end)).toEqual({ fields: [], memory: [] });
    expect(counts()).toEqual([0, 2]);
  });
});

test('the vector of an interrupt has eight bits', () => {
  expect(() => new InterruptQueue().raise(256)).toThrow(/0 to FFh/);
});

describe('time in HLT', () => {
  /** Raises vector 20h every `period` instructions. */
  const timed = (period: number) => {
    const run = interruptible(64, 'sti\nagain: hlt\n jmp again');
    const clock = { next: period, advance(time: number): void { for (; this.next <= time; this.next += period) run.queue.raise(0x20); } };
    run.machine.clock = clock;
    return run;
  };
  test('goes on to the next moment at which a device acts, and counts against the limit', () => {
    const { machine, counts } = timed(1000);
    expect(machine.run({ limit: 10_500 })).toMatchObject({ reason: 'halted' });
    expect(counts()[0]).toBe(10);
    expect(machine.execution.time).toBe(10_500);
  });
  test('is skipped alike in one run and in many', () => {
    const one = timed(700), many = timed(700);
    one.machine.run({ limit: 9000 });
    for (let n = 0; n < 90; n++) many.machine.run({ limit: 100 });
    expect(many.counts()).toEqual(one.counts());
    expect(many.machine.execution.time).toBe(one.machine.execution.time);
  });
  test('does not pass where IF is 0: nothing would end it', () => {
    const { machine } = timed(1000);
    machine.state.set('activity state', 1);
    expect(machine.run({ limit: 5000 })).toMatchObject({ reason: 'halted', executed: 0 });
  });
});
