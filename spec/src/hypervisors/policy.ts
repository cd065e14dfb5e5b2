/**
 * A policy: what a hypervisor does with a part of a vCPU's state when it takes the vCPU off a processor and when it
 * puts it back. Its steps run real instructions on the model; `yield*` marks each boundary between two of them.
 */

import type { CpuProfile } from '../cpus/profile.ts';
import type { Interpolation } from '../asm/template.ts';
import type { Instruction, Mode } from '../isa/instruction.ts';
import type { Machine } from '../machine/machine.ts';
import type { Memory } from '../machine/memory/physical.ts';
import type { Citation } from '../state/citation.ts';
import { DS, ES, EXTENDED_STATE, FS, GS, OFFSET, SEGMENT_STRIDE } from '../state/fields.ts';
import type { Segment, State } from '../state/state.ts';
import type { SaveArea } from './save-area.ts';

/** One host instruction, executed. */
export interface HostStep {
  readonly text: string;
  readonly rip: bigint;
}

/** A step of a policy: yields after every instruction that it runs. */
export type Steps = Generator<HostStep, void>;

/** What a policy's steps may use. */
export interface Host {
  /**
   * Runs host code, one instruction a yield: `yield* run` followed by a template such as "xsave64 [${area}]". It is
   * 64-bit code, unless the policy names another mode. EDX:EAX holds all ones.
   */
  run(strings: TemplateStringsArray, ...values: (Interpolation | SaveArea)[]): Steps;
  /** The vCPU's save area, in hypervisor memory. */
  readonly area: SaveArea;
  readonly cpu: CpuProfile;
  /** Physical memory, for what the hypervisor's own code writes. */
  readonly memory: Memory;
  /** What the hypervisor remembers of this vCPU from one switch to the next. */
  readonly vcpu: VcpuRecord;
  /**
   * The guest's registers as the hypervisor holds them while the guest is off the processor: the guest-state area of a
   * VMCS, the save area of a VMCB, or a frame on the stack.
   */
  readonly guest: State;
}

/** A hypervisor's own notes about a vCPU, as plain data. */
export interface VcpuRecord {
  /** By segment register: selector and hidden part as the hypervisor believes them to be. */
  segments: (Segment | undefined)[];
  /** Guest instructions that the hypervisor executed itself, in place of the processor. */
  emulated: number;
  /** Set while the processor runs the guest's real-address code in virtual-8086 mode: the guest's RFLAGS.IOPL. */
  virtual8086: number | undefined;
}

/** Of a vCPU that has not run yet. */
export const newRecord = (): VcpuRecord => ({ segments: [], emulated: 0, virtual8086: undefined });

export const copyRecord = (record: VcpuRecord): VcpuRecord =>
  ({ ...record, segments: record.segments.map((segment) => segment && { ...segment }) });

/** A part of the state that instructions have to save and restore, because nothing else does. */
export type Coverage = 'extended state' | 'data segment registers' | 'nothing';

const DATA_SEGMENTS = [ES, DS, FS, GS].map((segment): readonly [number, number] => {
  const start = OFFSET.segments + SEGMENT_STRIDE * segment;
  return [start, start + SEGMENT_STRIDE];
});

/** What a policy may be responsible for, as byte ranges of the state area in ascending order. */
export const COVERED: Readonly<Record<Coverage, readonly (readonly [start: number, end: number])[]>> = {
  'extended state': EXTENDED_STATE, 'data segment registers': DATA_SEGMENTS, nothing: [],
};

export interface Policy {
  /** Name of the exported value, or any identifier. */
  readonly id: string;
  readonly name: string;
  readonly year: number;
  /** In one sentence, what it keeps and what it gives up. */
  readonly summary: string;
  readonly source: Citation;
  /**
   * What the policy is responsible for: it stays in the registers when the guest leaves the processor, and everything
   * else is kept exactly. Default: extended state.
   */
  readonly covers?: Coverage;
  /** Where its steps run: 64-bit mode, 32-bit protected mode, or 16-bit code in real-address mode. Default: 64. */
  readonly mode?: Mode;
  /**
   * How one instruction of the guest is executed, where that is not the processor's affair alone. Throws `Fault` as
   * `machine.step` does.
   */
  readonly execute?: (machine: Machine, vcpu: VcpuRecord) => Instruction;
  readonly save: (host: Host) => Steps;
  readonly restore: (host: Host) => Steps;
}

/** Checks a policy that was written by hand, and says what is missing. */
export function policy(input: Policy): Policy {
  for (const [key, type] of [
    ['id', 'string'], ['name', 'string'], ['year', 'number'], ['summary', 'string'], ['save', 'function'],
    ['restore', 'function'],
  ] as const) {
    if (typeof input[key] !== type) {
      throw new TypeError(
        `policy ${JSON.stringify(input.id ?? '')}: ${key} is ${typeof input[key]}, it must be a `
          + `${type}${type === 'function' ? ' (a generator: *save({ run, area }) { … })' : ''}`,
      );
    }
  }
  for (const step of ['save', 'restore'] as const) {
    if (input[step].constructor.name !== 'GeneratorFunction') {
      throw new TypeError(
        `policy ${JSON.stringify(input.id)}: ${step} must be a generator function, written *${step}({ run, area }) { `
          + '… }',
      );
    }
  }
  return Object.freeze({ ...input });
}
