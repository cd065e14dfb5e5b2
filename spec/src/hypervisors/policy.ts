/**
 * A policy: what a hypervisor does with a vCPU's FPU when it takes the vCPU off a processor and when it puts it back.
 * Its steps run real instructions on the model; `yield*` marks each boundary between two host instructions.
 */

import type { CpuProfile } from '../cpus/profile.ts';
import type { Interpolation } from '../asm/template.ts';
import type { Citation } from '../state/citation.ts';
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
   * Runs 64-bit host code, one instruction a yield: `yield* run` followed by a template such as "xsave64 [${area}]".
   * EDX:EAX holds all ones.
   */
  run(strings: TemplateStringsArray, ...values: (Interpolation | SaveArea)[]): Steps;
  /** The vCPU's save area, in hypervisor memory. */
  readonly area: SaveArea;
  readonly cpu: CpuProfile;
}

export interface Policy {
  /** Name of the exported value, or any identifier. */
  readonly id: string;
  readonly name: string;
  readonly year: number;
  /** In one sentence, what it keeps and what it gives up. */
  readonly summary: string;
  readonly source: Citation;
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
