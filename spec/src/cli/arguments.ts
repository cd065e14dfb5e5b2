/** What was typed after a command: options and files. */

import { parseArgs } from 'node:util';
import { UsageError } from './usage.ts';

export interface OptionSpec {
  /** Of the value, as help prints it; none for an option that is only there or not. */
  readonly value?: string;
  readonly multiple?: true;
  readonly short?: string;
  /** Any text, also what looks like an option. */
  readonly anyText?: true;
  /** For help: lines. */
  readonly help: readonly string[];
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

export interface Arguments {
  readonly files: readonly string[];
  readonly help: boolean;
  /** The value of an option, or undefined. */
  value(option: string): string | undefined;
  values(option: string): readonly string[];
  has(option: string): boolean;
}

const HELP: OptionSpec = { short: 'h', help: ['prints this'] };

/** Reads `args`. An unknown option, a missing value and an option given twice are a `UsageError`. */
export function readArguments(command: string, args: readonly string[], specs: OptionSpecs): Arguments {
  const all: OptionSpecs = { ...specs, help: HELP };
  const options = Object.fromEntries(Object.entries(all).map(([name, { value, short }]) => {
    const type = value === undefined ? 'boolean' as const : 'string' as const;
    return [name, { type, multiple: true, ...(short ? { short } : {}) }];
  }));
  const { tokens, positionals } = parseArgs({
    args: [...args], options, strict: false, tokens: true, allowPositionals: true,
  });
  const found = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const spec = Object.hasOwn(all, token.name) ? all[token.name] : undefined;
    if (!spec) throw new UsageError(unknown(command, token.rawName, Object.keys(all)));
    const before = found.get(token.name) ?? [];
    if (before.length > 0 && !spec.multiple) throw new UsageError(`${token.rawName} is given twice; expected it once`);
    found.set(token.name, [...before, checkedValue(token.rawName, token.value, token.inlineValue, spec)]);
  }
  return {
    files: positionals,
    help: found.has('help'),
    value: (option) => found.get(option)?.[0],
    values: (option) => found.get(option) ?? [],
    has: (option) => found.has(option),
  };
}

function checkedValue(
  option: string, value: string | undefined, inline: boolean | undefined, spec: OptionSpec,
): string {
  if (spec.value === undefined) {
    if (value !== undefined) throw new UsageError(`${option} takes no value, and ${JSON.stringify(value)} is given`);
    return '';
  }
  const missing = value === undefined || (!inline && !spec.anyText && /^-./.test(value));
  if (missing) throw new UsageError(`${option} needs a value: ${option} ${spec.value}`);
  return value;
}

function unknown(command: string, option: string, names: readonly string[]): string {
  const typed = option.replace(/^-+/, '');
  const near = names.find((name) => name.startsWith(typed) || typed.startsWith(name) || distance(name, typed) <= 2);
  const hint = near ? `did you mean --${near}?` : `expected ${names.map((name) => `--${name}`).join(', ')}`;
  return `${option} is no option of hidden-state ${command}; ${hint}`;
}

/** Edits between two words. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, n) => n);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}

/** Exactly one file, or a `UsageError`. */
export function oneFile(command: string, { files }: Arguments): string {
  const [file, second] = files;
  if (file === undefined) {
    throw new UsageError(`hidden-state ${command} needs a file; see hidden-state ${command} --help`);
  }
  if (second !== undefined) {
    throw new UsageError(`hidden-state ${command} takes one file, and ${JSON.stringify(second)} is a second one`);
  }
  return file;
}

/** Options with what they do, in columns. */
export function optionHelp(specs: OptionSpecs): string {
  const rows = Object.entries({ ...specs, help: HELP }).flatMap(([name, { value, short, help }]) => {
    const left = `${short ? `-${short}, ` : ''}--${name}${value === undefined ? '' : ` ${value}`}`;
    return help.map((line, n) => [n === 0 ? left : '', line] as const);
  });
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}   ${right}`.trimEnd()).join('\n');
}
