/** `hidden-state asm` and `hidden-state disasm`. */

import { type Program, assemble } from '../asm/assemble.ts';
import { disassemble } from '../asm/disassemble.ts';
import { AssemblyError } from '../asm/error.ts';
import type { Mode } from '../isa/instruction.ts';
import { digits } from '../run/dump.ts';
import { type Arguments, type OptionSpecs, oneFile, optionHelp, readArguments } from './arguments.ts';
import { readFile, writeFile } from './files.ts';
import { UsageError } from './usage.ts';
import { bits } from './values.ts';

const ASM_OPTIONS: OptionSpecs = {
  output: { short: 'o', value: 'FILE', help: ['where the bytes go; without it a listing is printed'] },
  bits: { value: '16|32|64', help: ['the size of code until a bits directive says another'] },
  origin: { value: 'ADDRESS', help: ['address of the first byte, unless org says it: 0'] },
};

const DISASM_OPTIONS: OptionSpecs = {
  bits: { value: '16|32|64', help: ['the size of the code'] },
  origin: { value: 'ADDRESS', help: ['address of the first byte: 0'] },
};

const ASM_HELP = `hidden-state asm FILE [options]

Assembles FILE (- for standard input): Intel syntax as in the manuals.

${optionHelp(ASM_OPTIONS)}`;

const DISASM_HELP = `hidden-state disasm FILE --bits 16|32|64 [options]

Prints the machine code in FILE (- for standard input) as text, with addresses
and bytes. What is no instruction becomes db.

${optionHelp(DISASM_OPTIONS)}`;

/** Bytes on one line of a listing, and lines of one statement. */
const BYTES = 8, LINES = 4;

export function asmCommand(args: readonly string[]): number {
  const parsed = readArguments('asm', args, ASM_OPTIONS);
  if (parsed.help) return print(ASM_HELP);
  const file = oneFile('asm', parsed);
  const source = new TextDecoder().decode(readFile(file));
  const mode = parsed.value('bits');
  const program = assembled(
    file, source, mode === undefined ? firstBits(file, source) : bits('--bits', mode), origin(parsed),
  );
  if (typeof program === 'string') {
    process.stderr.write(`${program}\n`);
    return 1;
  }
  const output = parsed.value('output');
  if (output === undefined) return print(listing(program));
  if (output === '-') process.stdout.write(program.bytes);
  else writeFile(output, program.bytes, '--output');
  return 0;
}

/** The program, or what is wrong with the text: `file:line:column: reason`, the line, and a mark below the column. */
function assembled(file: string, source: string, mode: Mode, at: bigint): Program | string {
  try {
    return assemble(source, { mode, origin: at });
  } catch (error) {
    if (!(error instanceof AssemblyError)) throw error;
    const text = (source.split('\n')[error.line - 1] ?? '').replace(/\r$/, '');
    const mark = text.slice(0, error.column - 1).replaceAll(/[^\t]/g, ' ').padEnd(error.column - 1);
    return `${file}:${error.line}:${error.column}: ${error.reason}\n  ${text}\n  ${mark}^`;
  }
}

/** The size of code that the text itself begins with. */
function firstBits(file: string, source: string): Mode {
  const [, found] = /^\s*bits\s+(16|32|64)\b/im.exec(source) ?? [];
  if (found === undefined) throw new UsageError(`${file} has no bits directive; expected one, or --bits 16, 32 or 64`);
  return Number(found) as Mode;
}

function origin(parsed: Arguments): bigint {
  const text = parsed.value('origin');
  if (text === undefined) return 0n;
  const typed = text.replaceAll('_', '');
  const value = /^(0x[0-9a-f]+|\d+)$/i.test(typed) ? BigInt(typed)
    : /^\d[0-9a-f]*h$/i.test(typed) ? BigInt(`0x${typed.slice(0, -1)}`) : -1n;
  if (value < 0n || value >> 64n) {
    throw new UsageError(`--origin ${text}: expected an address of up to 64 bits, such as 0x7c00`);
  }
  return value;
}

const addressDigits = (last: bigint): number => (last >> 32n ? 16 : 8);
const bytesText = (bytes: Uint8Array): string => [...bytes].map((byte) => digits(byte, 2)).join(' ');

function listing(program: Program): string {
  const width = addressDigits(program.origin + BigInt(program.bytes.length));
  return program.listing.flatMap(({ address, length, text }) => {
    const start = Number(address - program.origin);
    const rows = Math.min(Math.ceil(length / BYTES), LINES);
    return Array.from({ length: rows }, (_, row) => {
      const from = start + row * BYTES;
      const left = start + length - from;
      const tail = row === LINES - 1 && left > BYTES ? `  … ${left - BYTES} more` : '';
      const hexadecimal = bytesText(program.bytes.slice(from, Math.min(from + BYTES, start + length)));
      const place = digits(address + BigInt(row * BYTES), width);
      return `${place}  ${hexadecimal.padEnd(3 * BYTES - 1)}  ${row === 0 ? text : ''}${tail}`.trimEnd();
    });
  }).join('\n');
}

export function disasmCommand(args: readonly string[]): number {
  const parsed = readArguments('disasm', args, DISASM_OPTIONS);
  if (parsed.help) return print(DISASM_HELP);
  const file = oneFile('disasm', parsed);
  const mode = parsed.value('bits');
  if (mode === undefined) {
    throw new UsageError('--bits is missing: expected 16, 32 or 64, because bytes alone do not say it');
  }
  const [size, address] = [bits('--bits', mode), origin(parsed)];
  const bytes = readFile(file);
  const width = addressDigits(address + BigInt(bytes.length));
  const lines = disassemble(bytes, { mode: size, address }).map((line) =>
    `${digits(line.address, width)}  ${bytesText(line.bytes).padEnd(3 * BYTES - 1)}  `
      + `${line.text.replace(/^\.byte/, 'db')}`);
  return print(lines.join('\n'));
}

function print(text: string): number {
  if (text !== '') process.stdout.write(`${text}\n`);
  return 0;
}
