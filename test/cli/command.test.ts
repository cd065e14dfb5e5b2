/** The command as people type it: whole processes, their output and their exit codes. */

import { existsSync, readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { EXIT_CODES } from '../../spec/src/run/outcome.ts';
import { read } from '../house/files.ts';
import { Workplace } from './command.ts';
import { BOOT_SECTOR_SOURCE, assembled, bootSector, kernel, romImage } from './guests.ts';
import { pattern } from './pattern.ts';

const work = new Workplace();
afterAll(() => work.remove());
work.write('boot.bin', bootSector());
work.write('boot.asm', BOOT_SECTOR_SOURCE);
work.write('rom.bin', romImage());
work.write('kernel.elf', kernel());
work.write('module.txt', 'what it holds\0');
const flat = (name: string, source: string): string => work.write(name, assembled(source, 16, 0x7c00n));

describe('hidden-state run', () => {
  test('a boot sector, in real-address mode', async () => {
    const { code, stdout, stderr } = await work.run(['run', 'boot.bin', '--flat', '0x7c00', '--port', '0xe9=stdout', '--memory', '2M']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'Hello from a boot sector\n' });
    expect(stderr).toMatch(/^halted with interrupts off after 131 instructions\n\n {2}real-address mode, paging off {2}Ivy Bridge\n\n {2}→ 0000:7c0d {2}f4 /);
    expect(stderr).not.toContain('\u001B');
  });
  test('a ROM, from the reset vector', async () => {
    const { code, stdout } = await work.run(['run', 'rom.bin', '--rom', '--port', '0xe9=post.log', '--memory=0x200000']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect([...readFileSync(work.path('post.log'))]).toEqual([0x52, 0xea]);
  });
  test('a Multiboot kernel with arguments and a module, which ends the run itself', async () => {
    const { code, stdout, stderr } = await work.run([
      'run', 'kernel.elf', '--append', '--quiet now', '--module', 'module.txt and text', '--cpu', 'zen-3', '--memory', '4M', '--port', '0xe9=stdout', '--limit', '1e6',
    ]);
    expect({ code, stdout }).toEqual({ code: 7, stdout: 'kernel.elf --quiet now\nmodule.txt and text\nwhat it holds\n' });
    expect(stderr).toMatch(/^ended by the guest, which wrote 0x3 to port 0xf4, after \d+ instructions\n\n {2}32-bit protected mode, CPL 0, paging off {2}AMD Zen 3\n/);
  });
  test('the serial port and ports of the PC itself go where they are sent', async () => {
    flat('serial.bin', "mov dx, 0x3f8\nmov al, 'S'\nout dx, al\nmov al, 0x77\nmov dx, 0x190\nout dx, al\ncli\nhlt");
    const { code, stdout } = await work.run(['run', 'serial.bin', '--flat', '0x7c00', '--serial', 'stdout', '--port', '0x190=post.log']);
    expect({ code, stdout, post: readFileSync(work.path('post.log')).toString('hex') }).toEqual({ code: 0, stdout: 'S', post: '77' });
  });
  test('a triple fault and the limit have codes of their own', async () => {
    flat('triple.bin', 'lidt [nothing]\nud2\nnothing: dw 0\ndd 0');
    flat('endless.bin', 'again: jmp again');
    const ended = await Promise.all([['triple.bin'], ['endless.bin', '--limit', '2e4']].map((args) => work.run(['run', ...args, '--flat', '7c00h', '--memory', '1M'])));
    expect(ended.map(({ code, stderr }) => [code, stderr.split('\n')[0]])).toEqual([
      [4, 'shut down by a triple fault after 2 instructions'], [6, 'stopped at the limit after 20,000 instructions'],
    ]);
  });
  test('what is not modelled says what and where', async () => {
    flat('port.bin', 'nop\ndb 0x0f, 0x78, 0xc0 ; VMREAD');
    const { code, stderr } = await work.run(['run', 'port.bin', '--flat', '0x7c00', '--memory', '1M']);
    expect(code).toBe(8);
    expect(stderr).toMatch(/^stopped after 1 instruction: not modelled yet: [^\n]*0F 78[^\n]*\n\n[^]* → 0000:7c01 {2,}\(not modelled yet: /);
  });
  test('a trace goes to standard error, or to a file', async () => {
    const { stderr } = await work.run(['run', 'boot.bin', '--flat', '0x7c00', '--memory', '1M', '--port', '0xe9=other.log', '--trace', 'instructions', '--limit', '2']);
    expect(stderr.split('\n').slice(0, 2)).toEqual(['         1  0000:7c00  be 0e 7c                  mov si, 0x7c0e', '         2  0000:7c03  ac                        lodsb']);
    await work.run(['run', 'boot.bin', '--flat', '0x7c00', '--memory', '1M', '--port', '0xe9=other.log', '--trace', 'instructions,segments', '--trace-file', 'trace.txt', '--limit', '3']);
    expect(readFileSync(work.path('trace.txt'), 'utf8').split('\n')).toHaveLength(4);
  });
  test('Ctrl-C ends a run with its report', async () => {
    flat('chatty.bin', "mov al, '!'\nout 0xe9, al\nagain: jmp again");
    const { code, stderr } = await work.run(['run', 'chatty.bin', '--flat', '0x7c00', '--memory', '1M', '--port', '0xe9=stdout'], { interruptAfter: '!' });
    expect(code).toBe(130);
    expect(stderr).toMatch(/^interrupted after [\d,]+ instructions\n\n[^]* → 0000:7c04 {2}eb fe +jmp 0x7c04\n/);
  });
});

describe('hidden-state asm and disasm', () => {
  test('make a file, and text of it again', async () => {
    expect(await work.run(['asm', 'boot.asm', '-o', 'made.bin'])).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(readFileSync(work.path('made.bin'))).toEqual(Buffer.from(bootSector()));
    const { code, stdout } = await work.run(['disasm', 'made.bin', '--bits', '16', '--origin', '0x7c00']);
    expect(code).toBe(0);
    expect(stdout.split('\n').slice(0, 3)).toEqual([
      '00007c00  be 0e 7c                 mov si, 0x7c0e', '00007c03  ac                       lodsb', '00007c04  84 c0                    test al, al',
    ]);
  });
  test('without -o there is a listing', async () => {
    const { stdout } = await work.run(['asm', '-', '--bits', '64', '--origin', '0xffffffff80000000'], { input: 'start: mov rax, rbx\n db 1, 2, 3, 4, 5, 6, 7, 8, 9\n resb 100\n jmp start' });
    expect(stdout).toBe(`ffffffff80000000  48 89 d8                 mov rax, rbx
ffffffff80000003  01 02 03 04 05 06 07 08  db 1, 2, 3, 4, 5, 6, 7, 8, 9
ffffffff8000000b  09
ffffffff8000000c  00 00 00 00 00 00 00 00  resb 100
ffffffff80000014  00 00 00 00 00 00 00 00
ffffffff8000001c  00 00 00 00 00 00 00 00
ffffffff80000024  00 00 00 00 00 00 00 00    … 68 more
ffffffff80000070  eb 8e                    jmp start
`);
  });
  test('a mistake is shown with file, line, column and a mark', async () => {
    work.write('wrong.asm', 'bits 32\r\n\tmov eax, [missing]\r\n');
    expect(await work.run(['asm', 'wrong.asm', '-o', 'wrong.bin'])).toEqual({
      code: 1, stdout: '', stderr: 'wrong.asm:2:12: unknown symbol "missing": define it as a label or with equ\n  \tmov eax, [missing]\n  \t          ^\n',
    });
    expect(existsSync(work.path('wrong.bin'))).toBe(false);
  });
  test('what is no instruction becomes db', async () => {
    work.write('bytes.bin', Uint8Array.of(0x90, 0xff, 0xff, 0x48));
    const { stdout } = await work.run(['disasm', 'bytes.bin', '--bits', '64']);
    expect(stdout.split('\n').map((line) => line.slice(0, 45))).toEqual([
      '00000000  90                       nop', expect.stringMatching(/^00000001 {2}ff {23}db 0xff ; $/), expect.stringMatching(/^00000002 {2}ff {23}db 0xff ; $/),
      expect.stringMatching(/^00000003 {2}48 {23}db 0x48 ; $/), '',
    ]);
  });
});

describe('help', () => {
  test.each(['', 'run', 'asm', 'disasm'])('hidden-state %s --help fits a terminal of 80 columns, on standard output', async (command) => {
    const { code, stdout, stderr } = await work.here([command, '--help'].filter(Boolean));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(new RegExp(`^hidden-state${command && ` ${command}`}[ :]`));
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });
  test('of the whole names every command, and that of run every option and every code', async () => {
    const [all, run] = [(await work.here(['--help'])).stdout, (await work.here(['run', '--help'])).stdout];
    expect(['run FILE', 'asm FILE', 'disasm FILE', '--version'].filter((text) => !all.includes(`hidden-state ${text}`))).toEqual([]);
    const options = ['flat', 'rom', 'append', 'module', 'cpu', 'cpus', 'memory', 'limit', 'serial', 'port', 'trace', 'trace-file', 'help'];
    expect(options.filter((option) => !new RegExp(`^ .*--${option}( |$)`, 'm').test(run))).toEqual([]);
    expect(Object.values(EXIT_CODES).filter((code) => !new RegExp(`^  ${code} `, 'm').test(run))).toEqual([]);
  });
  test('--version is that of the package', async () => {
    expect((await work.here(['--version'])).stdout).toBe(`${JSON.parse(read('spec/package.json')).version}\n`);
  });
});

test('the example of README.md does what it says', async () => {
  const readme = read('README.md');
  const [, source] = /```nasm\n([^]*?)```/.exec(readme)!;
  const [, session] = /```console\n([^]*?)```/.exec(readme)!;
  work.write('hello.asm', source!);
  const steps = session!.split(/^\$ npx hidden-state /m).slice(1).map((step) => step.split('\n'));
  expect(steps).toHaveLength(2);
  for (const [typed, ...shown] of steps) {
    const { stdout, stderr } = await work.run(typed!.split(' '));
    expect((stdout + stderr).split('\n').slice(0, shown.length - 1)).toEqual(shown.slice(0, -1));
  }
});

describe('what cannot be is a sentence, and code 2', () => {
  work.write('cut.elf', kernel().slice(0, 100));
  work.write('empty', '');
  test.each<[readonly string[], string | RegExp]>([
    [[], 'a command is missing; expected run, asm, disasm, or --help'],
    [['boot'], 'there is no command "boot"; expected run, asm, disasm, or --help'],
    [['run'], 'hidden-state run needs a file; see hidden-state run --help'],
    [['run', 'a', 'b'], 'hidden-state run takes one file, and "b" is a second one'],
    [['run', '@nowhere.bin'], 'nowhere.bin: there is no such file'],
    [['run', '.'], '.: it is a folder'],
    [['run', '@boot.bin', '--limits', '5'], '--limits is no option of hidden-state run; did you mean --limit?'],
    [['asm', '@boot.asm', '--wall'], '--wall is no option of hidden-state asm; expected --output, --bits, --origin, --help'],
    [['run', '@boot.bin', '--limit'], '--limit needs a value: --limit N'],
    [['run', '@boot.bin', '--limit', '--rom'], '--limit needs a value: --limit N'],
    [['run', '@boot.bin', '--rom=yes'], '--rom takes no value, and "yes" is given'],
    [['run', '@boot.bin', '--limit', '1', '--limit', '2'], '--limit is given twice; expected it once'],
    [['run', '@boot.bin', '--limit', 'many'], '--limit many: expected a number of instructions, such as 1000000 or 2e9'],
    [['run', '@boot.bin', '--memory', '4T'], '--memory 4T: expected a size from 1M to 3G in whole pages of 4 KiB, such as 256M'],
    [['run', '@boot.bin', '--memory', '4G'], '--memory 4G: expected a size from 1M to 3G in whole pages of 4 KiB, such as 256M'],
    [['run', '@boot.bin', '--cpu', 'pentium'], '--cpu pentium: expected one of amdK10, haswell, ivyBridge, sapphireRapids, zen3, zen4'],
    [['run', '@boot.bin', '--cpus', '0'], '--cpus 0: expected a number of processors, 1 to 64'],
    [['run', '@boot.bin', '--frequency', '0'], '--frequency 0: expected instructions per second, 1e6 to 1e12'],
    [['run', '@boot.bin', '--seed', 'x'], '--seed x: expected a whole number below 2^32'],
    [['run', '@boot.bin', '--flat', 'here'], '--flat here: expected an address such as 0x7c00 (real-address mode), or 32:0x100000 (32-bit protected mode)'],
    [['run', '@boot.bin', '--flat', '0', '--rom'], '--flat and --rom exclude each other; expected one of them'],
    [['run', '@boot.bin', '--rom', '--append', 'x'], '--append is for Multiboot kernels; with --rom nobody would read it'],
    [['run', '@kernel.elf', '--module', '@nowhere text'], '--module nowhere: there is no such file'],
    [['run', '@boot.bin', '--flat', '0x7c00', '--port', '0xe9'], '--port 0xe9: expected N=stdout or N=FILE with a port from 0 to 0xffff'],
    [['run', '@boot.bin', '--flat', '0x7c00', '--port', '65536=x'], '--port 65536=x: expected N=stdout or N=FILE with a port from 0 to 0xffff'],
    [['run', '@boot.bin', '--flat', '0x7c00', '--port', '0xe9=@a', '--port', '233=@b'], '--port 233=b: port 0xe9 is given twice; expected each port once'],
    [['run', '@boot.bin', '--flat', '0x7c00', '--port', '0xf4=a'], '--port 0xf4=a: port 0xf4 ends the run; expected another one'],
    [['run', '@boot.bin', '--flat', '0x7c00', '--port', '0xe9=@no/such/folder'], '--port no/such/folder: there is no such file'],
    [['run', '@boot.bin', '--flat', '0x7c00', '--trace', 'all'], '--trace all: "all" cannot be traced; expected instructions, events, segments, with commas between them'],
    [['run', '@boot.bin', '--flat', '0x7c00', '--trace-file', 'x'], '--trace-file needs --trace, which says what to trace: instructions, events, segments'],
    [['run', '@boot.bin'], /^boot\.bin: no Multiboot header: expected 1badb002 .* \(it looks like a boot sector: --flat 0x7c00\)$/],
    [['run', '@boot.asm'], /^boot\.asm: no Multiboot header: .* \(a flat binary needs --flat ADDRESS, a ROM --rom\)$/],
    [['run', '@cut.elf'], /^cut\.elf: the segment of program header 0 lies at offsets 0x54 to 0x\w+, but the file has only 0x64 bytes$/],
    [['run', '@kernel.elf', '--rom'], /^kernel\.elf: a ROM of 0x\w+ bytes; expected a multiple of 64 KiB .* \(it has a Multiboot header: leave out the option\)$/],
    [['run', '@empty', '--flat', '0x7c00'], 'empty: the file is empty: there is no first instruction'],
    [['disasm', '@boot.bin'], '--bits is missing: expected 16, 32 or 64, because bytes alone do not say it'],
    [['disasm', '@boot.bin', '--bits', '8'], '--bits 8: expected 16, 32 or 64'],
    [['disasm', '@boot.bin', '--bits', '16', '--origin', '-1'], '--origin needs a value: --origin ADDRESS'],
    [['asm', '@empty'], 'empty has no bits directive; expected one, or --bits 16, 32 or 64'],
  ])('%j', async (args, message) => {
    const { code, stdout, stderr } = await work.here(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^hidden-state: [^\n]*\n$/);
    expect(stderr.slice('hidden-state: '.length, -1)).toMatch(pattern(message));
  });

  test('in a process of its own as well', async () => {
    expect(await work.run(['run', 'nowhere.bin'])).toEqual({ code: 2, stdout: '', stderr: 'hidden-state: nowhere.bin: there is no such file\n' });
  });
});
