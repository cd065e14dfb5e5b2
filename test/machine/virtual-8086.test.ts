import { Machine, assemble, cpus } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import {
  CODE, CODE0, CODE3, CS, DATA0, DATA3, DS, ES, FREE, FS, GS, type Kernel, type KernelOptions, SS, TASK_A, TASK_B, TR,
  descriptor, kernel, outcome, taskBase,
} from './kernel.ts';

const CF = 1, TF = 0x100, IF = 0x200, DF = 0x400, IOPL = 0x3000, NT = 0x4000, RF = 0x1_0000, VM = 0x2_0000, AC = 0x4_0000;
const VIF = 0x8_0000, VIP = 0x10_0000, ID = 0x20_0000;
const CR4_VME = 1, CR4_PVI = 2;

/** Where the 8086 program's segments are: its code at CS:0, its stack, its data. */
const SEGMENT = Number(CODE) / 16, STACK = 0x1000, STACK_TOP = 0x800;
const SELECTORS = { ES: 0x1111, DS: 0x2222, FS: 0x3333, GS: 0x4444 };

/** Enters virtual-8086 mode by IRETD with `flags`, and runs `text` there; `#GP` and `#UD` end in the monitor's label. */
const enter = (flags: number, text: string, monitor = ''): string => `
        push   ${SELECTORS.GS}
        push   ${SELECTORS.FS}
        push   ${SELECTORS.DS}
        push   ${SELECTORS.ES}
        push   ${STACK}
        push   ${STACK_TOP}
        push   ${flags | VM}
        push   ${SEGMENT}
        push   program - ${CODE}
        iretd
        bits 16
program:
${text}
        hlt
        bits 32
monitor:
        ${monitor}
        hlt
`;

interface Virtual extends KernelOptions {
  readonly flags?: number;
  readonly monitor?: string;
  readonly cr4?: number;
}

/** An 8086 program under a monitor whose handlers for vectors 6, 13 and 50h begin at `monitor`. */
function virtual(text: string, { flags = 2, monitor, cr4 = 0, ...options }: Virtual = {}): Kernel {
  const made = kernel(enter(flags, text, monitor), {
    ...options,
    idt: { 6: { to: 'monitor' }, 13: { to: 'monitor' }, 0x50: { to: 'monitor', access: 0xee }, ...options.idt },
    tasks: { [TASK_A]: { IOMAP: 0x88, ...options.tasks?.[TASK_A] }, ...options.tasks },
  });
  made.machine.state.cr4 |= BigInt(cr4);
  return made;
}

/** The doubleword at `depth` bytes above the level-0 stack pointer. */
const pushed = ({ machine }: Kernel, depth: number): number => Number(machine.memory.read(machine.state.gpr[4]! + BigInt(depth), 4));

describe('entering by IRETD', () => {
  test('all segment registers are loaded as an 8086 would, CPL is 3, all flags come from the image', () => {
    const made = virtual('db 0xeb, 0xfe', { flags: CF | IF | IOPL | NT | AC | ID | VIF | 2 });
    made.run(10);
    const { state, execution } = made.machine;
    expect([ES, CS, SS, DS, FS, GS].map((segment) => state.segment(segment))).toEqual(
      [SELECTORS.ES, SEGMENT, STACK, SELECTORS.DS, SELECTORS.FS, SELECTORS.GS].map((selector) => ({ selector, base: BigInt(selector * 16), limit: 0xffff, attributes: 0xf3 })));
    expect([execution.addressing, execution.cpl, execution.mode, state.gpr[4], state.rflags]).toEqual(['virtual-8086', 3, 16, BigInt(STACK_TOP), VM | CF | IF | IOPL | NT | AC | ID | VIF | 2]);
  });

  test('EIP above FFFFh is #GP(0), before anything is loaded', () => {
    const made = kernel(`push 0\n push 0\n push 0\n push 0\n push 0\n push 0\n push ${VM}\n push 0\n push 0x10000\n iretd`, { faults: 'throw' });
    expect(made.run()).toBe('#GP(0)');
    expect(made.machine.state.rflags & VM).toBe(0);
  });

  test('at CPL 3 the VM bit of the image does nothing', () => {
    const made = kernel(`push ${DATA3}\n push 0x1c000\n push 0x2\n push ${CODE3}\n push user\n iretd\nuser: push ${VM | CF | 2}\n push ${CODE3}\n push after\n iretd\nafter: jmp after`);
    made.run(20);
    expect([made.machine.execution.addressing, made.machine.state.rflags & (VM | CF)]).toEqual(['protected', CF]);
  });

  test('the 16-bit form cannot enter it, and in IA-32e mode VM stays 0', () => {
    const made = kernel(`push word 2\n push word ${CODE0}\n push word after - ${CODE}\n iret\nafter: hlt`, { gdt: { [CODE0]: descriptor(CODE, 0xfff, 0x9b, 0x40) } });
    expect(made.run()).toBe('halted');
    const machine = new Machine(assemble(`mov rax, rsp\n push 0x18\n push rax\n push ${VM | 2}\n push 0x10\n lea rax, [after]\n push rax\n iretq\nafter: hlt`, { mode: 64 }));
    machine.memory.map(0x3_0000n, 0x1000);
    machine.memory.write(0x3_0010n, 8, 0x00af_9b00_0000_ffffn);
    machine.memory.write(0x3_0018n, 8, 0x00cf_9300_0000_ffffn);
    machine.state.set('GDTR.base', 0x3_0000n);
    machine.state.set('GDTR.limit', 0x1f);
    expect([outcome(machine), machine.state.rflags & VM]).toEqual(['halted', 0]);
  });
});

