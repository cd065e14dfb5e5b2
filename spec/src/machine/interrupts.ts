/**
 * Signals from outside the processor: INTR through a controller, and NMI, INIT, start-up IPI and RESET. SDM vol. 3A,
 * 6.3 and 8.4.
 */

import { OFFSET } from '../state/fields.ts';
import { type State, WAIT_FOR_SIPI } from '../state/state.ts';

/** What drives the INTR pin: a PIC, or a local APIC. Its own state is in its own snapshot. */
export interface InterruptController {
  /** The pin: an interrupt waits to be acknowledged. */
  pending(): boolean;
  /** The vector; called once for each interrupt that is taken, and only while one is pending. */
  acknowledge(): number;
}

/** What `initPending` holds, as bits. */
export const INIT = 1, RESET = 2, STARTUP = 4;
/** Marks a start-up IPI's vector as there. */
const SIPI = 0x100;

/** The pins. A signal is kept in the state area and acts at the next boundary between two instructions. */
export class Interrupts {
  /** Whoever drives INTR. Without one it is never raised. */
  controller: InterruptController | undefined;
  readonly #state: State;

  constructor(state: State) {
    this.#state = state;
  }

  /** INTR is raised, whether or not the processor takes it now. */
  get requested(): boolean {
    return this.controller !== undefined && this.controller.pending();
  }

  /** One more while one is pending is lost: the latch holds one. SDM vol. 3A, 6.7.1. */
  nmi(): void {
    this.#state.setByte(OFFSET.nmiPending, 1);
  }

  init(): void {
    this.#state.setByte(OFFSET.initPending, (this.#state.byte(OFFSET.initPending) & RESET) | INIT);
    this.#state.setWord(OFFSET.sipiPending, 0);
  }

  reset(): void {
    this.#state.setByte(OFFSET.initPending, RESET);
    this.#state.setWord(OFFSET.sipiPending, 0);
  }

  /**
   * A start-up IPI counts only where a processor waits for it, or will after an INIT that has not acted yet.
   * SDM vol. 3A, 8.4.3.
   */
  startup(vector: number): void {
    if (!Number.isInteger(vector) || vector < 0 || vector > 0xff) {
      throw new RangeError(`the vector of a start-up IPI is 0 to FFh, not ${vector}`);
    }
    const state = this.#state;
    const pending = state.byte(OFFSET.initPending);
    if (state.activity !== WAIT_FOR_SIPI && pending === 0) return;
    state.setByte(OFFSET.initPending, pending | STARTUP);
    state.setWord(OFFSET.sipiPending, SIPI | vector);
  }
}

/** The simplest controller: vectors taken in the order in which they were raised. */
export class InterruptQueue implements InterruptController {
  readonly #vectors: number[] = [];

  raise(vector: number): void {
    if (!Number.isInteger(vector) || vector < 0 || vector > 0xff) {
      throw new RangeError(`an interrupt's vector is 0 to FFh, not ${vector}`);
    }
    this.#vectors.push(vector);
  }

  pending(): boolean {
    return this.#vectors.length > 0;
  }

  acknowledge(): number {
    return this.#vectors.shift()!;
  }
}
