import { describe, expect, it } from 'vitest';
import {
  type ExecutionOptions, type Executions, Machine, Memory, NEVER_ENDS, type Occurrence, type Program,
  type System, assemble, cpus, exploreExecutions, externalInterrupt, machineCheck, nonMaskableInterrupt, replay, shrink,
} from 'hidden-state';
import { canRun } from '../../spec/src/explore/system.ts';
import { flatKernel } from './kernel.ts';

const x = (program: Program) => ({ machines: [machine] }: System): string =>
  `x = ${machine!.memory.read(program.symbols['x']!, 4)}`;

/** Processors that begin at the labels `p0`, `p1` … of one program. */
function processors(source: string): Pick<ExecutionOptions, 'start' | 'outcome'> {
  const program = assemble(source, { mode: 64 });
  const labels = Object.keys(program.symbols).filter((name) => /^p\d$/.test(name)).toSorted();
  const start = (): System => {
    const memory = new Memory();
    const machines = labels.map((label, processor) => {
      const machine = new Machine(undefined, { cpu: cpus.haswell, memory, processor, faults: 'deliver' });
      if (processor === 0) machine.load(program.bytes, program.origin);
      machine.state.rip = program.symbols[label]!;
      return machine;
    });
    return { machines };
  };
  return { start, outcome: x(program) };
}

const counts = ({ executions }: Executions): Record<string, number> =>
  Object.fromEntries(executions.map(({ outcome, count }) => [outcome, count]));

/**
 * The same by brute force: every execution from the start, by nothing but a list of what to do. PAUSE is not known
 * here.
 */
function everyExecution(
  { start, outcome, occurrences = [] }: ExecutionOptions, bounds: { occurrences: number; preemptions: number },
): Record<string, number> {
  const found: Record<string, number> = {};
  const go = (path: readonly (number | Occurrence)[], left: typeof bounds): void => {
    const system = start();
    let current = 0;
    for (const step of path) {
      if (typeof step === 'number') system.machines[(current = step)]!.run({ limit: 1 });
      else step.happen(system.machines[(current = step.processor)]!);
    }
    for (const occurrence of left.occurrences > 0 ? occurrences : []) {
      if (!occurrence.possible(system.machines[occurrence.processor]!)) continue;
      go([...path, occurrence], { ...left, occurrences: left.occurrences - 1 });
    }
    const ready = system.machines.flatMap((machine, n) => (canRun(machine) ? [n] : []));
    if (ready.length === 0) found[outcome(system)] = (found[outcome(system)] ?? 0) + 1;
    for (const n of ready) {
      const cost = n !== current && ready.includes(current) ? 1 : 0;
      if (cost <= left.preemptions) go([...path, n], { ...left, preemptions: left.preemptions - cost });
    }
  };
  go([], bounds);
  return found;
}

const LOST_UPDATE = `
p0:     mov eax, [x]
        inc eax
        mov [x], eax
        hlt
p1:     mov eax, [x]
        add eax, 2
        mov [x], eax
        hlt
x:      dd 0`;

