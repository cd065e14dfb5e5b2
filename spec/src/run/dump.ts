/** A processor's registers on a page of text, hidden parts included. */

import type { CpuProfile } from '../cpus/profile.ts';
import type { Execution } from '../isa/execution.ts';
import { VM } from '../isa/flags.ts';
import type { Instruction, Mode } from '../isa/instruction.ts';
import { print } from '../isa/print.ts';
import { CR0, EFER } from '../isa/system/control-bits.ts';
import { CS, DS, ES, FS, GPR_NAMES, GS, LDTR, OFFSET, SEGMENT_NAMES, SS, TR } from '../state/fields.ts';
import type { State } from '../state/state.ts';
import { cr0Bits, cr4Bits, eferBits, flagBits, segmentWords } from './registers.ts';
import { PLAIN, type Style } from './style.ts';

/** What a dump and a trace ask of a processor. */
export interface Processor {
  readonly state: State;
  readonly cpu: CpuProfile;
  readonly mode: Mode;
  readonly execution: Execution;
  /** The instruction at an offset in CS. Throws what its fetch would. */
  decodeAt(ip: bigint): Instruction;
}

export interface DumpOptions {
  style?: Style;
  /** Columns of the page. Default: 80. */
  width?: number;
}

export const digits = (value: bigint | number, count: number): string => value.toString(16).padStart(count, '0');

/** Sixteen digits in two halves, or eight. */
const quad = (value: bigint): string => `${digits(value >> 32n, 8)}_${digits(value & 0xffff_ffffn, 8)}`;

export const longMode = (state: State): boolean => (state.efer & EFER.LMA) !== 0n;
const isReal = (state: State): boolean => !(state.cr0 & CR0.PE);

function modeName({ state, mode }: Processor): string {
  if (isReal(state)) return `real-address mode${mode === 32 ? ', 32-bit code' : ''}`;
  if (state.rflags & VM) return 'virtual-8086 mode';
  if (longMode(state)) return mode === 64 ? '64-bit mode' : `compatibility mode, ${mode}-bit code`;
  return `${mode}-bit protected mode`;
}

/** `0008:00100000`, or the offset alone in 64-bit mode. */
export function printPlace({ state, mode }: Processor, ip: bigint): string {
  if (mode === 64) return quad(ip);
  return `${digits(state.selector(CS), 4)}:${digits(ip, mode === 16 && ip < 0x1_0000n ? 4 : 8)}`;
}

/** Eight bytes wide, so that texts stand below one another. */
export const printBytes = ({ bytes }: Instruction): string =>
  [...bytes].map((byte) => digits(byte, 2)).join(' ').padEnd(24);

/** The instruction at `ip` with its bytes, or why there is none. */
function printInstruction(processor: Processor, ip: bigint): { bytes: string; text: string; length: number } {
  try {
    const i = processor.decodeAt(ip);
    return { bytes: printBytes(i), text: print(i, ip), length: i.length };
  } catch (error) {
    return { bytes: ' '.repeat(24), text: `(${(error as Error).message})`, length: 0 };
  }
}

/** Everything about one processor; `ip` is the instruction to point at. */
export function dump(processor: Processor, ip: bigint, options: DumpOptions = {}): string {
  const { style = PLAIN, width = 80 } = options;
  const sections = [
    [heading(processor, style)], code(processor, ip, style), general(processor, style, width),
    segments(processor, style), control(processor, style), rest(processor, style),
  ].filter((lines) => lines.length > 0);
  return sections.map((lines) => lines.map((line) => `  ${line}`.trimEnd()).join('\n')).join('\n\n');
}

function heading(processor: Processor, style: Style): string {
  const { state } = processor;
  const level = isReal(state) ? '' : `, CPL ${state.rflags & VM ? 3 : (state.attributes(SS) >> 5) & 3}`;
  return `${style.strong(modeName(processor))}${level}, paging ${state.cr0 >> 31n ? 'on' : 'off'}  `
    + `${style.quiet(processor.cpu.name)}`;
}

const SHOWN = 3;

/** The instruction pointed at, and those behind it. */
function code(processor: Processor, ip: bigint, style: Style): string[] {
  const lines: string[] = [];
  for (let at = ip, n = 0; n < SHOWN; n++) {
    const { bytes, text, length } = printInstruction(processor, at);
    if (n > 0 && length === 0) break;
    const place = printPlace(processor, at);
    lines.push(n === 0 ? `${style.strong('→')} ${place}  ${style.quiet(bytes)}  ${style.strong(text)}`
      : style.quiet(`  ${place}  ${bytes}  ${text}`));
    at += BigInt(length);
  }
  return lines;
}

/** Cells of equal width in as many columns as fit, filled row by row. */
function grid(cells: readonly (readonly [name: string, value: string])[], columns: number, style: Style): string[] {
  const nameWidth = Math.max(...cells.map(([name]) => name.length));
  const valueWidth = Math.max(...cells.map(([, value]) => value.length));
  const text = cells.map(([name, value]) => `${style.quiet(name.padEnd(nameWidth))} ${value.padEnd(valueWidth)}`);
  return Array.from(
    { length: Math.ceil(text.length / columns) },
    (_, row) => text.slice(row * columns, row * columns + columns).join('   '),
  );
}

