/**
 * Is there any sequence of operations that brings registers back? A search over everything that can be reached, by
 * executing real instructions, to closure: when no new state appears, the answer holds for sequences of every length.
 */

import type { CpuProfile } from '../cpus/profile.ts';
import { assemble } from '../asm/assemble.ts';
import { hostState } from '../hypervisors/host-state.ts';
import { kernelState } from '../machine/initial.ts';
import { Machine } from '../machine/machine.ts';
import { OFFSET, RAX } from '../state/fields.ts';
import type { State } from '../state/state.ts';
import { type Pointers, images, pointersOf, wantedPointers } from './pointers.ts';

export interface Operator {
  readonly name: string;
  /** Host code, or the guest's own where the escape is allowed. */
  readonly source: string;
  /** `guest`: executed at the guest's own CS:RIP with the guest's DS. */
  readonly context: 'hypervisor' | 'guest';
}

/** One reachable combination of the four registers. */
export interface Reached {
  pointers: Pointers;
  /** Which of FIP, FCS, FDP and FDS have the wanted value. */
  kept: (keyof Pointers)[];
  /** Names of the operators that lead here, the shortest way. */
  path: string[];
}

export interface SearchResult {
  cpu: string;
  wanted: Pointers;
  operators: string[];
  /** Every combination that any sequence reaches, in order of path length. */
  reached: Reached[];
  /** The shortest sequence that preserves all four, or undefined when there is none of any length. */
  preserving: Reached | undefined;
}

const HOST_CODE = 0xffff_8300_0010_0000n;
const HOST_STACK = HOST_CODE + 0xf000n;
const IMAGES = 0xffff_8300_0020_0000n;

/** Loads of every form, from images that hold exactly what is wanted, and x87 instructions of the hypervisor's own. */
export const HYPERVISOR_OPERATORS: readonly Operator[] = [
  ...[
    'fxrstor64 [wide]', 'fxrstor [narrow]', 'xrstor64 [wide]', 'xrstor [narrow]', 'xrstor64 [narrow]', 'xrstor [wide]',
    'fldenv [environment]', 'frstor [environment]',
  ].map((source): Operator => ({ name: source, source, context: 'hypervisor' })),
  { name: 'xrstor64, XSTATE_BV = 0', source: 'xrstor64 [initial]', context: 'hypervisor' },
  { name: 'fninit', source: 'fninit', context: 'hypervisor' },
  { name: 'fnop', source: 'fnop', context: 'hypervisor' },
  { name: 'fild [Xen data]', source: 'ffree st(7)\n fild dword ptr [narrow]', context: 'hypervisor' },
  { name: 'emms', source: 'emms', context: 'hypervisor' },
];

/** The one escape: an x87 instruction with a memory operand, at the guest's own address and with its own data. */
export const IN_GUEST_CONTEXT: Operator = {
  name: 'fld [guest data] at the guest\'s CS:RIP', source: 'fld qword ptr [rax]', context: 'guest',
};

/** Breadth-first over the four registers, by execution on `cpu`, until nothing new is reached. */
export function searchRestores(
  { cpu, operators = HYPERVISOR_OPERATORS }: { cpu: CpuProfile; operators?: readonly Operator[] },
): SearchResult {
  const usable = operators.filter(({ source }) => cpu.features.has('XSAVE') || !source.includes('xrstor'));
  const wanted = wantedPointers(cpu);
  const machine = prepared(cpu, wanted);
  const steps = usable.map((operator) => ({ operator, run: compile(machine, operator, wanted) }));
  const key = (pointers: Pointers): string => Object.values(pointers).join();
  const selectors = cpu.features.has('FPCSDS') ? { fcs: 0, fds: 0 } : { fcs: 0x2222, fds: 0x4444 };
  const start = { fip: 0x1111n, fdp: 0x3333n, ...selectors };
  const reached: Reached[] = [describe(start, [], wanted)];
  const seen = new Set([key(start)]);
  for (let n = 0; n < reached.length; n++) {
    for (const { operator, run } of steps) {
      const pointers = run(reached[n]!.pointers);
      if (seen.has(key(pointers))) continue;
      seen.add(key(pointers));
      reached.push(describe(pointers, [...reached[n]!.path, operator.name], wanted));
    }
  }
  return {
    cpu: cpu.name, wanted, operators: usable.map(({ name }) => name), reached,
    preserving: reached.find(({ kept }) => kept.length === 4),
  };
}

function describe(pointers: Pointers, path: string[], wanted: Pointers): Reached {
  return {
    pointers, kept: (['fip', 'fcs', 'fdp', 'fds'] as const).filter((name) => pointers[name] === wanted[name]), path,
  };
}

function prepared(cpu: CpuProfile, wanted: Pointers): Machine {
  const machine = new Machine(undefined, { cpu });
  machine.memory.map(wanted.fip & ~0xfffn, 0x2000);
  machine.memory.map(wanted.fdp & ~0xfffn, 0x2000);
  machine.memory.map(IMAGES, 0x4000);
  machine.memory.map(HOST_CODE, 0x10000);
  return machine;
}

/** Assembles an operator once; the returned function executes it from given pointers and reads the new ones. */
function compile(machine: Machine, operator: Operator, wanted: Pointers): (from: Pointers) => Pointers {
  const guest = operator.context === 'guest';
  const { symbols, contents } = images(IMAGES, wanted);
  const origin = guest ? wanted.fip : HOST_CODE;
  const program = assemble(operator.source, { mode: 64, origin, symbols });
  return (from) => {
    machine.memory.install(origin, program.bytes);
    for (const [address, bytes] of contents) machine.memory.install(address, bytes);
    const state = startState(machine.cpu, from, guest ? wanted.fdp : undefined);
    state.rip = origin;
    machine.state.restore(state.bytes);
    const end = origin + BigInt(program.bytes.length);
    while (machine.state.rip !== end) machine.step();
    return pointersOf(machine.state);
  };
}

/** With `guestData`, the guest's own context, and its data at that address in RAX; else the hypervisor's. */
function startState(cpu: CpuProfile, from: Pointers, guestData: bigint | undefined): State {
  const guest = guestData !== undefined;
  const state = guest ? kernelState(cpu, 64) : hostState(cpu, HOST_STACK);
  if (guest) state.gpr[RAX] = guestData;
  state.fip = from.fip;
  state.fcs = from.fcs;
  state.fdp = from.fdp;
  state.fds = from.fds;
  state.setByte(OFFSET.guestMode, guest ? 1 : 0);
  return state;
}
