/** Files by name, with `-` for standard input; what goes wrong names the file and the option. */

import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import type { PortDevice } from '../machine/ports.ts';
import type { Terminal } from './terminal.ts';
import { UsageError } from './usage.ts';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file', EISDIR: 'it is a folder', EACCES: 'it may not be opened',
  ENOTDIR: 'part of the path is no folder',
};
const MAXIMUM = 2 ** 30;

function opened<T>(what: string, path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    throw new UsageError(`${what}${path}: ${REASONS[code] ?? message}`);
  }
}

/** The bytes of a file; `option` goes before its name in errors. */
export function readFile(path: string, option = ''): Uint8Array {
  const bytes = opened(option && `${option} `, path, () => readFileSync(path === '-' ? 0 : path));
  if (bytes.length > MAXIMUM) throw new UsageError(`${path} has ${bytes.length} bytes; expected up to 1 GiB`);
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

export function writeFile(path: string, bytes: Uint8Array, option: string): void {
  opened(`${option} `, path, () => writeFileSync(path, bytes));
}

/** Where bytes of the guest, or lines of a trace, go: standard output, standard error or a file. */
class Sink implements PortDevice {
  readonly #write: (bytes: Uint8Array) => void;
  readonly #close: () => void;
  #pending = new Uint8Array(4096);
  #count = 0;

  constructor(write: (bytes: Uint8Array) => void, close: () => void = () => {}) {
    this.#write = write;
    this.#close = close;
  }

  /** As the debug port of Bochs: a read answers the port's own number, by which programs find it. */
  read(port: number): number {
    return port & 0xff;
  }

  /** All bytes of an access, in the order of the bus. */
  write(_port: number, bytes: number, value: number): void {
    for (let n = 0; n < bytes; n++) this.push((value >>> (8 * n)) & 0xff);
  }

  push(byte: number): void {
    this.#pending[this.#count++] = byte;
    if (this.#count === this.#pending.length) this.flush();
  }

  line(text: string): void {
    this.flush();
    this.#write(new TextEncoder().encode(`${text}\n`));
  }

  flush(): void {
    if (this.#count === 0) return;
    const bytes = this.#pending.slice(0, this.#count);
    this.#count = 0;
    this.#write(bytes);
  }

  close(): void {
    this.flush();
    this.#close();
  }
}

/** Opens what options name, each file once: several ports may write to one. */
export class Sinks {
  readonly #terminal: Terminal;
  readonly #open = new Map<string, Sink>();

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** `stdout`, or a file that begins empty. */
  named(option: string, name: string): Sink {
    const before = this.#open.get(name);
    if (before) return before;
    const sink = name === 'stdout' ? new Sink((bytes) => this.#terminal.output(bytes)) : fileSink(option, name);
    this.#open.set(name, sink);
    return sink;
  }

  flush(): void {
    for (const sink of this.#open.values()) sink.flush();
  }

  close(): void {
    for (const sink of this.#open.values()) sink.close();
    this.#open.clear();
  }
}

function fileSink(option: string, path: string): Sink {
  const descriptor = opened(`${option} `, path, () => openSync(path, 'w'));
  return new Sink((bytes) => {
    for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at);
  }, () => closeSync(descriptor));
}
