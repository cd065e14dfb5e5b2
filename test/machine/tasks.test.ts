import { Machine, assemble } from 'hidden-state';
import { describe, expect, test } from 'vitest';
import { type TaskSwitch, switchTask } from '../../spec/src/isa/tasks/index.ts';
import { Fault } from '../../spec/src/state/outcomes.ts';
import {
  BIG, CODE0, CODE3, CS, DATA0, DATA3, DS, ES, FREE, FS, GS, type Kernel, type KernelOptions, LDTR, LOCAL, SS, TASK_A, TASK_B, TASK_C, TR,
  descriptor, kernel, taskBase,
} from './kernel.ts';

const SEGMENT_OF: Readonly<Record<string, number>> = { ES, CS, SS, DS, FS, GS, LDT: LDTR };
const NT = 0x4000, IF = 0x200, RF = 0x1_0000;

/** Task A executes `text` up to `here`, then the switch is asked for as a far transfer would. */
function switched(request: TaskSwitch, options: KernelOptions = {}, text = ''): { kernel: Kernel; fault: string; rip: number } {
  const made = kernel(`${text}\nhere: hlt\nthere: hlt\n`, { ...options, tasks: { ...options.tasks, [TASK_B]: { EIP: 'there', ...options.tasks?.[TASK_B] } } });
  const { machine, label } = made;
  while (Number(machine.state.rip) !== label('here')) machine.step();
  return { kernel: made, ...faultOf(made, request) };
}

/** Asks for the switch, behind the instruction at RIP. */
function faultOf({ machine }: Kernel, request: TaskSwitch): { fault: string; rip: number } {
  machine.execution.next = machine.state.rip;
  let fault = 'none';
  try {
    switchTask(machine.execution, request);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    fault = error.notation;
  }
  return { fault, rip: Number(machine.state.rip) };
}

describe('what a switch saves and loads', () => {
  const registers = 'mov eax, 0x11111111\n mov ecx, 0x22222222\n mov edx, 0x33333333\n mov ebx, 0x44444444\n mov ebp, 0x55555555\n mov esi, 0x66666666\n mov edi, 0x77777777\n stc\n sti';
  const b = { EIP: 'there', EFLAGS: 0x0000_0246, EAX: 1, ECX: 2, EDX: 3, EBX: 4, ESP: 0x1_c000, EBP: 6, ESI: 7, EDI: 8, DS: DATA3, ES: 0, FS: DATA0, GS: CODE0, LDT: LOCAL };

  test('the outgoing task: EIP behind the instruction, EFLAGS, registers, selectors; not CR3, not LDTR', () => {
    const { kernel: { task, label, register } } = switched({ selector: TASK_B, by: 'jump' }, { tasks: { [TASK_A]: { CR3: 0x5000, LDT: 0x99 }, [TASK_B]: b } }, registers);
    const saved = (['EAX', 'ECX', 'EDX', 'EBX', 'EBP', 'ESI', 'EDI'] as const).map((name) => task(TASK_A, name));
    expect(saved).toEqual([0x1111_1111, 0x2222_2222, 0x3333_3333, 0x4444_4444, 0x5555_5555, 0x6666_6666, 0x7777_7777]);
    expect([task(TASK_A, 'EIP'), task(TASK_A, 'EFLAGS') & 0x4201, task(TASK_A, 'ESP')]).toEqual([label('here'), IF | 1, 0x1_f000]);
    expect((['CS', 'SS', 'DS', 'ES', 'FS', 'GS'] as const).map((name) => task(TASK_A, name))).toEqual([CODE0, DATA0, DATA0, DATA0, 0, 0]);
    expect([task(TASK_A, 'CR3'), task(TASK_A, 'LDT')]).toEqual([0x5000, 0x99]);
    expect(register('RSP')).toBe(0x1_c000);
  });

  test('the incoming task: all of its task state segment, with hidden parts', () => {
    const { kernel: { machine, label, register }, fault, rip } = switched({ selector: TASK_B, by: 'jump' }, { tasks: { [TASK_B]: b } }, registers);
    const { state } = machine;
    expect(fault).toBe('none');
    expect(['RAX', 'RCX', 'RDX', 'RBX', 'RSP', 'RBP', 'RSI', 'RDI'].map(register)).toEqual([1, 2, 3, 4, 0x1_c000, 6, 7, 8]);
    expect([rip, state.rflags]).toEqual([label('there'), 0x246]);
    expect([CS, SS, DS, ES, FS, GS, LDTR, TR].map((segment) => state.selector(segment))).toEqual([CODE0, DATA0, DATA3, 0, DATA0, CODE0, LOCAL, TASK_B]);
    expect([CS, SS, DS, ES, FS, GS, LDTR, TR].map((segment) => state.attributes(segment))).toEqual([0xc09b, 0xc093, 0xc0f3, 0, 0xc093, 0xc09b, 0x82, 0x8b]);
    expect([state.base(TR), state.limit(TR), state.limit(LDTR)]).toEqual([taskBase(TASK_B), 0xa7, 0x7f]);
  });

  test('CR0.TS becomes 1, L0 to L3 and LE of DR7 become 0 and its other bits stay', () => {
    const before = kernel('there: hlt', { tasks: { [TASK_B]: { EIP: 'there' } } });
    before.machine.state.set('DR7', 0xffff_27ffn);
    switchTask(before.machine.execution, { selector: TASK_B, by: 'jump' });
    expect([before.register('DR7'), before.register('CR0') & 8]).toEqual([0xffff_26aa, 8]);
  });
});

