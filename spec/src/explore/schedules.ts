/**
 * Does a property hold for every schedule of a vCPU's life? Breadth-first over what its hypervisor and its guest can do
 * next, by execution, until no new state appears or schedules are as long as asked for.
 *
 * The property here: the block that a toolstack is handed says what the registers hold.
 */

import type { CpuProfile } from '../cpus/profile.ts';
import { LEGACY_FIELDS, legacyField } from '../hypervisors/legacy-fields.ts';
import type { Policy } from '../hypervisors/policy.ts';
import { Vcpu, type VcpuSnapshot } from '../hypervisors/xen/vcpu.ts';
import type { VcpuPolicy } from '../hypervisors/xen/vcpu-policies.ts';
import { Fault } from '../state/outcomes.ts';
import { RecordedVcpu } from './life.ts';
import { StateSet } from './state-set.ts';
import { summarise } from './tabulate.ts';
import type { Difference, Verdict, VerdictTable } from './verdict.ts';

/** Something that can happen next. */
export interface LifeEvent {
  readonly name: string;
  readonly possible: (vcpu: Vcpu) => boolean;
  readonly happen: (vcpu: Vcpu) => void;
}

/** How each schedule begins. */
const CREATION = 'vcpu_create';

/** The hypervisor's side, and the toolstack's. */
export const LIFE_EVENTS: readonly LifeEvent[] = [
  { name: 'VCPUOP_initialise', possible: (v) => !v.initialised, happen: (v) => v.initialise() },
  { name: 'VCPUOP_up', possible: (v) => v.initialised && !v.up, happen: (v) => v.bringUp() },
  { name: 'schedule', possible: (v) => v.up && !v.running, happen: (v) => v.schedule() },
  { name: 'deschedule', possible: (v) => v.running, happen: (v) => v.deschedule() },
  { name: 'INIT, SIPI', possible: (v) => v.running, happen: (v) => v.initAndStartup() },
  { name: 'migrate', possible: (v) => v.up && !v.running, happen: (v) => v.migrate() },
];

/** One instruction of the guest, or several in a row. */
export const guestEvent = (source: string): LifeEvent => ({
  name: source.replace(/\s*\n\s*/g, '; '), possible: (v) => v.running, happen: (v) => v.execute(source),
});

/**
 * What guests do to their FPU. The XRSTOR is a kernel's own switch to a new task: an image with XSTATE_BV 0. It takes
 * all state out of use, VZEROALL all but that of the x87 unit. FLD1 comes behind FNINIT, so that there are few enough
 * states to try them all.
 */
export const GUEST_EVENTS: readonly LifeEvent[] = [
  'fninit', 'fninit\n fld1', 'pxor xmm0, xmm0', 'movups xmm0, [ones]', 'ldmxcsr [rounding]', 'vzeroall',
  'xrstor64 [initial]',
].map(guestEvent);

export interface ScheduleOptions {
  cpu: CpuProfile;
  policy: VcpuPolicy;
  /** How the FPU is switched. Default: `xenVcpu.switchWide`. */
  switching?: Policy;
  /** What the guest does. Default: `GUEST_EVENTS`. */
  guest?: readonly LifeEvent[];
  /** Fields to compare, by their names in `LEGACY_FIELDS`. Default: all. */
  fields?: readonly string[];
  /** Events in a row at most, from the vCPU's creation. Default: as many as it takes until no new state appears. */
  length?: number;
}

export interface ScheduleResult {
  cpu: string;
  policy: string;
  /** No schedule tried breaks the property. */
  holds: boolean;
  /** No schedule at all does: there were no new states left before schedules got as long as allowed. */
  closed: boolean;
  /** Different states that were reached. */
  states: number;
  /** Events in the longest schedule tried; a longer one leads to no state that a shorter one does not lead to. */
  length: number;
  /** One of the shortest schedules after which the block and the registers differ; `bareMetal` is the register's. */
  counterexample?: { schedule: string[]; differences: Difference[] };
}

/** Compares two 512-byte images by register. */
export function legacyDifferences(live: Uint8Array, block: Uint8Array): Difference[] {
  return LEGACY_FIELDS.flatMap((field): Difference[] => {
    const [bareMetal, underPolicy] = [legacyField(live, field), legacyField(block, field)];
    if (bareMetal === underPolicy) return [];
    return [{ field: field.name, label: field.name, width: field.width, bareMetal, underPolicy, kind: 'lost' }];
  });
}

/** A state with the way to it. */
interface Node {
  readonly snapshot: VcpuSnapshot;
  readonly before: Node | undefined;
  readonly event: string;
}

