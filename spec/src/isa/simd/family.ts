/**
 * One line of a table, up to four encodings: an operation on MMX registers, on XMM registers with and without VEX, and
 * on YMM registers. Operands are in the letters of the opcode map (SDM vol. 2D, A.2.1): V the vector of ModRM.reg, W
 * that of ModRM.rm or memory, U that of ModRM.rm alone, M memory alone, H that of VEX.vvvv, which without VEX is the
 * destination itself, L that of an immediate byte, which without VEX is XMM0. `W32` is one whose memory has 32 bits;
 * `Wdq` one of 128 bits beside YMM registers, too; `W/2` an XMM register or memory of half the vector's bits.
 */

import type { Feature } from '../../cpus/features.table.ts';
import type { Citation } from '../../state/citation.ts';
import type { Execution } from '../execution.ts';
import type { Instruction, InstructionDefinition } from '../instruction.ts';
import type { Operand, RegisterOperand } from '../operand.ts';
import type { ExceptionClass } from './exceptions.ts';
import { type VectorDefinition, vector } from './vector.ts';

/** The CPUID bits of the encodings that there are. */
export interface Levels {
  readonly mmx?: Feature;
  readonly sse?: Feature;
  /** VEX.128, or VEX.LIG with `scalar`. */
  readonly avx?: Feature | readonly Feature[];
  /** VEX.256. */
  readonly avx2?: Feature | readonly Feature[];
}

/** What an operation works with. Without VEX, `a` is what the destination holds, where the manual's operand is both. */
export interface Sources {
  /** Bits of the vectors: 64, 128 or 256. */
  readonly width: number;
  readonly a: bigint;
  readonly b: bigint;
  readonly c: bigint;
  readonly immediate: number;
  readonly x: Execution;
  readonly i: Instruction;
}

/** The destination's new value, from the sources. */
export type Compute = (sources: Sources) => bigint;

export interface Family {
  /** Without VEX. With it, V comes before, unless `vexMnemonic` says otherwise. */
  readonly mnemonic: string;
  readonly vexMnemonic?: string;
  readonly title: string;
  /** As in `66 0F 38 00 /r ib`: prefix of the XMM encodings, map, opcode, and what follows. */
  readonly encoding: string;
  /** `V, H, W, imm8`. */
  readonly operands: string;
  readonly levels: Levels;
  readonly exceptions: ExceptionClass;
  /** Of the VEX encodings; WIG unless given. */
  readonly w?: 'W0' | 'W1' | 'WIG';
  /** VEX.L is ignored, and there is no VEX.256 form. */
  readonly scalar?: true;
  /** With both sources the same register, processors take it as an order to write zero, and track it. */
  readonly zeroing?: true;
  readonly compute: Compute;
  readonly source: Citation;
}

type Operation = InstructionDefinition['operation'];
const ENCODINGS = ['mmx', 'sse', 'avx', 'avx2'] as const;
type Encoding = (typeof ENCODINGS)[number];
const FILES = { mmx: 'mm', sse: 'xmm', avx: 'xmm', avx2: 'ymm' } as const;
const WIDTHS = { mmx: 64, sse: 128, avx: 128, avx2: 256 } as const;

/** The definitions of a family, one for each CPUID bit. */
export function family(row: Family): readonly InstructionDefinition[] {
  const operation = operationOf(row, /\bH/.test(row.operands), /\bL/.test(row.operands));
  return ENCODINGS.filter((encoding) => row.levels[encoding]).map((encoding) => vector({
    mnemonic: encoding === 'mmx' || encoding === 'sse' ? row.mnemonic : row.vexMnemonic ?? `V${row.mnemonic}`,
    title: row.title,
    forms: [`${encodingText(row, encoding)} | ${operandText(row.operands, encoding)}`],
    cpuid: row.levels[encoding]!,
    exceptions: encoding === 'mmx' ? 'MMX' : row.exceptions,
    operation,
    source: row.source,
  }));
}

