import { Machine, assemble, cpus } from 'hidden-state';
import type { Program } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { Fault } from '../../spec/src/state/outcomes.ts';
import { combined } from '../../spec/src/machine/events.ts';

const machineOf = (program: Program, prepare?: (machine: Machine) => void): Machine => {
  const machine = new Machine(program, { cpu: cpus.ivyBridge, faults: 'deliver' });
  prepare?.(machine);
  return machine;
};
const done = (machine: Machine) => machine.run({ limit: 1000 }).reason;

describe('real-address mode', () => {
  const program = assemble(`
        mov    word ptr [0x80 * 4], handler
        mov    word ptr [0x80 * 4 + 2], 0
        mov    word ptr [6 * 4], invalid
        mov    word ptr [6 * 4 + 2], 0
        sti
        int    0x80
        ud2
        hlt
handler:
        mov    bx, sp
        mov    cx, [bx]
        mov    dx, [bx + 4]
        iret
invalid:
        add    word ptr [esp], 2
        mov    si, 1
        iret
`, { mode: 16 });

  test('INT pushes FLAGS, CS and IP, clears IF, and IRET restores them', () => {
    const machine = machineOf(program);
    expect(done(machine)).toBe('halted');
    const { state } = machine;
    const int = program.listing.find(({ text }) => text.startsWith('int'))!;
    expect(state.get('RCX')).toBe(int.address + 2n);
    expect(Number(state.get('RDX')) & 0x200).toBe(0x200);
    expect([state.rflags & 0x200, state.get('RSP')]).toEqual([0x200, 0x7c00n]);
  });

  test('a fault goes to its vector with the address of the instruction itself', () => {
    const machine = machineOf(program);
    machine.run();
    expect(machine.state.get('RSI')).toBe(1n);
  });

  test('IF is 0 in the handler', () => {
    const machine = machineOf(program);
    while (machine.state.rip !== program.symbols.handler) machine.step();
    expect(machine.state.rflags & 0x200).toBe(0);
  });
});

/** A 64-bit kernel with an IDT at 30000h: vectors given as gates to labels. */
function longMode(text: string, gates: Readonly<Record<number, { label: string; type?: number; dpl?: number; present?: boolean; selector?: number }>>) {
  const program = assemble(text, { mode: 64 });
  return { program, machine: machineOf(program, (machine) => {
    machine.memory.map(0x3_0000n, 0x2000);
    machine.memory.write(0x3_1010n, 8, 0x00af_9b00_0000_ffffn);
    machine.state.set('GDTR.base', 0x3_1000n);
    machine.memory.write(0x3_1018n, 8, 0x00cf_9300_0000_ffffn);
    machine.state.set('GDTR.limit', 0x1f);
    machine.state.set('IDTR.base', 0x3_0000n);
    machine.state.set('IDTR.limit', 0xfff);
    for (const [vector, { label, type = 0xe, dpl = 0, present = true, selector = 0x10 }] of Object.entries(gates)) {
      const offset = program.symbols[label]!;
      const low = (offset & 0xffffn) | (BigInt(selector) << 16n) | (BigInt((present ? 0x80 : 0) | (dpl << 5) | type) << 40n) | (((offset >> 16n) & 0xffffn) << 48n);
      machine.memory.write(0x3_0000n + 16n * BigInt(vector), 8, low);
      machine.memory.write(0x3_0000n + 16n * BigInt(vector) + 8n, 8, offset >> 32n);
    }
  }) };
}