/** Breadth-first from the creation of a vCPU. The vCPU is compared wherever it is not on the processor. */
export function exploreSchedules(options: ScheduleOptions): ScheduleResult {
  const { cpu, policy, switching, fields, length = Infinity } = options;
  const vcpu = new Vcpu({ cpu, policy, ...(switching ? { switching } : {}) });
  const events = [...LIFE_EVENTS, ...options.guest ?? GUEST_EVENTS];
  const first: Node = { snapshot: vcpu.snapshot(), before: undefined, event: CREATION };
  const known = new StateSet();
  known.add(vcpu.fingerprint());
  const answer = { cpu: cpu.name, policy: policy.name };
  let frontier = [first];
  for (let depth = 0; ; depth++) {
    for (const node of frontier) {
      const differences = exported(vcpu, node.snapshot).filter(({ field }) => !fields || fields.includes(field));
      if (differences.length === 0) continue;
      const counterexample = { schedule: scheduleTo(node), differences };
      return { ...answer, holds: false, closed: false, states: known.size, length: depth, counterexample };
    }
    if (depth === length) break;
    const next: Node[] = [];
    for (const node of frontier) {
      for (const event of events) {
        vcpu.restore(node.snapshot);
        if (!event.possible(vcpu)) continue;
        if (!happens(event, vcpu)) continue;
        if (!known.add(vcpu.fingerprint())) continue;
        next.push({ snapshot: vcpu.snapshot(), before: node, event: event.name });
      }
    }
    if (next.length === 0) return { ...answer, holds: true, closed: true, states: known.size, length: depth };
    frontier = next;
  }
  return { ...answer, holds: true, closed: false, states: known.size, length };
}

export interface ScheduleTableOptions extends Omit<ScheduleOptions, 'cpu' | 'policy'> {
  cpus: readonly CpuProfile[];
  policies: readonly VcpuPolicy[];
}

/** Policies × CPUs, as a verdict table: is the block that is handed out what the registers hold? */
export function tabulateSchedules({ cpus, policies, ...options }: ScheduleTableOptions): VerdictTable {
  return {
    words: {
      where: 'event', reads: 'the block is not what the registers hold', expected: 'Registers', found: 'Exported block',
      smallest: 'A shortest schedule', tried: ['state', 'states'],
    },
    cpus: cpus.map(({ id, name }) => ({ id, name })),
    rows: policies.map((policy) => ({
      policy: summarise(policy),
      cells: cpus.map((cpu) => verdictOf({ cpu, policy, ...options })),
    })),
  };
}

/** Explores, and records the life of the vCPU that is the counterexample; a first switch where there is none. */
function verdictOf(options: ScheduleOptions): Verdict {
  const { holds, states, cpu, policy, counterexample: found } = exploreSchedules(options);
  const schedule = found?.schedule ?? [CREATION, 'VCPUOP_initialise', 'VCPUOP_up', 'schedule', 'deschedule'];
  const vcpu = new RecordedVcpu(options);
  const events = [...LIFE_EVENTS, ...options.guest ?? GUEST_EVENTS];
  for (const name of schedule) events.find((event) => event.name === name)?.happen(vcpu);
  return {
    transparent: holds, cpu, policy, boundaries: states, ended: '',
    fields: found?.differences.map(({ label }) => label) ?? [],
    timeline: vcpu.timeline(),
    ...(found && {
      counterexample: {
        ...found.differences[0]!, differences: found.differences, boundary: schedule.length - 1, switches: 1, rip: 0n,
        after: schedule.at(-1)!, smallest: schedule,
      },
    }),
  };
}

/**
 * An instruction that faults, or that the processor does not have, leaves everything as it is: its handler is other
 * instructions, which are tried anyway.
 */
function happens(event: LifeEvent, vcpu: Vcpu): boolean {
  try {
    event.happen(vcpu);
    return true;
  } catch (error) {
    if (error instanceof Fault) return false;
    throw error;
  }
}

const scheduleTo = (node: Node): string[] => [...(node.before ? scheduleTo(node.before) : []), node.event];

/** What differs between the block, where it is called valid, and what the guest finds when it runs next. */
function exported(vcpu: Vcpu, snapshot: VcpuSnapshot): Difference[] {
  vcpu.restore(snapshot);
  if (vcpu.running) return [];
  const { bytes, valid } = vcpu.getContext();
  if (!valid) return [];
  if (!vcpu.initialised) vcpu.initialise();
  if (!vcpu.up) vcpu.bringUp();
  vcpu.schedule();
  return legacyDifferences(vcpu.look(), bytes);
}