describe('leaving through a gate', () => {
  test('a 32-bit gate: GS, FS, DS, ES, SS, ESP, EFLAGS, CS, EIP, error code on the stack of level 0; data segments null', () => {
    const made = virtual('stc\n cli', { flags: IF | NT | 2 });
    expect(made.run()).toBe('halted');
    const frame = [0, 4, 8, 12, 16, 20, 24, 28, 32, 36].map((depth) => pushed(made, depth));
    expect(frame).toEqual([0, made.label('program') - Number(CODE) + 1, SEGMENT, VM | RF | NT | IF | CF | 2, STACK_TOP, STACK, SELECTORS.ES, SELECTORS.DS, SELECTORS.FS, SELECTORS.GS]);
    const { state } = made.machine;
    expect([ES, DS, FS, GS].map((segment) => [state.selector(segment), state.attributes(segment)])).toEqual(Array.from({ length: 4 }, () => [0, 0]));
    expect([state.selector(CS), state.selector(SS), made.register('RSP'), made.machine.execution.cpl]).toEqual([CODE0, DATA0, 0x1_d000 - 40, 0]);
    expect(state.rflags & (VM | NT | RF | IF | CF)).toBe(CF);
  });

  test('a 16-bit gate pushes words; its offset has 16 bits', () => {
    const made = virtual('mov esp, 0x12340700\n ud2', {
      gdt: { [FREE]: descriptor(CODE, 0xffff, 0x9b) }, idt: { 6: { to: 0xabcd_0000, selector: FREE, access: 0x86 } },
    });
    made.machine.memory.write(CODE + 0xff00n, 1, 0xf4n);
    made.machine.memory.write(0x3_1000n + 48n, 2, 0xff00n);
    expect(made.run()).toBe('halted');
    const words = [0, 2, 4, 6, 8, 10, 12, 14, 16].map((depth) => pushed(made, depth) & 0xffff);
    expect(words).toEqual([made.label('program') - Number(CODE) + 6, SEGMENT, 2, 0x700, STACK, SELECTORS.ES, SELECTORS.DS, SELECTORS.FS, SELECTORS.GS]);
    expect(made.register('RSP')).toBe(0x1_d000 - 18);
  });

  test('a trap gate leaves IF alone', () => {
    const flags = (access: number): number => {
      const made = virtual('int 0x50', { flags: IF | IOPL | 2, idt: { 0x50: { to: 'monitor', access } } });
      made.run();
      return made.machine.state.rflags & IF;
    };
    expect([flags(0xee), flags(0xef)]).toEqual([0, IF]);
  });

  const conforming = descriptor(0, 0xf_ffff, 0x9f, 0xc0), level1 = descriptor(0, 0xf_ffff, 0xbb, 0xc0);
  test.each([
    ['conforming code', conforming, FREE], ['code of DPL 1', level1, FREE], ['code of DPL 3', 0n, CODE3 & ~3],
  ] as const)('a handler that is %s is #GP with its selector', (_, entry, selector) => {
    const options = { gdt: { [FREE]: entry }, idt: { 0x50: { to: 'monitor', selector, access: 0xee }, 6: { to: 'monitor', selector } } };
    const codes = [['int 0x50', IOPL], ['ud2', 0]] as const;
    expect(codes.map(([text, flags]) => {
      const made = virtual(text, { ...options, flags: flags | 2 });
      expect(made.run()).toBe('halted');
      return pushed(made, 0);
    })).toEqual([selector, selector | 1]);
  });

  test('SS0 is checked as for any inner level', () => {
    const made = virtual('ud2', { tasks: { [TASK_A]: { SS0: DATA3 }, [TASK_B]: { EIP: 'monitor' } }, idt: { 10: { selector: TASK_B, access: 0x85 } } });
    expect(made.run()).toBe('halted');
    expect([pushed(made, 0), made.machine.state.selector(TR)]).toEqual([0x21, TASK_B]);
  });

  test('there and back: the monitor emulates and IRETD goes on, registers and all', () => {
    const made = virtual('mov bx, 5\n hlt\n inc bx\n push ds\n pop dx\n int 0x50', {
      flags: IOPL | 2, idt: { 0x50: { to: 'last', access: 0xee } },
      monitor: 'add esp, 4\n inc dword ptr [esp]\n iretd\nlast: mov eax, [esp + 12]',
    });
    expect(made.run()).toBe('halted');
    expect([made.register('RBX'), made.register('RDX'), made.register('RAX')]).toEqual([6, SELECTORS.DS, STACK_TOP]);
  });
});

