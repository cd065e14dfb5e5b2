/** The assembler: Intel syntax as in the manuals, labels, data, all operand sizes. */

import { hex, u } from '../numbers/bits.ts';
import type { Mode } from '../isa/instruction.ts';
import { type Content, assembleStatement } from './content.ts';
import { AssemblyError } from './error.ts';
import { Cursor, type Lookup, parseConstant } from './expression.ts';
import { type Statement, parseLine } from './statement.ts';
import { TokenError } from './tokens.ts';

/** Where code goes without ORG: as 64-bit Windows places its kernel, and where 32-bit programs usually start. */
const DEFAULT_ORIGIN: Readonly<Record<Mode, bigint>> = { 16: 0x7c00n, 32: 0x0040_1000n, 64: 0xffff_f803_0000_1000n };

export interface AssembleOptions {
  mode: Mode;
  /** Linear address of the first byte; ORG in the text overrides it. */
  origin?: bigint;
  /** Symbols that are known from elsewhere. */
  symbols?: Readonly<Record<string, bigint>>;
}

/** Assembled text: bytes with addresses, symbols, and where each line went. */
export interface Program {
  readonly mode: Mode;
  readonly origin: bigint;
  readonly bytes: Uint8Array;
  readonly symbols: Readonly<Record<string, bigint>>;
  readonly listing: readonly ListingLine[];
  readonly source: string;
}

export interface ListingLine {
  /** 1-based line in the source. */
  readonly line: number;
  readonly address: bigint;
  readonly length: number;
  readonly kind: 'instruction' | 'data';
  /** Mode that the instruction was assembled for: that of the program, unless BITS says otherwise. */
  readonly mode: Mode;
  /** The line's text without label and comment. */
  readonly text: string;
}

/** A statement and what it came to in the last pass. */
interface Placed {
  readonly statement: Statement;
  address: bigint;
  content: Content;
  mode: Mode;
  /** The mode in which its content is the same at any place and with any symbols, where neither was asked for. */
  fixed: Mode | undefined;
}

const NOTHING: Content = { bytes: new Uint8Array(0), kind: 'data' };
const MAXIMUM_PASSES = 64;
const MAXIMUM_BYTES = 1 << 26;

/** Assembles `source`. Throws an `AssemblyError` with line and column. */
export function assemble(source: string, options: AssembleOptions): Program {
  const { mode } = options;
  if (typeof source !== 'string') throw new TypeError(`assemble: the source is ${typeof source}; it is a string`);
  if (mode !== 16 && mode !== 32 && mode !== 64) {
    throw new RangeError(`assemble: mode is ${String(mode)}; it is 16, 32 or 64`);
  }
  const layout = new Layout(source, options);
  // Instructions only grow from pass to pass, so the addresses settle, unless a size depends on itself.
  for (let pass = 0; pass < MAXIMUM_PASSES; pass++) if (!layout.pass()) return layout.program();
  return layout.unsettled();
}

class Layout {
  readonly #source: string;
  readonly #mode: Mode;
  /** Of the code that follows: as the program begins, or what BITS says. */
  #bits: Mode;
  readonly #placed: Placed[];
  readonly #symbols: Map<string, bigint>;
  /** Lines of the definitions in the text, by name. */
  readonly #defined = new Map<string, number>();
  #origin: bigint;
  #passes = 0;
  /** Whether something differs from the pass before, and the first statement whose size or value did. */
  #changed = false;
  #resized: Statement | undefined;

  constructor(source: string, { mode, origin = DEFAULT_ORIGIN[mode], symbols = {} }: AssembleOptions) {
    this.#source = source;
    this.#mode = this.#bits = mode;
    this.#origin = u(addressBits(mode), origin);
    this.#symbols = new Map(Object.entries(symbols));
    const statements = source.split('\n').flatMap((text, n) => this.#at(n + 1, () => parseLine(text, n + 1)));
    for (const statement of statements) this.#at(statement.line, () => this.#define(statement));
    const unplaced = { address: -1n, content: NOTHING, mode, fixed: undefined };
    this.#placed = statements.map((statement) => ({ ...unplaced, statement }));
  }

  #define({ name, line, tokens }: Statement): void {
    if (name === undefined) return;
    const before = this.#defined.get(name);
    if (before !== undefined || this.#symbols.has(name)) {
      const where = before === undefined ? 'among the symbols that were passed in' : `in line ${before}`;
      throw new TokenError(`${name} is defined twice, first ${where}: rename one of them`, tokens[0]!.column);
    }
    this.#defined.set(name, line);
  }