describe('exploreExecutions: several processors', () => {
  it('finds the lost update, with the earliest of the shortest schedules', () => {
    const found = exploreExecutions(processors(LOST_UPDATE));
    expect(new Set(Object.keys(counts(found)))).toEqual(new Set(['x = 1', 'x = 2', 'x = 3']));
    expect(found.trunkOutcome).toBe('x = 3');
    const lost = found.executions.find(({ outcome }) => outcome === 'x = 1');
    expect(lost!.schedule).toEqual([{ after: 1, what: 'processor 1 runs', processor: 1 }]);
  });

  it.each([0, 1, 2, 3, 4])('counts as many executions as there are, with %i preemptions', (preemptions) => {
    const options = processors(LOST_UPDATE);
    const found = exploreExecutions({ ...options, bounds: { preemptions } });
    expect(counts(found)).toEqual(everyExecution(options, { occurrences: 0, preemptions }));
  });

  it('finds none where the update is locked', () => {
    const locked = LOST_UPDATE.replace(/mov eax, \[x\]\n\s*(inc|add) eax(, 2)?\n\s*mov \[x\], eax/g, (_, how, by) =>
      how === 'inc' ? 'lock inc dword ptr [x]' : `lock add dword ptr [x]${by}`);
    expect(locked).toContain('lock add');
    const found = exploreExecutions({ ...processors(locked), bounds: { preemptions: 9 } });
    expect(found.executions.map(({ outcome }) => outcome)).toEqual(['x = 3']);
  });

  const LOCKED = (release: string): string => `
p0:     lock bts dword ptr [lock_], 0
        pause
        jc p0
        inc dword ptr [x]
        ${release}
        hlt
p1:     lock bts dword ptr [lock_], 0
        pause
        jc p1
        add dword ptr [x], 2
        ${release}
        hlt
lock_:  dd 0
x:      dd 0`;

  it('a processor that waits with PAUSE lets the others run, so a lock that is released is no endless loop', () => {
    const found = exploreExecutions(processors(LOCKED('mov dword ptr [lock_], 0')));
    expect(found.executions.map(({ outcome }) => outcome)).toEqual(['x = 3']);
  });

  it('a lock that is never released is one', () => {
    const found = exploreExecutions(processors(LOCKED('nop')));
    expect(found.executions.map(({ outcome }) => outcome)).toEqual([NEVER_ENDS]);
  });

  it('three processors, against brute force', () => {
    const options = processors(`
p0:     inc dword ptr [x]
        hlt
p1:     shl dword ptr [x], 1
        hlt
p2:     add dword ptr [x], 5
        hlt
x:      dd 1`);
    const found = exploreExecutions({ ...options, bounds: { preemptions: 3 } });
    expect(counts(found)).toEqual(everyExecution(options, { occurrences: 0, preemptions: 3 }));
  });
});

const BODY = `
        mov    ecx, 3
next:   add    dword ptr [x], ecx
        dec    ecx
        jnz    next
        hlt
`;