describe('what needs IOPL 3 in virtual-8086 mode, or privilege, or is not there', () => {
  const outcomes = (text: string, flags: number, options: Virtual = {}): string => virtual(text, { flags: flags | 2, faults: 'throw', ...options }).run(30);
  test.each(['cli', 'sti', 'pushf', 'popf', 'pushfd', 'popfd', 'int 0x50', 'iret', 'iretd'])('%s is #GP(0) at IOPL 0, 1 and 2', (text) => {
    expect([0, 1, 2].map((iopl) => outcomes(text, iopl << 12))).toEqual(['#GP(0)', '#GP(0)', '#GP(0)']);
  });

  test.each(['cli\n db 0xeb, 0xfe', 'sti\n db 0xeb, 0xfe', 'pushf\n db 0xeb, 0xfe', 'popf\n db 0xeb, 0xfe', 'pushfd\n db 0xeb, 0xfe', 'popfd\n db 0xeb, 0xfe'])('%s goes on at IOPL 3', (text) => {
    expect(outcomes(text, IOPL)).toBe('budget');
  });

  test.each(['hlt', 'mov eax, cr0', 'mov cr0, eax', 'clts', 'lmsw ax', 'lgdt [0]', 'lidt [0]', 'wrmsr', 'rdmsr'])('%s is #GP(0) whatever IOPL', (text) => {
    expect([0, IOPL].map((flags) => outcomes(text, flags))).toEqual(['#GP(0)', '#GP(0)']);
  });

  test.each(['sldt ax', 'str ax', 'lldt ax', 'ltr ax'])('%s is #UD', (text) => {
    expect([0, IOPL].map((flags) => outcomes(text, flags))).toEqual(['#UD', '#UD']);
  });

  test('INT3, INTO and ICEBP ask no IOPL; INT3 and INTO ask the gate', () => {
    const through = (text: string, vector: number, access: number): string => {
      const made = virtual(text, { idt: { [vector]: { to: 'ok', access } }, monitor: 'mov ecx, [esp]\n hlt\nok: mov ecx, 0x600d' });
      expect(made.run()).toBe('halted');
      return made.register('RCX').toString(16);
    };
    expect([through('int3', 3, 0xee), through('int3', 3, 0x8e)]).toEqual(['600d', '1a']);
    expect([through('mov al, 0x7f\n inc al\n into', 4, 0xee), through('mov al, 0x7f\n inc al\n into', 4, 0x8e)]).toEqual(['600d', '22']);
    expect([through('db 0xf1', 1, 0xee), through('db 0xf1', 1, 0x8e)]).toEqual(['600d', '600d']);
  });

  test('INT n with IOPL 3 asks for a gate of DPL 3', () => {
    const made = virtual('int 0x50', { flags: IOPL | 2, idt: { 0x50: { to: 'monitor', access: 0x8e } } });
    expect(made.run()).toBe('halted');
    expect(pushed(made, 0)).toBe(0x282);
  });

  test('I/O asks the bit map whatever IOPL', () => {
    const port = (open: boolean, flags: number): string => {
      const made = virtual('in al, 0x40\n db 0xeb, 0xfe', { flags: flags | 2, faults: 'throw' });
      made.machine.ports.attach(0x40, { read: () => 0 });
      made.machine.memory.write(taskBase(TASK_A) + 0x90n, 1, open ? 0xfen : 1n);
      return made.run(30);
    };
    expect([port(true, 0), port(true, IOPL), port(false, 0), port(false, IOPL)]).toEqual(['budget', 'budget', '#GP(0)', '#GP(0)']);
  });

  test('limits hold, types do not: a write through CS works, one at FFFFh of two bytes is #GP(0)', () => {
    expect(outcomes(`mov byte ptr cs:[cell - ${CODE}], 1\n db 0xeb, 0xfe\ncell: db 0`, 0)).toBe('budget');
    expect(outcomes('mov bx, 0xffff\n mov ax, [bx]', 0)).toBe('#GP(0)');
    expect(outcomes('mov bp, 0xffff\n mov ax, [bp]', 0)).toBe('#SS(0)');
  });
});

