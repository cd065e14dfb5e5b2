import { Pc, type PcOptions, assemble, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { FLAT_TABLE, intoFlat } from './flat.ts';

/** Counts 5 ticks of the PIT at 1000 Hz through the PIC, in real-address mode, and tells the count through the exit port. */
const ticks = assemble(`
        cli
        mov    word ptr [0x20 * 4], tick
        mov    word ptr [0x20 * 4 + 2], 0
        mov    al, 0x11             ; ICW1: edge, cascade, ICW4
        out    0x20, al
        mov    al, 0x20             ; ICW2: IRQ 0 is vector 20h
        out    0x21, al
        mov    al, 4
        out    0x21, al
        mov    al, 1
        out    0x21, al
        mov    al, 0xfe             ; only IRQ 0
        out    0x21, al
        mov    al, 0x34             ; counter 0, both bytes, mode 2
        out    0x43, al
        mov    ax, 1193
        out    0x40, al
        mov    al, ah
        out    0x40, al
        sti
wait:   hlt
        cmp    bx, 5
        jne    wait
        mov    al, bl
        out    0xf4, al
        hlt
tick:   inc    bx
        mov    al, 0x20
        out    0x20, al
        iret
`, { mode: 16 });

describe('a PC', () => {
  test('PIT and PIC: a real-mode program counts five ticks of a millisecond', () => {
    const pc = new Pc({ program: ticks });
    const stop = pc.run({ limit: 100_000_000 });
    expect(stop).toMatchObject({ reason: 'exit', code: 11 });
    // Five periods of 1193 / 1193182 s at 1 GHz, and some instructions around them.
    expect(stop.time).toBeGreaterThan(4_999_000);
    expect(stop.time).toBeLessThan(5_001_000);
  });

  const reasons: readonly { name: string; text: string; reason: string; options?: PcOptions }[] = ([
    ['the exit port', 'mov al, 3\n out 0xf4, al\n hlt', 'exit'],
    ['HLT with interrupts off', 'cli\n hlt', 'halted'],
    ['HLT that no device will end', 'sti\n hlt', 'idle', { firmware: false }],
    ['a triple fault', 'lidt [none]\n int 3\nnone: dw 0\n dd 0', 'shutdown'],
    ['the limit', 'again: jmp again', 'limit'],
    ['soft off', 'mov dx, 0x604\n mov ax, 0x3401\n out dx, ax\n hlt', 'power off'],
    ['the reset control register', 'mov dx, 0xcf9\n mov al, 2\n out dx, al\n mov al, 6\n out dx, al\n hlt', 'reset'],
    ['the keyboard controller', 'mov al, 0xfe\n out 0x64, al\n hlt', 'reset'],
    ['port 92h', 'mov al, 3\n out 0x92, al\n hlt', 'reset'],
  ] as const).map(([name, text, reason, options]) => ({ name, text, reason, ...(options ? { options } : {}) }));
  test.each(reasons)('says why it ends: $name', ({ text, reason, options }) => {
    expect(new Pc({ program: assemble(text, { mode: 16 }), ...options }).run({ limit: 1000 }).reason).toBe(reason);
  });

  test('a halted processor is woken by an interrupt that comes later, and the limit counts that time', () => {
    const pc = new Pc({ program: ticks });
    expect(pc.run({ limit: 2_500_000 })).toEqual({ reason: 'limit', time: 2_500_000 });
    expect(pc.processors[0]!.state.get('RBX')).toBe(2n);
    expect(pc.run()).toMatchObject({ reason: 'exit', code: 11 });
  });

  test('turning address line 20 off is not modelled, and says so', () => {
    const pc = new Pc({ program: assemble('mov al, 0\n out 0x92, al\n hlt', { mode: 16 }) });
    expect(() => pc.run({ limit: 10 })).toThrow(/address line 20 turned off by port 92h/);
  });

  test('an option that is not one, and values that are none, are told', () => {
    expect(() => new Pc({ ram: 1 } as PcOptions)).toThrow(/unknown option "ram"/);
    expect(() => new Pc({ cpus: 0 })).toThrow(/cpus is 0/);
    expect(() => new Pc({ memory: 5 })).toThrow(/memory is 5/);
    expect(() => new Pc({ cpus: 2, schedule: [{ processor: 2, instructions: 1 }] }).run()).toThrow(/turn 0 of the schedule is processor 2/);
  });
});

/**
 * Starts processor 1 by INIT-SIPI-SIPI from 32-bit code; both count under a lock, each `times` times, and the first one
 * tells through the exit port.
 */
const two = (times: number) => assemble(`
        bits   16
        cli
        ${intoFlat('flat')}
        mov    ax, 0x10
        mov    ds, ax
        mov    ss, ax
        mov    es, ax
        mov    esi, start           ; the other processor's code goes to 8000h
        mov    edi, 0x8000
        mov    ecx, 0x200
        rep movsb
        mov    ebx, 0xfee00000
        mov    dword ptr [ebx + 0xf0], 0x1ff
        mov    dword ptr [ebx + 0x310], 0x01000000
        mov    dword ptr [ebx + 0x300], 0x4500
        mov    dword ptr [ebx + 0x300], 0x4608
        mov    dword ptr [ebx + 0x300], 0x4608
        mov    ecx, ${times}
mine:   lock inc dword ptr [0x9000]
        dec    ecx
        jnz    mine
done:   pause
        cmp    byte ptr [0x9004], 1
        jne    done
        mov    al, byte ptr [0x9000]
        out    0xf4, al
        hlt
start:  bits   16
        xor    ax, ax
        mov    ds, ax
        mov    cx, ${times}
other:  lock inc dword ptr [0x9000]
        dec    cx
        jnz    other
        mov    byte ptr [0x9004], 1
        hlt
        ${FLAT_TABLE}
`, { mode: 16, origin: 0x7c00n });

describe('two processors', () => {
  test('INIT and two start-up IPIs start the second one at the vector', () => {
    const pc = new Pc({ cpus: 2, program: two(50) });
    expect(pc.run({ limit: 1_000_000 })).toMatchObject({ reason: 'exit', code: 201 });
    expect(pc.processors[1]!.state.halted).toBe(true);
    expect(pc.processors[1]!.state.selector(1)).toBe(0x800);
  });

  test.each([1, 2, 3, 7])('whatever the schedule, increments add up (seed %i)', (seed) => {
    const pc = new Pc({ cpus: 2, program: two(50), schedule: { seed, most: 5 } });
    expect(pc.run({ limit: 1_000_000 })).toMatchObject({ reason: 'exit', code: 201 });
  });

  test('same seed, same run, bit for bit; another seed, another run', () => {
    const end = (seed: number) => {
      const pc = new Pc({ cpus: 2, program: two(50), schedule: { seed, most: 9 } });
      pc.run({ limit: 1_000_000 });
      return pc.snapshot();
    };
    expect(end(5)).toEqual(end(5));
    expect(end(5).time).not.toBe(end(6).time);
  });

  test('a snapshot taken anywhere has the same future', () => {
    const options: PcOptions = { cpus: 2, program: two(40), schedule: { seed: 3, most: 7 } };
    const whole = new Pc(options);
    whole.run({ limit: 1_000_000 });
    for (const limit of [1, 17, 100, 333, 702]) {
      const first = new Pc(options);
      first.run({ limit });
      const between = first.snapshot();
      const second = new Pc({ ...options, program: undefined } as PcOptions);
      second.restore(between);
      expect(second.snapshot()).toEqual(between);
      second.run({ limit: 1_000_000 });
      expect(second.snapshot()).toEqual(whole.snapshot());
    }
  });

  test('what the guest has ended stays ended after a snapshot, and a PC that goes back goes on', () => {
    const pc = new Pc({ cpus: 2, program: two(50) });
    const start = pc.snapshot();
    const end = pc.run({ limit: 1_000_000 });
    const other = new Pc({ cpus: 2, program: two(50) });
    other.restore(pc.snapshot());
    expect(other.run({ limit: 1_000_000 })).toEqual(end);
    expect(other.snapshot()).toEqual(pc.snapshot());
    pc.restore(start);
    expect(pc.run({ limit: 1_000_000 })).toEqual(end);
  });

  // SeaBIOS waits for its other processors like this: with turns of one length the first one never lets the second one in.
  test('a lock that is released and taken again in a loop comes to the other processor', () => {
    const program = (before: number) => assemble(`
        bits   16
        cli
        ${intoFlat('flat')}
        ${'nop\n'.repeat(before)}
        mov    ax, 0x10
        mov    ds, ax
        mov    es, ax
        mov    esi, start
        mov    edi, 0x8000
        mov    ecx, 0x80
        rep movsb
        mov    byte ptr [0x9000], 1
        mov    ebx, 0xfee00000
        mov    dword ptr [ebx + 0x300], 0xc4500
        mov    dword ptr [ebx + 0x300], 0xc4608
again:  mov    dword ptr [0x9000], 0
        pause
take:   lock bts dword ptr [0x9000], 0
        jc     take
        jmp    again
start:  bits   16
        xor    ax, ax
        mov    ds, ax
wait:   pause
        lock bts dword ptr [0x9000], 0
        jc     wait
        out    0xf4, al
        hlt
        ${FLAT_TABLE}
`, { mode: 16, origin: 0x7c00n });
    // The loop has five instructions: at the end of a turn of 500 it is always at the same one of them, with the lock held at three.
    const reasons = (options: PcOptions): string[] => [0, 1, 2, 3, 4].map((before) => new Pc({ cpus: 2, program: program(before), ...options }).run({ limit: 50_000 }).reason);
    expect(reasons({})).toEqual(['exit', 'exit', 'exit', 'exit', 'exit']);
    expect(reasons({ schedule: 500 }).filter((reason) => reason === 'limit')).toHaveLength(3);
  });

  test('a schedule that leaves out whoever could run is told', () => {
    const pc = new Pc({ cpus: 2, program: two(1), schedule: [{ processor: 1, instructions: 5 }] });
    expect(() => pc.run({ limit: 100 })).toThrow(/no turn to any processor that can run/);
  });

  test('CPUID tells each processor its identifier', () => {
    const pc = new Pc({ cpus: 2, cpu: cpus.haswell, program: assemble('mov eax, 1\n cpuid\n shr ebx, 24\n hlt', { mode: 16 }) });
    expect(pc.processors.map(({ execution }) => execution.placement.apicId)).toEqual([0, 1]);
    pc.run({ limit: 100 });
    expect(pc.processors[0]!.state.get('RBX')).toBe(0n);
  });
});
