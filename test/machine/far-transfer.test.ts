/** Far JMP and CALL to code segments, in every mode: checks in their order, error codes, what is pushed. */

import { Machine, assemble, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import {
  BIG, CODE_0, CS, FIRST, GRANULAR, LONG, ORIGIN, SS, STACK_0, type World, descriptor, machineIn, outcomeOf, stackOf,
} from './segments.ts';

const LDT_FIRST = FIRST | 4;
const SMALL = { limit: 0xfff, flags: BIG };

/** One transfer to `selector`, by a pointer in memory; the target is the HLT behind it unless `offset` says otherwise. */
const through = (instruction: 'jmp' | 'call', selector: number, offset = 'there'): string => `
        ${instruction} far [pointer]
        nop
there:  nop
        nop
pointer: dd ${offset}
        dw ${selector}
        dd 0`;

/** Name, the world, the selector, and what comes of it; the code segment's own limit is 0 where the target is beyond it. */
const CHECKS: readonly (readonly [string, Omit<World, 'mode'>, number, string])[] = [
  ['a null selector', {}, 0, '#GP(0)'],
  ['a null selector with an RPL', {}, 3, '#GP(0)'],
  ['beyond the GDT', {}, 0x80, '#GP(0x80)'],
  ['beyond the LDT', {}, 0x44, '#GP(0x44)'],
  ['in the LDT', { entries: { [LDT_FIRST]: descriptor(0x9b) } }, LDT_FIRST, 'ok'],
  ['a data segment', { entries: { [FIRST]: descriptor(0x93) } }, FIRST, '#GP(0x28)'],
  ['a data segment, RPL in the selector', { entries: { [FIRST]: descriptor(0xf3) } }, FIRST | 3, '#GP(0x28)'],
  ['a system segment of type 0', { entries: { [FIRST]: descriptor(0x80) } }, FIRST, '#GP(0x28)'],
  ['an LDT', { entries: { [FIRST]: descriptor(0x82) } }, FIRST, '#GP(0x28)'],
  ['an interrupt gate', { entries: { [FIRST]: descriptor(0x8e) } }, FIRST, '#GP(0x28)'],
  ['code of the same level', { entries: { [FIRST]: descriptor(0x9b) } }, FIRST, 'ok'],
  ['execute-only code', { entries: { [FIRST]: descriptor(0x99) } }, FIRST, 'ok'],
  ['code of an outer level', { entries: { [FIRST]: descriptor(0xfb) } }, FIRST, '#GP(0x28)'],
  ['code of an inner level', { cpl: 3, entries: { [FIRST]: descriptor(0x9b) } }, FIRST, '#GP(0x28)'],
  ['an RPL above CPL', { entries: { [FIRST]: descriptor(0x9b) } }, FIRST | 3, '#GP(0x28)'],
  ['an RPL below CPL', { cpl: 3, entries: { [FIRST]: descriptor(0xfb) } }, FIRST, 'ok'],
  ['conforming code of an inner level', { cpl: 3, entries: { [FIRST]: descriptor(0x9f) } }, FIRST | 3, 'ok'],
  ['conforming code, whatever the RPL', { entries: { [FIRST]: descriptor(0x9f) } }, FIRST | 3, 'ok'],
  ['conforming code of an outer level', { entries: { [FIRST]: descriptor(0xff) } }, FIRST, '#GP(0x28)'],
  ['code that is not present', { entries: { [FIRST]: descriptor(0x1b) } }, FIRST, '#NP(0x28)'],
  ['conforming code that is not present', { entries: { [FIRST]: descriptor(0x1f) } }, FIRST, '#NP(0x28)'],
  ['the level before presence', { entries: { [FIRST]: descriptor(0x7b) } }, FIRST, '#GP(0x28)'],
  ['presence before the limit', { entries: { [FIRST]: descriptor(0x1b, SMALL) } }, FIRST, '#NP(0x28)'],
  ['a target beyond the limit', { entries: { [FIRST]: descriptor(0x9b, SMALL) } }, FIRST, '#GP(0)'],
];

describe.each(['jmp', 'call'] as const)('%s to a code segment', (instruction) => {
  describe.each([[32, false], [64, true]] as const)('%d-bit tables, compatibility mode: %s', (mode, compatibility) => {
    test.each(CHECKS)('%s', (_, world, selector, expected) => {
      const machine = machineIn({ ...world, mode, compatibility }, through(instruction, selector));
      const { cpl } = machine.execution;
      expect(outcomeOf(machine, 2)).toBe(expected);
      if (expected !== 'ok') return;
      expect(machine.state.selector(CS)).toBe((selector & 0xfffc) | cpl);
      expect(machine.execution.cpl).toBe(cpl);
    });
  });

  test('direct, with the checks of the indirect one', () => {
    const direct = (selector: number) => outcomeOf(machineIn({ mode: 32, entries: { [FIRST]: descriptor(0x1b) } }, `${instruction} ${selector}:${ORIGIN}`), 1);
    expect([direct(CODE_0), direct(FIRST), direct(0)]).toEqual(['ok', '#NP(0x28)', '#GP(0)']);
  });

  test('the accessed bit is set by a transfer that happens, and only by one', () => {
    const accessed = (entry: bigint): [string, bigint] => {
      const machine = machineIn({ mode: 32, entries: { [FIRST]: entry } }, through(instruction, FIRST));
      return [outcomeOf(machine, 1), machine.memory.read(0x3_002dn, 1)];
    };
    expect(accessed(descriptor(0x9a))).toEqual(['ok', 0x9bn]);
    expect(accessed(descriptor(0x9a, SMALL))).toEqual(['#GP(0)', 0x9an]);
  });

  test('a pointer outside its segment, and one that cannot be read, fault before anything is read of the table', () => {
    const machine = machineIn({ mode: 32 }, `${instruction} far [pointer]\npointer:`);
    machine.state.setSegment(3, { selector: 0x10, base: 0n, limit: Number(ORIGIN), attributes: 0xc093 });
    expect(outcomeOf(machine, 1)).toBe('#GP(0)');
    expect(outcomeOf(machineIn({ mode: 32 }, `${instruction} far [0x123456]`), 1)).toBe('#PF(0)');
  });

  test('a 16-bit operand has a 16-bit offset: bits 31:16 of EIP become 0', () => {
    const machine = machineIn({ mode: 32, entries: { [FIRST]: descriptor(0x9b, { base: Number(ORIGIN) }) } }, `${instruction} far dword ptr [pointer]\npointer: dw 0x1234, ${FIRST}`);
    expect(outcomeOf(machine, 1)).toBe('ok');
    expect(machine.state.rip).toBe(0x1234n);
  });
});

describe('what CALL pushes: the selector in a slot of its own, zero-extended, then the address behind the instruction', () => {
  test.each([
    [32, 'call far fword ptr [pointer]', 4], [32, 'call far dword ptr [pointer]', 2], [32, 'call 8:there', 4],
    [64, 'call far fword ptr [pointer]', 4], [64, 'call far tbyte ptr [wide]', 8], [64, 'call far dword ptr [pointer]', 2],
  ] as const)('in %d-bit code, %s: slots of %d bytes', (mode, text, bytes) => {
    const flags = mode === 64 ? GRANULAR | LONG : GRANULAR | BIG;
    const narrow = bytes === 2;
    const machine = machineIn({ mode, entries: { [FIRST]: descriptor(0x9b, { flags }) } }, `
        ${text}
back:   nop
there:  nop
pointer: ${narrow ? `dw 0x1000, ${FIRST}` : `dd there\n dw ${CODE_0}`}
wide:   dq there
        dw ${CODE_0}`);
    machine.memory.write(STACK_0 - 16n, 8, 0xaaaa_aaaa_aaaa_aaaan);
    machine.memory.write(STACK_0 - 8n, 8, 0xaaaa_aaaa_aaaa_aaaan);
    const { length } = machine.step();
    expect(machine.state.gpr[4]).toBe(STACK_0 - BigInt(2 * bytes));
    expect(stackOf(machine, bytes, 2)).toEqual([BigInt.asUintN(8 * bytes, ORIGIN + BigInt(length)), BigInt(CODE_0)]);
  });

  test('no room: #SS(0), which comes before a target beyond the limit, and after everything about the selector', () => {
    const full = (selector: number): string => {
      const machine = machineIn({ mode: 32, entries: { [FIRST]: descriptor(0x9b, SMALL), 0x30: descriptor(0x1b) } }, through('call', selector));
      machine.state.setSegment(SS, { selector: 0x10, base: 0n, limit: Number(STACK_0) - 5, attributes: 0x4093 });
      return outcomeOf(machine, 1);
    };
    expect([full(CODE_0), full(FIRST), full(0x30)]).toEqual(['#SS(0)', '#SS(0)', '#NP(0x30)']);
  });

  test('with a 16-bit stack the pointer wraps at 64 KiB', () => {
    const machine = machineIn({ mode: 32 }, through('call', CODE_0));
    machine.state.setSegment(SS, { selector: 0x10, base: 0x3_0000n, limit: 0xffff, attributes: 0x93 });
    machine.memory.map(0x3_f000n, 0x1000);
    machine.state.gpr[4] = 0x1_0000n;
    expect(outcomeOf(machine, 1)).toBe('ok');
    expect(machine.state.gpr[4]).toBe(0x1_fff8n);
    expect(machine.memory.read(0x3_fffcn, 4)).toBe(BigInt(CODE_0));
  });
});

describe('IA-32e mode', () => {
  const code = (flags: number, limit = 0xf_ffff): World => ({ mode: 64, entries: { [FIRST]: descriptor(0x9b, { flags, limit }) } });
  const wide = (offset: bigint): string => `jmp far tbyte ptr [pointer]\npointer: dq ${offset}\ndw ${FIRST}`;

  test('a segment with L and D is #GP(selector), before its level is looked at', () => {
    expect(outcomeOf(machineIn(code(GRANULAR | LONG | BIG), through('jmp', FIRST)))).toBe('#GP(0x28)');
    expect(outcomeOf(machineIn({ mode: 64, entries: { [FIRST]: descriptor(0x1b, { flags: LONG | BIG }) } }, through('jmp', FIRST)))).toBe('#GP(0x28)');
  });

  test('from 64-bit to compatibility mode and back, by far jumps', () => {
    const program = `
        jmp    far [down]
        bits 32
narrow: inc    eax
        mov    ebx, 0x12345678
        jmp    8:wide
        bits 64
wide:   mov    rcx, 0x123456789
        hlt
down:   dd narrow
        dw ${FIRST}`;
    const machine = machineIn(code(GRANULAR | BIG), program);
    expect(outcomeOf(machine)).toBe('ok');
    expect([machine.mode, machine.state.gpr[0], machine.state.gpr[3], machine.state.gpr[1]]).toEqual([64, 1n, 0x1234_5678n, 0x1_2345_6789n]);
  });

  // Measured on an EPYC of the Zen 4 generation (family 19h, model 11h), with memory at both addresses.
  test('leaving 64-bit mode clears bits 63:32 of RSP, on AMD before a call pushes, and after a return pops; those of RBX stay', () => {
    const rsp = (text: string, cpu = cpus.zen4): bigint[] => {
      const machine = machineIn({ ...code(GRANULAR | BIG), cpu }, `
        ${text}
        bits 32
there:  jmp    8:up
        bits 64
up:     hlt
pointer: dd there
        dw ${FIRST}`);
      machine.memory.map(0x1_0003_0000n, 0x8000);
      machine.memory.write(0x1_0000_0000n + STACK_0, 8, BigInt(FIRST) << 32n | BigInt(ORIGIN + 2n));
      machine.state.gpr[4] = 0x1_0000_0000n + STACK_0;
      machine.state.gpr[3] = 0x1122_3344_5566_7788n;
      expect(outcomeOf(machine)).toBe('ok');
      expect(machine.state.gpr[3]).toBe(0x1122_3344_5566_7788n);
      return [machine.state.gpr[4]!, machine.memory.read(STACK_0 - 4n, 4)];
    };
    expect(rsp('jmp far [pointer]')).toEqual([STACK_0, 0n]);
    expect(rsp('call far [pointer]')).toEqual([STACK_0 - 8n, BigInt(CODE_0)]);
    expect(rsp('call far [pointer]', cpus.haswell)).toEqual([STACK_0 - 8n, 0n]);
    expect(rsp('retf\n nop')).toEqual([STACK_0 + 8n, 0n]);
  });

  test('on AMD a call from compatibility to 64-bit mode pushes without the base of SS, as its target sees the stack', () => {
    const pushed = (cpu: typeof cpus.zen4): bigint[] => {
      const machine = machineIn({ mode: 64, compatibility: true, cpu }, `call ${CODE_0}:there\nthere: hlt`);
      machine.state.setSegment(SS, { selector: 0x10, base: 0x1000n, limit: 0xffff_ffff, attributes: 0xc093 });
      expect(outcomeOf(machine)).toBe('ok');
      return [STACK_0, STACK_0 + 0x1000n].map((top) => machine.memory.read(top - 4n, 4));
    };
    expect([pushed(cpus.zen4), pushed(cpus.haswell)]).toEqual([[BigInt(CODE_0), 0n], [0n, BigInt(CODE_0)]]);
  });

  test.each([
    ['64-bit code knows no limit, only canonical addresses', LONG, 0, 0xffff_8000_0000_0000n, 'ok'],
    ['a target that is not canonical', LONG, 0xf_ffff, 0x8000_0000_0000n, '#GP(0)'],
    ['compatibility code has its limit', BIG, 0xfff, 0x1000n, '#GP(0)'],
    ['and bits 63:32 of the offset count', GRANULAR | BIG, 0xf_ffff, 0x1_0000_0000n, '#GP(0)'],
  ] as const)('%s', (_, flags, limit, offset, expected) => {
    expect(outcomeOf(machineIn(code(flags, limit), wide(offset)), 1)).toBe(expected);
  });

  test('with CR4.LA57 an address of 57 bits is canonical, and near branches agree', () => {
    const far = (la57: boolean): string => {
      const machine = machineIn({ ...code(LONG), cpu: cpus.sapphireRapids }, wide(0x8000_0000_0000n));
      if (la57) machine.state.cr4 |= 0x1000n;
      return outcomeOf(machine, 1);
    };
    const near = (la57: boolean): string => {
      const machine = machineIn({ mode: 64, cpu: cpus.sapphireRapids }, 'jmp rax');
      machine.state.gpr[0] = 0x8000_0000_0000n;
      if (la57) machine.state.cr4 |= 0x1000n;
      return outcomeOf(machine, 1);
    };
    expect([far(false), far(true), near(false), near(true)]).toEqual(['#GP(0)', 'ok', '#GP(0)', 'ok']);
  });

  test('direct far transfers are #UD in 64-bit code', () => {
    for (const bytes of ['0eah', '9ah']) expect(outcomeOf(machineIn({ mode: 64 }, `db ${bytes}, 0, 0, 0, 0, 8, 0`), 1)).toBe('#UD');
  });

  test('the stack must be canonical: #SS(0)', () => {
    const machine = machineIn({ mode: 64 }, through('call', CODE_0));
    machine.state.gpr[4] = 0x8000_0000_0000n + 4n;
    expect(outcomeOf(machine, 1)).toBe('#SS(0)');
  });

  // Zen 4 (family 19h, model 11h): the pointer stays m16:32, the slots have the operand size.
  test('with REX.W a pointer has 10 bytes on Intel, 6 on AMD, where CALL still pushes slots of 8', () => {
    const text = `
        call   far tbyte ptr [pointer]
        nop
there:  hlt
pointer: dd there
        dw ${CODE_0}, 0
        dd 0`;
    const amd = machineIn({ mode: 64, cpu: cpus.zen4 }, text), intel = machineIn({ mode: 64 }, text);
    const { length } = amd.step();
    expect(amd.state.gpr[4]).toBe(STACK_0 - 16n);
    expect(stackOf(amd, 8, 2)).toEqual([ORIGIN + BigInt(length), BigInt(CODE_0)]);
    expect(outcomeOf(intel, 1)).toBe('#GP(0)');
  });
});

describe('real-address and virtual-8086 mode', () => {
  /** A machine that runs 16-bit `text` at 7C00h; in virtual-8086 mode from protected mode's registers. */
  function machine86(text: string, virtual: boolean): Machine {
    const machine = new Machine(assemble(text, { mode: 16 }));
    if (!virtual) return machine;
    machine.state.cr0 |= 1n;
    machine.state.rflags |= 0x2_0000;
    for (let segment = 0; segment < 6; segment++) machine.state.setSegment(segment, { selector: 0, base: 0n, limit: 0xffff, attributes: 0xf3 });
    return machine;
  }

  test.each([false, true])('jump, call and return with selectors as paragraphs (virtual-8086: %s)', (virtual) => {
    const machine = machine86(`
        call   0x7c0:sub - 0x7c00
back:   mov    bx, cs
        jmp    far [pointer]
there:  hlt
sub:    mov    ax, cs
        mov    si, sp
        retf
pointer: dw there - 0x7000, 0x700`, virtual);
    // HLT is privileged, and virtual-8086 mode is level 3.
    expect(outcomeOf(machine)).toBe(virtual ? '#GP(0)' : 'ok');
    const { gpr } = machine.state;
    expect([gpr[0], gpr[3], gpr[6], gpr[4], machine.state.selector(CS), machine.state.base(CS)]).toEqual([0x7c0n, 0n, 0x7bfcn, 0x7c00n, 0x700, 0x7000n]);
  });

  test.each([false, true])('32-bit operands, and RETF that releases (virtual-8086: %s)', (virtual) => {
    const machine = machine86(`
        push   0x1111
        data32 call 0x7c0:sub - 0x7c00
        mov    cx, sp
        jmp    $
sub:    mov    ebp, esp
        mov    eax, [bp + 4]
        data32 retf 2`, virtual);
    machine.memory.write(0x7bf0n, 8, 0xffff_ffff_ffff_ffffn);
    expect(outcomeOf(machine, 8)).toBe('ok');
    expect([machine.state.gpr[0], machine.state.gpr[1]]).toEqual([0n, 0x7c00n]);
  });

  test.each([false, true])('a target beyond FFFFh is #GP, no room #SS, in that order reversed (virtual-8086: %s)', (virtual) => {
    const code = virtual ? '(0)' : '';
    expect(outcomeOf(machine86('data32 jmp 0:0x10000', virtual), 1)).toBe(`#GP${code}`);
    expect(outcomeOf(machine86('data32 call 0:0x10000', virtual), 1)).toBe(`#GP${code}`);
    expect(outcomeOf(machine86('mov sp, 1\n data32 call 0:0x10000', virtual), 2)).toBe(`#SS${code}`);
    expect(outcomeOf(machine86('push dword 0\n push dword 0x10000\n data32 retf', virtual), 3)).toBe(`#GP${code}`);
  });

  test('a far jump in unreal mode keeps the limit of CS that protected mode had put there', () => {
    const machine = machine86('jmp 0x7c0:there - 0x7c00\nthere: hlt', false);
    machine.state.setSegment(CS, { selector: 0, base: 0n, limit: 0xffff_ffff, attributes: 0x93 });
    expect(outcomeOf(machine)).toBe('ok');
    expect([machine.state.selector(CS), machine.state.limit(CS)]).toEqual([0x7c0, 0xffff_ffff]);
  });
});

describe('near branches with 66 in 64-bit mode', () => {
  /** RIP and RSP after the first `steps` instructions, at a place where the upper half of RIP matters. */
  const after = (cpu: keyof typeof cpus, bytes: string, steps = 1): [bigint, bigint] => {
    const machine = machineIn({ mode: 64, cpu: cpus[cpu] }, `db ${bytes}\nresb 32`);
    machine.state.gpr[0] = ORIGIN + 0x20n;
    machine.memory.write(STACK_0, 8, ORIGIN + 0x20n);
    for (let n = 0; n < steps; n++) machine.step();
    return [machine.state.rip, machine.state.gpr[4]! - STACK_0];
  };
  // Measured on an EPYC of the Zen 4 generation (family 19h, model 11h). Code is at 20000h here.
  test.each([
    ['JMP rel', '66h, 0ebh, 1dh', [0x2_0020n, 0n], [0x20n, 0n]],
    ['JMP rel16', '66h, 0e9h, 1ch, 0, 0, 0', [0x2_0022n, 0n], [0x20n, 0n]],
    ['Jcc taken', '66h, 73h, 1dh', [0x2_0020n, 0n], [0x20n, 0n]],
    ['Jcc not taken', '66h, 72h, 1dh', [0x2_0003n, 0n], [0x2_0003n, 0n]],
    ['CALL', '66h, 0e8h, 1ch, 0, 0, 0', [0x2_0022n, -8n], [0x20n, -2n]],
    ['CALL r', '66h, 0ffh, 0d0h', [0x2_0020n, -8n], [0x20n, -2n]],
    ['JMP r', '66h, 0ffh, 0e0h', [0x2_0020n, 0n], [0x20n, 0n]],
    ['RET', '66h, 0c3h', [0x2_0020n, 8n], [0x20n, 2n]],
    ['JRCXZ', '66h, 0e3h, 1dh', [0x2_0020n, 0n], [0x20n, 0n]],
    ['LOOP', '66h, 0e2h, 1dh', [0x2_0020n, 0n], [0x20n, 0n]],
    ['JMP rel with REX.W', '66h, 48h, 0ebh, 1ch', [0x2_0020n, 0n], [0x2_0020n, 0n]],
  ] as const)('%s: ignored by Intel, 16 bits wide on AMD', (_, bytes, intel, amd) => {
    expect([after('ivyBridge', bytes), after('zen4', bytes)]).toEqual([intel, amd]);
  });
});

test('a branch with a 16-bit operand in 32-bit code cuts EIP only where it is taken', () => {
  const eip = (taken: boolean): bigint => {
    const machine = machineIn({ mode: 32 }, `data16 ${taken ? 'jnc' : 'jc'} 0x20`);
    machine.state.rip = ORIGIN;
    machine.step();
    return machine.state.rip;
  };
  expect([eip(true), eip(false) > 0xffffn]).toEqual([0x20n, true]);
});