describe('IA-32e mode', () => {
  const handler = `
        int    0x80
        hlt
handler:
        mov    rax, [rsp]
        mov    rbx, [rsp + 8]
        mov    rcx, [rsp + 24]
        mov    rdx, [rsp + 32]
        mov    rsi, rsp
        iretq
`;

  test('the frame is SS, RSP, RFLAGS, CS, RIP on an aligned stack, and IRETQ goes back', () => {
    const { program, machine } = longMode(handler, { 0x80: { label: 'handler' } });
    machine.state.gpr[4]! -= 8n;
    const rsp = machine.state.gpr[4]!;
    expect(done(machine)).toBe('halted');
    const { gpr } = machine.state;
    expect([gpr[0], gpr[3], gpr[1], gpr[2]]).toEqual([program.origin + 2n, 0x10n, rsp, 0x18n]);
    expect(gpr[6]! & 15n).toBe(8n);
    expect(gpr[4]).toBe(rsp);
  });

  test('a fault pushes its error code, sets CR2 for #PF, and saves RFLAGS with RF', () => {
    const { machine } = longMode(`
        mov    al, [0xffff800000000000]
        hlt
fault:  pop    rbx
        mov    rcx, [rsp + 16]
        mov    rax, cr2
        hlt
`.replace('mov    al, [0xffff800000000000]', 'mov rax, 0xffff800000000000\n mov al, [rax]'), { 14: { label: 'fault' } });
    expect(done(machine)).toBe('halted');
    const { gpr } = machine.state;
    expect([gpr[3], gpr[0]]).toEqual([0n, 0xffff_8000_0000_0000n]);
    expect(Number(gpr[1]) & 0x1_0000).toBe(0x1_0000);
  });

  test('INT3 is a trap: the handler returns behind it, RF is not set', () => {
    const { program, machine } = longMode('int3\n hlt\nh: mov rax, [rsp]\n mov rcx, [rsp + 16]\n iretq', { 3: { label: 'h' } });
    expect(done(machine)).toBe('halted');
    expect(machine.state.gpr[0]).toBe(program.origin + 1n);
    expect(Number(machine.state.gpr[1]) & 0x1_0000).toBe(0);
  });

  test('a trap gate leaves IF alone, an interrupt gate clears it', () => {
    const interruptFlag = (type: number): number => {
      const { machine } = longMode('sti\n nop\n int 0x80\nh: hlt', { 0x80: { label: 'h', type } });
      machine.run();
      return machine.state.rflags & 0x200;
    };
    expect([interruptFlag(0xe), interruptFlag(0xf)]).toEqual([0, 0x200]);
  });

  test('a gate that is not present is #NP with the IDT bit; the error code of INT n has no EXT', () => {
    const { machine } = longMode('int 0x80\nh: pop rax\n hlt', { 0x80: { label: 'h', present: false }, 11: { label: 'h' } });
    expect(done(machine)).toBe('halted');
    expect(machine.state.gpr[0]).toBe(0x402n);
  });

  test('a fault whose gate is not present: #NP, contributory, so a double fault for #GP and not for #UD', () => {
    const errors = (text: string, vector: number): bigint => {
      const { machine } = longMode(`${text}\nnp: mov ebx, 1\n hlt\ndf: mov ebx, 2\n hlt`, { [vector]: { label: 'np', present: false }, 11: { label: 'np' }, 8: { label: 'df' } });
      expect(done(machine)).toBe('halted');
      return machine.state.gpr[3]!;
    };
    expect(errors('ud2', 6)).toBe(1n);
    expect(errors('mov rax, 0x8000000000000000\n mov al, [rax]', 13)).toBe(2n);
  });

  test('a double fault that cannot be delivered is shutdown', () => {
    const { machine } = longMode('mov rax, 0x8000000000000000\n mov al, [rax]', {});
    expect(done(machine)).toBe('shutdown');
  });

  test('IST gives the handler a stack of its own, aligned, at the same level', () => {
    const { machine } = longMode('int 0x80\nh: mov rax, rsp\n hlt', { 0x80: { label: 'h' } });
    machine.memory.write(0x3_0000n + 16n * 0x80n + 4n, 1, 1n);
    machine.memory.write(0x3_0f00n + 0x24n, 8, 0x3_1ff8n);
    machine.state.setSegment(7, { selector: 0x20, base: 0x3_0f00n, limit: 0x67, attributes: 0x8b });
    expect(done(machine)).toBe('halted');
    expect(machine.state.gpr[0]).toBe(0x3_1ff0n - 40n);
    expect(machine.memory.read(0x3_1ff0n - 8n, 8)).toBe(0x18n);
  });

  test('a task state segment that is too short for the IST entry is #TS(TR)', () => {
    const { machine } = longMode('int 0x80\nh: hlt\nts: pop rax\n hlt', { 0x80: { label: 'h' }, 10: { label: 'ts' } });
    machine.memory.write(0x3_0000n + 16n * 0x80n + 4n, 1, 7n);
    machine.state.setSegment(7, { selector: 0x20, base: 0x3_0f00n, limit: 0x2f, attributes: 0x8b });
    expect(done(machine)).toBe('halted');
    expect(machine.state.gpr[0]).toBe(0x20n);
  });

  const TO_LEVEL_3 = `
        push   0x23                   ; SS
        push   0x31800                ; RSP
        push   0x202
        push   0x2b                   ; CS
        lea    rax, [user]
        push   rax
        iretq
`;
  /** Data and code of level 3 in the GDT, and a stack for the way back in the task state segment. */
  function allowLevel3(machine: Machine): void {
    machine.memory.write(0x3_1020n, 8, 0x00cf_f300_0000_ffffn);
    machine.memory.write(0x3_1028n, 8, 0x00af_fb00_0000_ffffn);
    machine.state.set('GDTR.limit', 0x2f);
    machine.memory.write(0x3_0f00n + 4n, 8, 0x3_1c00n);
    machine.state.setSegment(7, { selector: 0x30, base: 0x3_0f00n, limit: 0x67, attributes: 0x8b });
  }

  // Down to level 3 by IRETQ, up again by INT: the whole round through the TSS.
  test('IRETQ to level 3, INT back through RSP0: stacks, selectors and the segments that level 3 may not keep', () => {
    const { program, machine } = longMode(`${TO_LEVEL_3}user:   mov    ecx, ds
        int    0x80
handler:
        mov    rax, [rsp + 8]
        mov    rbx, [rsp + 24]
        mov    rdx, [rsp + 32]
        mov    rsi, rsp
        mov    edi, ss
        hlt
`, { 0x80: { label: 'handler', dpl: 3 } });
    allowLevel3(machine);
    machine.state.setSegment(3, { selector: 0x18, base: 0n, limit: 0xffff_ffff, attributes: 0xc093 });
    expect(done(machine)).toBe('halted');
    const { gpr } = machine.state;
    expect(program.symbols.user).toBeDefined();
    expect({ cs: gpr[0], rsp: gpr[3], ss: gpr[2], handlerStack: gpr[6], handlerSs: gpr[7], ds: gpr[1] })
      .toEqual({ cs: 0x2bn, rsp: 0x3_1800n, ss: 0x23n, handlerStack: 0x3_1c00n - 40n, handlerSs: 0n, ds: 0n });
    expect(machine.execution.cpl).toBe(0);
  });

  test('INT from level 3 through a gate of DPL 0 is #GP with the gate as its error code', () => {
    const { machine } = longMode(`${TO_LEVEL_3}user:   int    0x80
gp:     pop    rax
        hlt
`, { 0x80: { label: 'gp' }, 13: { label: 'gp' } });
    allowLevel3(machine);
    expect(done(machine)).toBe('halted');
    expect(machine.state.gpr[0]).toBe(0x402n);
  });

  test.each([['int3', 3, 0x1an], ['int 3', 3, 0x1an]])('%s from level 3 through a gate of DPL 0 is #GP too, without EXT', (text, vector, code) => {
    const { machine } = longMode(`${TO_LEVEL_3}user:   ${text}
gp:     pop    rax
        hlt
`, { [vector]: { label: 'gp' }, 13: { label: 'gp' } });
    allowLevel3(machine);
    expect(done(machine)).toBe('halted');
    expect(machine.state.gpr[0]).toBe(code);
  });
});