  /** Gives every statement its place and its bytes. True when something differs from the pass before. */
  pass(): boolean {
    this.#changed = false;
    this.#resized = undefined;
    let address = this.#origin;
    let empty = true;
    this.#bits = this.#mode;
    for (const placed of this.#placed) {
      const { statement } = placed;
      this.#at(statement.line, () => {
        if (statement.kind === 'label') this.#set(statement, address);
        else if (statement.kind === 'equ') this.#set(statement, this.#constant(statement, 2, address));
        else if (statement.kind === 'bits') this.#bits = this.#bitsOf(statement, address);
        else if (statement.kind === 'org') address = this.#org(statement, address, empty);
        else this.#place(placed, address);
      });
      address += BigInt(placed.content.bytes.length);
      if (placed.content.bytes.length > 0) empty = false;
      if (address - this.#origin > MAXIMUM_BYTES) {
        const { line, tokens } = statement;
        const reason = `the program has more than ${MAXIMUM_BYTES} bytes`;
        throw new AssemblyError(reason, line, tokens[0]!.column, this.#source);
      }
    }
    this.#passes++;
    return this.#changed;
  }

  #place(placed: Placed, address: bigint): void {
    const { statement, content: before } = placed;
    const atLeast = before.bytes.length;
    const content = placed.fixed === this.#bits ? before : this.#assemble(placed, address, atLeast);
    if (content.bytes.length !== atLeast) this.#resized ??= statement;
    if (content.bytes.length !== atLeast || placed.address !== address) this.#changed = true;
    placed.content = content;
    placed.address = address;
    placed.mode = this.#bits;
  }

  #assemble(placed: Placed, address: bigint, atLeast: number): Content {
    const { tokens, end } = placed.statement;
    const lookup = this.#lookup(address);
    let fixed = true as boolean;
    const content = assembleStatement(new Cursor(tokens, end), {
      mode: this.#bits, atLeast,
      get address() {
        fixed = false;
        return address;
      },
      lookup(name) {
        fixed = false;
        return lookup(name);
      },
    });
    placed.fixed = fixed ? this.#bits : undefined;
    return content;
  }

  #set(statement: Statement, value: bigint): void {
    if (this.#symbols.get(statement.name!) === value) return;
    if (statement.kind === 'equ') this.#resized ??= statement;
    this.#changed = true;
    this.#symbols.set(statement.name!, value);
  }

  #org(statement: Statement, address: bigint, empty: boolean): bigint {
    const { column } = statement.tokens[0]!;
    if (!empty) throw new TokenError('org comes before anything that takes space: move it up', column);
    const bits = addressBits(this.#mode);
    const origin = this.#constant(statement, 1, address);
    if (origin < 0n || origin >= 1n << BigInt(bits)) {
      throw new TokenError(`org needs an address of ${bits} bits, not ${hex(origin)}`, column);
    }
    if (origin !== this.#origin) this.#changed = true;
    return (this.#origin = origin);
  }

  #bitsOf(statement: Statement, address: bigint): Mode {
    const bits = Number(this.#constant(statement, 1, address));
    if (bits !== 16 && bits !== 32 && bits !== 64) {
      throw new TokenError(`bits is 16, 32 or 64, not ${bits}`, statement.tokens[1]!.column);
    }
    return bits;
  }

  /** The expression of ORG and EQU, which takes the rest of the line. */
  #constant(statement: Statement, position: number, address: bigint): bigint {
    const cursor = new Cursor(statement.tokens, statement.end);
    cursor.position = position;
    const value = parseConstant(cursor, this.#lookup(address));
    cursor.expectEnd();
    return value;
  }

  /** In the first pass what comes further down is not known yet; the place itself is as good a guess as any. */
  #lookup(address: bigint): Lookup {
    return (name) => {
      if (name === '$') return address;
      if (name === '$$') return this.#origin;
      return this.#symbols.get(name) ?? (this.#passes === 0 && this.#defined.has(name) ? address : undefined);
    };
  }

  #at<T>(line: number, action: () => T): T {
    try {
      return action();
    } catch (error) {
      if (error instanceof TokenError) throw new AssemblyError(error.message, line, error.column, this.#source);
      throw error;
    }
  }

  program(): Program {
    const end = this.#placed.reduce((sum, { content }) => sum + content.bytes.length, 0);
    const bytes = new Uint8Array(end);
    const listing: ListingLine[] = [];
    for (const { statement: { line, text }, address, mode, content: { bytes: part, kind } } of this.#placed) {
      if (part.length === 0) continue;
      bytes.set(part, Number(address - this.#origin));
      listing.push({ line, address, length: part.length, kind, mode, text });
    }
    const symbols = Object.fromEntries(this.#symbols);
    return { mode: this.#mode, origin: this.#origin, bytes, symbols, listing, source: this.#source };
  }

  unsettled(): never {
    const { line, tokens } = this.#resized ?? this.#placed[0]!.statement;
    const reason = 'the addresses do not settle: the size of something depends on itself. Write a number in its place';
    throw new AssemblyError(reason, line, tokens[0]!.column, this.#source);
  }
}

const addressBits = (mode: Mode): number => (mode === 64 ? 64 : 32);

/** The value of a symbol of `program`. Throws a `RangeError` that lists the symbols when there is none of that name. */
export function symbol(program: Program, name: string): bigint {
  if (Object.hasOwn(program.symbols, name)) return program.symbols[name]!;
  const names = Object.keys(program.symbols).join(', ') || 'none';
  throw new RangeError(`no symbol ${JSON.stringify(name)}; there are ${names}`);
}