describe('by task switch', () => {
  const v86 = { CS: SEGMENT, EIP: 0, SS: STACK, ESP: STACK_TOP, DS: 0x2222, ES: 0x1111, FS: 0x3333, GS: 0x4444, SS0: DATA0, ESP0: 0x1_c000 };
  const text = (program: string): string => `int 0x50\n hlt\n bits 16\nprogram: ${program}\n bits 32\nmonitor: hlt`;
  const withTask = (program: string, fields = {}, options: KernelOptions = {}): Kernel => {
    const made = kernel(text(program), { ...options, idt: { 0x50: { selector: TASK_B, access: 0x85 }, 6: { to: 'monitor' }, ...options.idt }, tasks: { [TASK_B]: { ...v86, EFLAGS: VM | 2, ...fields } } });
    made.machine.memory.write(taskBase(TASK_B) + 0x20n, 4, BigInt(made.label('program')) - CODE);
    return made;
  };

  test('VM in the new EFLAGS: segments as an 8086 has them, whatever the selectors would name, CPL 3', () => {
    const made = withTask('db 0xeb, 0xfe', { DS: 0x108, CS: SEGMENT });
    made.run(5);
    const { state, execution } = made.machine;
    expect([CS, SS, DS, ES, FS, GS].map((segment) => [state.selector(segment), Number(state.base(segment)), state.attributes(segment)]))
      .toEqual([SEGMENT, STACK, 0x108, 0x1111, 0x3333, 0x4444].map((selector) => [selector, selector * 16, 0xf3]));
    expect([execution.cpl, state.rflags & (VM | NT), state.selector(TR)]).toEqual([3, VM | NT, TASK_B]);
  });

  test('LDTR is loaded with its checks all the same', () => {
    const made = withTask('nop', { LDT: DATA0 }, { faults: 'throw' });
    expect(made.run()).toBe('#TS(0x10)');
  });

  test('EIP above FFFFh is #GP(0)', () => {
    const made = withTask('nop', {}, { faults: 'throw' });
    made.machine.memory.write(taskBase(TASK_B) + 0x20n, 4, 0x1_0000n);
    expect(made.run()).toBe('#GP(0)');
  });

  test('a gate takes it to level 0 of its own task state segment', () => {
    const made = withTask('ud2');
    expect(made.run()).toBe('halted');
    expect([made.register('RSP'), pushed(made, 16), made.machine.state.selector(TR)]).toEqual([0x1_c000 - 36, STACK, TASK_B]);
  });

  test('a task gate takes it to another task, with VM in the flags that are saved; IRET comes back', () => {
    const made = kernel(`${enter(IOPL | 2, 'mov cx, 7\n int 0x51\n inc cx\n hlt')}\nserver: mov eax, [${taskBase(TASK_A) + 0x24n}]\n iretd`, {
      idt: { 0x51: { selector: TASK_B, access: 0xe5 }, 13: { to: 'monitor' } }, tasks: { [TASK_B]: { EIP: 'server' } },
    });
    expect(made.run()).toBe('halted');
    expect([made.register('RCX') & 0xffff, made.task(TASK_B, 'EAX') & (VM | IOPL), made.task(TASK_A, 'CS')]).toEqual([8, VM | IOPL, SEGMENT]);
  });
});