// SDM vol. 3A, table 7-2.
describe('busy bits, NT and the link, by what asked for the switch', () => {
  const [JUMP, CALL] = [{ selector: TASK_B, by: 'jump' }, { selector: TASK_B, by: 'call' }] as const;
  const INTERRUPT = { selector: TASK_B, by: 'interrupt' } as const, RETURN = { selector: TASK_B, by: 'return' } as const;
  test.each([
    { request: JUMP, busy: [false, true], nt: [true, false], link: 0x1234 },
    { request: CALL, busy: [true, true], nt: [true, true], link: TASK_A },
    { request: INTERRUPT, busy: [true, true], nt: [true, true], link: TASK_A },
    { request: RETURN, busy: [false, true], nt: [false, false], link: 0x1234 },
  ])('$request.by', ({ request, busy, nt, link }) => {
    const gdt = { [TASK_B]: descriptor(taskBase(TASK_B), 0xa7, request.by === 'return' ? 0x8b : 0x89) };
    const { kernel: { machine, access, task }, fault } = switched(request, { gdt, tasks: { [TASK_B]: { EIP: 'there', link: 0x1234 } } }, 'pushfd\n or dword ptr [esp], 0x4000\n popfd');
    expect(fault).toBe('none');
    expect([TASK_A, TASK_B].map((selector) => access(selector) === 0x8b)).toEqual(busy);
    expect([task(TASK_A, 'EFLAGS'), machine.state.rflags].map((flags) => (flags & NT) !== 0)).toEqual(nt);
    expect(task(TASK_B, 'link')).toBe(link);
    expect(machine.state.attributes(TR)).toBe(0x8b);
  });

  test('a nested task that sets its own NT keeps it over a jump: NT comes from the task state segment', () => {
    const { kernel: { machine } } = switched({ selector: TASK_B, by: 'jump' }, { tasks: { [TASK_B]: { EIP: 'there', EFLAGS: NT | 2 } } });
    expect(machine.state.rflags & NT).toBe(NT);
  });

  test('reserved bits of the EFLAGS image do not reach the register, bit 1 is always 1', () => {
    const { kernel: { machine } } = switched({ selector: TASK_B, by: 'jump' }, { tasks: { [TASK_B]: { EIP: 'there', EFLAGS: 0xffc0_802a } } });
    expect(machine.state.rflags).toBe(2);
  });
});

describe('what is wrong with the new task state segment is found in the old task, which stays as it was', () => {
  const tss = (access: number, limit = 0x67): bigint => descriptor(taskBase(TASK_B), limit, access);
  const JUMP = 'jump', RETURN = 'return';
  test.each([
    ['a null selector', JUMP, 0, 0n, '#GP(0)'], ['a null link', RETURN, 3, 0n, '#TS(0)'],
    ['in the LDT', JUMP, 0x4c, 0n, '#GP(0x4c)'], ['a link in the LDT', RETURN, 0x4c, 0n, '#TS(0x4c)'],
    ['beyond the GDT', JUMP, 0x108, 0n, '#GP(0x108)'], ['a link beyond the GDT', RETURN, 0x108, 0n, '#TS(0x108)'],
    ['a code segment', JUMP, TASK_B, tss(0x9b), '#GP(0x30)'], ['a link to an LDT', RETURN, TASK_B, tss(0x82), '#TS(0x30)'],
    ['busy', JUMP, TASK_B, tss(0x8b), '#GP(0x30)'], ['busy, 16-bit', 'call', TASK_B, tss(0x83), '#GP(0x30)'],
    ['a link to an available one', RETURN, TASK_B, tss(0x89), '#TS(0x30)'],
    ['not present', JUMP, TASK_B, tss(0x09), '#NP(0x30)'], ['a link to one that is not present', RETURN, TASK_B, tss(0x0b), '#NP(0x30)'],
    ['a limit of 66h', JUMP, TASK_B, tss(0x89, 0x66), '#TS(0x30)'],
    ['a limit of 2Ah, 16-bit', JUMP, TASK_B, tss(0x81, 0x2a), '#TS(0x30)'],
  ] as const)('%s, %s', (_, by, selector, entry, expected) => {
    const prepared = kernel('there: hlt', { gdt: { [TASK_B]: entry }, tasks: { [TASK_B]: { EIP: 'there' } } });
    const before = prepared.machine.snapshot();
    const { fault } = faultOf(prepared, { selector, by });
    expect(fault).toBe(expected);
    expect(prepared.machine.diff(before)).toEqual({ fields: [], memory: [] });
  });

  test('a limit of 67h, and of 2Bh for a 16-bit one, is enough', () => {
    for (const entry of [tss(0x89), tss(0x81, 0x2b)]) {
      const prepared = kernel('hlt', { gdt: { [TASK_B]: entry }, tasks: { [TASK_B]: {} }, tasks16: { [TASK_B]: {} } });
      prepared.machine.memory.writeBytes(taskBase(TASK_B), new Uint8Array(0x68));
      // CS is null then: a fault behind the commit point.
      expect(faultOf(prepared, { selector: TASK_B, by: 'jump' }).fault).toBe('#TS(0)');
    }
  });

  test('an event from outside marks them with EXT', () => {
    const prepared = kernel('hlt', { gdt: { [TASK_B]: tss(0x8b) } });
    expect(faultOf(prepared, { selector: TASK_B, by: 'interrupt', external: 1 }).fault).toBe('#GP(0x31)');
  });

  test('a current task state segment that ends before GS is #TS(TR); it needs nothing behind', () => {
    const withLimit = (limit: number): string => {
      const prepared = kernel('there: hlt', { tasks: { [TASK_B]: { EIP: 'there' } } });
      prepared.machine.state.set('TR.limit', limit);
      return faultOf(prepared, { selector: TASK_B, by: 'jump' }).fault;
    };
    expect([0x5c, 0x5d].map(withLimit)).toEqual(['#TS(0x28)', 'none']);
  });
});

