import { Fault, Machine, Unmodelled, assemble, cpus } from 'hidden-state';
import type { CpuProfile, Program } from 'hidden-state';
import { describe, expect, test } from 'vitest';

const FS = 4, DS = 3, SS = 2, CS = 1, GS = 5;

/** Descriptors of the manual's figure 3-8, written out. */
const descriptor = (base: number, limit: number, type: number, flags: number): bigint =>
  BigInt(limit & 0xffff) | (BigInt(base & 0xff_ffff) << 16n) | (BigInt(type) << 40n)
  | (BigInt(((limit >> 16) & 15) | flags) << 48n) | (BigInt(base >>> 24) << 56n);
const GRANULAR = 0x80, BIG = 0x40;

function run(program: Program, cpu: CpuProfile = cpus.ivyBridge, prepare?: (machine: Machine) => void): Machine {
  const machine = new Machine(program, { cpu });
  prepare?.(machine);
  machine.run();
  return machine;
}

/** The fault that the machine raises, as a string: `#GP(0x34)`. */
function faultOf(machine: Machine): string {
  try {
    machine.run();
    return 'none';
  } catch (error) {
    if (error instanceof Fault) return error.notation;
    throw error;
  }
}

/** Real-address mode that gives FS the descriptor GDT[2] through a moment of protected mode, then runs `rest`. */
const unreal = (rest: string, gdt2 = '0x00cf93000000ffff'): Program => assemble(`
        cli
        lgdt   [gdtr]
        mov    eax, cr0
        mov    ecx, eax
        or     eax, 1
        mov    cr0, eax
        mov    bx, 0x10
        mov    fs, bx
        mov    cr0, ecx
${rest}
        hlt
        align 8
gdt:    dq 0, 0x00cf9b000000ffff, ${gdt2}
gdtr:   dw 23
        dd gdt
`, { mode: 16 });

