/** What appears on a terminal: the progress line and everything that it gives way to. */

import { EventEmitter } from 'node:events';
import { describe, expect, test } from 'vitest';
import { progress } from '../../spec/src/cli/run.ts';
import { type Stream, Terminal } from '../../spec/src/cli/terminal.ts';
import { Run } from '../../spec/src/run/run.ts';
import { assembled } from './guests.ts';

/** Two streams that are one terminal, or none. */
function screen(isTTY: boolean): { terminal: Terminal; shown: () => string; stdout: EventEmitter } {
  let shown = '';
  const stream = (): Stream & EventEmitter => Object.assign(new EventEmitter(), {
    isTTY, columns: 40, writableLength: 0,
    write: (text: string | Uint8Array) => (shown += typeof text === 'string' ? text : new TextDecoder().decode(text), true),
  }) as unknown as Stream & EventEmitter;
  const stdout = stream();
  return { terminal: new Terminal(stdout, stream()), shown: () => shown, stdout };
}

/** What is left to be seen: each erased line is gone. */
// oxlint-disable-next-line no-control-regex
const seen = (shown: string): string => shown.replaceAll(/[^\n]*\r\u001B\[2K/g, '').replaceAll(/\u001B\[\d+m/g, '');

describe('the progress line', () => {
  test('is replaced by the next, and by whatever the guest prints', () => {
    const { terminal, shown } = screen(true);
    terminal.progress('one');
    terminal.progress('two');
    expect(seen(shown())).toBe('two');
    terminal.output(new TextEncoder().encode('hello\n'));
    expect(seen(shown())).toBe('hello\n');
    terminal.progress('three');
    terminal.say('the end');
    expect(seen(shown())).toBe('hello\nthe end\n');
  });
  test('waits while the guest is in the middle of a line; what is said begins a new one', () => {
    const { terminal, shown } = screen(true);
    terminal.output(new TextEncoder().encode('login: '));
    terminal.progress('one');
    expect(seen(shown())).toBe('login: ');
    terminal.say('the end');
    expect(seen(shown())).toBe('login: \nthe end\n');
  });
  test('never reaches the last column', () => {
    const { terminal, shown } = screen(true);
    terminal.progress('x'.repeat(100));
    expect(seen(shown())).toBe('x'.repeat(39));
  });
  test('says how far the run is and where', () => {
    const run = new Run(assembled('again: jmp again', 16, 0x7c00n), { flat: { origin: 0x7c00, mode: 16 }, limit: 4000 });
    run.advance(1000);
    expect(progress(run, 2)).toBe('1,000 instructions (25 %), 0.5 million a second, at 0000:7c00');
  });
});

test('a pipe that nobody reads any longer is noticed, other errors are not swallowed', () => {
  const { terminal, stdout } = screen(false);
  expect(terminal.showsProgress).toBe(false);
  expect(() => stdout.emit('error', Object.assign(new Error('no space'), { code: 'ENOSPC' }))).toThrow('no space');
  expect(terminal.closed).toBe(false);
  stdout.emit('error', Object.assign(new Error('closed'), { code: 'EPIPE' }));
  expect(terminal.closed).toBe(true);
  terminal.end();
  expect(stdout.listenerCount('error')).toBe(0);
});
