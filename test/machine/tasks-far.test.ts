import { describe, expect, test } from 'vitest';
import { type KernelOptions, CODE0, CODE3, DATA3, FREE, GDT, TASK_A, TASK_B, TASK_C, TR, type Kernel, descriptor, kernel, taskBase } from './kernel.ts';

const NT = 0x4000;
const AVAILABLE = 0x89, USER_TASK = 0xe9;
/** A task gate is a descriptor, too: selector in the base's place, type 5. */
const gateTo = (selector: number, access: number): bigint => (BigInt(selector) << 16n) | (BigInt(access) << 40n);
const tss = (selector: number, access: number): bigint => descriptor(taskBase(selector), 0x67, access);
const GATE = FREE;

const user = (text: string): string => `push ${DATA3}\n push 0x1c000\n push 2\n push ${CODE3}\n push user\n iretd\nuser: ${text}\n hlt\nnew: hlt`;

describe('JMP and CALL to a task', () => {
  test('JMP leaves the old task available, CALL nests and IRET comes back', () => {
    const made = kernel(`
        call   ${TASK_B}:0xdead        ; the offset does not matter
        mov    ebx, 1
        jmp    ${TASK_C}:0
callee: str    eax
        iretd
last:   str    ecx
        hlt
`, { tasks: { [TASK_B]: { EIP: 'callee' }, [TASK_C]: { EIP: 'last' } } });
    expect(made.run()).toBe('halted');
    expect([made.task(TASK_B, 'EAX'), made.task(TASK_B, 'link'), made.task(TASK_A, 'EBX'), made.register('RCX')]).toEqual([TASK_B, TASK_A, 1, TASK_C]);
    expect([TASK_A, TASK_B, TASK_C].map(made.access)).toEqual([0x89, 0x89, 0x8b]);
    expect([made.machine.state.rflags & NT, made.task(TASK_C, 'link')]).toEqual([0, 0]);
  });

  test('through a task gate in the GDT, and in the LDT', () => {
    for (const [table, selector] of [['gdt', GATE], ['ldt', 0xc]] as const) {
      const made = kernel(`mov eax, 0x40\n lldt ax\n call ${selector}:0\n hlt\nnew: mov eax, [${taskBase(TASK_B)}]\n iretd`, {
        [table]: { [selector]: gateTo(TASK_B, 0x85) }, tasks: { [TASK_B]: { EIP: 'new' } },
      });
      expect([made.run(), made.task(TASK_B, 'EAX') & 0xffff]).toEqual(['halted', TASK_A]);
    }
  });

  // The task state segment's DPL counts for a direct transfer, the gate's alone for one through a gate.
  test.each([
    ['a task of DPL 0 from CPL 3', TASK_B, {}, '#GP(0x30)'], ['a task of DPL 3 from CPL 3', TASK_B, { [TASK_B]: tss(TASK_B, USER_TASK) }, 'new'],
    ['a gate of DPL 3 to a task of DPL 0', GATE, { [GATE]: gateTo(TASK_B, 0xe5) }, 'new'], ['a gate of DPL 0', GATE, { [GATE]: gateTo(TASK_B, 0x85) }, '#GP(0x48)'],
    ['a gate that is not present', GATE, { [GATE]: gateTo(TASK_B, 0x65) }, '#NP(0x48)'], ['a gate to a busy task', GATE, { [GATE]: gateTo(TASK_A, 0xe5) }, '#GP(0x28)'],
    ['a gate to the LDT', GATE, { [GATE]: gateTo(0x34, 0xe5) }, '#GP(0x34)'], ['a busy task', TASK_B, { [TASK_B]: tss(TASK_B, 0xeb) }, '#GP(0x30)'],
    ['an absent task', TASK_B, { [TASK_B]: tss(TASK_B, 0x69) }, '#NP(0x30)'],
  ] as const)('%s', (_, selector, gdt, expected) => {
    for (const how of ['jmp', 'call']) {
      const options: KernelOptions = { gdt, tasks: { [TASK_B]: { EIP: 'new' } }, faults: 'throw' };
      const made: Kernel = kernel(user(`${how} ${selector}:0`), options);
      const end = made.run();
      expect([how, end === 'halted' && made.machine.state.selector(TR) === TASK_B ? 'new' : end]).toEqual([how, expected]);
    }
  });

  test('RPL above DPL is #GP as CPL above it is', () => {
    const outcomes = [TASK_B | 3, GATE | 3].map((selector) => kernel(`jmp ${selector}:0\nnew: hlt`, {
      gdt: { [GATE]: gateTo(TASK_B, 0x85), [TASK_B]: tss(TASK_B, AVAILABLE) }, tasks: { [TASK_B]: { EIP: 'new' } }, faults: 'throw',
    }).run());
    expect(outcomes).toEqual(['#GP(0x30)', '#GP(0x48)']);
  });

  test('a task can leave level 3 for level 0 and come back without a gate: levels are the tasks’ own', () => {
    const made = kernel(user(`call ${TASK_B}:0\n mov ebx, cs\n int 0x50`).replace('new: hlt', 'new: mov eax, cs\n iretd\nend: hlt'), {
      gdt: { [TASK_B]: tss(TASK_B, USER_TASK) }, tasks: { [TASK_B]: { EIP: 'new' } }, idt: { 0x50: { to: 'end', access: 0xee } },
    });
    expect(made.run()).toBe('halted');
    expect([made.task(TASK_B, 'EAX'), made.register('RBX'), made.task(TASK_A, 'CS')]).toEqual([CODE0, CODE3, CODE3]);
  });

  test('TF of the old task is no trap of the new one', () => {
    const made = kernel(`pushfd\n or dword ptr [esp], 0x100\n popfd\n jmp ${TASK_B}:0\nnew: inc eax\n hlt\ndebug: mov ebx, 1\n hlt`, {
      idt: { 1: { to: 'debug' } }, tasks: { [TASK_B]: { EIP: 'new' } },
    });
    expect([made.run(), made.register('RAX'), made.register('RBX')]).toEqual(['halted', 1, 0]);
  });

  test.each([['jmp', /^#PF/], ['call', /^halted/]])('with %s the descriptor of the old task is written, or not looked at', (how, expected) => {
    const made = kernel(`${how} ${TASK_B}:0\nnew: hlt`, { tasks: { [TASK_A]: { CS: 0x5a5a }, [TASK_B]: { EIP: 'new' } }, faults: 'throw' });
    made.machine.state.set('TR', 0xfff8);
    made.machine.state.set('GDTR.base', 0x3_8000n);
    made.machine.memory.writeBytes(0x3_8000n, made.machine.memory.readBytes(GDT, 0x100));
    expect(made.run()).toMatch(expected);
    expect(made.task(TASK_A, 'CS')).toBe(how === 'call' ? CODE0 : 0x5a5a);
  });
});