describe('what is wrong with the new task’s segments is a fault of the new task', () => {
  const entries = {
    [FREE]: descriptor(0, 0xfff, 0x98, BIG), [FREE + 8]: descriptor(0, 0xfff, 0x13, BIG), [FREE + 16]: descriptor(0, 0xfff, 0x1b, BIG),
    [FREE + 24]: descriptor(0, 0xfff, 0xfe, BIG), [FREE + 32]: descriptor(0, 0xfff, 0x02), [FREE + 40]: descriptor(0, 0xfff, 0x91, BIG),
    [FREE + 48]: descriptor(0, 0xf_ffff, 0x9e, BIG | 0x80),
  };
  const EXECUTE_ONLY = FREE, ABSENT_DATA = FREE + 8, ABSENT_CODE = FREE + 16, CONFORMING_3 = FREE + 24, ABSENT_LDT = FREE + 32, READ_ONLY = FREE + 40, CONFORMING_0 = FREE + 48;
  const BEYOND = 0x108;
  test.each([
    ['LDTR in an LDT', { LDT: 0x4c }, '#TS(0x4c)'], ['LDTR beyond the GDT', { LDT: BEYOND }, '#TS(0x108)'],
    ['LDTR with a data segment', { LDT: DATA0 }, '#TS(0x10)'], ['LDTR not present', { LDT: ABSENT_LDT }, '#TS(0x68)'],
    ['LDTR null', { LDT: 0 }, 'none'],
    ['CS null', { CS: 0 }, '#TS(0)'], ['CS beyond the GDT', { CS: BEYOND }, '#TS(0x108)'], ['CS with data', { CS: DATA0 }, '#TS(0x10)'],
    ['CS with RPL above DPL', { CS: CODE0 | 3, SS: DATA3 }, '#TS(0x8)'], ['CS with RPL below DPL', { CS: CODE3 & ~3 }, '#TS(0x18)'],
    ['CS conforming, DPL above RPL', { CS: CONFORMING_3 }, '#TS(0x60)'], ['CS conforming, DPL below RPL', { CS: CONFORMING_0 | 3, SS: DATA3, DS: 0, ES: 0 }, 'none'],
    ['CS not present', { CS: ABSENT_CODE }, '#NP(0x58)'],
    ['SS null', { SS: 0 }, '#TS(0)'], ['SS beyond the GDT', { SS: BEYOND }, '#TS(0x108)'], ['SS with code', { SS: CODE0 }, '#TS(0x8)'],
    ['SS read-only', { SS: READ_ONLY }, '#TS(0x70)'], ['SS with RPL above CPL', { SS: DATA0 | 3 }, '#TS(0x10)'],
    ['SS with DPL above CPL', { SS: DATA3 & ~3 }, '#TS(0x20)'], ['SS not present', { SS: ABSENT_DATA }, '#SS(0x50)'],
    ['DS beyond the GDT', { DS: BEYOND }, '#TS(0x108)'], ['ES execute-only', { ES: EXECUTE_ONLY }, '#TS(0x48)'],
    ['FS with a system segment', { FS: LOCAL }, '#TS(0x40)'], ['GS not present', { GS: ABSENT_DATA }, '#NP(0x50)'],
    ['GS below CPL', { CS: CODE3, SS: DATA3, DS: 0, ES: 0, GS: DATA0 }, '#TS(0x10)'],
    ['DS with RPL above DPL', { DS: DATA0 | 3 }, '#TS(0x10)'],
  ] as const)('%s', (_, fields, expected) => {
    const { kernel: { machine, label }, fault } = switched({ selector: TASK_B, by: 'jump' }, { gdt: entries, tasks: { [TASK_B]: { EAX: 77, ...fields } } });
    expect(fault).toBe(expected);
    // The switch is complete: the task register, EIP and all selectors are the new task's.
    expect([machine.state.selector(TR), Number(machine.state.gpr[0])]).toEqual([TASK_B, 77]);
    expect(machine.state.rip).toBe(BigInt(label('there')));
    const selectors = Object.fromEntries(Object.keys(fields).map((name) => [name, machine.state.selector(SEGMENT_OF[name]!)]));
    expect(selectors).toEqual(fields);
  });

  test('they come in the order LDTR, CS, SS, DS, ES, FS, GS', () => {
    const bad = { LDT: DATA0, CS: 0x109, SS: 0x112, DS: 0x118, ES: 0x120, FS: 0x128, GS: 0x130 };
    const good = { LDT: 0, CS: CODE0, SS: DATA0, DS: 0, ES: 0, FS: 0, GS: 0 };
    const names = ['LDT', 'CS', 'SS', 'DS', 'ES', 'FS', 'GS'] as const;
    const faults = names.map((_, mended) => {
      const fields = { ...bad, ...Object.fromEntries(names.slice(0, mended).map((name) => [name, good[name]])) };
      return switched({ selector: TASK_B, by: 'jump' }, { tasks: { [TASK_B]: fields } }).fault;
    });
    expect(faults).toEqual(['#TS(0x10)', '#TS(0x108)', '#TS(0x110)', '#TS(0x118)', '#TS(0x120)', '#TS(0x128)', '#TS(0x130)']);
  });

  test('registers before the faulty one are usable, it and those behind it are not; the level is that of CS', () => {
    const { kernel: { machine } } = switched({ selector: TASK_B, by: 'jump' }, { tasks: { [TASK_B]: { CS: CODE3, SS: DATA3, DS: DATA3, ES: DATA0, FS: DATA3, GS: DATA3 } } });
    expect([CS, SS, DS, ES, FS, GS].map((segment) => machine.state.attributes(segment))).toEqual([0xc0fb, 0xc0f3, 0xc0f3, 0, 0, 0]);
    expect(machine.execution.cpl).toBe(3);
  });

  test('EIP beyond the limit of CS is #GP(0), after everything else', () => {
    const gdt = { [FREE]: descriptor(0, 0xfff, 0x9b, BIG) };
    expect(switched({ selector: TASK_B, by: 'jump' }, { gdt, tasks: { [TASK_B]: { CS: FREE, EIP: 0x1000 } } }).fault).toBe('#GP(0)');
    expect(switched({ selector: TASK_B, by: 'jump' }, { gdt, tasks: { [TASK_B]: { CS: FREE, EIP: 0xfff } } }).fault).toBe('none');
  });

  test('the handler of such a fault runs in the new task and returns to its first instruction', () => {
    const made = kernel('int 0x50\n hlt\ngate: hlt\nts: pop eax\n mov ebx, [esp]\n str ecx\n hlt', {
      idt: { 0x50: { selector: TASK_B, access: 0xe5 }, 10: { to: 'ts' } },
      tasks: { [TASK_B]: { EIP: 'gate', DS: 0x108 } },
    });
    expect(made.run()).toBe('halted');
    expect(['RAX', 'RBX', 'RCX'].map(made.register)).toEqual([0x108, made.label('gate'), TASK_B]);
  });
});

