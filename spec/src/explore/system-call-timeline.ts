/** One system call under Xen as a timeline: program, Xen and kernel as lanes; long stretches of Xen are one step. */

import { AREA, UREGS } from '../hypervisors/xen/pv/layout.ts';
import {
  type Lane, type PvOptions, type SystemCallWorld, type WorldStep, inUser, pvWorld,
} from '../hypervisors/xen/pv/world.ts';
import { IF, RF } from '../isa/flags.ts';
import type { FieldValue, Timeline, TimelineStep } from './verdict.ts';

const LANES: Readonly<Record<Lane, TimelineStep['lane']>> = { user: 'guest', Xen: 'hypervisor', kernel: 'other' };
/** Shown an instruction at a time, on the way to the kernel; every other part of Xen is one step. */
const IN_FULL: ReadonlySet<string> = new Set(['trampoline', 'syscall_enter', 'adjust']);
/** R11 as it is: the register, what SAVE_ALL saved of it, and what the kernel will pop. */
const FIELDS = ['R11', 'regs->r11', 'pushed R11', 'RFLAGS'] as const;
type FieldName = (typeof FIELDS)[number];
/** The frame's R11: the second word from the bottom of seven, on the kernel's empty stack. */
const BOUNCED_R11 = AREA.kernelStack - 48n;
/** Program instructions after the return. */
const AFTER = 2;

/** From the program's first instruction to the second one after its first system call has returned. */
export function recordSystemCall(options: PvOptions): Timeline {
  const world = pvWorld(options);
  world.finish(inUser);
  const recorder = new Recorder(world);
  let returned = 0, called = false;
  for (const step of world.run(() => returned > AFTER)) {
    recorder.add(step);
    if (step.lane === 'user' && called) returned++;
    if (step.lane === 'user' && step.text === 'syscall') called = true;
    if (step.lane === 'user' && step.raised) break;
  }
  return {
    lanes: [
      { id: 'guest', name: 'program', kind: 'guest' },
      { id: 'hypervisor', name: 'Xen', kind: 'host' },
      { id: 'other', name: 'guest kernel', kind: 'guest' },
    ],
    fields: FIELDS.map((name) => ({ name, width: 64 })),
    steps: recorder.steps,
  };
}

class Recorder {
  readonly steps: TimelineStep[] = [];
  readonly #world: SystemCallWorld;
  #before: Record<FieldName, FieldValue>;
  /** RFLAGS of the program at its system call: what each of the fields should hold from then on. */
  #expected: bigint | undefined;
  #visits = 0;
  #last: WorldStep | undefined;
  /** Xen has saved the registers; the frame is on the kernel's stack; the kernel has popped it. */
  #saved = false;
  #bounced = false;
  #popped = false;
  /** The kernel's own SYSCALL has put its own RFLAGS into R11. */
  #handedOn = false;
  #back = false;

  constructor(world: SystemCallWorld) {
    this.#world = world;
    this.#before = this.#values();
  }

  #values(): Record<FieldName, FieldValue> {
    const { state, memory } = this.#world.machine;
    return {
      R11: state.gpr[11]!,
      'regs->r11': this.#world.saved(UREGS.r11),
      'pushed R11': memory.read(this.#world.physical(BOUNCED_R11), 8),
      RFLAGS: BigInt(state.rflags),
    };
  }

  add(step: WorldStep): void {
    const { lane, part, text, raised } = step;
    if (lane === 'user' && text === 'syscall') this.#expected ??= BigInt(this.#before.RFLAGS) & ~BigInt(RF);
    if (lane === 'Xen' && this.#last?.lane !== 'Xen') this.#visits++;
    if (lane === 'kernel') this.#popped ||= text === 'pop r11';
    if (lane === 'kernel' && this.#popped && text === 'syscall') this.#handedOn = true;
    if (part?.label === 'dispatch') this.#saved = true;
    if (part?.label === 'test_all_events') this.#bounced = true;
    if (lane === 'user' && this.#visits > 0) this.#back = true;
    const folded = lane === 'Xen' && !(this.#visits === 1 && IN_FULL.has(part?.label ?? '')) && text !== 'sysretq';
    const name = folded ? part!.name : raised ? `${text} → ${raised}` : text;
    const values = this.#values();
    const changed = FIELDS.filter((field) => values[field] !== this.#before[field]);
    const wrong = FIELDS.filter((field) => this.#isWrong(field, BigInt(values[field]), lane));
    const last = this.steps.at(-1);
    const same = folded && last && this.#last?.lane === 'Xen' && last.text === name;
    const should = Object.fromEntries(wrong.map((field) => [field, this.#expected!]));
    const expected = wrong.length > 0 ? { expected: should } : {};
    if (same) Object.assign(last, { values, changed: [...new Set([...last.changed, ...changed])], wrong, ...expected });
    else this.steps.push({ lane: LANES[lane], text: name, rip: step.rip, values, changed, wrong, ...expected });
    this.#before = values;
    this.#last = step;
  }

  /** Where a value that the program's RFLAGS should be is something else. */
  #isWrong(field: FieldName, value: bigint, lane: Lane): boolean {
    if (this.#expected === undefined || value === this.#expected) return false;
    switch (field) {
      case 'R11':
        if (lane === 'Xen') return this.#visits === 1 && !this.#saved;
        return lane === 'kernel' ? this.#popped && !this.#handedOn : this.#back;
      case 'regs->r11': return this.#saved && this.#visits === 1;
      case 'pushed R11': return this.#bounced && this.#visits === 1 && !this.#popped;
      case 'RFLAGS': return this.#back && lane === 'user' && (value | BigInt(IF)) !== this.#expected;
    }
  }
}