describe('flags: what POPF, PUSHF and IRET may change', () => {
  const ALL = CF | TF | IF | DF | IOPL | NT | RF | VM | AC | VIF | VIP | ID;
  const SETTABLE = CF | DF | NT;
  /** Flags that `popfd`, `popf` or IRET changes when every bit is given, from 0 and from all ones: written as [set, cleared]. */
  const changed = (text: string, before: number, made: Kernel): number => {
    const { machine, label } = made;
    while (Number(machine.state.rip) + Number(machine.state.base(CS)) !== label('probe')) machine.step();
    machine.state.rflags = (machine.state.rflags & VM) | before | 2;
    machine.step();
    return machine.state.rflags ^ ((machine.state.rflags & VM) | before | 2);
  };
  const inKernel = (level: 0 | 3, text: string): Kernel => kernel(level === 0
    ? `push ${CODE0}\n push ${ALL & ~(TF | VM)}\nprobe: ${text}\n hlt`
    : `push ${DATA3}\n push 0x1c000\n push 2\n push ${CODE3}\n push user\n iretd\nuser: push ${CODE3}\n push ${ALL & ~(TF | VM)}\nprobe: ${text}\n hlt`, { faults: 'throw' });

  // SDM vol. 2B, table 4-16: the flags that a value of all ones (but TF) sets, with IOPL before as given.
  test.each([
    ['popfd', 0, 0, SETTABLE | IF | IOPL | AC | ID], ['popf', 0, 0, SETTABLE | IF | IOPL],
    ['popfd', 3, 0, SETTABLE | AC | ID], ['popf', 3, 0, SETTABLE],
    ['popfd', 3, IOPL, SETTABLE | IF | AC | ID], ['popf', 3, IOPL, SETTABLE | IF],
    ['popfd', 3, 0x2000, SETTABLE | AC | ID], ['popfd', 3, VIF | VIP | RF, SETTABLE | AC | ID | RF], ['popfd', 0, VIF | VIP, SETTABLE | IF | IOPL | AC | ID],
  ] as const)('%s at CPL %d, flags before %i: changes %i', (text, level, before, expected) => {
    expect(changed(text, before, inKernel(level, text))).toBe(expected);
  });

  test.each([
    ['popfd', SETTABLE | IF | AC | ID], ['popf', SETTABLE | IF],
  ] as const)('%s in virtual-8086 mode with IOPL 3 leaves IOPL, VIF, VIP and VM', (text, expected) => {
    const made = virtual(`push dword ${ALL & ~(TF | IOPL)}\nprobe: ${text}`, { flags: IOPL | 2, faults: 'throw' });
    expect(changed(text, IOPL, made)).toBe(expected);
    const cleared = virtual(`push dword 0\nprobe: ${text}`, { flags: IOPL | 2, faults: 'throw' });
    expect(changed(text, IOPL | VIF | VIP | IF, cleared)).toBe(IF);
  });

  test('PUSHFD has neither VM nor RF in its image, in every mode', () => {
    const made = virtual('pushfd\n pop eax\n db 0xeb, 0xfe', { flags: IOPL | VIF | AC | 2 });
    made.run(20);
    expect(made.register('RAX')).toBe(IOPL | VIF | AC | 2);
  });

  const iret = (level: 0 | 3, mnemonic: string, flags: number): string => {
    const frame = `push ${flags}\n push ${level === 0 ? CODE0 : CODE3}\n push after`;
    const word = `push word ${flags & 0xffff}\n push word ${level === 0 ? CODE0 : CODE3}\n push word after - ${CODE}`;
    return `${mnemonic === 'iret' ? word : frame}\nprobe: ${mnemonic}\nafter: hlt`;
  };
  test.each([
    ['iretd', 0, 0, SETTABLE | IF | IOPL | AC | ID | VIF | VIP | RF], ['iretd', 3, 0, SETTABLE | AC | ID | RF], ['iretd', 3, IOPL, SETTABLE | IF | AC | ID | RF],
  ] as const)('%s at CPL %d, flags before %i: changes %i', (mnemonic, level, before, expected) => {
    const text = level === 0 ? iret(0, mnemonic, ALL & ~(TF | VM)) : `push ${DATA3}\n push 0x1c000\n push 2\n push ${CODE3}\n push user\n iretd\nuser: ${iret(3, mnemonic, ALL & ~TF)}`;
    expect(changed(mnemonic, before, kernel(text, { faults: 'throw' }))).toBe(expected);
  });

  test('in virtual-8086 mode IRET at IOPL 3 leaves IOPL, VIF, VIP and VM', () => {
    const frame = (bits: 'word' | 'dword', flags: number): string => `push ${bits} ${flags}\n push ${bits} ${SEGMENT}\n push ${bits} after - ${CODE}`;
    const wide = virtual(`${frame('dword', ALL & ~(TF | IOPL))}\nprobe: iretd\nafter: db 0xeb, 0xfe`, { flags: IOPL | 2, faults: 'throw' });
    expect(changed('iretd', IOPL, wide)).toBe(SETTABLE | IF | AC | ID | RF);
    const narrow = virtual(`${frame('word', SETTABLE | IF)}\nprobe: iret\nafter: db 0xeb, 0xfe`, { flags: IOPL | 2, faults: 'throw' });
    expect(changed('iret', IOPL, narrow)).toBe(SETTABLE | IF);
  });
});