describe('the 16-bit task state segment', () => {
  const gdt = (access: number, limit = 0x2b) => ({ [TASK_B]: descriptor(taskBase(TASK_B), limit, access) });
  const there = { EIP: 'there', EFLAGS: 0x246, EAX: 0x1111, ECX: 0x2222, EDX: 0x3333, EBX: 0x4444, ESP: 0x5555, EBP: 0x6666, ESI: 0x7777, EDI: 0x8888, ES: DATA3, LDT: LOCAL };

  test('loads words: upper halves of the registers are all ones, as Bochs has them, those of EIP and EFLAGS zero; FS and GS are null', () => {
    const made = kernel('hlt', { gdt: gdt(0x81), tasks16: { [TASK_B]: { ...there, EIP: 0x1234, CS: FREE } } });
    made.machine.memory.write(0x3_0000n + BigInt(FREE), 8, descriptor(0, 0xffff, 0x9b));
    made.machine.state.setSegment(FS, made.machine.state.segment(DS));
    expect(faultOf(made, { selector: TASK_B, by: 'jump' })).toEqual({ fault: 'none', rip: 0x1234 });
    expect(['RAX', 'RCX', 'RDX', 'RBX', 'RSP', 'RBP', 'RSI', 'RDI'].map(made.register))
      .toEqual([0x1111, 0x2222, 0x3333, 0x4444, 0x5555, 0x6666, 0x7777, 0x8888].map((word) => (0xffff_0000 | word) >>> 0));
    const { state } = made.machine;
    expect([state.rflags, state.selector(FS), state.attributes(FS), state.selector(GS), state.selector(ES), state.limit(LDTR)]).toEqual([0x246, 0, 0, 0, DATA3, 0x7f]);
    expect(state.attributes(TR)).toBe(0x83);
  });

  test('saves words, and neither FS nor GS', () => {
    const made = kernel('there: hlt', { tasks: { [TASK_B]: { EIP: 'there' } } });
    made.machine.memory.write(0x3_0000n + BigInt(TASK_A), 8, descriptor(taskBase(TASK_A), 0x2b, 0x83));
    made.machine.state.setSegment(TR, { selector: TASK_A, base: taskBase(TASK_A), limit: 0x2b, attributes: 0x83 });
    made.machine.memory.writeBytes(taskBase(TASK_A), new Uint8Array(0x40).fill(0xee));
    made.machine.state.gpr[0] = 0x1234_abcdn;
    made.machine.state.gpr[7] = 0x9876_5432n;
    made.machine.state.rflags = RF | 0x46;
    expect(faultOf(made, { selector: TASK_B, by: 'jump' }).fault).toBe('none');
    expect([made.task16(TASK_A, 'EAX'), made.task16(TASK_A, 'EDI'), made.task16(TASK_A, 'EFLAGS'), made.task16(TASK_A, 'ES'), made.task16(TASK_A, 'DS')])
      .toEqual([0xabcd, 0x5432, 0x46, DATA0, DATA0]);
    expect([made.machine.memory.read(taskBase(TASK_A), 4), made.machine.memory.read(taskBase(TASK_A) + 0x2an, 4)]).toEqual([0xeeee_eeeen, 0xeeee_eeeen]);
    expect(made.access(TASK_A)).toBe(0x81);
  });

  test('CR3 is not loaded, and there is no debug trap flag', () => {
    const made = kernel('hlt', { gdt: gdt(0x81, 0x67), tasks: { [TASK_B]: { CR3: 0x1000, T: 1 } }, tasks16: { [TASK_B]: { EIP: 0, CS: FREE } } });
    made.machine.memory.write(0x3_0000n + BigInt(FREE), 8, descriptor(0, 0xffff, 0x9b));
    expect(faultOf(made, { selector: TASK_B, by: 'jump' }).fault).toBe('none');
    expect(made.machine.state.get('pending debug exceptions')).toBe(0n);
  });
});

