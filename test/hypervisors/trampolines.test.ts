/** Xen's trampolines, byte by byte, and what each does to a system call of a PV64 guest. */

import { type Program, Unmodelled, asm32, asm64, assemble, compareSystemCalls, cpus, disassemble, pv, tabulateSystemCalls } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { CURRENT, STACK_BOTTOM, STACK_PAGE, UREGS } from '../../spec/src/hypervisors/xen/pv/layout.ts';

const cpu = cpus.ivyBridge;
const hexOf = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');

/** Makes a system call, reads eight bytes that are not aligned, and ends. */
const program = asm64`
        org    0x400000
        mov    eax, 39
        syscall
        mov    rax, [rsp - 15]
        mov    eax, 60
        syscall`;

const stubOf = (trampoline: pv.Trampoline, syscallEnter = 0x14_8000n) => {
  const enter = trampoline.image + syscallEnter;
  return { enter, bytes: pv.stubBytes(trampoline.stub!({ stackBottom: STACK_BOTTOM, enter, selector: 0xe033 }), trampoline.lstar) };
};

describe('the bytes', () => {
  // The stack's bottom is 4FB0h from the trampoline: 407FD0h and 403000h in the direct map.
  test('3.0.4: 26 bytes, a near jump', () => {
    const { bytes } = stubOf(pv.nearJump);
    expect(bytes.length).toBe(26);
    expect(hexOf(bytes)).toBe('48 89 25 b9 4f 00 00 48 8d 25 b2 4f 00 00 41 53 68 33 e0 00 00 e9 e6 4f d4 ff');
  });

  test('changeset 15095: 34 bytes, R11 is the scratch register', () => {
    const { bytes } = stubOf(pv.indirectJump);
    expect(bytes.length).toBe(34);
    expect(hexOf(bytes)).toBe('48 89 25 b9 4f 00 00 48 8d 25 b2 4f 00 00 41 53 68 33 e0 00 00 '
      + '49 bb 00 80 14 80 8c 82 ff ff 41 ff e3');
    expect(stubOf(pv.reloaded).bytes).toEqual(bytes);
  });

  test('2015: 29 bytes, RAX is the scratch register', () => {
    const { bytes } = stubOf(pv.stubPage);
    expect(bytes.length).toBe(29);
    expect(hexOf(bytes)).toBe('48 a3 c8 7f 40 00 00 83 ff ff 48 89 e0 48 bc c8 7f 40 00 00 83 ff ff 50 e9 e3 8f 14 c0');
  });

  test('the disassembler reads what was meant', () => {
    const read = (trampoline: pv.Trampoline): string[] =>
      disassemble(stubOf(trampoline).bytes, { mode: 64, address: trampoline.lstar }).map(({ text }) => text);
    expect(read(pv.indirectJump)).toEqual([
      'mov qword ptr [0xffff830000407fc0], rsp', 'lea rsp, [0xffff830000407fc0]', 'push r11', 'push 0xe033',
      'mov r11, 0xffff828c80148000', 'jmp r11',
    ]);
    expect(read(pv.nearJump).at(-1)).toBe('jmp 0xffff830000148000');
    expect(read(pv.stubPage)).toEqual([
      'mov qword ptr [abs 0xffff830000407fc8], rax', 'mov rax, rsp', 'mov rsp, 0xffff830000407fc8', 'push rax',
      'jmp 0xffff82d080148000',
    ]);
  });

  test('our assembler makes the same bytes of the same text', () => {
    for (const trampoline of [pv.nearJump, pv.indirectJump, pv.stubPage]) {
      const { bytes } = stubOf(trampoline);
      const text = disassemble(bytes, { mode: 64, address: trampoline.lstar }).map((line) => line.text).join('\n');
      expect(hexOf(assemble(text, { mode: 64, origin: trampoline.lstar }).bytes), trampoline.id).toBe(hexOf(bytes));
    }
  });
});

describe('why the jump became indirect', () => {
  test('a near jump does not reach from the stacks to the new place of the text', () => {
    const enter = pv.indirectJump.image + 0x14_8000n;
    expect(() => pv.stubBytes(pv.nearJump.stub!({ stackBottom: STACK_BOTTOM, enter, selector: 0xe033 }), STACK_PAGE))
      .toThrow(/does not reach .* -0x73802bb01a/);
  });

  test('it reaches in 3.0.4, where both are in the direct map, and in 2015, where the stubs are beside the text', () => {
    for (const trampoline of [pv.nearJump, pv.stubPage]) {
      const distance = stubOf(trampoline).enter - trampoline.lstar;
      expect(BigInt.asIntN(32, distance)).toBe(distance);
    }
  });
});