describe('virtual-8086 mode extensions', () => {
  const options = { cr4: CR4_VME, faults: 'throw' } as const;
  const flagsAfter = (text: string, flags: number, steps = 20): number | string => {
    const made = virtual(`${text}\n db 0xeb, 0xfe`, { ...options, flags: flags | 2 });
    const end = made.run(steps);
    return end === 'budget' ? made.machine.state.rflags & (IF | VIF | VIP | TF | IOPL | CF) : end;
  };

  test.each([
    ['cli', VIF | IF, IF], ['cli', VIF | VIP, '#GP(0)'], ['cli', VIF | VIP | IOPL, VIF | VIP | IOPL], ['cli', VIP, VIP], ['sti', 0, VIF], ['sti', VIP, '#GP(0)'], ['sti', VIP | VIF, '#GP(0)'], ['cli', VIF | IOPL | IF, VIF | IOPL], ['sti', IOPL | VIP, IOPL | VIP | IF],
    [`push word ${IF | CF}\n popf`, 0, VIF | CF], [`push word ${CF}\n popf`, VIF | IF, IF | CF], [`push word ${IF}\n popf`, VIP, '#GP(0)'], ['push word 0\n popf', VIP | VIF, '#GP(0)'], ['push word 0\n popf', VIP, VIP],
    [`push word ${TF}\n popf`, 0, '#GP(0)'], [`push word ${IOPL}\n popf`, 0x1000, 0x1000], [`push word ${IF}\n popf`, IOPL | VIP, IOPL | VIP | IF],
    [`push dword ${IF}\n popfd`, 0, '#GP(0)'], ['pushfd', 0, '#GP(0)'], ['iretd', 0, '#GP(0)'],
  ] as const)('%s with flags %i: %s', (text, flags, expected) => {
    expect(flagsAfter(text, flags)).toBe(expected);
  });

  test('PUSHF below IOPL 3 shows VIF as IF, and IOPL 3; at IOPL 3 it shows IF', () => {
    const image = (flags: number): number => {
      const made = virtual('pushf\n pop ax\n db 0xeb, 0xfe', { ...options, flags: flags | 2 });
      made.run(20);
      return made.register('RAX') & 0xffff;
    };
    expect([image(VIF), image(IF), image(IOPL | VIF), image(IOPL | IF)]).toEqual([IF | IOPL | 2, IOPL | 2, IOPL | 2, IF | IOPL | 2]);
  });

  test.each([
    [IF | CF, 0, VIF | CF], [CF, VIF | IF, IF | CF], [IF, VIP, '#GP(0)'], [0, VIP, VIP], [TF, 0, '#GP(0)'], [IF | CF, IOPL, IOPL | IF | CF],
  ] as const)('IRET of flags %i with flags %i: %s', (image, flags, expected) => {
    expect(flagsAfter(`push word ${image}\n push word ${SEGMENT}\n push word after - ${CODE}\n iret\nafter: nop`, flags)).toBe(expected);
  });

  /** INT 21h with the vector table's entry at the label `own`, and the bit of 21h in the redirection map as given. */
  const interrupt = (flags: number, bit: 0 | 1, task = {}): Kernel => {
    const made = virtual('int 0x21\nback: db 0xeb, 0xfe\nown: db 0xeb, 0xfe', {
      cr4: CR4_VME, flags: flags | 2, idt: { 0x21: { to: 'monitor', access: 0xee } }, tasks: { [TASK_A]: { IOMAP: 0x88, ...task } },
    });
    made.machine.memory.write(taskBase(TASK_A) + 0x68n + 4n, 1, BigInt(bit) << 1n);
    made.machine.memory.write(0x21n * 4n, 4, BigInt(made.label('own')) - CODE + (BigInt(SEGMENT) << 16n));
    made.run(30);
    return made;
  };

  // SDM vol. 3B, table 20-2, methods 3 to 6; 1 and 2 are above.
  test.each([
    ['IOPL 0, bit 0, VIF 1: to the program, VIF in the image of IF', VIF | CF, 0, IF | IOPL | CF | 2, 0],
    ['IOPL 0, bit 0, IF 1, VIF 0: to the program', IF, 0, IOPL | 2, IF],
    ['IOPL 3, bit 0: to the program, IF itself', IOPL | IF | VIF, 0, IOPL | IF | 2, VIF],
  ] as const)('%s', (_, flags, bit, image, after) => {
    const made = interrupt(flags, bit);
    const { machine, label } = made;
    expect([machine.execution.addressing, machine.state.rip]).toEqual(['virtual-8086', BigInt(label('own')) - CODE]);
    const words = [0, 2, 4].map((depth) => Number(machine.memory.read(BigInt(STACK * 16) + machine.state.gpr[4]! + BigInt(depth), 2)));
    expect(words).toEqual([label('back') - Number(CODE), SEGMENT, image]);
    expect(machine.state.rflags & (IF | VIF | TF)).toBe(after);
  });

  test('bit 1: with IOPL 3 through the gate, below it #GP(0)', () => {
    const through = interrupt(IOPL, 1), refused = interrupt(0, 1);
    expect([through, refused].map(({ machine }) => machine.execution.addressing)).toEqual(['protected', 'protected']);
    expect([pushed(through, 0), pushed(refused, 0), pushed(refused, 4)]).toEqual([through.label('back') - Number(CODE), 0, refused.label('program') - Number(CODE)]);
  });

  test('a bit map outside the task state segment is #GP(0)', () => {
    expect([{ IOMAP: 0xffff }, { IOMAP: 0x10 }].map((task) => interrupt(IOPL, 0, task)).map((made) => [made.machine.execution.addressing, pushed(made, 0)]))
      .toEqual([['protected', 0], ['protected', 0]]);
  });

  test('INT3 and exceptions ignore the bit map', () => {
    const made = virtual('int3', { cr4: CR4_VME, idt: { 3: { to: 'monitor', access: 0xee } } });
    expect([made.run(), made.machine.execution.addressing]).toEqual(['halted', 'protected']);
  });

  test('there and back without the monitor: INT, the program’s handler with STI and CLI, IRET', () => {
    const made = virtual('sti\n int 0x21\n pushf\n pop bx\n ud2\nown: pushf\n pop ax\n sti\n cli\n iret', { cr4: CR4_VME });
    made.machine.memory.write(0x21n * 4n, 4, BigInt(made.label('own')) - CODE + (BigInt(SEGMENT) << 16n));
    expect(made.run()).toBe('halted');
    expect([made.register('RAX') & IF, made.register('RBX') & IF, pushed(made, 8) & (VIF | IF)]).toEqual([0, IF, VIF]);
  });
});