describe('CR3 and the debug trap flag of the 32-bit task state segment', () => {
  test('CR3 is loaded with paging on, and left alone with paging off', () => {
    const loaded = (paging: boolean): bigint => {
      const made = kernel('there: hlt', { tasks: { [TASK_B]: { EIP: 'there', CR3: 0x9000 } } });
      const { state, memory } = made.machine;
      // Page directory at 9000h with one page table at A000h: the first 4 MiB, mapped one to one; CR4.PAE is off.
      memory.write(0x9000n, 4, 0xa003n);
      for (let page = 0; page < 1024; page++) memory.write(0xa000n + BigInt(4 * page), 4, BigInt(page * 4096 + 3));
      state.cr4 &= ~0x20n;
      if (!paging) state.cr0 &= ~0x8000_0000n;
      expect(faultOf(made, { selector: TASK_B, by: 'jump' }).fault).toBe('none');
      return state.get('CR3') as bigint;
    };
    expect([loaded(true), loaded(false)]).toEqual([0x9000n, 0n]);
  });

  test('T = 1 leaves a debug exception pending, with BT', () => {
    const { kernel: { machine } } = switched({ selector: TASK_B, by: 'jump' }, { tasks: { [TASK_B]: { T: 1 } } });
    expect(machine.state.get('pending debug exceptions')).toBe(0x8000n);
  });
});

const TASK_GATE = 0x85, USER_TASK_GATE = 0xe5;

