/**
 * A system call under Xen against the same on bare metal: what the kernel finds at its entry, and what the program
 * finds at every instruction boundary until its end.
 */

import type { Program } from '../asm/assemble.ts';
import type { CpuProfile } from '../cpus/profile.ts';
import type { GuestKernel } from '../hypervisors/xen/pv/guest.ts';
import type { Trampoline } from '../hypervisors/xen/pv/trampolines.ts';
import {
  type PvOptions, type SystemCallWorld, atHandler, bareMetal, inUser, pvWorld,
} from '../hypervisors/xen/pv/world.ts';
import { GPR_NAMES } from '../state/fields.ts';
import { differences } from '../state/state.ts';
import { asDifference } from './compare.ts';
import { recordSystemCall } from './system-call-timeline.ts';
import type { Counterexample, Difference, Timeline, Verdict, VerdictTable } from './verdict.ts';

/** Who looks: the kernel, at the first instruction of its handler; or the program, at each of its boundaries. */
export type Witness = 'kernel' | 'program';

export interface SystemCallOptions extends PvOptions {
  /** Default: `program`. */
  witness?: Witness;
  /** Record the verdict's timeline, which is another run. Default: true. */
  timeline?: boolean;
}

const NO_TIMELINE: Timeline = { lanes: [], fields: [], steps: [] };

const GENERAL: ReadonlySet<string> = new Set(GPR_NAMES);
/** The kernel's stack is its own, and has nothing to do with the program's. */
const KERNEL_SEES: ReadonlySet<string> = new Set(GPR_NAMES.filter((name) => name !== 'RSP'));
const SEGMENT = /^(ES|CS|SS|DS|FS|GS)(\.|$)/;
const programSees = (name: string): boolean =>
  GENERAL.has(name) || name === 'RIP' || name === 'RFLAGS' || SEGMENT.test(name);
/** 32-bit code has no name for R8 to R15. */
const HIGH_REGISTER = /^R(8|9|1\d)$/;

/** What differs between two worlds that stand at the same place, as the witness sees it. */
function differing(bare: SystemCallWorld, guest: SystemCallWorld, witness: Witness): Difference[] {
  return differences(bare.machine.state.bytes, guest.machine.state.bytes)
    .filter(({ field: { name } }) => (witness === 'kernel' ? KERNEL_SEES.has(name) : programSees(name)))
    .filter(({ field: { name } }) => witness === 'kernel' || guest.user.mode === 64 || !HIGH_REGISTER.test(name))
    .map(asDifference);
}

/** One instruction of the program, and whatever the kernel and Xen do because of it. Answers its text. */
function nextBoundary(world: SystemCallWorld): string {
  const { text } = world.step();
  world.finish(inUser);
  return text;
}

/** Boundaries of the program to compare at most. */
const LIMIT = 10_000;

/**
 * Runs the program on bare metal and under Xen side by side. A verdict's boundary counts the program's instructions.
 * Throws as `pvWorld` does.
 */
export function compareSystemCalls(
  { witness = 'program', timeline = true, ...options }: SystemCallOptions,
): Verdict {
  const bare = bareMetal(options), guest = pvWorld(options);
  const verdict: Verdict = {
    transparent: true, cpu: options.cpu.name, policy: options.trampoline.name, boundaries: 0, fields: [], ended: '',
    timeline: timeline ? recordSystemCall(options) : NO_TIMELINE,
  };
  const note = (found: Difference[], boundary: number, after: string): void => {
    verdict.boundaries++;
    for (const { label } of found) if (!verdict.fields.includes(label)) verdict.fields.push(label);
    if (found.length === 0 || verdict.counterexample) return;
    verdict.transparent = false;
    verdict.counterexample = counterexample(found, boundary, after, guest);
  };
  if (witness === 'kernel') {
    for (const world of [bare, guest]) world.finish(atHandler);
    note(differing(bare, guest, witness), 1, 'syscall');
    return verdict;
  }
  for (const world of [bare, guest]) world.finish(inUser);
  let boundary = 0;
  for (let after = ''; boundary < LIMIT && !guest.ending && !bare.ending; boundary++) {
    note(differing(bare, guest, witness), boundary, after);
    after = nextBoundary(guest);
    nextBoundary(bare);
  }
  const exception = guest.ending?.exception;
  if (exception && exception === bare.ending?.exception) verdict.ended = exception;
  else if (exception) {
    if (!verdict.counterexample) note([whereTo(bare, guest)], boundary, 'syscall');
    verdict.fields.push(exception);
  }
  return verdict;
}

/** The program did not come back at all: where it should have gone, and where an exception says that it went. */
const whereTo = (bare: SystemCallWorld, guest: SystemCallWorld): Difference => ({
  field: 'RIP', label: 'RIP', width: 64, bareMetal: bare.machine.state.rip, underPolicy: guest.bouncedRip, kind: 'lost',
});

const counterexample = (
  found: Difference[], boundary: number, after: string, guest: SystemCallWorld,
): Counterexample =>
  ({ ...found[0]!, boundary, switches: 1, rip: guest.machine.state.rip, after, differences: found, smallest: [] });

/** A column of the table: a processor, a kernel, and who looks. */
export interface SystemCallCase {
  readonly id: string;
  readonly name: string;
  readonly cpu: CpuProfile;
  readonly kernel: GuestKernel;
  /** Default: `program`. */
  readonly witness?: Witness;
}

export interface TabulateSystemCallsOptions {
  user: Program;
  trampolines: readonly Trampoline[];
  cases: readonly SystemCallCase[];
  /** Where syscall_enter is linked; see `pvWorld`. */
  syscallEnter?: bigint;
}

/** Trampolines × cases. */
export function tabulateSystemCalls(
  { user, trampolines, cases, syscallEnter }: TabulateSystemCallsOptions,
): VerdictTable {
  const place = syscallEnter === undefined ? {} : { syscallEnter };
  return {
    cpus: cases.map(({ id, name }) => ({ id, name })),
    rows: trampolines.map((trampoline) => ({
      policy: {
        id: trampoline.id, name: trampoline.name, year: trampoline.year, summary: trampoline.summary,
        commit: trampoline.source.kind === 'commit' ? trampoline.source.commit : '',
      },
      cells: cases.map(({ cpu, kernel, witness = 'program' }) =>
        compareSystemCalls({ cpu, kernel, witness, trampoline, user, ...place, timeline: false })),
    })),
  };
}