/** In the order of debuggers, not of encodings. */
const ORDER = [0, 3, 1, 2, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15];
const SEGMENT_ORDER = [CS, SS, DS, ES, FS, GS, LDTR, TR];

function general({ state }: Processor, style: Style, width: number): string[] {
  const wide = longMode(state);
  const value = (v: bigint): string => (wide ? quad(v) : digits(v & 0xffff_ffffn, 8));
  const name = (index: number): string => (wide ? GPR_NAMES[index]! : GPR_NAMES[index]!.replace('R', 'E'));
  const cells = ORDER.slice(0, wide ? 16 : 8).map((index) => [name(index), value(state.gpr[index]!)] as const);
  const flags = flagBits(BigInt(state.rflags));
  return [
    ...grid(cells, wide && width < 96 ? 3 : 4, style),
    `${style.quiet(wide ? 'RIP' : 'EIP')} ${value(state.rip)}   ${style.quiet(wide ? 'RFLAGS' : 'EFLAGS')} `
      + `${value(BigInt(state.rflags))}   ${flags}`,
  ];
}

/** Segment registers, then the descriptor tables in the same columns. */
function segments({ state }: Processor, style: Style): string[] {
  const wide = longMode(state);
  const base = (value: bigint): string => (wide ? quad(value) : digits(value, 8));
  const row = (name: string, selector: string, hidden: string, words = ''): string =>
    `${style.quiet(name.padEnd(4))}  ${selector.padEnd(4)}  ${hidden}  ${words}`;
  const registers = SEGMENT_ORDER.map((index) => {
    const attributes = state.attributes(index);
    const hidden = `${base(state.base(index))}  ${digits(state.limit(index), 8)}  ${digits(attributes, 4)}`;
    return row(
      SEGMENT_NAMES[index]!, digits(state.selector(index), 4), style.hidden(hidden),
      segmentWords(index, attributes, wide),
    );
  });
  const tables = ([
    ['GDTR', OFFSET.gdtrBase, OFFSET.gdtrLimit], ['IDTR', OFFSET.idtrBase, OFFSET.idtrLimit],
  ] as const).map(([name, at, limit]) =>
    row(name, '', `${base(state.quad(at))}  ${digits(state.word(limit), 4).padStart(8)}`));
  return [style.quiet(`  selector  ${'base'.padEnd(wide ? 17 : 8)}  limit     attributes`), ...registers, ...tables];
}

function control({ state }: Processor, style: Style): string[] {
  const wide = longMode(state) || [OFFSET.cr2, OFFSET.cr3].some((offset) => state.quad(offset) >> 32n !== 0n);
  const value = (v: bigint): string => (wide ? quad(v) : digits(v, 8));
  const named = (name: string, v: bigint, words = ''): string =>
    `${style.quiet(name.padEnd(4))} ${value(v)}${words && `   ${words}`}`;
  return [
    named('CR0', state.cr0, cr0Bits(state.cr0)),
    `${named('CR2', state.quad(OFFSET.cr2))}   ${named('CR3', state.quad(OFFSET.cr3))}`,
    named('CR4', state.cr4, cr4Bits(state.cr4)),
    named('EFER', state.efer, eferBits(state.efer)),
  ];
}

/** What waits or blocks between instructions, and what the x87 unit remembers for handlers. */
function rest({ state }: Processor, style: Style): string[] {
  const between = [
    state.byte(OFFSET.stiShadow) ? 'blocking by STI' : '', state.byte(OFFSET.movSsShadow) ? 'blocking by MOV SS' : '',
    state.byte(OFFSET.nmiBlocking) ? 'blocking by NMI' : '',
    state.quad(OFFSET.pendingDebug) ? `pending debug exceptions ${digits(state.quad(OFFSET.pendingDebug), 4)}` : '',
  ].filter(Boolean);
  const wide = longMode(state);
  const pointer = (selector: number, offset: bigint): string =>
    `${digits(selector, 4)}:${wide ? quad(offset) : digits(offset & 0xffff_ffffn, 8)}`;
  const lines = [
    ...grid([
      ['DR6', digits(state.quad(OFFSET.dr6), 8)], ['DR7', digits(state.quad(OFFSET.dr7), 8)],
      ['XCR0', digits(state.xcr0, 4)], ['MXCSR', digits(state.mxcsr, 4)],
      ['FCW', digits(state.fcw, 4)], ['FSW', digits(state.fsw, 4)], ['FTW', digits(state.ftw, 2)],
      ['FOP', digits(state.fop, 3)],
    ], 4, style),
    `${style.quiet('FIP  ')} ${pointer(state.fcs, state.fip)}   ${style.quiet('FDP  ')} `
      + `${pointer(state.fds, state.fdp)}`,
  ];
  return between.length > 0
    ? [`${style.quiet('between instructions:')} ${style.hidden(between.join(', '))}`, ...lines]
    : lines;
}
