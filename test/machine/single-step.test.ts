/** Single-step traps through the guest's own handler, in 16, 32 and 64-bit code. SDM vol. 3B, 17.3.1.4. */

import { Fault, Machine, assemble, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { type Options, SIZES, type Size, clearTrapFlag, debugged, setTrapFlag, wide } from './debug-log.ts';

function stepped(size: Size, body: string, options?: Options): string[] {
  const { machine, log } = debugged(size, `${setTrapFlag(size)}\n${body}`, options);
  expect(machine.run({ limit: 2000 }).reason).toBe('halted');
  return log().map(({ at, status, flags }) => [at, status, flags].filter(Boolean).join(', '));
}

/** What is trapped after: labels say where the saved pointer stands. */
describe.each(SIZES)('%d-bit code', (size) => {
  const a = wide(size, 'ax'), c = wide(size, 'cx');
  const clear = `${clearTrapFlag(size)}\nend:`;

  test('the instruction that sets TF is not trapped, the next one is, and so is the one that clears it', () => {
    expect(stepped(size, `a: nop\nb: nop\nc: ${clear}`)).toEqual([
      'b, BS, TF', 'c, BS, TF', expect.stringMatching(/BS, TF/), expect.stringMatching(/BS, TF/), 'end, BS',
    ]);
  });
  test('a taken jump is trapped at its target', () => {
    expect(stepped(size, `jmp b\na: nop\nb: ${clear}`)[0]).toBe('b, BS, TF');
  });
  test('each iteration of a repeated string instruction is trapped, with RF saved as 1 but after the last', () => {
    const string = `mov ${wide(size, 'si')}, start\nmov ${c}, 3\nagain: rep lodsb\nb: ${clear}`;
    expect(stepped(size, string).slice(1, 5)).toEqual([
      'again, BS, TF',
      // The 16-bit frame has no RF.
      ...(size === 16 ? ['again, BS, TF', 'again, BS, TF'] : ['again, BS, TF RF', 'again, BS, TF RF']), 'b, BS, TF',
    ]);
  });
  test('one that compares ends early, and RF is 0 after it', () => {
    const string = `mov ${c}, 5\nmov ${wide(size, 'di')}, zeros\nmov al, 0\nagain: repne scasb\nb: ${clear}\n jmp over\nzeros: db 1, 0\nover:`;
    const steps = stepped(size, string);
    expect(steps.filter((step) => step.startsWith('again')).length).toBe(2);
    expect(steps[4]).toBe('b, BS, TF');
  });
  test('MOV to SS: no trap before the end of the next instruction', () => {
    expect(stepped(size, `a: mov ${a}, ss\nb: mov ss, ax\nc: nop\nd: ${clear}`).slice(0, 2)).toEqual(['b, BS, TF', 'd, BS, TF']);
  });
  test('INT n is not trapped: its handler runs with TF = 0, and the next trap is one instruction behind it', () => {
    const iret = size === 64 ? 'iretq' : size === 32 ? 'iretd' : 'iret';
    const body = `int 0x80\na: nop\nb: ${clear}\n jmp over\nother: nop\n ${iret}\nover:`;
    expect(stepped(size, body, { vectors: { 0x80: 'other' } })[0]).toBe('b, BS, TF');
  });
  test('INT3 likewise', () => {
    const iret = size === 64 ? 'iretq' : size === 32 ? 'iretd' : 'iret';
    const body = `int3\na: nop\nb: ${clear}\n jmp over\nother: nop\n ${iret}\nover:`;
    expect(stepped(size, body, { vectors: { 3: 'other' } })[0]).toBe('b, BS, TF');
  });
  test('an instruction that faults is not trapped', () => {
    const [frame, iret] = size === 64 ? ['qword ptr [rsp]', 'iretq'] : size === 32 ? ['dword ptr [esp]', 'iretd'] : ['word ptr [esp]', 'iret'];
    const body = `ud2\na: nop\nb: ${clear}\n jmp over\nother: add ${frame}, 2\n ${iret}\nover:`;
    expect(stepped(size, body, { vectors: { 6: 'other' } })[0]).toBe('b, BS, TF');
  });
  test('HLT is trapped, and its trap ends it', () => {
    expect(stepped(size, `hlt\na: ${clear}`)[0]).toBe('a, BS, TF');
  });
  test('IRET that sets TF: the trap comes one instruction behind it', () => {
    const { machine, log } = debugged(size, size === 64
      ? `mov rdx, rsp\n mov eax, ss\n push rax\n push rdx\n pushfq\n or word ptr [rsp], 0x100\n mov eax, cs\n push rax\n lea rax, [a]\n push rax\n iretq\na: nop\nb: ${clear}`
      : size === 32 ? `pushfd\n or word ptr [esp], 0x100\n push cs\n push dword a\n iretd\na: nop\nb: ${clear}`
        : `pushf\n or word ptr [esp], 0x100\n push cs\n push word a\n iret\na: nop\nb: ${clear}`);
    expect(machine.run({ limit: 1000 }).reason).toBe('halted');
    expect(log()[0]).toEqual({ at: 'b', status: 'BS', flags: 'TF' });
  });
  test('PUSHF under TF pushes TF = 1', () => {
    const { machine } = debugged(size, `${setTrapFlag(size)}\n${size === 64 ? 'pushfq' : size === 32 ? 'pushfd' : 'pushf'}\n pop ${wide(size, 'bx')}\n ${clear}`);
    machine.run({ limit: 1000 });
    expect(Number(machine.state.gpr[3]) & 0x100).toBe(0x100);
  });
});

describe('where the vendors differ', () => {
  const twice = `mov ax, ss\nb: mov ss, ax\nc: mov ss, ax\nd: nop\ne: nop\n${clearTrapFlag(64)}`;
  // Zen 4, measured. The manuals promise a shield for the first load only; Bochs agrees with them.
  test.each([['ivyBridge', ['b', 'd', 'e']], ['zen4', ['b', 'e']]] as const)('two loads of SS in a row on %s', (cpu, places) => {
    const { machine, log } = debugged(64, `${setTrapFlag(64)}\n${twice}`, { cpu: cpus[cpu] });
    machine.run({ limit: 1000 });
    expect(log().map(({ at }) => at).slice(0, places.length)).toEqual(places);
  });
  test.each([['ivyBridge', 'TF RF'], ['zen4', 'TF']] as const)('RF that a trap between two iterations saves on %s: %s', (cpu, flags) => {
    const { machine, log } = debugged(64, `mov esi, start\n mov ecx, 2\n${setTrapFlag(64)}\na: rep lodsb\n${clearTrapFlag(64)}`, { cpu: cpus[cpu] });
    machine.run({ limit: 1000 });
    expect(log()[0]).toEqual({ at: 'a', status: 'BS', flags });
  });
  test('a load of SS in the shadow of STI casts a shadow of its own', () => {
    const { machine, log } = debugged(64, `mov ax, ss\n${setTrapFlag(64)}\n sti\na: mov ss, ax\nb: nop\nc: nop\n${clearTrapFlag(64)}`);
    machine.run({ limit: 1000 });
    expect(log().map(({ at }) => at).slice(0, 2)).toEqual(['a', 'c']);
  });
});

describe('to a caller who asked for faults', () => {
  test('the trap is thrown after its instruction, with DR6 written and RIP behind it; the next step goes on', () => {
    const program = assemble('inc eax\n inc eax\n hlt', { mode: 64 });
    const machine = new Machine(program, { cpu: cpus.ivyBridge });
    machine.state.rflags |= 0x100;
    const trap = caught(() => machine.step());
    expect([trap.mnemonic, trap.kind, trap.rip]).toEqual(['#DB', 'trap', program.origin]);
    expect([machine.state.gpr[0], machine.state.rip, machine.state.get('DR6')]).toEqual([1n, program.origin + 2n, 0xffff_4ff0n]);
    machine.state.rflags &= ~0x100;
    expect(machine.run().reason).toBe('halted');
    expect(machine.state.gpr[0]).toBe(2n);
  });
});

function caught(body: () => unknown): Fault {
  try {
    body();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error('no fault');
}

describe('IA32_DEBUGCTL.BTF: single-stepping on branches', () => {
  /** The first trap, by the symbol that it comes at; BTF is set, as is TF, before the first instruction. */
  function firstTrap(body: string): { at: string | undefined; trap: string; btf: number } {
    const program = assemble(`${body}\nlast: hlt\nend:\nbytes: db 1, 2, 3`, { mode: 64 });
    const machine = new Machine(program, { cpu: cpus.haswell });
    machine.state.rflags |= 0x100;
    machine.state.set('IA32_DEBUGCTL', 2);
    let trap = 'none';
    try {
      machine.run({ limit: 100 });
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      trap = `${error.mnemonic}${Number(machine.state.get('DR6')) & 0x4000 ? ', BS' : ''}`;
    }
    const at = Object.entries(program.symbols).find(([, address]) => address === machine.state.rip)?.[0];
    return { at, trap, btf: Number(machine.state.get('IA32_DEBUGCTL')) };
  }

  test.each([
    ['a jump', 'nop\n jmp there\n nop\nthere: nop', 'there'],
    ['a condition that holds, after one that does not', 'cmp eax, eax\n jne never\n je there\nnever: nop\nthere: nop', 'there'],
    ['a call', 'nop\n call there\n nop\nthere: nop', 'there'],
    ['LOOP where it goes back', 'mov ecx, 2\nthere: nop\n loop there', 'there'],
  ])('%s is trapped, what leads to it is not, and BTF is 0 then', (_, body, at) => {
    expect(firstTrap(body)).toEqual({ at, trap: '#DB, BS', btf: 0 });
  });

  test('iterations of a string instruction are no branches', () => {
    expect(firstTrap('lea rsi, [bytes]\n mov ecx, 3\n rep lodsb')).toEqual({ at: 'end', trap: 'none', btf: 2 });
  });
});