describe('protected-mode virtual interrupts', () => {
  const user = (text: string, flags: number, cr4: number): number | string => {
    const made = kernel(`push ${DATA3}\n push 0x1c000\n push ${flags | 2}\n push ${CODE3}\n push user\n iretd\nuser: ${text}\n db 0xeb, 0xfe`, { faults: 'throw' });
    made.machine.state.cr4 |= BigInt(cr4);
    const end = made.run(20);
    return end === 'budget' ? made.machine.state.rflags & (IF | VIF | VIP) : end;
  };
  test.each([
    ['cli', VIF | IF, CR4_PVI, IF], ['sti', 0, CR4_PVI, VIF], ['sti', VIP, CR4_PVI, '#GP(0)'], ['cli', 0, CR4_VME, '#GP(0)'], ['sti', 0, 0, '#GP(0)'],
    ['nop', VIF | VIP, CR4_PVI, '#GP(0)'], ['nop', VIF | VIP, CR4_VME, VIF | VIP], ['nop', IOPL | VIF | VIP, CR4_PVI, VIF | VIP],
    ['cli', IOPL | IF | VIF, CR4_PVI, VIF], ['sti', IOPL | VIP, CR4_PVI, VIP | IF], [`push ${IF}\n popfd`, 0, CR4_PVI, 0],
  ] as const)('%s at CPL 3 with flags %i and CR4 %i: %s', (text, flags, cr4, expected) => {
    expect(user(text, flags, cr4)).toBe(expected);
  });

  test('CPL 1 and 2 have none of it', () => {
    for (const level of [1, 2]) {
      const made = kernel(`push ${(FREE + 8) | level}\n push 0x1c000\n push 2\n push ${FREE | level}\n push user\n iretd\nuser: cli`, {
        gdt: { [FREE]: descriptor(0, 0xf_ffff, 0x9b | (level << 5), 0xc0), [FREE + 8]: descriptor(0, 0xf_ffff, 0x93 | (level << 5), 0xc0) }, faults: 'throw',
      });
      made.machine.state.cr4 |= BigInt(CR4_PVI);
      expect(made.run()).toBe('#GP(0)');
    }
  });
});

