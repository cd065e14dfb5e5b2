/** `hidden-state run`. */

import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { ImageError } from '../machine/loaders/image.ts';
import { hasMultibootHeader } from '../machine/loaders/multiboot.ts';
import type { MultibootModule } from '../machine/loaders/multiboot-information.ts';
import type { PortDevice } from '../machine/ports.ts';
import { isMemorySize } from '../machine/ram.ts';
import { printPlace } from '../run/dump.ts';
import { type Outcome, grouped } from '../run/outcome.ts';
import { Run, type RunOptions } from '../run/run.ts';
import { EXIT_PORT } from '../run/target.ts';
import type { TraceOptions } from '../run/trace.ts';
import { type Arguments, type OptionSpecs, oneFile, optionHelp, readArguments } from './arguments.ts';
import { Sinks, readFile } from './files.ts';
import { Terminal } from './terminal.ts';
import { UsageError } from './usage.ts';
import { flatOrigin, number, processor, size, wholeNumber } from './values.ts';

const OPTIONS: OptionSpecs = {
  flat: {
    value: 'ADDRESS',
    help: [
      'a flat binary, loaded and entered there: 0x7c00',
      'in real-address mode, 32:0x100000 in 32-bit',
      'protected mode',
    ],
  },
  rom: { help: ['a ROM that ends at 4 GiB; RESET begins in it'] },
  append: { value: 'TEXT', anyText: true, help: ["what follows the kernel's name on its command", 'line'] },
  module: { value: '"FILE TEXT"', multiple: true, help: ['a file for the kernel, and its string'] },
  cpu: { value: 'NAME', help: ['the processor: ivyBridge'] },
  cpus: { value: 'N', help: ['how many of them: 1'] },
  seed: { value: 'N', help: ['of the order in which several take turns; without', 'it they go in turn'] },
  frequency: {
    value: 'N',
    help: [
      'instructions per second of guest time: 1e9. A',
      'kernel that waits by the clock waits for fewer',
      'instructions with 1e8',
    ],
  },
  memory: { value: 'SIZE', help: ['RAM, such as 64M or 1G: 128M'] },
  limit: { value: 'N', help: ['ends the run after N instructions, such as 2e9'] },
  serial: { value: 'stdout|FILE', help: ['what the guest sends through its serial port'] },
  port: { value: 'N=stdout|FILE', multiple: true, help: ['what it writes to I/O port N: 0xe9=stdout'] },
  trace: { value: 'LIST', help: ['prints each of: instructions, events, segments'] },
  'trace-file': { value: 'FILE', help: ['where the trace goes: standard error'] },
};

const RUN_HELP = `hidden-state run FILE [options]

Boots FILE, a Multiboot kernel (ELF32, ELF64, or with address fields) unless
--flat or --rom says otherwise, until it ends the run itself; then says on
standard error where and why, with all registers.

${optionHelp(OPTIONS)}

Ends with code
  2v + 1   the guest wrote v to I/O port 0xf4
  0        it halted with interrupts off, or powered the machine off
  4        it shut down by a triple fault
  6        it reached the limit
  8        it met something that is not modelled
  10       it reset the machine
  12       it waits for an interrupt that no device is going to raise
  2        an option or a file is not as expected
  130      Ctrl-C`;

export async function runCommand(args: readonly string[]): Promise<number> {
  const parsed = readArguments('run', args, OPTIONS);
  if (parsed.help) {
    process.stdout.write(`${RUN_HELP}\n`);
    return 0;
  }
  const terminal = new Terminal();
  const sinks = new Sinks(terminal);
  try {
    const running = prepare(parsed, sinks, terminal);
    const outcome = await toItsEnd(running, sinks, terminal);
    sinks.close();
    terminal.say(outcome.report({ style: terminal.style, width: terminal.width }));
    return outcome.exitCode;
  } finally {
    sinks.close();
    terminal.end();
  }
}

/** The run that the options describe. */
function prepare(parsed: Arguments, sinks: Sinks, terminal: Terminal): Run {
  const file = oneFile('run', parsed);
  const options = runOptions(parsed, file);
  const bytes = readFile(file);
  try {
    return new Run(
      bytes,
      { ...options, serial: serial(parsed, sinks), ports: ports(parsed, sinks), trace: trace(parsed, sinks, terminal) },
    );
  } catch (error) {
    if (error instanceof ImageError) throw new UsageError(`${file}: ${error.message}${hint(bytes, options)}`);
    throw error;
  }
}

function runOptions(parsed: Arguments, file: string): RunOptions {
  const { value } = parsed;
  const [flat, memory, cpu, cpus, limit, frequency, seed] = [
    'flat', 'memory', 'cpu', 'cpus', 'limit', 'frequency', 'seed',
  ].map(value);
  if (flat !== undefined && parsed.has('rom')) {
    throw new UsageError('--flat and --rom exclude each other; expected one of them');
  }
  for (const option of ['append', 'module']) {
    if (parsed.has(option) && (flat !== undefined || parsed.has('rom'))) {
      throw new UsageError(
        `--${option} is for Multiboot kernels; with --${parsed.has('rom') ? 'rom' : 'flat'} nobody would read it`,
      );
    }
  }
  const append = value('append');
  return {
    flat: flat === undefined ? undefined : flatOrigin('--flat', flat),
    rom: parsed.has('rom'),
    commandLine: basename(file) + (append ? ` ${append}` : ''),
    modules: parsed.values('module').map(readModule),
    cpu: cpu === undefined ? undefined : processor('--cpu', cpu),
    cpus: cpus === undefined ? undefined : number('--cpus', cpus, 'a number of processors, 1 to 64', 1, 64),
    seed: seed === undefined ? undefined : number('--seed', seed, 'a whole number below 2^32', 0, 2 ** 32 - 1),
    frequency: frequency === undefined
      ? undefined
      : number('--frequency', frequency, 'instructions per second, 1e6 to 1e12', 1e6, 1e12),
    memory: memory === undefined ? undefined : memorySize(memory),
    limit: limit === undefined
      ? Infinity
      : number('--limit', limit, 'a number of instructions, such as 1000000 or 2e9', 0, Number.MAX_SAFE_INTEGER),
  };
}