describe('which registers differ at the kernel\'s entry', () => {
  const EXPECTED: Record<string, string[]> = {
    nearJump: [], indirectJump: ['R11'], reloaded: [], canonicalCheck: [], stubPage: [], fred: ['RCX', 'R11'], fredAdjusted: [],
  };
  test.for(pv.trampolines.map((each) => [each.id, each] as const))('%s', ([id, trampoline]) => {
    for (const profile of [cpus.ivyBridge, cpus.sapphireRapids, cpus.amdK10, cpus.zen3]) {
      const { fields, boundaries } = compareSystemCalls({ cpu: profile, trampoline, user: program, kernel: pv.popsRegisters, witness: 'kernel' });
      expect([fields, boundaries]).toEqual([EXPECTED[id], 1]);
    }
  });

  test('RFLAGS and RIP of the frame are right under each of them: the frame was pushed before the damage', () => {
    for (const trampoline of pv.trampolines) {
      const world = pv.pvWorld({ cpu, trampoline, user: program });
      world.finish(pv.atHandler);
      const frame = world.physical(world.machine.state.gpr[4]!);
      expect([world.machine.memory.read(frame, 8), world.machine.memory.read(frame + 16n, 8)], trampoline.id).toEqual([0x40_0007n, 0x246n]);
    }
  });

  test('what SAVE_ALL saves of R11 is the address of syscall_enter, of RCX the user\'s RIP', () => {
    const world = pv.pvWorld({ cpu, trampoline: pv.indirectJump, user: program });
    world.finish(pv.atHandler);
    expect([world.saved(UREGS.r11), world.saved(UREGS.rcx)]).toEqual([0xffff_828c_8014_8000n, 0x40_0007n]);
  });
});

describe('what the program sees', () => {
  const table = tabulateSystemCalls({
    user: program, trampolines: pv.trampolines,
    cases: [
      { id: 'intel', name: 'Intel', cpu: cpus.ivyBridge, kernel: pv.popsRegisters, witness: 'program' },
      { id: 'amd', name: 'AMD', cpu: cpus.amdK10, kernel: pv.popsRegisters, witness: 'program' },
      { id: 'frame', name: 'frame', cpu: cpus.ivyBridge, kernel: pv.takesFrame, witness: 'program' },
    ],
  });
  const row = (id: string): string[] => table.rows.find(({ policy }) => policy.id === id)!.cells.map(({ fields }) => fields.join());

  test('a kernel that pops RCX and R11 passes the damage on, on both vendors\' processors, and #AC follows', () => {
    expect(row('indirectJump')).toEqual(['R11,RFLAGS,#AC', 'R11,RFLAGS,#AC', '']);
  });
  test('under FRED it returns to what the program had in RCX; a kernel that takes the frame leaves both as they were', () => {
    expect(row('fred')).toEqual(['RIP,#GP', 'RIP,#GP', 'RCX,R11']);
    expect(table.rows.find(({ policy }) => policy.id === 'fred')!.cells[0]!.counterexample)
      .toMatchObject({ field: 'RIP', bareMetal: 0x40_0007n, underPolicy: 0x0d0d_0d0d_0d0d_0d0dn });
  });
  test('all others are transparent', () => {
    for (const id of ['nearJump', 'reloaded', 'canonicalCheck', 'stubPage', 'fredAdjusted']) expect(row(id), id).toEqual(['', '', '']);
  });
  test('the hypervisor\'s address reaches the program in R11', () => {
    const { counterexample } = compareSystemCalls({ cpu, trampoline: pv.indirectJump, user: program, kernel: pv.popsRegisters });
    expect(counterexample).toMatchObject({ boundary: 2, field: 'R11', bareMetal: 0x246n, underPolicy: 0xffff_828c_8014_8200n });
  });
  test('a return by IRET loads the same flags', () => {
    const kernel: pv.GuestKernel = { ...pv.popsRegisters, returns: 'IRET' };
    const { counterexample } = compareSystemCalls({ cpu, trampoline: pv.indirectJump, user: program, kernel });
    expect(counterexample!.differences.find(({ field }) => field === 'RFLAGS')).toMatchObject({ underPolicy: 0x14_0202n });
  });
  test('the bounce to the kernel clears AC, as a PV kernel is at CPL 3 and would be checked', () => {
    const user = asm64`
        org    0x400000
        pushfq
        or     dword ptr [rsp], 0x40000
        popfq
        mov    eax, 39
        syscall
        mov    eax, 60
        syscall`;
    const world = pv.pvWorld({ cpu, trampoline: pv.reloaded, user });
    world.finish(pv.atHandler);
    expect(world.machine.state.rflags & 0x4_0000).toBe(0);
    expect(world.machine.state.gpr[11]! & 0x4_0000n).toBe(0x4_0000n);
    expect(world.finish()).toEqual({ kind: 'exit', exception: '' });
  });
});

