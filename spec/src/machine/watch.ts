/**
 * Data and I/O breakpoints: ports that look at every access and pass it on. In place only while such a breakpoint is
 * enabled.
 */

import { metByRead, metByTransfer, metByWrite, pend } from '../isa/debug/breakpoints.ts';
import type { MemoryPort, PortSpace } from '../isa/connections.ts';
import type { Execution } from '../isa/execution.ts';
import type { State } from '../state/state.ts';

class WatchedMemory implements MemoryPort {
  readonly #state: State;
  readonly #port: MemoryPort;

  constructor(state: State, port: MemoryPort) {
    this.#state = state;
    this.#port = port;
  }

  read(linear: bigint, bytes: number): bigint {
    const value = this.#port.read(linear, bytes);
    pend(this.#state, metByRead(this.#state, linear, bytes));
    return value;
  }

  write(linear: bigint, bytes: number, value: bigint): void {
    this.#port.write(linear, bytes, value);
    pend(this.#state, metByWrite(this.#state, linear, bytes));
  }

  readBytes(linear: bigint, bytes: number): Uint8Array {
    const data = this.#port.readBytes(linear, bytes);
    pend(this.#state, metByRead(this.#state, linear, bytes));
    return data;
  }

  writeBytes(linear: bigint, data: Uint8Array): void {
    this.#port.writeBytes(linear, data);
    pend(this.#state, metByWrite(this.#state, linear, data.length));
  }

  /** No access yet. */
  requireWritable(linear: bigint, bytes: number): void {
    this.#port.requireWritable(linear, bytes);
  }
}

class WatchedPorts implements PortSpace {
  readonly #state: State;
  readonly #port: PortSpace;

  constructor(state: State, port: PortSpace) {
    this.#state = state;
    this.#port = port;
  }

  read(port: number, bytes: number): bigint {
    const value = this.#port.read(port, bytes);
    pend(this.#state, metByTransfer(this.#state, port, bytes));
    return value;
  }

  write(port: number, bytes: number, value: bigint): void {
    this.#port.write(port, bytes, value);
    pend(this.#state, metByTransfer(this.#state, port, bytes));
  }
}

/** Runs `body` with every access of `x` looked at, implicit ones included. */
export function watched<T>(x: Execution, body: () => T): T {
  const { state, memory, tables, supervisor, ports } = x;
  x.memory = new WatchedMemory(state, memory);
  x.tables = new WatchedMemory(state, tables);
  x.supervisor = new WatchedMemory(state, supervisor);
  x.ports = new WatchedPorts(state, ports);
  try {
    return body();
  } finally {
    Object.assign(x, { memory, tables, supervisor, ports });
  }
}
