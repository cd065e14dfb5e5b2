/** `hidden-state/run`: how runs end, what they report and trace. */

import { DebugPort, cpus } from 'hidden-state';
import { Run, type RunOptions, TERMINAL, load, run } from 'hidden-state/run';
import { describe, expect, test } from 'vitest';
import { LONG_MODE_SOURCE, TWO_PROCESSORS_SOURCE, assembled, bootSector, kernel, multibootHeader, romImage } from './guests.ts';

const real = { flat: { origin: 0x7c00, mode: 16 as const }, memory: 0x20_0000 };
const running = (source: string, options: RunOptions = {}): ReturnType<typeof run> => run(assembled(source, 16, 0x7c00n), { ...real, ...options });

describe('how a run ends', () => {
  test('a boot sector prints and halts', () => {
    const port = new DebugPort();
    const outcome = run(bootSector(), { ...real, ports: { 0xe9: port } });
    expect(port.text).toBe('Hello from a boot sector\n');
    expect(outcome).toMatchObject({ reason: 'halted', exitCode: 0, executed: 3 + 25 * 5 + 3 });
    expect(outcome.message).toBe('halted with interrupts off after 131 instructions');
  });
  test.each([['out 0xf4, al', 0, 1], ['mov al, 3\nout 0xf4, al', 3, 7], ['mov al, 0xff\nout 0xf4, al', 0xff, 0xff], ['mov ax, 0x1234\nout 0xf4, ax', 0x1234, 0x69]])(
    '%j ends it with the code value * 2 + 1', (source, value, exitCode) => {
      const outcome = running(source);
      expect(outcome).toMatchObject({ reason: 'exit port', exitCode });
      expect(outcome.message).toMatch(`ended by the guest, which wrote 0x${value.toString(16)} to port 0xf4, after `);
    });
  test('a fault that cannot be delivered is a shutdown, and each fault on the way is named', () => {
    const outcome = running('lidt [nothing]\nud2\nnothing: dw 0\ndd 0');
    expect(outcome).toMatchObject({ reason: 'shutdown', exitCode: 4, executed: 2 });
    expect(outcome.message.split('\n')).toEqual([
      'shut down by a triple fault after 2 instructions', expect.stringMatching(/^ {2}#UD at 0x7c05: ud2: /), expect.stringMatching(/^ {2}#GP: vector 6 is beyond/),
      expect.stringMatching(/^ {2}#DF/), expect.stringMatching(/^ {2}#GP: vector 8 is beyond/),
    ]);
  });
  test('at the limit it stops, to the instruction', () => {
    const outcome = running('again: inc ax\njmp again', { limit: 1001 });
    expect(outcome).toMatchObject({ reason: 'limit', exitCode: 6, executed: 1001 });
    expect(outcome.register('RAX')).toBe(501n);
  });
  test('what is not modelled is named, with RIP at the instruction', () => {
    const outcome = running('nop\ndb 0x0f, 0x78, 0xc0 ; VMREAD');
    expect(outcome).toMatchObject({ reason: 'unmodelled', exitCode: 8, executed: 1 });
    expect(outcome.register('RIP')).toBe(0x7c01n);
  });
  test('the machine is powered off through ACPI, or reset through the keyboard controller', () => {
    expect(running('mov dx, 0x604\nmov ax, 0x3400\nout dx, ax\nagain: jmp again')).toMatchObject({ reason: 'power off', exitCode: 0, message: 'powered off by the guest after 3 instructions' });
    expect(running('mov al, 0xfe\nout 0x64, al\nagain: jmp again')).toMatchObject({ reason: 'reset', exitCode: 10, message: 'stopped where the guest reset the machine, after 2 instructions' });
  });
  test('an interrupt that no device is going to raise is waited for in vain', () => {
    const rom = romImage();
    rom.set(assembled('sti\nhlt', 16));
    expect(run(rom, { rom: true, memory: 0x20_0000 })).toMatchObject({ reason: 'idle', exitCode: 12 });
  });
  test('the same file gives the same run', () => {
    const [a, b] = [0, 1].map(() => run(bootSector(), { ...real, ports: { 0xe9: new DebugPort() } }).report());
    expect(a).toBe(b);
  });
});

/** Ends with the second interrupt of the timer. */
const WAITS_FOR_TIMER = `
        mov  word ptr [4 * 8], tick
        mov  word ptr [4 * 8 + 2], 0
        mov  al, 0xfe
        out  0x21, al
        sti
        hlt
        hlt
        out  0xf4, al
tick:   mov  al, 0x20
        out  0x20, al
        iret`;

describe('the PC around it', () => {
  test('sends through its serial port', () => {
    const sent: number[] = [];
    running("mov dx, 0x3f8\nmov al, 'h'\nout dx, al\nmov al, 'i'\nout dx, al\ncli\nhlt", { serial: (byte) => sent.push(byte) });
    expect(String.fromCharCode(...sent)).toBe('hi');
  });
  test('tells a device at a port of its own what is written there', () => {
    const codes: number[] = [];
    const device = { write: (_port: number, bytes: number, value: number) => void codes.push(bytes, value) };
    running('mov dx, 0x190\nmov al, 0x55\nout dx, al\nin al, dx\nout 0x30, al\ncli\nhlt', { ports: { 0x190: device, 0x30: device } });
    expect(codes).toEqual([1, 0x55, 1, 0x55]);
  });
  test('interrupts a halted processor: its timer ticks', () => {
    const outcome = running(WAITS_FOR_TIMER);
    expect(outcome).toMatchObject({ reason: 'exit port', exitCode: 0x41 });
    expect(outcome.executed).toBeGreaterThan(50_000_000);
  });
  test('waits fewer instructions for the same time where the clock is slower', () => {
    const halted = (frequency: number): number => running(WAITS_FOR_TIMER, { frequency }).executed;
    expect(halted(1_000_000_000) / halted(10_000_000)).toBeCloseTo(100, 0);
  });

  test('starts its second processor, and both are traced and reported', () => {
    const port = new DebugPort();
    const lines: string[] = [];
    const trace = { instructions: true, write: (line: string) => lines.push(line) };
    const outcome = run(kernel(32, TWO_PROCESSORS_SOURCE), { cpus: 2, memory: 0x20_0000, ports: { 0xe9: port }, trace });
    expect([outcome.reason, port.text]).toEqual(['exit port', '21']);
    expect(lines.filter((line) => /^ +\d+ {2}cpu1 {2}0800:0000 {2}b0 32 {21}mov al, 0x32$/.test(line))).toHaveLength(1);
    expect(lines.filter((line) => !/^ +\d+ {2}cpu[01] {2}/.test(line))).toEqual([]);
    const report = outcome.report();
    expect(report).toMatch(/\n\nprocessor 0\n\n {2}32-bit protected mode, [^]*\n\nprocessor 1, meanwhile\n\n {2}real-address mode, /);
  });
  test('a processor that was never started is said to wait', () => {
    expect(run(kernel(), { cpus: 2, memory: 0x20_0000 }).report()).toMatch(/\n\nprocessor 1: waits for a start-up IPI$/);
  });
  test.each([1, 2])('with %i processors a run in pieces is the same run', (cpus) => {
    const options = { cpus, memory: 0x20_0000, limit: 3000 };
    const file = kernel(32, TWO_PROCESSORS_SOURCE.replace('out  0xf4, al', 'again: jmp again'));
    const whole = run(file, options).report();
    for (const piece of [1, 7, 1000]) {
      const running = new Run(file, options);
      let outcome;
      while (!outcome) outcome = running.advance(piece);
      expect(outcome.report()).toBe(whole);
    }
  });
});

describe('images', () => {
  test('a ROM runs from the reset vector, and through its alias below 1 MiB', () => {
    const port = new DebugPort();
    expect(run(romImage(), { rom: true, memory: 0x20_0000, ports: { 0xe9: port } }).reason).toBe('halted');
    expect(port.text).toBe(`R${String.fromCharCode(0xea)}`);
  });
  test.each([32, 64] as const)('a kernel of ELF%d gets command line and modules', (bits) => {
    const port = new DebugPort();
    const modules = [{ bytes: new TextEncoder().encode('content\0'), string: 'name' }];
    const outcome = run(kernel(bits), { commandLine: 'kernel quiet', modules, memory: 0x40_0000, cpu: cpus.haswell, ports: { 0xe9: port } });
    expect([outcome.reason, outcome.exitCode]).toEqual(['exit port', 7]);
    expect(port.text).toBe('kernel quiet\nname\ncontent\n');
  });
  test('memory of a kernel ends where it was told', () => {
    const source = (access: string): string => `${multibootHeader(0)}mov eax, ${access}\ncli\nhlt`;
    const options = { memory: 0x40_0000 };
    expect(run(kernel(32, source('[0x3ffffc]')), options).reason).toBe('halted');
    expect(run(kernel(32, source('[0x9fffc]')), options).reason).toBe('halted');
  });
  test('load alone says what a file is', () => {
    expect(load(kernel()).kind).toBe('Multiboot kernel, ELF32');
    expect(load(romImage(), { rom: true }).kind).toBe('ROM of 64 KiB');
    expect(load(bootSector(), real).parts.map(({ address, bytes }) => [address, bytes.length])).toEqual([[0x7c00, 512]]);
  });
  test('options that cannot be are refused with what was expected', () => {
    const bytes = bootSector();
    expect(() => run(bytes, { ...real, rom: true })).toThrow('run: flat and rom exclude each other');
    expect(() => run(bytes, { ...real, limit: -1 })).toThrow('run: limit is -1; it is a number of instructions, 0 or more');
    expect(() => run(bytes, { ...real, cpus: 0 })).toThrow('run: cpus is 0; it is a whole number, 1 or more');
    expect(() => run(bytes, { ...real, memory: 5 })).toThrow('memory is 5 bytes; expected 1 MiB to 3 GiB, in pages of 4 KiB');
    expect(() => run(bytes, { ...real, cpu: undefined, limits: 5 } as RunOptions)).toThrow(/^run: unknown option "limits"; there are flat, rom,/);
  });
});

const traced = (source: string, what: { instructions?: boolean; events?: boolean; segments?: boolean }): string[] => {
  const lines: string[] = [];
  running(source, { trace: { ...what, write: (line) => lines.push(line) } });
  return lines;
};

describe('a trace', () => {
  const program = `
        mov  word ptr [4 * 3], handler
        mov  word ptr [4 * 3 + 2], 0x70
        int3
        cli
        hlt
handler equ $ - 0x700`;

  test('of instructions has count, place, bytes and text', () => {
    const lines = traced(program.replace('int3', 'nop'), { instructions: true });
    expect(lines).toEqual([
      '         1  0000:7c00  c7 06 0c 00 0f 75         mov word ptr [0xc], 0x750f',
      '         2  0000:7c06  c7 06 0e 00 70 00         mov word ptr [0xe], 0x70',
      '         3  0000:7c0c  90                        nop',
      '         4  0000:7c0d  fa                        cli',
      '         5  0000:7c0e  f4                        hlt',
    ]);
  });
  test('of segments has each change, with the hidden part', () => {
    expect(traced('mov ax, 0x1234\nmov ds, ax\nmov ds, ax\ncli\nhlt', { segments: true })).toEqual([
      '         2    DS   0000 → 1234  base 00012340  limit 0000ffff  0093  data RW, accessed, DPL 0',
    ]);
  });
  test('of events has faults and deliveries', () => {
    expect(traced('lidt [nothing]\nint 0x40\nnothing: dw 0\ndd 0', { events: true })).toEqual([
      '         2    → vector 64',
      '         2    #GP at 0x7c05: int 0x40: vector 64 is beyond the limit of the interrupt vector table',
      '         2    → vector 13',
      expect.stringMatching(/^ {9}2 {4}#DF/),
      expect.stringMatching(/^ {9}2 {4}→ vector 8/),
      '         2    #GP: vector 8 is beyond the limit of the interrupt vector table',
    ]);
  });
  test('changes nothing: the run ends in the same state', () => {
    const plain = running(program).report();
    expect(running(program, { trace: { instructions: true, events: true, segments: true, write: () => {} } }).report()).toBe(plain);
  });
});

describe('the report', () => {
  test('says what happened, where, and every register with its hidden part', () => {
    expect(running('mov eax, 12345678h\nmov ds, ax\nstc\ncli\nhlt').report()).toBe(`halted with interrupts off after 5 instructions

  real-address mode, paging off  Ivy Bridge

  → 0000:7c0a  f4                        hlt
    0000:7c0b  00 00                     add byte ptr [bx+si], al
    0000:7c0d  00 00                     add byte ptr [bx+si], al

  EAX 12345678   EBX 00000000   ECX 00000000   EDX 00000000
  ESI 00000000   EDI 00000000   EBP 00000000   ESP 00007c00
  EIP 00007c0b   EFLAGS 00000003   CF

    selector  base      limit     attributes
  CS    0000  00000000  0000ffff  0093  data RW, accessed, DPL 0
  SS    0000  00000000  0000ffff  0093  data RW, accessed, DPL 0
  DS    5678  00056780  0000ffff  0093  data RW, accessed, DPL 0
  ES    0000  00000000  0000ffff  0093  data RW, accessed, DPL 0
  FS    0000  00000000  0000ffff  0093  data RW, accessed, DPL 0
  GS    0000  00000000  0000ffff  0093  data RW, accessed, DPL 0
  LDTR  0000  00000000  0000ffff  0082  LDT
  TR    0000  00000000  0000ffff  008b  TSS, busy
  GDTR        00000000      ffff
  IDTR        00000000      ffff

  CR0  00000010   ET
  CR2  00000000   CR3  00000000
  CR4  00000000
  EFER 00000000

  DR6   ffff0ff0   DR7   00000400   XCR0  0001       MXCSR 1f80
  FCW   037f       FSW   0000       FTW   00         FOP   000
  FIP   0000:00000000   FDP   0000:00000000`);
  });
  test('in 64-bit mode has wide registers, in as many columns as fit, and names every bit', () => {
    const outcome = run(assembled(LONG_MODE_SOURCE, 16), { ...real, flat: { origin: 0x7c00, mode: 16 } });
    const lines = outcome.report().split('\n');
    expect(lines[0]).toMatch(/^shut down by a triple fault after/);
    expect(lines[1]).toMatch(/^ {2}#PF\(0\) at 0x7c\w\w: mov rbx, qword ptr \[0x400000\]: /);
    for (const line of [
      '  64-bit mode, CPL 0, paging on  Ivy Bridge',
      '  RAX 12345678_9abcdef0   RBX 00000000_00000000   RCX 00000000_c0000080',
      '  CS    0008  00000000_00000000  ffffffff  a09b  code RX 64-bit, accessed, DPL 0',
      '  CR0  00000000_80000011   PG ET PE',
      '  CR2  00000000_00400000   CR3  00000000_00001000',
      '  EFER 00000000_00000500   LMA LME',
    ]) expect(lines).toContain(line);
    const wide = outcome.report({ width: 120 }).split('\n');
    expect(wide).toContain('  RAX 12345678_9abcdef0   RBX 00000000_00000000   RCX 00000000_c0000080   RDX 00000000_00000000');
    expect([lines, wide].map((page) => Math.max(...page.slice(page.findIndex((line) => line.startsWith('  RAX'))).map((line) => line.length)) <= (page === lines ? 80 : 120))).toEqual([true, true]);
  });
  test('stays within 80 columns, and says the same in colour', () => {
    const outcome = run(kernel(), { memory: 0x40_0000, ports: { 0xe9: new DebugPort() } });
    const plain = outcome.report();
    expect(plain.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(plain).toMatch(/→ 0008:0010\w{4} {2}e6 f4 {21}out 0xf4, al\n/);
    const coloured = outcome.report({ style: TERMINAL });
    expect(coloured).not.toBe(plain);
    // oxlint-disable-next-line no-control-regex
    expect(coloured.replaceAll(/\u001B\[\d+m/g, '')).toBe(plain);
  });
});
