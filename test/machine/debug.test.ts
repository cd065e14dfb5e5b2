/** Debug registers and breakpoints, rule by rule, through machine code. SDM vol. 3B, 17.2 and 17.3.1. */

import { Machine, assemble, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { type Debugged, type Options, SIZES, type Size, clearTrapFlag, debugged, setTrapFlag, wide } from './debug-log.ts';

const DATA = 0x5800n;
/** R/W and LEN fields of breakpoint `n`, locally enabled. */
const control = (n: number, rw: number, length: 1 | 2 | 4 | 8, enable = 1): number =>
  ((enable << (2 * n)) | (rw << (16 + 4 * n)) | ({ 1: 0, 2: 1, 8: 2, 4: 3 }[length] << (18 + 4 * n))) >>> 0;

/** The frame of 16-bit code has no RF: a handler that returns to the instruction would be called again. */
const inWideCode = (size: Size): ((name: string, body: () => void) => void) => (size === 16 ? () => {} : test);

/** Breakpoints set before the first instruction, then `body`; what the handler wrote down. */
function broken(size: Size, body: string, set: { dr7: number; dr0?: bigint | string; dr1?: bigint | string; cr4?: bigint }, options?: Options): Debugged & { entries: string[] } {
  const run = debugged(size, body, options);
  const { machine, program } = run;
  const address = (value: bigint | string | undefined): bigint => (typeof value === 'string' ? program.symbols[value]! : value ?? 0n);
  machine.state.set('DR0', address(set.dr0));
  machine.state.set('DR1', address(set.dr1));
  machine.state.set('DR7', set.dr7 | 0x400);
  machine.state.cr4 |= set.cr4 ?? 0n;
  expect(machine.run({ limit: 2000 }).reason).toBe('halted');
  return { ...run, entries: run.log().map(({ at, status, flags }) => [at, status, flags].filter(Boolean).join(', ')) };
}

describe('MOV to and from debug registers', () => {
  const run = (code: string, prepare: (machine: Machine) => void = () => {}): Machine => {
    const machine = new Machine(assemble(`${code}\n hlt`, { mode: 64 }), { cpu: cpus.ivyBridge });
    prepare(machine);
    machine.run();
    return machine;
  };

  test.each([
    ['dr6', 0n, 0xffff_0ff0n], ['dr6', 0xffff_ffffn, 0xffff_efffn], ['dr7', 0n, 0x400n],
    ['dr7', 0xffff_ffffn, 0xffff_27ffn], ['dr0', 0xffff_ffff_ffff_ffffn, 0xffff_ffff_ffff_ffffn],
    ['dr3', 0x1234_5678_9abc_def0n, 0x1234_5678_9abc_def0n], ['dr4', 0x1n, 0xffff_0ff1n], ['dr5', 0x1n, 0x401n],
  ] as const)('%s written with %s holds %s', (register, value, kept) => {
    const machine = run(`mov rax, 0x${value.toString(16)}\n mov ${register}, rax`);
    const name = { dr4: 'DR6', dr5: 'DR7' }[register as string] ?? register.toUpperCase();
    expect(machine.state.get(name)).toBe(kept);
  });
  test.each([['dr4', 'DR6'], ['dr5', 'DR7']])('%s is %s', (alias, register) => {
    const machine = run(`mov eax, 3\n mov ${alias}, rax`);
    expect(Number(machine.state.get(register)) & 3).toBe(3);
  });
  test.each(['mov dr4, rax', 'mov rax, dr4', 'mov dr5, rax', 'mov rax, dr5'])('%s is #UD with CR4.DE', (code) => {
    expect(() => run(code, ({ state }) => { state.cr4 |= 8n; })).toThrow(/#UD/);
  });
  test.each([['dr6', /#GP\(0\)/], ['dr7', /#GP\(0\)/]])('bits 63:32 of %s are #GP(0) in 64-bit mode, and DR7 stays', (register, message) => {
    expect(() => run(`mov rax, 0x100000000\n mov ${register}, rax`)).toThrow(message);
  });
  test.each(['mov dr0, rax', 'mov rax, dr7'])('%s outside CPL 0 is #GP(0)', (code) => {
    expect(() => run(code, ({ state }) => state.set('SS.attributes', 0xc0f3))).toThrow(/#GP\(0\)/);
  });
  test('there is no DR8', () => {
    expect(() => run('db 0x44, 0x0f, 0x21, 0xc0')).toThrow(/#UD/);
  });
  test('32-bit code writes 32 bits', () => {
    const machine = new Machine(assemble('mov eax, 0xffffffff\n mov dr0, eax\n hlt', { mode: 32 }), { cpu: cpus.ivyBridge });
    machine.state.set('DR0', 0xffff_ffff_ffff_ffffn);
    machine.run();
    expect(machine.state.get('DR0')).toBe(0xffff_ffffn);
  });
});

describe.each(SIZES)('general detect in %d-bit code', (size) => {
  test('the access is a fault with BD and RF saved as 1, nothing is written, GD is 0 in the handler and after it', () => {
    const step = { 16: 'add word ptr [bp + 8], 3', 32: 'add dword ptr [esp + 8], 3', 64: 'add qword ptr [rsp + 16], 3' }[size];
    const { machine, entries } = broken(size, `mov ${size === 64 ? 'rax' : 'eax'}, 0x55\na: mov dr0, ${size === 64 ? 'rax' : 'eax'}`, { dr7: 0x2000 }, { handler: step });
    expect(entries).toEqual([size === 16 ? 'a, BD' : 'a, BD, RF']);
    expect([machine.state.get('DR0'), machine.state.get('DR7')]).toEqual([0n, 0x400n]);
  });
});

describe.each(SIZES)('instruction breakpoints in %d-bit code', (size) => {
  const setRf = size === 16 ? '' : 'or dword ptr FLAGS, 0x10000';

  inWideCode(size)('a fault before the instruction, RF saved as it was; with RF set in the image it is met once', () => {
    const { entries, machine } = broken(size, `mov ecx, 0\na: inc ecx\nb: nop`, { dr7: 1, dr0: 'a' }, { handler: setRf });
    expect(entries).toEqual(['a, B0']);
    expect([machine.state.gpr[1], machine.state.rflags & 0x1_0000]).toEqual([1n, 0]);
  });
  inWideCode(size)('RF lasts for one instruction: the same one is met again in the next round', () => {
    const { entries } = broken(size, `mov ecx, 2\na: nop\n loop a`, { dr7: 1, dr0: 'a' }, { handler: setRf });
    expect(entries).toEqual(['a, B0', 'a, B0']);
  });
  test('a handler that disables it gets it once', () => {
    const { entries } = broken(size, 'a: nop', { dr7: 3, dr0: 'a' }, { handler: `mov ${size === 64 ? 'rax' : 'eax'}, 0\n mov dr7, ${size === 64 ? 'rax' : 'eax'}` });
    expect(entries).toEqual(['a, B0']);
  });
  inWideCode(size)('a repeated string instruction is met before its first iteration only', () => {
    const { entries } = broken(size, `mov ${wide(size, 'si')}, start\n mov ${wide(size, 'cx')}, 3\na: rep lodsb`, { dr7: 1, dr0: 'a' }, { handler: setRf });
    expect(entries).toEqual(['a, B0']);
  });
  test('the instruction behind a load of SS is not met', () => {
    expect(broken(size, 'mov ax, ss\n mov ss, ax\na: nop', { dr7: 1, dr0: 'a' }).entries).toEqual([]);
  });
  test('the second byte of an instruction is not its address', () => {
    expect(broken(size, 'db 0xb0\na: db 0x00', { dr7: 1, dr0: 'a' }).entries).toEqual([]);
  });
  test('a disabled one is not met, and is reported beside an enabled one of the same address', () => {
    expect(broken(size, 'a: nop', { dr7: 0, dr0: 'a' }).entries).toEqual([]);
    const disable = `mov ${size === 64 ? 'rax' : 'eax'}, 0\n mov dr7, ${size === 64 ? 'rax' : 'eax'}`;
    expect(broken(size, 'a: nop', { dr7: 4, dr0: 'a', dr1: 'a' }, { handler: disable }).entries).toEqual(['a, B0 B1']);
  });
  inWideCode(size)('it comes before the fault of the instruction itself, and RF holds through that fault', () => {
    const skip = { 16: '', 32: 'add dword ptr [esp], 2', 64: 'add qword ptr [rsp], 2' }[size];
    const body = `a: ud2\nb: nop\n jmp over\nother: ${skip}\n ${size === 64 ? 'iretq' : 'iretd'}\nover:`;
    expect(broken(size, body, { dr7: 1, dr0: 'a' }, { handler: setRf, vectors: { 6: 'other' } }).entries).toEqual(['a, B0']);
  });
});

describe('data breakpoints', () => {
  const access = (size: Size, bytes: number, write: boolean, offset: number): string => {
    const operand = `${{ 1: 'byte', 2: 'word', 4: 'dword', 8: 'qword' }[bytes]} ptr [${wide(size, 'bx')} + ${offset}]`;
    const register = { 1: 'al', 2: 'ax', 4: 'eax', 8: 'rax' }[bytes];
    return write ? `mov ${operand}, ${register}` : `mov ${register}, ${operand}`;
  };

  // Every length and every access against every distance: overlap decides, byte by byte.
  describe.each(SIZES)('in %d-bit code', (size) => {
    const lengths = size === 64 ? [1, 2, 4, 8] as const : [1, 2, 4] as const;
    test.each(lengths)('a write breakpoint of length %d is met by exactly the writes that overlap it', (length) => {
      for (const bytes of lengths) {
        for (let offset = -9; offset <= 9; offset++) {
          const overlaps = offset < length && offset + bytes > 0;
          const { entries } = broken(size, `mov ${wide(size, 'bx')}, 0x5800\n${access(size, bytes, true, offset)}\na: nop`, { dr7: control(0, 1, length), dr0: DATA });
          expect([bytes, offset, entries]).toEqual([bytes, offset, overlaps ? ['a, B0'] : []]);
        }
      }
    });
    test('it is not met by reads; read/write is met by both', () => {
      const met = (rw: number, write: boolean): number =>
        broken(size, `mov ${wide(size, 'bx')}, 0x5800\n${access(size, 1, write, 0)}\na: nop`, { dr7: control(0, rw, 1), dr0: DATA }).entries.length;
      expect([met(1, false), met(1, true), met(3, false), met(3, true)]).toEqual([0, 1, 1, 1]);
    });
    test('address bits that the length covers do not count', () => {
      const { entries } = broken(size, `mov ${wide(size, 'bx')}, 0x5800\n${access(size, 1, true, 0)}\na: nop`, { dr7: control(0, 1, 4), dr0: DATA + 3n });
      expect(entries).toEqual(['a, B0']);
    });
    test('together with TF there is one trap that says both', () => {
      const body = `mov ${wide(size, 'bx')}, 0x5800\n${setTrapFlag(size)}\n${access(size, 1, true, 0)}\na: ${clearTrapFlag(size)}`;
      expect(broken(size, body, { dr7: control(0, 1, 1), dr0: DATA }).entries[0]).toBe('a, B0 BS, TF');
    });
    test('a repeated string instruction traps after the iteration that met it', () => {
      const body = `mov ${wide(size, 'di')}, 0x57ff\n mov ${wide(size, 'cx')}, 3\na: rep stosb\nb: nop`;
      expect(broken(size, body, { dr7: control(0, 1, 1), dr0: DATA }).entries).toEqual([size === 16 ? 'a, B0' : 'a, B0, RF']);
    });
    test('a load of SS from a watched word is trapped one instruction later', () => {
      const body = `mov ax, ss\n mov bx, 0x5800\n mov word ptr [0x5800], ax\nc: mov ss, word ptr [0x5800]\na: nop\nb: nop`;
      expect(broken(size, body, { dr7: control(0, 3, 2), dr0: DATA }).entries).toEqual(['c, B0', 'b, B0']);
    });
    test('and where that one is INT n, at the first instruction of its handler', () => {
      const iret = size === 64 ? 'iretq' : size === 32 ? 'iretd' : 'iret';
      const body = `mov ax, ss\n mov word ptr [0x5800], ax\nc: mov ss, word ptr [0x5800]\n int 0x80\n jmp over\nother: nop\n ${iret}\nover:`;
      expect(broken(size, body, { dr7: control(0, 3, 2), dr0: DATA }, { vectors: { 0x80: 'other' } }).entries).toEqual(['c, B0', 'other, B0']);
    });
    test('and where that one faults, not at all', () => {
      const skip = { 16: 'add word ptr [esp], 2', 32: 'add dword ptr [esp], 2', 64: 'add qword ptr [rsp], 2' }[size];
      const iret = size === 64 ? 'iretq' : size === 32 ? 'iretd' : 'iret';
      const body = `mov ax, ss\n mov word ptr [0x5800], ax\nc: mov ss, word ptr [0x5800]\n ud2\n jmp over\nother: ${skip}\n ${iret}\nover:`;
      expect(broken(size, body, { dr7: control(0, 3, 2), dr0: DATA }, { vectors: { 6: 'other' } }).entries).toEqual(['c, B0']);
    });
  });

  // Zen 4, measured with ptrace: CMPXCHG writes its destination whatever the comparison says.
  test('CMPXCHG that fails writes', () => {
    const body = 'mov eax, 1\n mov ecx, 2\n cmpxchg dword ptr [0x5800], ecx\na: nop';
    expect(broken(64, body, { dr7: control(0, 1, 4), dr0: DATA }).entries).toEqual(['a, B0']);
  });
  test('the frame of an interrupt that lands on a watched stack is trapped at the first instruction of the handler', () => {
    const body = 'mov rsp, 0x5820\n int 0x80\n jmp over\nother: nop\n iretq\nover:';
    // RIP of the frame, which is pushed last; IRETQ reads it, which a write breakpoint does not see.
    expect(broken(64, body, { dr7: control(0, 1, 8), dr0: 0x5820n - 40n }, { vectors: { 0x80: 'other' } }).entries).toEqual(['other, B0']);
  });
  test('descriptor tables are memory too', () => {
    const body = 'mov eax, ss\n mov ds, eax\na: nop';
    expect(broken(32, body.replace('ds, eax', 'ds, ax'), { dr7: control(0, 3, 4), dr0: 0x3_1010n }).entries).toEqual(['a, B0']);
  });
});

describe('I/O breakpoints', () => {
  const io = (code: string, set: Parameters<typeof broken>[2]): string[] => {
    const run = debugged(64, `mov dx, 0x80\n ${code}\na: nop`);
    run.machine.ports.attach(0x7e, { read: () => 0, write: () => {} }, 8);
    run.machine.state.set('DR0', 0x80);
    run.machine.state.set('DR7', set.dr7 | 0x400);
    run.machine.state.cr4 |= set.cr4 ?? 0n;
    expect(run.machine.run({ limit: 1000 }).reason).toBe('halted');
    return run.log().map(({ at, status }) => `${at}, ${status}`);
  };
  test.each(['out dx, al', 'in al, dx', 'out 0x80, al', 'out dx, eax', 'in eax, dx'])('%s of a watched port', (code) => {
    expect(io(code, { dr7: control(0, 2, 1), cr4: 8n })).toEqual(['a, B0']);
    expect(io(code, { dr7: control(0, 2, 1) })).toEqual([]);
  });
  test('overlap decides here too', () => {
    expect(io('out 0x7e, eax', { dr7: control(0, 2, 2), cr4: 8n })).toEqual(['a, B0']);
    expect(io('out 0x7e, ax', { dr7: control(0, 2, 2), cr4: 8n })).toEqual([]);
    expect(io('out 0x81, al', { dr7: control(0, 2, 2), cr4: 8n })).toEqual(['a, B0']);
    expect(io('out 0x81, al', { dr7: control(0, 2, 1), cr4: 8n })).toEqual([]);
  });
});

describe('DR6', () => {
  const after = (code: string, prepare: (machine: Machine) => void): Machine => {
    const machine = new Machine(assemble(`${code}\n hlt`, { mode: 64 }), { cpu: cpus.ivyBridge });
    machine.state.set('DR6', 0xffff_efff);
    prepare(machine);
    expect(() => machine.run()).toThrow(/#DB/);
    return machine;
  };
  // As Bochs 2.7 has it, each case run there from a ROM.
  test('BS and BD stay until software clears them, B0 to B3 and BT are those of the last exception', () => {
    expect(after('nop', ({ state }) => { state.rflags |= 0x100; }).state.get('DR6')).toBe(0xffff_6ff0n);
    const data = after('mov byte ptr [rbx], 1', (machine) => {
      machine.state.gpr[3] = DATA;
      machine.memory.map(DATA, 1);
      machine.state.set('DR0', DATA);
      machine.state.set('DR7', 0x400 | control(0, 1, 1));
    });
    expect(data.state.get('DR6')).toBe(0xffff_6ff1n);
    expect(after('mov rax, dr0', ({ state }) => state.set('DR7', 0x2400)).state.get('DR6')).toBe(0xffff_6ff0n);
  });
  test('ICEBP leaves it alone', () => {
    expect(after('db 0xf1', () => {}).state.get('DR6')).toBe(0xffff_efffn);
  });
  test('a task-switch trap that is pending says BT', () => {
    expect(after('nop', ({ state }) => state.set('pending debug exceptions', 0x8000)).state.get('DR6')).toBe(0xffff_eff0n);
  });
});

describe.each(SIZES)('ICEBP in %d-bit code', (size) => {
  test('its handler returns behind it; no condition is noted, and under TF no trap follows it', () => {
    const body = `${setTrapFlag(size)}\n db 0xf1\na: nop\nb: ${clearTrapFlag(size)}`;
    const { machine, log } = debugged(size, body);
    machine.run({ limit: 1000 });
    expect(log().slice(0, 2).map(({ at, status }) => `${at}, ${status}`)).toEqual(['a, ', 'b, BS']);
  });
});

test('a snapshot in the shadow of MOV SS keeps the trap that is pending', () => {
  const { machine, log, program } = debugged(64, 'mov ax, ss\n mov word ptr [0x5800], ax\nc: mov ss, word ptr [0x5800]\na: nop\nb: nop');
  machine.state.set('DR0', DATA);
  machine.state.set('DR7', 0x400 | control(0, 3, 2));
  while (machine.state.rip !== program.symbols.a) machine.run({ limit: 1 });
  const there = machine.snapshot();
  machine.run({ limit: 100 });
  const first = log();
  const end = machine.snapshot();
  machine.restore(there);
  expect(machine.state.get('pending debug exceptions')).toBe(1n);
  machine.run({ limit: 100 });
  expect(log()).toEqual(first);
  expect(machine.diff(end)).toEqual({ fields: [], memory: [] });
});
