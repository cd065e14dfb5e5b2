/**
 * Real-address code of a guest, run in virtual-8086 mode: what Intel's processors could do before "unrestricted guest".
 * Every segment register then holds its selector times 16, FFFFh and F3h, and the monitor has to know the rest.
 */

import type { Instruction } from '../../isa/instruction.ts';
import { IOPL, VM } from '../../isa/flags.ts';
import { CR0 } from '../../isa/system/control-bits.ts';
import type { Machine } from '../../machine/machine.ts';
import { hex } from '../../numbers/bits.ts';
import { CS, DS, ES, FS, GS, SEGMENT_NAMES, SS } from '../../state/fields.ts';
import { Fault } from '../../state/outcomes.ts';
import type { Segment, State } from '../../state/state.ts';
import type { Policy, VcpuRecord } from '../policy.ts';
import { happens } from './steps.ts';

/** How a monitor translates between the guest's segment registers and those that the processor holds. */
export interface SegmentRules {
  /**
   * What goes into the processor for the guest's `wanted`; undefined where nothing would do, and the monitor executes
   * the guest's instructions itself.
   */
  set(wanted: Segment, segment: number): Segment | undefined;
  /** What the monitor remembers from now on, seeing `seen` in the processor where it had remembered `remembered`. */
  note(seen: Segment, remembered: Segment, segment: number): Segment;
  /** What the guest is shown of that in real-address mode. Default: all of it. */
  shown?(remembered: Segment): Segment;
}

const REGISTERS = [ES, CS, SS, DS, FS, GS];

const inRealMode = (state: State): boolean => (state.cr0 & CR0.PE) === 0n;

/** What the guest has when the monitor looks and finds `seen`. */
function look(vcpu: VcpuRecord, rules: SegmentRules, segment: number, seen: Segment): Segment {
  const note = rules.note(seen, vcpu.segments[segment]!, segment);
  vcpu.segments[segment] = note;
  return rules.shown?.(note) ?? note;
}

/**
 * Into virtual-8086 mode, where all registers allow it; what the guest has is remembered. Where one does not, the
 * others are remembered and translated nevertheless.
 */
function enter(state: State, vcpu: VcpuRecord, rules: SegmentRules): void {
  const held = REGISTERS.map((segment) => rules.set(state.segment(segment), segment));
  const possible = !held.includes(undefined);
  vcpu.segments = [];
  held.forEach((value, n) => {
    const segment = REGISTERS[n]!;
    if (!value) return;
    vcpu.segments[segment] = state.segment(segment);
    if (possible) requireVirtual8086(value, segment);
    state.setSegment(segment, possible ? value : look(vcpu, rules, segment, value));
  });
  if (!possible) return;
  vcpu.virtual8086 = state.rflags & IOPL;
  state.rflags |= VM | IOPL;
  state.cr0 |= CR0.PE;
}

/** VM entry checks that. SDM vol. 3C, 26.3.1.2. */
function requireVirtual8086({ selector, base, limit, attributes }: Segment, segment: number): void {
  if (base === BigInt(selector * 16) && limit === 0xffff && attributes === 0xf3) return;
  throw new RangeError(
    `VM entry fails: in virtual-8086 mode ${SEGMENT_NAMES[segment]} cannot have selector ${hex(selector)}, base `
      + `${hex(base)}, limit ${hex(limit)}, access rights ${hex(attributes)}`,
  );
}

/** Back out of it, with what the monitor takes the guest's registers to be. */
function leave(state: State, vcpu: VcpuRecord, rules: SegmentRules): void {
  if (vcpu.virtual8086 === undefined) return;
  for (const segment of REGISTERS) state.setSegment(segment, look(vcpu, rules, segment, state.segment(segment)));
  state.rflags = (state.rflags & ~(VM | IOPL)) | vcpu.virtual8086;
  state.cr0 &= ~CR0.PE;
  vcpu.virtual8086 = undefined;
}

/**
 * The monitor executes one instruction of the guest: the same instruction, with the segments that it believes in. When
 * the guest has left real-address mode by it, the registers are what was remembered, not what was shown.
 */
function emulate(machine: Machine, vcpu: VcpuRecord): Instruction {
  vcpu.emulated++;
  const i = machine.step();
  if (!inRealMode(machine.state)) {
    for (const segment of REGISTERS) {
      const note = vcpu.segments[segment];
      if (note && segment !== CS) machine.state.setSegment(segment, note);
    }
    vcpu.segments = [];
  }
  return i;
}

/**
 * The part of a policy that runs real-address code so. What faults in virtual-8086 mode, the monitor executes; it looks
 * at all segment registers whenever it has control, and real monitors at those that they need.
 */
export const throughVirtual8086 = (rules: SegmentRules): Pick<Policy, 'covers' | 'execute' | 'save' | 'restore'> => ({
  covers: 'nothing',
  execute(machine, vcpu) {
    const { state } = machine;
    if (inRealMode(state)) enter(state, vcpu, rules);
    if (vcpu.virtual8086 === undefined) return inRealMode(state) ? emulate(machine, vcpu) : machine.step();
    try {
      return machine.step();
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
    }
    leave(state, vcpu, rules);
    return emulate(machine, vcpu);
  },
  *save(host) {
    yield* happens('VM exit', host);
    leave(host.guest, host.vcpu, rules);
  },
  *restore(host) {
    if (inRealMode(host.guest)) enter(host.guest, host.vcpu, rules);
    yield* happens('VM entry', host);
  },
});