describe('real-address and unreal mode', () => {
  test('a 16-bit program starts with selectors 0, limits FFFFh and the stack below it', () => {
    const { state } = new Machine(assemble('hlt', { mode: 16 }));
    expect([CS, SS, DS, FS].map((s) => [state.selector(s), state.base(s), state.limit(s)])).toEqual(Array.from({ length: 4 }, () => [0, 0n, 0xffff]));
    expect(state.get('RSP')).toBe(0x7c00n);
  });

  test('a load in real-address mode makes the base selector times 16', () => {
    const { state } = run(assemble('mov ax, 0x1234\n mov ds, ax\n hlt', { mode: 16 }));
    expect([state.selector(DS), state.base(DS), state.limit(DS)]).toEqual([0x1234, 0x12340n, 0xffff]);
  });

  test('an offset above FFFFh is beyond the limit: #GP without an error code, #SS for the stack segment', () => {
    expect(faultOf(new Machine(assemble('mov ebx, 0x10000\n mov al, [ebx]\n hlt', { mode: 16 })))).toBe('#GP');
    expect(faultOf(new Machine(assemble('mov ebp, 0x10000\n mov al, [ebp]\n hlt', { mode: 16 })))).toBe('#SS');
    expect(faultOf(new Machine(assemble('mov bx, 0xffff\n mov ax, [bx]\n hlt', { mode: 16 })))).toBe('#GP');
  });

  test('the limit that protected mode loaded stays when PE is cleared: a store at 240 MiB works', () => {
    const machine = run(unreal('mov eax, 0x0f000000\n mov dword ptr fs:[eax], 0x5a'), cpus.ivyBridge, (m) => m.memory.map(0x0f00_0000n, 0x1000));
    expect(machine.memory.read(0x0f00_0000n, 4)).toBe(0x5an);
    expect(machine.state.limit(FS)).toBe(0xffff_ffff);
  });

  test('PUSH FS, POP FS in unreal mode changes the base without a sound, and keeps the limit', () => {
    const { state } = run(unreal('push fs\n pop fs'));
    expect([state.selector(FS), state.base(FS), state.limit(FS)]).toEqual([0x10, 0x100n, 0xffff_ffff]);
  });

  test('memory that is not there is not a page fault while paging is off', () => {
    expect(() => run(unreal('mov eax, 0x0f000000\n mov fs:[eax], al'))).toThrow(Unmodelled);
  });

  test('CS can be written through in real-address mode', () => {
    const { state } = run(assemble('mov byte ptr cs:[cell], 7\n mov al, [cell]\n hlt\ncell: db 0', { mode: 16 }));
    expect(state.get('RAX')).toBe(7n);
  });

  test('a read-only data segment that protected mode left stays read-only: a write is #GP without an error code', () => {
    expect(faultOf(new Machine(unreal('mov fs:[0x2000], al', '0x00cf91000000ffff')))).toMatch(/^#GP/);
    expect(faultOf(new Machine(unreal('mov al, fs:[0x2000]', '0x00cf91000000ffff')))).toBe('none');
  });

  test('a register that a null selector made unusable is usable after a load in real-address mode', () => {
    const back = assemble(`
        mov    eax, cr0
        mov    ecx, eax
        or     al, 1
        mov    cr0, eax
        xor    bx, bx
        mov    fs, bx
        mov    cr0, ecx
        mov    fs, bx
        mov    al, fs:[0]
        hlt
`, { mode: 16 });
    const machine = new Machine(back);
    expect(faultOf(machine)).toBe('none');
    expect([machine.state.attributes(FS), machine.state.limit(FS)]).toEqual([0x90, 0]);
  });
});

describe('into protected mode and back', () => {
  const there = assemble(`
        lgdt   [gdtr]
        mov    eax, cr0
        or     al, 1
        mov    cr0, eax
        jmp    dword 8:start32
        times 3 nop
start32:
        ; 32-bit code from here on: B8 imm32; 66 B8 imm16; hlt
        db     0xb8, 0x78, 0x56, 0x34, 0x12
        db     0x66, 0xb9, 0x10, 0x00
        db     0x8e, 0xd9
        db     0xf4
        align 8
gdt:    dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdtr:   dw 23
        dd gdt
`, { mode: 16 });

  test('the far jump loads CS, and with it the default operation size', () => {
    const { state, mode } = run(there);
    expect(mode).toBe(32);
    expect(state.get('RAX')).toBe(0x1234_5678n);
    expect([state.selector(CS), state.selector(DS), state.limit(DS)]).toEqual([8, 0x10, 0xffff_ffff]);
  });

  test('until the far jump CS keeps its real-address contents, and 16-bit code goes on', () => {
    const machine = new Machine(there);
    machine.run({ limit: 4 });
    expect([machine.mode, machine.state.selector(CS), machine.state.limit(CS)]).toEqual([16, 0, 0xffff]);
  });

  test('each load sets the accessed bit in the table', () => {
    const { memory } = run(there);
    const gdt = there.symbols.gdt!;
    expect([memory.read(gdt + 13n, 1), memory.read(gdt + 21n, 1)]).toEqual([0x9bn, 0x93n]);
  });
});

/** A 32-bit kernel program with GDT entries 1 to 15 given, at 30000h; FS is loaded with `selector`. */
function protectedMachine(text: string, entries: Readonly<Record<number, bigint>>, cpu: CpuProfile = cpus.ivyBridge): Machine {
  const machine = new Machine(assemble(text, { mode: 32 }), { cpu });
  machine.memory.map(0x3_0000n, 0x1000);
  machine.memory.map(0x10_0000n, 0x3000);
  for (const [index, raw] of Object.entries(entries)) machine.memory.write(0x3_0000n + 8n * BigInt(index), 8, raw);
  machine.state.set('GDTR.base', 0x3_0000n);
  machine.state.set('GDTR.limit', 0x7f);
  return machine;
}

describe('hidden parts in protected mode', () => {
  const access = (offset: number, bytes: 'byte' | 'dword' = 'dword'): string =>
    `mov eax, 0x28\n mov fs, ax\n mov ebx, ${offset}\n ${bytes === 'byte' ? 'mov cl' : 'mov ecx'}, fs:[ebx]\n hlt`;
  const outcome = (offset: number, entry: bigint, bytes?: 'byte'): string => faultOf(protectedMachine(access(offset, bytes), { 5: entry }));

  // The limits of the dossier's table, seen on silicon in compatibility mode.
  test('limit FFFh: a doubleword at FFCh is the last', () => {
    const entry = descriptor(0x10_0000, 0xfff, 0x93, BIG);
    expect([0xffc, 0xffd].map((offset) => outcome(offset, entry))).toEqual(['none', '#GP(0)']);
  });

  test('G = 1: limit 1 ends at 1FFFh, limit 0 at FFFh', () => {
    const one = descriptor(0x10_0000, 1, 0x93, BIG | GRANULAR), zero = descriptor(0x10_0000, 0, 0x93, BIG | GRANULAR);
    expect([outcome(0x1ffc, one), outcome(0x1ffd, one), outcome(0xffc, zero), outcome(0xffd, zero)]).toEqual(['none', '#GP(0)', 'none', '#GP(0)']);
  });

  test('expand-down, limit FFFh: valid from 1000h on, up to FFFFh with B = 0', () => {
    const big = descriptor(0x10_0000, 0xfff, 0x97, BIG), small = descriptor(0xf_1000, 0xfff, 0x97, 0);
    expect([outcome(0xffc, big), outcome(0x1000, big)]).toEqual(['#GP(0)', 'none']);
    expect([outcome(0xffff, small, 'byte'), outcome(0x1_0000, small, 'byte')]).toEqual(['none', '#GP(0)']);
  });

  test('a descriptor rewritten after the load changes nothing until the next load', () => {
    const machine = protectedMachine(`
        mov    eax, 0x28
        mov    fs, ax
        mov    dword ptr [0x3002a], 0x93002000   ; GDT[5].base := 2000h
        mov    ecx, fs:[0]
        mov    fs, ax
        mov    edx, fs:[0]
        hlt
`, { 5: descriptor(0x10_1000, 0xfff, 0x93, BIG) });
    machine.memory.map(0x2000n, 0x1000);
    machine.memory.write(0x10_1000n, 4, 0xaaaan);
    machine.memory.write(0x2000n, 4, 0xbbbbn);
    machine.run();
    expect([machine.state.get('RCX'), machine.state.get('RDX')]).toEqual([0xaaaan, 0xbbbbn]);
  });

  test('a fault on a load names the selector: execute-only, a system segment, beyond the table', () => {
    const load = (selector: number, entry: bigint): string =>
      faultOf(protectedMachine(`mov eax, ${selector}\n mov fs, ax\n hlt`, { 5: entry }));
    expect(load(0x28, descriptor(0, 0xfff, 0x98, BIG))).toBe('#GP(0x28)');
    expect(load(0x28, descriptor(0, 0xfff, 0x82, 0))).toBe('#GP(0x28)');
    expect(load(0x80, 0n)).toBe('#GP(0x80)');
    expect(load(0x2b, descriptor(0, 0xfff, 0x93, BIG))).toBe('#GP(0x28)');
    expect(load(0x2c, 0n)).toBe('#GP(0x2c)');
  });

  test('a segment that is not present is #NP with its selector, #SS in SS', () => {
    const absent = { 5: descriptor(0, 0xfff, 0x13, BIG) };
    expect(faultOf(protectedMachine('mov eax, 0x28\n mov fs, ax\n hlt', absent))).toBe('#NP(0x28)');
    expect(faultOf(protectedMachine('mov eax, 0x28\n mov ss, ax\n hlt', absent))).toBe('#SS(0x28)');
  });

  test('SS takes no null selector here, the others do, and using them is #GP(0)', () => {
    expect(faultOf(protectedMachine('xor eax, eax\n mov ss, ax\n hlt', {}))).toBe('#GP(0)');
    expect(faultOf(protectedMachine('xor eax, eax\n mov fs, ax\n hlt', {}))).toBe('none');
    expect(faultOf(protectedMachine('xor eax, eax\n mov fs, ax\n mov al, fs:[0]\n hlt', {}))).toBe('#GP(0)');
  });

  test('a null selector clears the hidden base, and keeps it on a K10', () => {
    const text = 'mov eax, 0x28\n mov gs, ax\n xor eax, eax\n mov gs, ax\n hlt';
    const base = (cpu: CpuProfile): bigint => {
      const machine = protectedMachine(text, { 5: descriptor(0x10_0000, 0xfff, 0x93, BIG) }, cpu);
      machine.run();
      return machine.state.base(GS);
    };
    expect([cpus.ivyBridge, cpus.zen4, cpus.amdK10].map(base)).toEqual([0n, 0n, 0x10_0000n]);
  });

  test('a load of SS blocks interrupts until the end of the next instruction, a second one in a row no longer', () => {
    const machine = protectedMachine('mov eax, 0x28\n mov ss, ax\n mov ss, ax\n nop\n hlt', { 5: descriptor(0, 0xf_ffff, 0x93, BIG | GRANULAR) });
    const shadow: (number | bigint)[] = [];
    for (let n = 0; n < 4; n++) {
      machine.step();
      shadow.push(machine.state.get('blocking by MOV SS'));
    }
    expect(shadow).toEqual([0, 1, 0, 0]);
  });

  test('far jumps: null, data, privilege, not present, beyond the limit', () => {
    const jump = (entry: bigint, offset = 0): Machine => protectedMachine(`jmp 0x28:${offset}`, { 5: entry });
    expect(faultOf(protectedMachine('jmp 0:0', {}))).toBe('#GP(0)');
    expect(faultOf(jump(descriptor(0, 0xfff, 0x93, BIG)))).toBe('#GP(0x28)');
    expect(faultOf(jump(descriptor(0, 0xfff, 0xfb, BIG)))).toBe('#GP(0x28)');
    expect(faultOf(jump(descriptor(0, 0xfff, 0x1b, BIG)))).toBe('#NP(0x28)');
    expect(faultOf(jump(descriptor(0, 0xfff, 0x9b, BIG), 0x1000))).toBe('#GP(0)');
  });

  test('a faulting load leaves the register as it was', () => {
    const machine = protectedMachine('mov eax, 0x28\n mov fs, ax\n hlt', { 5: descriptor(0, 0xfff, 0x13, BIG) });
    const before = machine.snapshot();
    faultOf(machine);
    expect(machine.diff(before).fields.map(({ field }) => field.name)).toEqual(['RAX', 'RIP']);
  });
});