describe('exploreExecutions: interrupts, NMI and machine checks at every boundary', () => {
  const irq = externalInterrupt(0x40);

  it('a handler that leaves no trace leaves one outcome, and falls back into the trunk', () => {
    const kernel = flatKernel(BODY, { 0x40: 'push rax\n mov eax, [x]\n pop rax\n iretq' });
    const found = exploreExecutions({ start: kernel.start, occurrences: [irq], outcome: x(kernel.program) });
    expect(found.executions).toMatchObject([{ outcome: 'x = 6' }]);
    // One at each boundary, the last one while it is halted, and one in which nothing happens.
    const boundaries = found.trunk.filter(({ outcomes }) => irq.name in outcomes).length;
    expect(boundaries).toBe(12);
    expect(found.executions[0]!.count).toBe(boundaries + 1);
    // The trunk, once more without an interrupt left, and five instructions of the handler at each boundary.
    expect(found.states).toBeLessThan(2 * 12 + 5 * boundaries + 8);
  });

  it('names the boundaries at which a handler that changes something matters', () => {
    const kernel = flatKernel(BODY, { 0x40: 'mov dword ptr [x], 0\n iretq' });
    const found = exploreExecutions({ start: kernel.start, occurrences: [irq], outcome: x(kernel.program) });
    const at = (outcome: string): number[] => found.trunk.flatMap(({ after, outcomes }) =>
      (outcomes[irq.name]?.includes(outcome) ? [after] : []));
    expect(at('x = 6')).toEqual([0, 1]);
    expect(at('x = 3')).toEqual([2, 3, 4]);
    expect(at('x = 1')).toEqual([5, 6, 7]);
    expect(at('x = 0')).toEqual([8, 9, 10, 11]);
    const none = found.executions.find(({ outcome }) => outcome === 'x = 0')!;
    expect(none.schedule).toEqual([{ after: 8, what: irq.name, processor: 0 }]);
  });

  it('two occurrences of three kinds, against brute force: nesting, blocking and shadows included', () => {
    const handlers = {
      2: 'add dword ptr [x], 1\n iretq', 18: 'shl dword ptr [x], 1\n iretq', 0x40: 'xor dword ptr [x], 0x10\n iretq',
    };
    const kernel = flatKernel('sti\n inc dword ptr [x]\n cli\n inc dword ptr [x]\n hlt', handlers);
    const options: ExecutionOptions = {
      start: kernel.start, outcome: x(kernel.program), occurrences: [irq, nonMaskableInterrupt(), machineCheck()],
    };
    const found = exploreExecutions({ ...options, bounds: { occurrences: 2 } });
    expect(Object.keys(counts(found)).length).toBeGreaterThan(8);
    expect(counts(found)).toEqual(everyExecution(options, { occurrences: 2, preemptions: 0 }));
  });

  it('an interrupt wakes a halted processor, and where IF is 0 only an NMI does', () => {
    const kernel = flatKernel('cli\n hlt\n mov dword ptr [x], 7\n hlt', { 2: 'iretq', 0x40: 'iretq' });
    const outcomes = (occurrence: Occurrence): string[] =>
      exploreExecutions({ start: kernel.start, occurrences: [occurrence], outcome: x(kernel.program) })
        .executions.map(({ outcome }) => outcome);
    expect(outcomes(irq)).toEqual(['x = 0']);
    expect(outcomes(nonMaskableInterrupt()).toSorted()).toEqual(['x = 0', 'x = 7']);
  });

  it('what a schedule says can be replayed', () => {
    const kernel = flatKernel(BODY, { 0x40: 'mov dword ptr [x], 0\n iretq' });
    const found = exploreExecutions({ start: kernel.start, occurrences: [irq], outcome: x(kernel.program) });
    for (const { outcome, schedule } of found.executions) {
      let system: System | undefined;
      const start = (): System => (system = kernel.start());
      const timeline = replay({
        start, occurrences: [irq], schedule, fields: ['RCX', 'RSP'], lanes: [{ id: 'host', name: 'host', kind: 'host' }],
        laneOf: () => 'host', symbols: kernel.program.symbols,
      });
      expect(x(kernel.program)(system!)).toBe(outcome);
      expect(timeline.steps.filter(({ text }) => text === irq.name)).toHaveLength(schedule.length);
      expect(timeline.steps.at(-1)!.text).toBe('hlt');
    }
  });

  it('a counterexample is cut down to the instructions that it needs', () => {
    const loses = (program: Program): boolean => {
      const { start, program: whole } = flatKernel(program.source, { 0x40: 'mov dword ptr [x], 0\n iretq' });
      const { trunkOutcome, executions } = exploreExecutions({ start, occurrences: [irq], outcome: x(whole) });
      return trunkOutcome !== 'x = 0' && executions.some(({ outcome }) => outcome === 'x = 0');
    };
    expect(shrink(assemble(`${BODY}x: dq 0`, { mode: 64 }), loses)).toEqual(['mov ecx, 3', 'add dword ptr [x], ecx']);
  });
});

describe('exploreExecutions: what cannot be explored', () => {
  const options = processors('p0: hlt\n x: dd 0');
  const never: Occurrence = { name: 'never', processor: 0, possible: () => false, happen: () => {} };

  it.each([
    ['an unknown option', { ...options, bound: {} }, /unknown option "bound"/],
    ['an unknown bound', { ...options, bounds: { preemption: 1 } }, /unknown option "preemption"/],
    ['no machine', { ...options, start: () => ({ machines: [] }) }, /no machine/],
    ['two memories', { ...options, start: () => ({ machines: [...options.start().machines, ...options.start().machines] }) },
      /machine 1 has a memory of its own/],
    ['an occurrence for nobody', { ...options, occurrences: [{ ...never, processor: 1 }] }, /is for processor 1; there are 1/],
    ['two of one name', { ...options, occurrences: [never, never] }, /two occurrences are called "never"/],
  ])('%s', (_, wrong, message) => {
    expect(() => exploreExecutions(wrong as ExecutionOptions)).toThrow(message);
  });

  it('an execution that is too long, and too many states', () => {
    const endless = processors('p0: inc rax\n jmp p0\n x: dd 0');
    expect(() => exploreExecutions({ ...endless, bounds: { instructions: 100 } }))
      .toThrow(/longer than 100 instructions/);
    expect(() => exploreExecutions({ ...endless, bounds: { states: 50 } })).toThrow(/longer than|more than 50 states/);
  });

  it('vectors of external interrupts are 10h to FFh', () => {
    expect(() => externalInterrupt(8)).toThrow(/10h to FFh/);
  });
});
