/**
 * SIMD floating-point instructions: one line of a table names an operation on lanes, and gives its packed and scalar
 * encodings in single and double precision. SDM vol. 1, chapter 11.
 */

import { u } from '../../../numbers/bits.ts';
import {
  DOUBLE, type Format, type Outcome, SINGLE, type SimdControl, type VectorOutcome, eachLane, lane, simdControlOf,
} from '../../../numbers/simd.ts';
import type { Execution } from '../../execution.ts';
import type { InstructionDefinition } from '../../instruction.ts';
import { CR4 } from '../../system/control-bits.ts';
import type { ExceptionClass } from '../exceptions.ts';
import { type Compute, type Levels, type Sources, family } from '../family.ts';
import { FLOAT_SSE, FLOAT_SSE2, SCALAR_SSE, SCALAR_SSE2 } from '../levels.ts';
import { entry } from '../rows.ts';

/** The last two letters of a mnemonic. */
export type Suffix = 'PS' | 'PD' | 'SS' | 'SD';

interface Kind {
  readonly words: string;
  readonly format: Format;
  readonly scalar: boolean;
  /** The mandatory prefix, where it tells the four apart. */
  readonly prefix: 'NP' | '66' | 'F3' | 'F2';
  readonly levels: Levels;
}

export const KINDS: Readonly<Record<Suffix, Kind>> = {
  PS: { words: 'packed single-precision', format: SINGLE, scalar: false, prefix: 'NP', levels: FLOAT_SSE },
  PD: { words: 'packed double-precision', format: DOUBLE, scalar: false, prefix: '66', levels: FLOAT_SSE2 },
  SS: { words: 'scalar single-precision', format: SINGLE, scalar: true, prefix: 'F3', levels: SCALAR_SSE },
  SD: { words: 'scalar double-precision', format: DOUBLE, scalar: true, prefix: 'F2', levels: SCALAR_SSE2 },
};

export const controlOf = (x: Execution): SimdControl => simdControlOf(x.state.mxcsr);

/**
 * Sets the exception flags. An unmasked exception leaves nothing behind but them: its handler reads them. It is #XM,
 * and #UD where the operating system has not said with CR4.OSXMMEXCPT that it takes #XM. SDM vol. 1, 11.5.
 */
export function deliver(x: Execution, { value, flags, trapped }: VectorOutcome): bigint {
  x.state.mxcsr |= flags;
  if (trapped && !(x.state.cr4 & CR4.OSXMMEXCPT)) x.fault('#UD', 'an exception is unmasked and CR4.OSXMMEXCPT is 0');
  if (trapped) x.fault('#XM', `an exception is unmasked (MXCSR ${x.state.mxcsr.toString(16)}h)`);
  return value;
}

/** What an instruction does to lane `n` of its operands. That with one operand has it as the second. */
export type LaneOperation = (
  format: Format, first: bigint, second: bigint, control: SimdControl, sources: Sources, n: number,
) => Outcome;

/** Lane by lane: all lanes, or the lowest one, with what the first operand has above it. */
export const lanewise = ({ format, scalar }: Kind, unary: boolean, of: LaneOperation): Compute => (sources) => {
  const { x, a, b, width } = sources, bits = format.width, control = controlOf(x);
  const second = unary && !scalar ? a : b;
  const value = deliver(x, eachLane(scalar ? 1 : width / bits, bits, control, (n) =>
    of(format, lane(a, bits, n), lane(second, bits, n), control, sources, n)));
  return scalar ? above(bits, a) | value : value;
};

/** An XMM register with its lowest `bits` bits clear. */
export const above = (bits: number, vector: bigint): bigint => vector & ~u(bits, -1n);

export interface Row {
  /** Without the suffix. */
  readonly name: string;
  /** Without the format: `Add` gives "Add packed single-precision values". */
  readonly title: string;
  /** As `0F 58 /r`, with the prefixes that tell the four suffixes apart; or each encoding that there is. */
  readonly encoding: string | Readonly<Partial<Record<Suffix, string>>>;
  /** CPUID bits of packed and of scalar ones, where it is not SSE's and SSE2's. */
  readonly levels?: readonly [packed: Levels, scalar?: Levels];
  /** 2 and 3 unless given. */
  readonly exceptions?: readonly [packed: ExceptionClass, scalar: ExceptionClass];
  /** It has one operand. Scalars have a first one all the same: what is above the lowest lane comes from it. */
  readonly unary?: true;
  readonly of: LaneOperation;
}

const SUFFIXES = ['PS', 'PD', 'SS', 'SD'] as const;

/** What a line of a table stands for. */
export const rows = (row: Row): readonly InstructionDefinition[] => SUFFIXES.flatMap((suffix) => {
  const kind = KINDS[suffix], { format, scalar } = kind, which = scalar ? 1 : 0;
  const encoding = typeof row.encoding === 'string' ? `${kind.prefix} ${row.encoding}` : row.encoding[suffix];
  if (!encoding) return [];
  const source = scalar ? `W${format.width}` : 'W', immediate = encoding.endsWith(' ib') ? ', imm8' : '';
  const unary = row.unary ?? false;
  return family({
    mnemonic: row.name + suffix,
    title: `${row.title} ${kind.words} values`,
    encoding,
    operands: `${unary && !scalar ? `V, ${source}` : `V, H, ${source}`}${immediate}`,
    levels: row.levels?.[which] ?? kind.levels,
    exceptions: row.exceptions?.[which] ?? (scalar ? 3 : 2),
    ...(scalar ? { scalar } : {}),
    compute: lanewise(kind, unary, row.of),
    source: entry(row.name + suffix),
  });
});
