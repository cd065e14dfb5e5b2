/**
 * Captures the reference dumps: `node --conditions=source test/bochs/capture.ts` for all cases, or with their names for
 * some. Needs Debian's Bochs with debugger: `apt-get install bochs bochs-term`. Everything else is here.
 */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BochsCase, IVY_BRIDGE } from './case.ts';
import { CASES } from './cases/index.ts';
import { type Dump, print, readDump } from './dump.ts';
import { type Rom, buildRom } from './rom.ts';

/** More points than any case has: `finish` ends Bochs before the commands run out. */
const MAXIMUM_POINTS = 64;
const SECONDS = 20;
/** What the display library says to the terminal. */
const ESCAPE = new RegExp(`${String.fromCodePoint(27)}[[(][0-9;?]*[A-Za-z0-9]`, 'g');

const configuration = (folder: string, model: string): string => `
display_library: term
romimage: file=${join(folder, 'rom')}
megs: 32
cpu: model=${model}, count=1, ips=50000000, reset_on_triple_fault=1
magic_break: enabled=1
plugin_ctrl: biosdev=0, speaker=0, parallel=0, serial=0, gameport=0
log: ${join(folder, 'log')}
panic: action=fatal
error: action=report
info: action=report
debug: action=ignore
`;

function ranges({ memory = {} }: BochsCase, { symbols }: Rom): { name: string; command: string }[] {
  return Object.entries(memory).map(([name, { at, bytes }]) => {
    const address = typeof at === 'number' ? BigInt(at) : symbols[at];
    if (address === undefined) throw new RangeError(`range ${name}: the text has no symbol ${String(at)}`);
    return { name, command: `xp /${bytes}bx 0x${address.toString(16)}` };
  });
}

/** Runs the case's ROM in Bochs and answers the dumps of its points, the first at the reset vector. */
function runBochs(definition: BochsCase, rom: Rom, model: string): { version: string; points: Dump[] } {
  const folder = mkdtempSync(join(tmpdir(), 'bochs-'));
  try {
    const wanted = ranges(definition, rom);
    const dump = ['print-string 0x0', 'r', 'sreg', 'creg', 'dreg', 'fpu', ...wanted.map(({ command }) => command)];
    writeFileSync(join(folder, 'rom'), rom.bytes);
    writeFileSync(join(folder, 'rc'), configuration(folder, model));
    const dumps = Array.from({ length: MAXIMUM_POINTS }, () => dump.join('\n')).join('\ncontinue\n');
    writeFileSync(join(folder, 'commands'), `${dumps}\nquit\n`);
    const command = `timeout -s KILL ${SECONDS} bochs -q -f ${join(folder, 'rc')} -rc ${join(folder, 'commands')}`;
    const { stdout, error, status } = spawnSync('script', ['-qec', command, '/dev/null'], {
      encoding: 'latin1', maxBuffer: 1 << 28, input: '', timeout: 1000 * (SECONDS + 5), killSignal: 'SIGKILL',
    });
    if (error) throw error;
    const text = stdout.replaceAll(ESCAPE, '').replaceAll('\r', '');
    const log = readFileSync(join(folder, 'log'), 'latin1');
    if (status === 137) throw new Error(`Bochs did not reach the end in ${SECONDS} s:\n${worst(log)}`);
    if (!log.includes('Shutdown port: shutdown requested')) {
      throw new Error(`Bochs stopped early:\n${worst(log)}\n${text.slice(-500)}`);
    }
    const version = /Bochs x86 Emulator (\S+)/.exec(text)?.[1] ?? 'unknown';
    const states = text.split(/^CPU0:$/m).slice(1);
    return { version, points: states.map((state) => readDump(state.split('\n'), wanted.map(({ name }) => name), rom)) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The last lines of the log that say that something went wrong. */
const worst = (log: string): string =>
  log.split('\n').filter((line) => /^\d+[ep]\[|shutdown|exception/i.test(line)).slice(-15).join('\n');

function capture(definition: BochsCase): void {
  const rom = buildRom(definition);
  const { model } = definition.processor ?? IVY_BRIDGE;
  const { version, points } = runBochs(definition, rom, model);
  const file = { bochs: version, model, rom: createHash('sha256').update(rom.bytes).digest('hex'), points };
  writeFileSync(new URL(`dumps/${definition.name}.json`, import.meta.url), print(file));
  console.log(`${definition.name}: ${points.length} points (${points.map(({ point }) => point).join(', ')})`);
}

if (spawnSync('bochs', ['-help', 'cpu']).error || spawnSync('script', ['--version']).error) {
  console.error('Bochs is not installed: apt-get install bochs bochs-term (and bsdutils for the command script)');
  process.exit(1);
}
const names = process.argv.slice(2);
const unknown = names.find((name) => !CASES.some((definition) => definition.name === name));
if (unknown !== undefined) {
  console.error(`no case is called ${unknown}; there are ${CASES.map(({ name }) => name).join(', ')}`);
  process.exit(1);
}
for (const definition of CASES.filter(({ name }) => names.length === 0 || names.includes(name))) {
  try {
    capture(definition);
  } catch (error) {
    console.error(`${definition.name}: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
