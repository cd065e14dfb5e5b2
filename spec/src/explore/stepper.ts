/** One instruction of one processor of a system, with what exploration has to know of it. */

import type { Observer } from '../isa/connections.ts';
import { RSP } from '../state/fields.ts';
import { type System, clearDead } from './system.ts';

const RETURNS = new Set(['IRET', 'IRETD', 'IRETQ']);

export class Stepper {
  readonly #system: System;
  readonly #before: (Observer | undefined)[];
  #last = '';

  /** Looks on at every machine until `release`. */
  constructor(system: System) {
    this.#system = system;
    this.#before = system.machines.map(({ execution }) => execution.observer);
    for (const { execution } of system.machines) {
      const before = execution.observer;
      execution.observer = {
        ...before,
        instruction: (i) => {
          this.#last = i.definition.mnemonic;
          before?.instruction?.(i);
        },
      };
    }
  }

  /** Executes one, and answers its mnemonic. */
  step(processor: number): string {
    const { machines, advance } = this.#system;
    const machine = machines[processor]!;
    const stack = machine.state.gpr[RSP]!;
    this.#last = '';
    if (advance) advance(machine, processor);
    else machine.run({ limit: 1 });
    clearDead(this.#system, machine, stack, RETURNS.has(this.#last));
    return this.#last;
  }

  release(): void {
    this.#system.machines.forEach(({ execution }, n) => { execution.observer = this.#before[n]; });
  }
}
