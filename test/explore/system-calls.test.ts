/** A system call as a timeline and as a verdict. What each trampoline does is in test/hypervisors/trampolines.test.ts. */

import { asm64, compareSystemCalls, cpus, pv, recordSystemCall } from 'hidden-state';
import { describe, expect, test } from 'vitest';

const user = asm64`
        org    0x400000
        mov    eax, 39
        syscall
        mov    rax, [rsp - 15]
        mov    eax, 60
        syscall`;
const options = { cpu: cpus.ivyBridge, user, kernel: pv.popsRegisters };

describe('the timeline', () => {
  const broken = recordSystemCall({ ...options, trampoline: pv.indirectJump });
  const step = (text: string) => broken.steps.find((each) => each.text.startsWith(text))!;

  test('has the program, Xen and the kernel as lanes, and they come in that order', () => {
    expect(broken.lanes.map(({ name }) => name)).toEqual(['program', 'Xen', 'guest kernel']);
    const lanes = broken.steps.map(({ lane }) => lane);
    expect(lanes.filter((lane, n) => lane !== lanes[n - 1])).toEqual(['guest', 'hypervisor', 'other', 'hypervisor', 'guest']);
  });

  test('marks R11 from the trampoline on, then what was saved of it, then what the kernel has popped', () => {
    expect(step('push r11').wrong).toEqual([]);
    expect(step('mov r11').wrong).toEqual(['R11']);
    expect(step('switch_to_kernel').wrong).toEqual(['regs->r11']);
    expect(step('pop r11')).toMatchObject({ wrong: ['R11', 'regs->r11'], expected: { R11: 0x246n, 'regs->r11': 0x246n } });
  });

  test('ends with the exception', () => {
    const last = broken.steps.at(-1)!;
    expect(last.text).toBe('mov rax, qword ptr [rsp-0xf] → #AC(0)');
    expect(last.wrong).toEqual(['R11', 'RFLAGS']);
  });

  test('marks nothing where nothing is wrong', () => {
    for (const trampoline of [pv.nearJump, pv.reloaded, pv.stubPage]) {
      const { steps } = recordSystemCall({ ...options, trampoline });
      const wrong = steps.flatMap((each) => (each.wrong.length > 0 ? [`${each.text}: ${each.wrong.join()}`] : []));
      // The trampoline's damage is repaired before SAVE_ALL.
      expect(wrong.filter((each) => trampoline !== pv.reloaded || !each.endsWith(': R11')), trampoline.id).toEqual([]);
    }
  });
});

describe('the verdict', () => {
  test('counts the boundaries that it compared: one before each instruction of the program', () => {
    expect(compareSystemCalls({ ...options, trampoline: pv.reloaded, timeline: false })).toMatchObject({ transparent: true, boundaries: 5 });
    expect(compareSystemCalls({ ...options, trampoline: pv.reloaded, witness: 'kernel' }).boundaries).toBe(1);
  });
  test('has no timeline where none was asked for', () => {
    expect(compareSystemCalls({ ...options, trampoline: pv.reloaded, timeline: false }).timeline.steps).toEqual([]);
  });
  test('names the instruction after which the program can tell', () => {
    const { counterexample } = compareSystemCalls({ ...options, trampoline: pv.indirectJump, timeline: false });
    expect(counterexample).toMatchObject({ boundary: 2, after: 'syscall', rip: 0x40_0007n });
  });
  test('an unknown option is refused', () => {
    const wrong = { ...options, trampoline: pv.reloaded, policy: 1 };
    expect(() => compareSystemCalls(wrong)).toThrow(/unknown option "policy"/);
  });
});
