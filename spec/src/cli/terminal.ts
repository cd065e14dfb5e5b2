/** Standard output and standard error, which may be one terminal: the progress line gives way to everything else. */

import { PLAIN, type Style, TERMINAL } from '../run/style.ts';

const LINE_FEED = 10;
/** Erases the line that the cursor is in. ECMA-48, 8.3.41. */
const ERASE = '\r\u001B[2K';
const DEFAULT_WIDTH = 80, MAXIMUM_WIDTH = 120;

/** What is asked of `process.stdout` and `process.stderr`. */
export type Stream = Pick<NodeJS.WriteStream, 'write' | 'isTTY' | 'columns' | 'writableLength' | 'on' | 'once' | 'off'>;

export class Terminal {
  readonly #stdout: Stream;
  readonly #stderr: Stream;
  #progress = '';
  /** Whether what the guest printed last ended its line. */
  #lineEnded = true;
  /** Standard output was closed by whoever read it. */
  closed = false;

  readonly #onError = (error: NodeJS.ErrnoException): void => {
    if (error.code !== 'EPIPE') throw error;
    this.closed = true;
  };

  constructor(stdout: Stream = process.stdout, stderr: Stream = process.stderr) {
    this.#stdout = stdout;
    this.#stderr = stderr;
    stdout.on('error', this.#onError);
  }

  /** Nothing more is written to standard output. What is under way may still find it closed: that is heard of once. */
  end(): void {
    this.#stdout.off('error', this.#onError);
    if (this.#stdout.writableLength > 0) this.#stdout.once('error', this.#onError);
  }

  get width(): number {
    return Math.min(this.#stderr.columns || Number(process.env.COLUMNS) || DEFAULT_WIDTH, MAXIMUM_WIDTH);
  }

  get style(): Style {
    return this.#stderr.isTTY && !process.env.NO_COLOR ? TERMINAL : PLAIN;
  }

  /** Whether anybody sees a line that changes. */
  get showsProgress(): boolean {
    return this.#stderr.isTTY;
  }

  output(bytes: Uint8Array): void {
    this.progress('');
    this.#stdout.write(bytes);
    if (this.#stdout.isTTY) this.#lineEnded = bytes.at(-1) === LINE_FEED;
  }

  /** Text on standard error, on lines of its own. */
  say(text: string): void {
    this.progress('');
    this.#stderr.write(`${this.#lineEnded ? '' : '\n'}${text}\n`);
    this.#lineEnded = true;
  }

  /** Shows `text` in place of the progress line before; nothing while the guest is in the middle of a line. */
  progress(text: string): void {
    if (text === this.#progress || (text !== '' && !this.#lineEnded)) return;
    this.#stderr.write(`${this.#progress === '' ? '' : ERASE}${this.style.quiet(text.slice(0, this.width - 1))}`);
    this.#progress = text;
  }
}