describe('task gates in the IDT', () => {
  test('INT n: the task runs nested, IRET goes back behind INT, and the next INT goes on behind IRET', () => {
    const made = kernel(`
        mov    ecx, 3
again:  int    0x50
        loop   again
        hlt
server: inc    dword ptr [count]
        mov    eax, 0x1234             ; the task's own register
        iretd
        jmp    server
count:  dd 0
`, { idt: { 0x50: { selector: TASK_B, access: TASK_GATE } }, tasks: { [TASK_B]: { EIP: 'server', EDX: 5 } } });
    expect(made.run()).toBe('halted');
    expect(made.machine.memory.read(BigInt(made.label('count')), 4)).toBe(3n);
    expect(['RAX', 'RCX', 'RDX'].map(made.register)).toEqual([0, 0, 0]);
    expect([made.access(TASK_A), made.access(TASK_B), made.task(TASK_B, 'link')]).toEqual([0x8b, 0x89, TASK_A]);
    expect([made.task(TASK_B, 'EFLAGS') & NT, made.task(TASK_B, 'EAX'), made.task(TASK_B, 'EIP')]).toEqual([0, 0x1234, made.label('count') - 2]);
    expect(made.machine.state.rflags & NT).toBe(0);
  });

  test('a fault pushes its error code on the new stack, saves RF for the restart, and the task can mend and return', () => {
    const made = kernel(`
        mov    ebx, 0x108
load:   mov    fs, bx
        str    esi
        hlt
mend:   pop    eax                     ; the error code
        mov    edx, [${taskBase(TASK_A) + 0x24n}]
        mov    dword ptr [${taskBase(TASK_A) + 0x34n}], 0   ; EBX of the task that faulted
        iretd
`, { idt: { 13: { selector: TASK_B, access: TASK_GATE } }, tasks: { [TASK_B]: { EIP: 'mend' } } });
    expect(made.run()).toBe('halted');
    expect([made.task(TASK_B, 'EAX'), made.task(TASK_B, 'EDX') & RF, made.task(TASK_B, 'ESP')]).toEqual([0x108, RF, 0x1_e000]);
    expect([made.register('RSI'), made.machine.state.selector(FS)]).toEqual([TASK_A, 0]);
  });

  test('three deep: each IRET goes one back', () => {
    const made = kernel(`
        int    0x50
        hlt
first:  str    eax
        int    0x51
        str    ebx
        iretd
second: str    eax
        mov    ecx, [${taskBase(TASK_C)}]
        mov    edx, [${taskBase(TASK_B)}]
        iretd
`, { idt: { 0x50: { selector: TASK_B, access: TASK_GATE }, 0x51: { selector: TASK_C, access: TASK_GATE } }, tasks: { [TASK_B]: { EIP: 'first' }, [TASK_C]: { EIP: 'second' } } });
    expect(made.run()).toBe('halted');
    expect([made.task(TASK_B, 'EAX'), made.task(TASK_B, 'EBX'), made.task(TASK_C, 'EAX')]).toEqual([TASK_B, TASK_B, TASK_C]);
    expect([made.task(TASK_C, 'ECX') & 0xffff, made.task(TASK_C, 'EDX') & 0xffff]).toEqual([TASK_B, TASK_A]);
    expect([TASK_A, TASK_B, TASK_C].map(made.access)).toEqual([0x8b, 0x89, 0x89]);
  });

  test.each([
    ['DPL below CPL', { access: TASK_GATE }, '#GP(0x282)'], ['not present', { access: 0x65 }, '#NP(0x282)'],
    ['naming a busy task', { selector: TASK_A, access: USER_TASK_GATE }, '#GP(0x28)'], ['in the LDT', { selector: 0x34, access: USER_TASK_GATE }, '#GP(0x34)'],
  ] as const)('INT n at CPL 3 through a gate %s', (_, gate, expected) => {
    const made = kernel(`push ${DATA3}\n push 0x1c000\n push 0x3002\n push ${CODE3}\n push user\n iretd\nuser: int 0x50\n hlt`, {
      idt: { 0x50: { selector: TASK_B, ...gate } }, faults: 'throw',
    });
    expect(made.run()).toBe(expected);
  });

  test('a fault whose task gate names a busy task: #GP with EXT, and so a double fault', () => {
    const made = kernel('mov eax, 0x108\n mov fs, ax\ndf: pop eax\n hlt', { idt: { 13: { selector: TASK_A, access: TASK_GATE }, 8: { to: 'df' } } });
    expect(made.run()).toBe('halted');
    expect(made.register('RAX')).toBe(0);
    const benign = kernel('ud2\ngp: pop eax\n hlt', { idt: { 6: { selector: TASK_A, access: TASK_GATE }, 13: { to: 'gp' } } });
    expect(benign.run()).toBe('halted');
    expect(benign.register('RAX')).toBe(TASK_A | 1);
  });

  test('a task whose SS is bad: #TS with EXT in the new task; the double fault comes from there', () => {
    const made = kernel('ud2\nnew: hlt\ndf: mov eax, [esp]\n mov edx, [esp + 4]\n mov ebx, [esp + 8]\n hlt', {
      idt: { 6: { selector: TASK_B, access: TASK_GATE }, 10: { to: 'df' } },
      tasks: { [TASK_B]: { EIP: 'new', CS: CODE3, SS: DATA3, DS: 0x108, ES: 0, ESP0: 0x1_d000 } },
    });
    expect(made.run()).toBe('halted');
    expect(['RAX', 'RDX', 'RBX'].map(made.register)).toEqual([0x109, made.label('new'), CODE3]);
    expect(made.register('RSP')).toBe(0x1_d000 - 24);
  });

  test('an error code that does not fit on the new stack is #SS(EXT) of the new task', () => {
    const gdt = { [FREE]: descriptor(0x1_0000, 0xfff, 0x93, BIG) };
    const tasks = { [TASK_B]: { SS: FREE, ESP: 0x2000, EIP: 'there' } };
    const { fault, kernel: { machine, label } } = switched({ selector: TASK_B, by: 'interrupt', errorCode: 9, external: 1 }, { gdt, tasks });
    expect([fault, machine.state.gpr[4], machine.state.rip]).toEqual(['#SS(0x1)', 0x2000n, BigInt(label('there'))]);
  });

  test('a task with a 16-bit segment gets the error code as a word', () => {
    const gdt = { [TASK_B]: descriptor(taskBase(TASK_B), 0x2b, 0x81), [FREE]: descriptor(0, 0xffff, 0x9b), [FREE + 8]: descriptor(0, 0xffff, 0x93) };
    const made = kernel('hlt', { gdt, tasks16: { [TASK_B]: { EIP: 0x100, CS: FREE, SS: FREE + 8, ESP: 0x2000 } } });
    expect(faultOf(made, { selector: TASK_B, by: 'interrupt', errorCode: 0xabcd }).fault).toBe('none');
    expect([made.machine.memory.read(0x1ffen, 2), made.register('RSP')]).toEqual([0xabcdn, 0xffff_1ffe]);
  });
});