test('CR4.VME and CR4.PVI can be set, and CPUID says so on every profile', () => {
  for (const cpu of Object.values(cpus)) {
    const made = kernel('mov eax, cr4\n or eax, 3\n mov cr4, eax\n mov eax, 1\n cpuid\n hlt', { cpu });
    expect([made.run(), made.register('CR4') & 3, made.register('RDX') & 2]).toEqual(['halted', 3, 2]);
  }
});

describe('corners', () => {
  test('IRETD at IOPL 3 to an EIP above FFFFh is #GP(0) of IRETD itself: nothing is popped', () => {
    const made = virtual(`push dword 0\n push dword 0\n push dword 0x10000\nprobe: iretd`, { flags: IOPL | 2 });
    expect(made.run()).toBe('halted');
    expect([pushed(made, 0), pushed(made, 4), pushed(made, 16)]).toEqual([0, made.label('probe') - Number(CODE), STACK_TOP - 12]);
  });

  test('STI on VIF casts no interrupt shadow', () => {
    const shadow = (flags: number): number => {
      const made = virtual('sti\nprobe: nop', { flags: flags | 2, cr4: CR4_VME });
      while (made.machine.execution.addressing !== 'virtual-8086') made.machine.step();
      made.machine.step();
      return made.register('blocking by STI');
    };
    expect([shadow(0), shadow(IOPL)]).toEqual([0, 1]);
  });

  test('a 16-bit task state segment has neither a redirection bit map nor an I/O permission bit map', () => {
    for (const text of ['int 0x50', 'in al, 0x40']) {
      const made = virtual(text, { flags: IOPL | 2, cr4: CR4_VME, faults: 'throw' });
      made.machine.state.set('TR.attributes', 0x83);
      expect([text, made.run()]).toEqual([text, '#GP(0)']);
    }
  });

  test('IRETD in real-address mode leaves VIF, VIP and VM', () => {
    const machine = new Machine(assemble(`push dword ${VIF | VIP | VM | ID | CF}\n push dword 0\n push dword after\n iretd\nafter: hlt`, { mode: 16 }));
    expect([outcome(machine), machine.state.rflags]).toEqual(['halted', ID | CF | 2]);
  });

  test('an interrupt from outside goes through its gate whatever IOPL and the bit map say, and leaves VIF alone', () => {
    const made = virtual('db 0xeb, 0xfe', { flags: IF | VIF | 2, cr4: CR4_VME, idt: { 0x50: { to: 'monitor' } } });
    while (made.machine.execution.addressing !== 'virtual-8086') made.machine.step();
    let waiting = true;
    made.machine.interrupts.controller = { pending: () => waiting, acknowledge: () => ((waiting = false), 0x50) };
    expect(made.run()).toBe('halted');
    expect([pushed(made, 8) & (VM | VIF | IF), made.machine.state.rflags & (VM | VIF | IF)]).toEqual([VM | VIF | IF, VIF]);
  });
});