describe('table 6-5: what a second fault makes of the first', () => {
  const fault = (mnemonic: '#UD' | '#GP' | '#PF' | '#DF'): Fault => new Fault(mnemonic, '');
  test.each([
    ['#UD', '#UD', 'deliver second'], ['#UD', '#GP', 'deliver second'], ['#UD', '#PF', 'deliver second'],
    ['#GP', '#UD', 'deliver second'], ['#GP', '#GP', 'double fault'], ['#GP', '#PF', 'deliver second'],
    ['#PF', '#UD', 'deliver second'], ['#PF', '#GP', 'double fault'], ['#PF', '#PF', 'double fault'],
    ['#DF', '#GP', 'shutdown'], ['#DF', '#PF', 'shutdown'],
  ] as const)('%s, then %s: %s', (first, second, outcome) => {
    expect(combined(fault(first), fault(second))).toBe(outcome);
  });
});

test('without delivery a fault goes to the caller', () => {
  expect(() => new Machine(assemble('ud2', { mode: 64 })).run()).toThrow(/#UD/);
});

describe('LTR and STR', () => {
  const program = assemble('mov eax, 0x18\n ltr ax\n str ecx\n hlt', { mode: 64 });
  const withTss = (attributes: bigint): Machine => {
    const machine = new Machine(program, { cpu: cpus.ivyBridge });
    machine.memory.map(0x3_1000n, 0x1000);
    machine.state.set('GDTR.base', 0x3_1000n);
    machine.state.set('GDTR.limit', 0x2f);
    machine.memory.write(0x3_1018n, 8, (attributes << 40n) | 0x1234_0067n);
    machine.memory.write(0x3_1020n, 8, 0xffff_8000n);
    return machine;
  };

  test('the base has 64 bits in IA-32e mode, and the segment becomes busy in the table', () => {
    const machine = withTss(0x89n);
    machine.run();
    expect([machine.state.base(7), machine.state.limit(7), machine.state.get('RCX')]).toEqual([0xffff_8000_0000_1234n, 0x67, 0x18n]);
    expect(machine.memory.read(0x3_101dn, 1)).toBe(0x8bn);
  });

  test('a busy one is #GP(selector), an absent one #NP(selector)', () => {
    expect(() => withTss(0x8bn).run()).toThrow(/#GP\(0x18\)/);
    expect(() => withTss(0x09n).run()).toThrow(/#NP\(0x18\)/);
  });
});
