/** Standard output and standard error, which may be one terminal: the progress line gives way to everything else. */

import { PLAIN, type Style, TERMINAL } from '../run/style.ts';

const LINE_FEED = 10;
/** Erases the line that the cursor is in. ECMA-48, 8.3.41. */
const ERASE = '\r\u001B[2K';
const DEFAULT_WIDTH = 80, MAXIMUM_WIDTH = 120;

export class Terminal {
  #progress = '';
  /** Whether what the guest printed last ended its line. */
  #lineEnded = true;
  /** Standard output was closed by whoever read it. */
  closed = false;

  readonly #onError = (error: NodeJS.ErrnoException): void => {
    if (error.code !== 'EPIPE') throw error;
    this.closed = true;
  };

  constructor() {
    process.stdout.on('error', this.#onError);
  }

  /** Nothing more is written to standard output. What is under way may still find it closed: that is heard of once. */
  end(): void {
    process.stdout.off('error', this.#onError);
    if (process.stdout.writableLength > 0) process.stdout.once('error', this.#onError);
  }

  get width(): number {
    return Math.min(process.stderr.columns || Number(process.env.COLUMNS) || DEFAULT_WIDTH, MAXIMUM_WIDTH);
  }

  get style(): Style {
    return process.stderr.isTTY && !process.env.NO_COLOR ? TERMINAL : PLAIN;
  }

  /** Whether anybody sees a line that changes. */
  get showsProgress(): boolean {
    return process.stderr.isTTY;
  }

  output(bytes: Uint8Array): void {
    this.progress('');
    process.stdout.write(bytes);
    if (process.stdout.isTTY) this.#lineEnded = bytes.at(-1) === LINE_FEED;
  }

  /** Text on standard error, on lines of its own. */
  say(text: string): void {
    this.progress('');
    process.stderr.write(`${this.#lineEnded ? '' : '\n'}${text}\n`);
    this.#lineEnded = true;
  }

  /** Shows `text` in place of the progress line before; nothing while the guest is in the middle of a line. */
  progress(text: string): void {
    if (text === this.#progress || (text !== '' && !this.#lineEnded)) return;
    process.stderr.write(`${this.#progress === '' ? '' : ERASE}${this.style.quiet(text.slice(0, this.width - 1))}`);
    this.#progress = text;
  }
}
