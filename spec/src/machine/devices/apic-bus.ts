/**
 * How interrupt messages find local APICs, and ends of interrupts the I/O APICs. SDM vol. 3A, 10.6.2; 82093AA data
 * sheet (290566-001), 2.1.
 */

import { Unmodelled } from '../../state/outcomes.ts';

/** Delivery modes, as ICR, LVT and redirection entries encode them. SDM vol. 3A, 10.6.1. */
export const DELIVERY = { fixed: 0, lowestPriority: 1, smi: 2, nmi: 4, init: 5, startup: 6, external: 7 } as const;

export interface ApicMessage {
  readonly vector: number;
  readonly mode: number;
  readonly level: boolean;
  /** `all`: the broadcast identifier of whoever sends it. */
  readonly destination: number | 'all';
  readonly logical: boolean;
}

/** A local APIC as the bus sees it. */
export interface ApicReceiver {
  readonly id: number;
  /** The class of interrupts that it keeps out: the lowest gets a lowest-priority message. */
  readonly processorPriority: number;
  matches(destination: number, logical: boolean): boolean;
  receive(message: ApicMessage): void;
}

export class ApicBus {
  readonly #receivers: ApicReceiver[] = [];
  readonly #listeners: ((vector: number) => void)[] = [];

  attach(receiver: ApicReceiver): void {
    this.#receivers.push(receiver);
  }

  /** `ended` is called for the end of each level-triggered interrupt. */
  onEnd(ended: (vector: number) => void): void {
    this.#listeners.push(ended);
  }

  end(vector: number): void {
    for (const listener of this.#listeners) listener(vector);
  }

  /** Sends to everyone that the message names, but `except`. Answers whether there was anyone. */
  send(message: ApicMessage, except?: ApicReceiver): boolean {
    if (message.mode === DELIVERY.smi) throw new Unmodelled('system management interrupts');
    const { destination, logical, mode } = message;
    const named = this.#receivers.filter((each) =>
      each !== except && (destination === 'all' || each.matches(destination, logical)));
    // Of several with the same priority the one of lowest identifier: a processor may take any. SDM vol. 3A, 10.6.2.4.
    const chosen = mode === DELIVERY.lowestPriority
      ? named.toSorted((a, b) => a.processorPriority - b.processorPriority || a.id - b.id).slice(0, 1)
      : named;
    for (const receiver of chosen) receiver.receive(message);
    return chosen.length > 0;
  }
}