/** `66 0F 38 00 /r` as it is, with NP on MMX registers, or `VEX.128.66.0F38.WIG 00 /r`. */
function encodingText(row: Family, encoding: Encoding): string {
  if (encoding === 'sse') return row.encoding;
  const space = row.encoding.indexOf(' ');
  const prefix = row.encoding.slice(0, space), rest = row.encoding.slice(space + 1);
  if (encoding === 'mmx') return `NP ${rest}`;
  const map = rest.startsWith('0F 38 ') ? '0F38' : rest.startsWith('0F 3A ') ? '0F3A' : '0F';
  const tail = rest.slice(map === '0F' ? 3 : 6), is4 = /\bL\b/.test(row.operands) ? ' /is4' : '';
  const length = row.scalar ? 'LIG' : encoding === 'avx2' ? '256' : '128';
  return `VEX.${length}.${prefix === 'NP' ? '' : `${prefix}.`}${map}.${row.w ?? 'WIG'} ${tail}${is4}`;
}

/** Hundreds of rows have the same few dozen operands. */
const operandTexts = new Map<string, string>();

function operandText(template: string, encoding: Encoding): string {
  const key = `${encoding} ${template}`;
  const known = operandTexts.get(key) ?? operandTextOf(template, encoding);
  operandTexts.set(key, known);
  return known;
}

function operandTextOf(template: string, encoding: Encoding): string {
  const file = FILES[encoding], vex = encoding === 'avx' || encoding === 'avx2';
  return template.split(', ').filter((letter) => vex || !/[HL]/.test(letter)).map((letter) => {
    const [, name, whole, part, bits] = /^([VHWLUM])(?:(dq)|\/(\d)|(\d+))?$/.exec(letter) ?? [];
    const narrow = (whole ?? part) === undefined || encoding === 'mmx' ? file : 'xmm';
    const memory = bits ?? (whole ? Math.min(WIDTHS[encoding], 128) : WIDTHS[encoding] / Number(part ?? 1));
    switch (name) {
      case 'V': return narrow;
      case 'U': return `rm${narrow}`;
      case 'H': return `vvvv${narrow}`;
      case 'L': return `is4${file}`;
      case 'W': return `${narrow}/m${memory}`;
      case 'M': return `m${memory}`;
      default: return letter;
    }
  }).join(', ');
}

const XMM0: RegisterOperand = { kind: 'register', file: 'xmm', index: 0, size: 128, high: false };

/** Sources are what follows the destination; where VEX.vvvv would be one, the destination is, too. */
const operationOf = (row: Pick<Family, 'compute' | 'zeroing'>, destructive: boolean, selects = false): Operation =>
  (x, i) => {
    const [destination, ...rest] = i.operands as readonly [Operand, ...Operand[]];
    const legacy = !i.form.vex;
    const vectors: Operand[] = destructive && legacy ? [destination] : [];
    for (const operand of rest) if (operand.kind !== 'immediate') vectors.push(operand);
    if (selects && legacy) vectors.push(XMM0);
    const [a = 0n, b = 0n, c = 0n] = vectors.map((operand) => x.read(operand));
    const last = i.operands.at(-1)!;
    const immediate = last.kind === 'immediate' ? Number(last.value) : 0;
    x.write(destination, row.compute({ width: widthOf(i), a, b, c, immediate, x, i }));
    if (row.zeroing && sameRegister(vectors)) x.state.xmmWritten &= ~(1 << (destination as RegisterOperand).index);
  };

/**
 * What goes beside a family: encodings written out. `a` is the destination where `H` among the operands would say so.
 */
export const encodings = (
  { compute, destructive = false, ...rest }: Encodings,
): InstructionDefinition => vector({ ...rest, operation: operationOf({ compute }, destructive) });

type Encodings = Omit<VectorDefinition, 'operation'> & { readonly compute: Compute; readonly destructive?: boolean };

/** Bits of the vectors that an instruction is about. */
export function widthOf({ form, operands }: Instruction): number {
  if (form.vex?.l === 1) return 256;
  const register = operands.find((operand) =>
    operand.kind === 'register' && (operand.file === 'mm' || operand.file === 'xmm'));
  return register?.kind === 'register' && register.file === 'mm' ? 64 : 128;
}

const sameRegister = ([first, second]: readonly Operand[]): boolean =>
  first?.kind === 'register' && second?.kind === 'register' && first.index === second.index && first.file !== 'mm';
