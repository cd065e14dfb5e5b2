/** Memtest86+ finds, starts and uses two processors, and finds that memory keeps what is written there. */

import { readFileSync } from 'node:fs';
import { asm32 } from 'hidden-state';
import { afterAll, describe, expect, test } from 'vitest';
import { Workplace } from '../cli/command.ts';
import { foreignFile, unless } from './packages.ts';

const MEMTEST = foreignFile('boot', /^(memtest86\+x64|mt86\+x64)(\.bin)?$/);
const MEMORY = 0x100_0000, ORIGIN = 0x20_0000, KERNEL = 0x10_0000;
/** Parts of the image by their offset. */
const PARAMETERS = 0x1000, COMMAND_LINE = 0x2000, PAYLOAD = 0x3000;

const work = new Workplace();
afterAll(() => work.remove());

/**
 * A flat image that does what the 32-bit entry of Linux's boot protocol asks of a boot loader: the kernel at 1 MiB, ESI at
 * its parameters. Linux, Documentation/x86/boot.rst.
 */
function image(file: Uint8Array, commandLine: string): Uint8Array {
  const kernel = file.subarray(((file[0x1f1] || 4) + 1) * 512);
  const bytes = new Uint8Array(PAYLOAD + kernel.length);
  bytes.set(asm32`
        mov esi, ${ORIGIN + PAYLOAD}
        mov edi, ${KERNEL}
        mov ecx, ${Math.ceil(kernel.length / 4)}
        rep movsd
        mov esi, ${ORIGIN + PARAMETERS}
        mov eax, ${KERNEL}
        jmp eax`.bytes);
  const parameters = new DataView(bytes.buffer, PARAMETERS);
  bytes.set(file.subarray(0x1f1, 0x270), PARAMETERS + 0x1f1);
  parameters.setUint8(0x210, 0xff); // a loader without a number of its own
  parameters.setUint32(0x228, ORIGIN + COMMAND_LINE, true);
  const map = [[0, 0x9_f000], [KERNEL, MEMORY - KERNEL]] as const;
  parameters.setUint8(0x1e8, map.length);
  map.forEach(([address, size], n) => {
    parameters.setUint32(0x2d0 + 20 * n, address, true);
    parameters.setUint32(0x2d8 + 20 * n, size, true);
    parameters.setUint32(0x2e0 + 20 * n, 1, true);
  });
  bytes.set(new TextEncoder().encode(commandLine), COMMAND_LINE);
  bytes.set(kernel, PAYLOAD);
  return bytes;
}

/** What the screen shows in the end, of what was sent to a terminal. */
function screen(text: string): string[] {
  const lines: string[][] = Array.from({ length: 25 }, () => []);
  let row = 0, column = 0;
  for (const sequence of text.split('\u001B[').slice(1)) {
    const [, first, second, final, rest = ''] = /^\??(\d*);?(\d*)([A-Za-z])([^]*)$/.exec(sequence) ?? [];
    if (final === 'H') [row, column] = [Number(first) - 1, Number(second) - 1];
    for (const letter of rest) lines[row]![column++] = letter;
  }
  return lines.map((line) => Array.from(line, (letter) => letter ?? ' ').join('').trimEnd());
}

describe.skipIf(!MEMTEST)(`Memtest86+${unless(MEMTEST)}`, () => {
  test('starts a second processor, tests memory on both, and finds no error', async () => {
    work.write('memtest', image(readFileSync(MEMTEST!), 'console=ttyS0,115200'));
    const { code, stdout, stderr } = await work.run([
      'run', 'memtest', '--flat', `32:0x${ORIGIN.toString(16)}`, '--cpu', 'haswell', '--cpus', '2', '--memory', '16M', '--frequency', '1e6',
      '--limit', '3e7', '--serial', 'stdout',
    ]);
    const shown = screen(stdout);
    expect(shown[0]).toMatch(/Memtest86\+ v\d+\.\d+ +\| Haswell/);
    expect(shown.join('\n')).toMatch(/CPU: 2 Cores 2 Threads +SMP: 2T \(PAR\).*Status: Testing/);
    expect(shown.join('\n')).toMatch(/Pass: +0 +Errors: 0/);
    expect(stdout).toContain('[Address test, walking ones, no cache]');
    expect(stdout).toContain('Core #1');
    expect([code, stderr.split('\n')[0]]).toEqual([6, 'stopped at the limit after 30,000,000 instructions']);
  }, 120_000);
});