/** A system call whose return address is the first one that is not canonical. Each register is the program's choice. */
const atTheEdge = (stack: bigint): Program => assemble(`
        org    0x7fffffffffc0
        mov    rbp, 0x4242424242424242
        mov    rsp, ${stack}
        mov    eax, 39
        times  ${0x40 - 10 - 10 - 5 - 2} nop
        syscall`, { mode: 64 });

describe('32-bit programs, which enter at IA32_CSTAR', () => {
  const user = asm32`
        org    0x400000
        mov    eax, 39
        syscall
        mov    eax, [esp - 15]
        mov    eax, 60
        syscall`;
  const fields = (trampoline: pv.Trampoline, profile: typeof cpu, kernel = pv.popsRegisters): string =>
    compareSystemCalls({ cpu: profile, trampoline, user, kernel, timeline: false }).fields.join();

  test('the trampoline there pushes e023h, as the lines do that the message quotes of 3.0.4', () => {
    const world = pv.pvWorld({ cpu: cpus.amdK10, trampoline: pv.nearJump, user });
    const bytes = Array.from({ length: 5 }, (_, n) => world.peek(STACK_PAGE + 0x80n + 16n + BigInt(n), 1));
    expect(bytes).toEqual([0x68n, 0x23n, 0xe0n, 0n, 0n]);
  });
  test('on AMD they lose their flags as 64-bit programs do', () => {
    for (const profile of [cpus.amdK10, cpus.zen3]) {
      expect(fields(pv.indirectJump, profile)).toBe('RFLAGS,#AC');
      expect(fields(pv.indirectJump, profile, pv.takesFrame)).toBe('');
      for (const trampoline of [pv.nearJump, pv.reloaded, pv.canonicalCheck, pv.stubPage]) expect(fields(trampoline, profile), trampoline.id).toBe('');
    }
  });
  test('on Intel they have no SYSCALL, on bare metal neither', () => {
    expect(compareSystemCalls({ cpu: cpus.ivyBridge, trampoline: pv.indirectJump, user, timeline: false })).toMatchObject({ transparent: true, ended: '#UD' });
  });
  test('what FRED does with them is not modelled', () => {
    expect(() => pv.pvWorld({ cpu: cpus.zen3, trampoline: pv.fred, user })).toThrow(Unmodelled);
  });
});

describe('a trampoline of one\'s own, with R10 as its scratch register: the page\'s exercise', () => {
  const imm64 = (value: bigint) => Array.from({ length: 8 }, (_, n) => Number((value >> BigInt(8 * n)) & 0xffn));
  const throughR10 = (store: boolean): pv.Trampoline => ({
    ...pv.indirectJump,
    stub: (place) => [
      ...pv.indirectJump.stub!(place).slice(0, -2),
      ...(store ? [[0x4c, 0x89, 0x15, { to: place.stackBottom - 8n }]] : []),
      [0x49, 0xba, ...imm64(place.enter)],
      [0x41, 0xff, 0xe2],
    ],
    enter: store ? `\n        mov    r10, [rsp + 24]${pv.indirectJump.enter}` : pv.indirectJump.enter,
  });
  const fields = (trampoline: pv.Trampoline) => (['kernel', 'program'] as const).map((witness) =>
    compareSystemCalls({ cpu, trampoline, user: program, kernel: pv.popsRegisters, witness }).fields.join());

  test('R10 is lost', () => expect(fields(throughR10(false))).toEqual(['R10', 'R10']));
  test('kept in the slot of SS, nothing is', () => expect(fields(throughR10(true))).toEqual(['', '']));
});