describe('IRET with NT = 1', () => {
  const nested = (text: string, options: KernelOptions = {}): Kernel => kernel(`pushfd\n or dword ptr [esp], 0x4000\n popfd\n${text}`, { faults: 'throw', ...options });

  test('follows the link, also with the 16-bit form, and reads nothing from the stack', () => {
    for (const iret of ['iret', 'iretd']) {
      const made = nested(`mov esp, 0xfffffff0\n ${iret}\nthere: hlt`, {
        gdt: { [TASK_B]: descriptor(taskBase(TASK_B), 0xa7, 0x8b) }, tasks: { [TASK_A]: { link: TASK_B }, [TASK_B]: { EIP: 'there' } },
      });
      expect(made.run()).toBe('halted');
      expect([made.machine.state.selector(TR), made.access(TASK_A), made.access(TASK_B), made.task(TASK_A, 'EFLAGS') & NT]).toEqual([TASK_B, 0x89, 0x8b, 0]);
    }
  });

  test('a link to a task that is not busy is #TS with it', () => {
    expect(nested('iretd', { tasks: { [TASK_A]: { link: TASK_B } } }).run()).toBe('#TS(0x30)');
  });

  test('a task whose link is itself goes on with what it has just saved, and is no longer marked busy in the table', () => {
    const made = nested('mov eax, 5\n iretd\n hlt', { tasks: { [TASK_A]: { link: TASK_A } } });
    expect(made.run()).toBe('halted');
    expect([made.register('RAX'), made.machine.state.rflags & NT, made.access(TASK_A)]).toEqual([5, 0, 0x89]);
  });
});

