/** Assembly as tagged templates: `asm64` and `asm32` give a `Program`. */

import { hex } from '../numbers/bits.ts';
import type { Mode } from '../isa/instruction.ts';
import { type Program, assemble } from './assemble.ts';

/** What may stand in `${…}`: a number, or text that becomes part of the assembly. */
export type Interpolation = number | bigint | string;

const ALLOWED = ': put in a whole number up to 2^53, a bigint or text';

const text = (value: Interpolation): string => {
  if (typeof value === 'bigint') return value < 0n ? `-${hex(-value)}` : hex(value);
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new TypeError(`\${${value}} in assembly${ALLOWED}`);
    return String(value);
  }
  if (typeof value === 'string') return value;
  throw new TypeError(`\${…} is ${value === null ? 'null' : typeof value} in assembly${ALLOWED}`);
};

/** The source text of a template. */
export const sourceOf = (strings: TemplateStringsArray, values: readonly Interpolation[]): string =>
  strings.reduce((source, part, n) => source + part + (n < values.length ? text(values[n]!) : ''), '');

const template = (mode: Mode) => (strings: TemplateStringsArray, ...values: Interpolation[]): Program =>
  assemble(sourceOf(strings, values), { mode });

/** A 64-bit program in Intel syntax. Begins at FFFFF803_00001000h unless it says `org`. */
export const asm64 = template(64);
/** A 32-bit program in Intel syntax. Begins at 00401000h unless it says `org`. */
export const asm32 = template(32);