describe('a return address that is not canonical (XSA-7)', () => {
  const run = (profile: typeof cpu, trampoline: pv.Trampoline) => {
    const world = pv.pvWorld({ cpu: profile, trampoline, user: atTheEdge(pv.VICTIM + 0x800n) });
    const before = world.machine.memory.readBytes(pv.VICTIM - 0xffff_8300_0000_0000n, 0x1000);
    const ending = world.finish();
    const after = world.machine.memory.readBytes(pv.VICTIM - 0xffff_8300_0000_0000n, 0x1000);
    return { world, ending, written: [...after].flatMap((byte, at) => (byte === before[at] ? [] : [at])), after };
  };

  test('2007 on Intel: #GP at ring 0 on a stack that the program chose', () => {
    const { ending, written, after, world } = run(cpus.ivyBridge, pv.reloaded);
    expect(ending).toEqual({ kind: 'fatal', exception: '#GP' });
    expect(written.length).toBeGreaterThan(0);
    expect(written.every((at) => at >= 0x800 - 168 && at < 0x800)).toBe(true);
    // RBP, where SAVE_ALL pushed it.
    expect(new DataView(after.buffer).getBigUint64(0x800 - 168 + UREGS.rbp, true)).toBe(0x4242_4242_4242_4242n);
    expect(world.machine.state.gpr[4]).toBe(pv.VICTIM + 0x800n - 168n);
  });
  test('2007 on AMD: SYSRET succeeds, the fetch faults at CPL 3, and the kernel is given #GP', () => {
    const { ending, written } = run(cpus.amdK10, pv.reloaded);
    expect(ending).toEqual({ kind: 'exception', exception: '#GP' });
    expect(written).toEqual([]);
  });
  test('with the check: IRETQ faults on Xen\'s own stack, and the kernel is given #GP, on both', () => {
    for (const trampoline of [pv.canonicalCheck, pv.stubPage]) {
      for (const profile of [cpus.ivyBridge, cpus.amdK10]) {
        const { ending, written, world } = run(profile, trampoline);
        expect(ending).toEqual({ kind: 'exception', exception: '#GP' });
        expect(written).toEqual([]);
        expect(world.bouncedRip).toBe(0x8000_0000_0000n);
      }
    }
  });
  test('before 2007 as in 2007: the jump has nothing to do with it', () => {
    for (const trampoline of [pv.nearJump, pv.indirectJump]) expect(run(cpus.ivyBridge, trampoline).ending!.kind).toBe('fatal');
  });
});

describe('FRED, and a migration to a processor without it', () => {
  test('a stale RCX in the saved registers does not decide where SYSRET goes: it takes RIP from the frame', () => {
    const world = pv.pvWorld({ cpu, trampoline: pv.stubPage, user: program });
    const restoring = (each: pv.SystemCallWorld): boolean => each.machine.state.rip === each.address('test_all_events');
    world.finish(pv.atHandler);
    world.finish(restoring);
    // On the way to the program: what a FRED host would have saved of RCX and R11.
    const saved = STACK_BOTTOM - 168n - 0xffff_8300_0000_0000n;
    for (const offset of [UREGS.rcx, UREGS.r11]) world.machine.memory.write(saved + BigInt(offset), 8, 0xdeadn);
    world.finish(pv.inUser);
    expect([world.machine.state.rip, world.machine.state.gpr[1], world.machine.state.gpr[11]]).toEqual([0x40_0007n, 0x40_0007n, 0x246n]);
  });
});

describe('options', () => {
  test('a program that is not below 2^47, or of 16 bits', () => {
    expect(() => pv.pvWorld({ cpu, trampoline: pv.reloaded, user: asm64`nop` })).toThrow(/give it an org below 0x800000000000/);
    expect(() => pv.pvWorld({ cpu, trampoline: pv.reloaded, user: assemble('nop', { mode: 16 }) })).toThrow(TypeError);
  });
  test('a place outside of the image', () => {
    for (const syscallEnter of [0n, 0x3f_0010n]) expect(() => pv.pvWorld({ cpu, trampoline: pv.reloaded, user: program, syscallEnter })).toThrow(RangeError);
  });
  test('a program that is too long', () => {
    expect(() => pv.pvWorld({ cpu, trampoline: pv.reloaded, user: asm64`org 0x400000
      nop
      resb 0x100000` })).toThrow(/has 1048577 bytes/);
  });
  test('an unknown option', () => {
    const options = { cpu, trampoline: pv.reloaded, user: program, link: 1 };
    expect(() => pv.pvWorld(options)).toThrow(/unknown option "link"/);
  });
  test('an endless program ends with a message', () => {
    const world = pv.pvWorld({ cpu, trampoline: pv.reloaded, user: asm64`org 0x400000
      again: jmp again` });
    expect(() => world.finish()).toThrow(/has not ended after 200,000 instructions/);
  });
});

test.for([
  ['xor ecx, ecx\n div ecx', '#DE'], ['int3', '#BP'], ['ud2', '#UD'], ['hlt', '#GP'], ['mov rax, [0x10]', '#PF'], ['int 0x80', '#GP'],
  ['fninit\n fldcw [word]\n fld1\n fldz\n fdivp st(1), st(0)\n fwait\n word: dw 0x37b', '#MF'],
  ['mov rsp, 0x8000000000000000\n push rax', '#SS'],
] as const)('any exception of the program reaches the kernel, under Xen and on bare metal: %s', ([text, expected]) => {
  const user = assemble(`org 0x400000\n ${text}`, { mode: 64 });
  expect(pv.pvWorld({ cpu, trampoline: pv.reloaded, user }).finish()).toEqual({ kind: 'exception', exception: expected });
  expect(pv.bareMetal({ cpu, user }).finish()).toEqual({ kind: 'exception', exception: expected });
});

test('the frame ends where struct cpu_info says', () => expect(CURRENT - STACK_BOTTOM).toBe(40n));