test('IA-32e mode has no task switches: IRETQ with NT = 1 is #GP(0)', () => {
  const machine = new Machine(assemble('pushfq\n or dword ptr [rsp], 0x4000\n popfq\n iretq', { mode: 64 }));
  expect(() => machine.run()).toThrow(/#GP\(0\)/);
});

describe('the stack of an inner level', () => {
  const user = (text: string) => `push ${DATA3}\n push 0x1c000\n push 0x2\n push ${CODE3}\n push user\n iretd\nuser: ${text}`;
  const short = { [TASK_A]: descriptor(taskBase(TASK_A), 0x2b, 0x83) };
  const sixteen = (limit: number, fields = {}): Kernel => {
    const made = kernel(user('int 0x50\nh: mov eax, esp\n mov ecx, ss\n hlt'), { gdt: short, idt: { 0x50: { to: 'h', access: 0xee } }, tasks16: { [TASK_A]: { SS0: DATA0, ESP0: 0xd000, ...fields } }, faults: 'throw' });
    made.machine.state.setSegment(TR, { selector: TASK_A, base: taskBase(TASK_A), limit, attributes: 0x83 });
    return made;
  };

  test('comes from a 16-bit task state segment as SP and SS', () => {
    const made = sixteen(0x2b);
    expect(made.run()).toBe('halted');
    expect([made.register('RAX'), made.register('RCX')]).toEqual([0xd000 - 20, DATA0]);
  });

  test('a task state segment that ends before SS0 is #TS(TR)', () => {
    expect([sixteen(4).run(), sixteen(5).run()]).toEqual(['#TS(0x28)', 'halted']);
  });

  test.each([
    ['null', 0, '#TS(0)'], ['beyond the GDT', 0x108, '#TS(0x108)'], ['of another level', DATA3, '#TS(0x20)'], ['code', CODE0, '#TS(0x8)'],
  ] as const)('SS0 %s', (_, SS0, expected) => {
    expect(sixteen(0x2b, { SS0 }).run()).toBe(expected);
  });

  test('an exception there has EXT: #TS and #SS name the selector with it', () => {
    const made = (SS0: number, ESP0: number): Kernel => kernel(user('ud2\nh: hlt\nts: pop eax\n hlt'), {
      gdt: { [FREE]: descriptor(0x1_0000, 0xfff, 0x93, BIG), [TASK_B]: descriptor(taskBase(TASK_B), 0x67, 0x89) },
      idt: { 6: { to: 'h' }, 10: { selector: TASK_B, access: TASK_GATE }, 12: { selector: TASK_B, access: TASK_GATE } },
      tasks: { [TASK_A]: { SS0, ESP0 }, [TASK_B]: { EIP: 'ts' } },
    });
    const codes = ([[0x108, 0x1_d000], [FREE, 0x2000]] as const).map(([SS0, ESP0]) => {
      const each = made(SS0, ESP0);
      expect(each.run()).toBe('halted');
      return each.register('RAX');
    });
    expect(codes).toEqual([0x109, FREE | 1]);
  });

  test('a 16-bit stack pointer wraps between two pushes of a frame', () => {
    const made = kernel(user('int 0x50\nh: mov eax, esp\n hlt'), {
      gdt: { [FREE]: descriptor(0x1_0000, 0xffff, 0x93) }, idt: { 0x50: { to: 'h', access: 0xee } }, tasks: { [TASK_A]: { SS0: FREE, ESP0: 8 } },
    });
    expect(made.run()).toBe('halted');
    expect(made.register('RAX') & 0xffff).toBe(0xfff4);
    expect([made.machine.memory.read(0x1_0004n, 4), made.machine.memory.read(0x1_fffcn, 4) & 2n]).toEqual([BigInt(DATA3), 2n]);
  });
});

describe('debug exceptions and a switch', () => {
  const TF = 0x100;
  const gates = { 0x50: { selector: TASK_B, access: TASK_GATE }, 1: { to: 'debug' }, 10: { to: 'debug' } };

  test('T = 1: #DB with BT before the first instruction of the new task', () => {
    const made = kernel('int 0x50\nnew: hlt\ndebug: mov eax, dr6\n mov ebx, [esp]\n str ecx\n hlt', { idt: gates, tasks: { [TASK_B]: { EIP: 'new', T: 1 } } });
    expect(made.run()).toBe('halted');
    expect([made.register('RAX') & 0xe00f, made.register('RBX'), made.register('RCX')]).toEqual([0x8000, made.label('new'), TASK_B]);
    expect(made.machine.state.get('pending debug exceptions')).toBe(0n);
  });

  test('TF of the old task traps no more once the task has left, and does again when it is back', () => {
    const made = kernel('pushfd\n or dword ptr [esp], 0x100\n popfd\n int 0x50\n nop\n hlt\nnew: inc edx\n iretd\ndebug: mov ebx, [esp]\n hlt', { idt: gates, tasks: { [TASK_B]: { EIP: 'new' } } });
    expect(made.run()).toBe('halted');
    expect([made.task(TASK_B, 'EDX'), made.task(TASK_A, 'EFLAGS') & TF]).toEqual([1, TF]);
    // The IRET back loads TF; the trap comes behind the NOP.
    expect(made.register('RBX')).toBe(made.label('new') - 1);
  });

  test('a fault of the new task saves the new task’s flags, also where TF and RF made the switch a careful one', () => {
    const made = kernel('push 0x10102\n push 8\n push here\n iretd\nhere: int 0x50\nnew: hlt\ndebug: mov ebx, [esp + 12]\n hlt', {
      idt: gates, tasks: { [TASK_B]: { EIP: 'new', EFLAGS: 0x47, FS: 0x108 } },
    });
    expect(made.run()).toBe('halted');
    expect([made.register('RBX'), made.task(TASK_A, 'EFLAGS') & TF]).toEqual([RF | NT | 0x47, TF]);
  });
});

describe('page faults', () => {
  test('a new task state segment that is not mapped is #PF of the old task, which stays as it was', () => {
    const absent = kernel('hlt', { gdt: { [TASK_B]: descriptor(0x50_0fc0, 0x67, 0x89) } });
    absent.machine.memory.map(0x50_0000n, 0x1000);
    const before = absent.machine.snapshot();
    // The first 64 bytes are there, the rest is not.
    expect(faultOf(absent, { selector: TASK_B, by: 'call' }).fault).toMatch(/^#PF/);
    expect(absent.machine.diff(before)).toEqual({ fields: [], memory: [] });
  });

  test('neither can the old one be, nor its descriptor', () => {
    for (const field of ['TR.base', 'GDTR.base']) {
      const made = kernel('there: hlt', { tasks: { [TASK_B]: { EIP: 'there' } } });
      made.machine.state.set(field, 0x60_0000n);
      const before = made.machine.snapshot();
      expect(faultOf(made, { selector: TASK_B, by: 'jump' }).fault).toMatch(/^#PF/);
      expect(made.machine.diff(before)).toEqual({ fields: [], memory: [] });
    }
  });
});
