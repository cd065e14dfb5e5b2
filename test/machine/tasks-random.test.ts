import { expect, test } from 'vitest';
import { type TaskSwitch, switchTask } from '../../spec/src/isa/tasks/index.ts';
import { Fault } from '../../spec/src/state/outcomes.ts';
import { type Random, randomFrom } from '../integer/random.ts';
import { CODE0, DATA0, FREE, GDT, LOCAL, TASK_A, TASK_B, TR, descriptor, kernel, taskBase } from './kernel.ts';

const SWITCHES = 2000;
/** From the GDT to the end of the task state segments. */
const TABLE_BYTES = 0x4000;
/** EIP to GS as doublewords, then LDT and T. */
const FIRST_FIELD = 0x20;

/** A selector of the kernel's table, often the right one, sometimes beyond it. */
const selector = (random: Random, right: number): number => (random.chance(0.85) ? right : random.below(0x120));

const doubleword = (random: Random): number => Number(random.value() & 0xffff_ffffn);

test('whatever is in the tables, a switch ends in the new task, in a fault of it, or in one that leaves the old task as it was', () => {
  const random = randomFrom(7);
  const ends = { entered: 0, 'fault of the new task': 0, 'fault of the old task': 0 };
  const { machine } = kernel('hlt', { tasks: { [TASK_B]: {} } });
  const { execution, memory, state } = machine;
  const start = state.snapshot();
  const tables = memory.readBytes(GDT, TABLE_BYTES);
  for (let n = 0; n < SWITCHES; n++) {
    state.restore(start);
    memory.writeBytes(GDT, tables);
    const registers = Array.from({ length: 8 }, () => doubleword(random));
    registers[4] = random.chance(0.7) ? 0x1_e000 : registers[4]!;
    const eflags = doubleword(random) & (random.chance(0.8) ? 0xfffd_ffff : 0xffff_ffff);
    const segments = [DATA0, CODE0, DATA0, DATA0, DATA0, DATA0].map((right) => selector(random, right));
    const fields = [random.below(0x2_0000), eflags, ...registers, ...segments, selector(random, LOCAL), random.below(2)];
    fields.forEach((value, at) => memory.write(taskBase(TASK_B) + BigInt(FIRST_FIELD + 4 * at), 4, BigInt(value >>> 0)));
    for (let entry = FREE; entry < 0x100; entry += 8) memory.write(GDT + BigInt(entry), 8, random.value());
    const task = random.chance(0.3) ? descriptor(taskBase(TASK_B), random.below(0x80), random.below(0x100)) : undefined;
    if (task !== undefined) memory.write(GDT + BigInt(TASK_B), 8, task);
    const request: TaskSwitch = {
      selector: selector(random, TASK_B), by: random.pick(['jump', 'call', 'interrupt']), external: random.below(2),
      errorCode: random.chance(0.5) ? random.below(0x1_0000) : undefined,
    };
    const before = [state.snapshot(), memory.readBytes(GDT, TABLE_BYTES)];
    execution.inNewTask = false;
    execution.next = state.rip;
    let fault = false;
    try {
      switchTask(execution, request);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      fault = true;
    }
    const entered = execution.inNewTask;
    ends[!fault ? 'entered' : entered ? 'fault of the new task' : 'fault of the old task']++;
    expect([n, state.selector(TR) & 0xfffc]).toEqual([n, entered ? request.selector & 0xfffc : TASK_A]);
    const after = [state.snapshot(), memory.readBytes(GDT, TABLE_BYTES)];
    expect([n, entered || after.map((bytes, which) => Buffer.compare(bytes, before[which]!))]).toEqual([n, entered || [0, 0]]);
  }
  // Else little was tested.
  for (const count of Object.values(ends)) expect(count).toBeGreaterThan(SWITCHES / 10);
});