function memorySize(text: string): number {
  const expected = 'a size from 1M to 3G in whole pages of 4 KiB, such as 256M';
  const bytes = size('--memory', text, expected);
  if (!isMemorySize(bytes)) throw new UsageError(`--memory ${text}: expected ${expected}`);
  return bytes;
}

/** `file`, or `file and a string`; the string begins with the file's name, as boot loaders have it. */
function readModule(text: string): MultibootModule {
  const space = existsSync(text) ? -1 : text.indexOf(' ');
  const path = space < 0 ? text : text.slice(0, space);
  return { bytes: readFile(path, '--module'), string: basename(path) + (space < 0 ? '' : text.slice(space)) };
}

function serial(parsed: Arguments, sinks: Sinks): ((byte: number) => void) | undefined {
  const name = parsed.value('serial');
  if (name === undefined) return undefined;
  const sink = sinks.named('--serial', name);
  return (byte) => sink.push(byte);
}

function ports(parsed: Arguments, sinks: Sinks): Record<number, PortDevice> {
  const attached: Record<number, PortDevice> = {};
  for (const text of parsed.values('port')) {
    const expected = 'N=stdout or N=FILE with a port from 0 to 0xffff';
    const [, before = '', name] = /^([^=]+)=(.+)$/.exec(text) ?? [];
    const port = wholeNumber(before, 0xffff);
    if (port === undefined || name === undefined) throw new UsageError(`--port ${text}: expected ${expected}`);
    if (port === EXIT_PORT) throw new UsageError(`--port ${text}: port 0xf4 ends the run; expected another one`);
    if (attached[port]) {
      throw new UsageError(`--port ${text}: port 0x${port.toString(16)} is given twice; expected each port once`);
    }
    attached[port] = sinks.named('--port', name);
  }
  return attached;
}

const TRACED = ['instructions', 'events', 'segments'] as const;

function trace(parsed: Arguments, sinks: Sinks, terminal: Terminal): TraceOptions | undefined {
  const [list, file] = [parsed.value('trace'), parsed.value('trace-file')];
  if (list === undefined && file !== undefined) {
    throw new UsageError('--trace-file needs --trace, which says what to trace: instructions, events, segments');
  }
  if (list === undefined) return undefined;
  const names = list.split(',').map((name) => name.trim());
  const wrong = names.find((name) => !(TRACED as readonly string[]).includes(name));
  if (wrong !== undefined) {
    throw new UsageError(
      `--trace ${list}: ${JSON.stringify(wrong)} cannot be traced; expected instructions, events, segments, with `
        + 'commas between them',
    );
  }
  const sink = file === undefined ? undefined : sinks.named('--trace-file', file);
  const chosen = Object.fromEntries(TRACED.map((name) => [name, names.includes(name)]));
  return { ...chosen, write: (line) => (sink ? sink.line(line) : terminal.say(line)) };
}

/** What a file may be instead. */
function hint(bytes: Uint8Array, { flat, rom }: RunOptions): string {
  if (flat || rom) return hasMultibootHeader(bytes) ? ' (it has a Multiboot header: leave out the option)' : '';
  if (hasMultibootHeader(bytes)) return '';
  if (bytes.length >= 512 && bytes[510] === 0x55 && bytes[511] === 0xaa) {
    return ' (it looks like a boot sector: --flat 0x7c00)';
  }
  return ' (a flat binary needs --flat ADDRESS, a ROM --rom)';
}

/**
 * Milliseconds between looks at the keyboard and the clock, from the start to the first progress line, and to the next.
 */
const SLICE = 50, PATIENCE = 1000, INTERVAL = 250;

async function toItsEnd(running: Run, sinks: Sinks, terminal: Terminal): Promise<Outcome> {
  let interrupted = false;
  const onSignal = (): void => {
    if (interrupted) process.exit(130);
    interrupted = true;
  };
  process.on('SIGINT', onSignal);
  try {
    const started = performance.now();
    for (let slice = 10_000, last = started, next = started + PATIENCE; ;) {
      const outcome = running.advance(slice);
      const now = performance.now();
      slice = Math.max(100, Math.min(slice * 2, Math.round((slice * SLICE) / Math.max(now - last, 1))));
      sinks.flush();
      if (outcome) return outcome;
      if (terminal.showsProgress && now >= next) {
        terminal.progress(progress(running, now - started));
        next = now + INTERVAL;
      }
      // Signals and closed pipes are heard of between two slices.
      await new Promise((resolve) => { setImmediate(resolve); });
      if (terminal.closed) return running.interrupt('stopped because standard output was closed,');
      if (interrupted) return running.interrupt();
      last = performance.now();
    }
  } finally {
    process.off('SIGINT', onSignal);
  }
}

/** How far it is, how fast it goes, and where it is. */
export function progress({ executed, limit, target }: Run, milliseconds: number): string {
  const at = target.processors[target.current]!;
  const rate = (executed / milliseconds / 1000).toFixed(1);
  const share = limit === Infinity ? '' : ` (${Math.floor((100 * executed) / limit)} %)`;
  return `${grouped(executed)} instructions${share}, ${rate} million a second, at ${printPlace(at, at.state.rip)}`;
}
