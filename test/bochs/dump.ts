/** The dumps: what one holds, how Bochs' debugger prints it, and how it is stored. */

import type { Rom } from './rom.ts';

/** State at one point: fields under the engine's names, in hexadecimal, and ranges of memory as bytes. */
export interface Dump {
  readonly point: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly memory: Readonly<Record<string, string>>;
}

/** A file of `dumps/`: the first point is whole, each later one has what differs from the one before. */
export interface DumpFile {
  readonly bochs: string;
  readonly model: string;
  /** SHA-256 of the ROM that ran. */
  readonly rom: string;
  readonly points: readonly Dump[];
}

type Values = Readonly<Record<string, string>>;
/** null: the field is not there any more. */
type Changes = Readonly<Record<string, string | null>>;

const changed = (before: Values, after: Values): Changes => Object.fromEntries([
  ...Object.entries(after).filter(([name, value]) => before[name] !== value),
  ...Object.keys(before).filter((name) => !(name in after)).map((name) => [name, null]),
]);

const applied = (before: Values, changes: Changes): Values =>
  Object.fromEntries(Object.entries({ ...before, ...changes }).filter((entry): entry is [string, string] => entry[1] !== null));

/** Each point on a line of its own. */
export function print({ points, ...head }: DumpFile): string {
  const lines = points.map((dump, n) => JSON.stringify({
    point: dump.point,
    fields: changed(points[n - 1]?.fields ?? {}, dump.fields),
    memory: changed(points[n - 1]?.memory ?? {}, dump.memory),
  }));
  return `${JSON.stringify(head).slice(0, -1)},"points":[\n${lines.join(',\n')}\n]}\n`;
}

export function parse(text: string): DumpFile {
  const file = JSON.parse(text) as DumpFile;
  const points: Dump[] = [];
  for (const { point, fields, memory } of file.points) {
    const before = points.at(-1);
    points.push({ point, fields: applied(before?.fields ?? {}, fields), memory: applied(before?.memory ?? {}, memory) });
  }
  return { ...file, points };
}

/** `0000_1f` and leading zeros away. */
export const hex = (digits: string): string => digits.replaceAll('_', '').replace(/^(0x)?0*(?=.)/, '').toLowerCase();

const CONTROL = /^(CR0|CR2|CR3|CR4|CR8|EFER|XCR0|DR[0-7])(?::|=page fault laddr=|=) ?(0x[0-9a-f]+)/;
const FPU: Readonly<Record<string, string>> = {
  'status  word': 'FSW', 'control word': 'FCW', 'tag word': 'FTW', operand: 'FOP', fip: 'FIP', fcs: 'FCS', fdp: 'FDP', fds: 'FDS',
};

/** The full tag word's registers that are not empty. */
function abridged(tags: number): number {
  return [0, 1, 2, 3, 4, 5, 6, 7].reduce((bits, j) => bits | (((tags >> (2 * j)) & 3) === 3 ? 0 : 1 << j), 0);
}

function segment(line: string): [string, string][] {
  const [, name = '', selector = '', dh = '', dl = '', valid] = /^(\w+):(0x\w+), dh=(0x\w+), dl=(0x\w+), valid=(\d)/.exec(line)!;
  const high = Number(dh), low = Number(dl), register = name.toUpperCase();
  const raw = (high & 0xf_0000) | (low & 0xffff);
  const limit = high & 0x80_0000 ? raw * 4096 + 4095 : raw;
  const base = ((high & 0xff00_0000) | ((high & 0xff) << 16) | (low >>> 16)) >>> 0;
  // A null LDTR, or a register that a return to an outer level made unusable, still holds what it had: Bochs' own affair.
  if (valid === '0' && high & 0x8000) return [[register, hex(selector)], [`${register}.attributes`, '0']];
  if (!(high & 0x8000)) return [[register, hex(selector)], [`${register}.attributes`, '0'], [`${register}.limit`, limit.toString(16)], [`${register}.base`, base.toString(16)]];
  return [
    [register, hex(selector)],
    [`${register}.attributes`, ((high >>> 8) & 0xf0ff).toString(16)],
    [`${register}.limit`, limit.toString(16)],
    [`${register}.base`, base.toString(16)],
  ];
}

function field(line: string): [string, string][] {
  const control = CONTROL.exec(line);
  if (control) return [[control[1] === 'EFER' ? 'IA32_EFER' : control[1]!, hex(control[2]!)]];
  const general = /^(r\w\w?) ?: ([0-9a-f]{8}_[0-9a-f]{8})$/.exec(line);
  if (general) return [[general[1]!.toUpperCase(), hex(general[2]!)]];
  const flags = /^eflags (0x[0-9a-f]+)/.exec(line);
  if (flags) return [['RFLAGS', hex(flags[1]!)]];
  if (/^(es|cs|ss|ds|fs|gs|ldtr|tr):0x/.test(line)) return segment(line);
  const table = /^(gdtr|idtr):base=(0x\w+), limit=(0x\w+)/.exec(line);
  if (table) return [[`${table[1]!.toUpperCase()}.base`, hex(table[2]!)], [`${table[1]!.toUpperCase()}.limit`, hex(table[3]!)]];
  const fpu = /^([a-z ]+): +(0x[0-9a-f]+)/.exec(line);
  const name = FPU[fpu?.[1] ?? ''];
  if (name) return [[name, name === 'FTW' ? abridged(Number(fpu![2])).toString(16) : hex(fpu![2]!)]];
  const stack = /FP(\d) ST\d.*raw 0x([0-9a-f]{4}):([0-9a-f]{16})/.exec(line);
  return stack ? [[`R${stack[1]}`, hex(stack[2]! + stack[3]!)]] : [];
}

/** One state as the commands of `capture.ts` make Bochs print it. */
export function readDump(lines: readonly string[], ranges: readonly string[], rom: Rom): Dump {
  const fields: Record<string, string> = {};
  const memory: Record<string, string> = {};
  const waiting = [...ranges];
  let range: string | undefined;
  for (const line of lines) {
    if (line.startsWith('[bochs]:')) range = waiting.shift();
    const bytes = /^0x[0-9a-f]{16} <.*>:((?:\t0x[0-9a-f]{2})+)/.exec(line)?.[1];
    if (bytes === undefined) Object.assign(fields, Object.fromEntries(field(line)));
    else memory[range!] = (memory[range!] ?? '') + bytes.replace(/\t0x/g, '');
  }
  const linear = BigInt(`0x${fields['CS.base']}`) + BigInt(`0x${fields.RIP}`);
  return { point: rom.points.get(linear) ?? (linear === 0xffff_fff0n ? 'reset vector' : `at ${linear.toString(16)}`), fields, memory };
}
