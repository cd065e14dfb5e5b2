/** The assembler: Intel syntax as in the manuals, labels, data, all operand sizes. */

import { u } from '../numbers/bits.ts';
import type { Mode } from '../isa/instruction.ts';
import { formsNamed } from '../isa/table.ts';
import { DATA_SIZES, RESERVE_SIZES, parseCount, parseData } from './data.ts';
import { AssemblyError } from './error.ts';
import { Cursor, type Lookup, parseConstant } from './expression.ts';
import { parseOperand } from './operands.ts';
import { select } from './select.ts';
import { type Token, TokenError, tokenize } from './tokens.ts';

/** Where code goes when the text has no ORG: as 64-bit Windows places its kernel, and where 32-bit programs usually start. */
export const DEFAULT_ORIGIN: Readonly<Record<Mode, bigint>> = { 16: 0x7c00n, 32: 0x0040_1000n, 64: 0xffff_f803_0000_1000n };

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
  /** The line's text without label and comment. */
  readonly text: string;
}

interface Statement {
  readonly line: number;
  readonly label: string | undefined;
  readonly tokens: readonly Token[];
  readonly end: number;
  readonly text: string;
  /** Length at the last pass; never shrinks. */
  length: number;
  bytes: Uint8Array;
  address: bigint;
}

const MAXIMUM_PASSES = 64;

/** Assembles `source`. Throws an `AssemblyError` with line and column. */
export function assemble(source: string, options: AssembleOptions): Program {
  const { mode } = options;
  if (mode !== 16 && mode !== 32 && mode !== 64) throw new RangeError(`assemble: mode is ${String(mode)}; it is 16, 32 or 64`);
  const symbols = new Map<string, bigint>(Object.entries(options.symbols ?? {}));
  const guard = <T>(line: number, action: () => T): T => {
    try {
      return action();
    } catch (error) {
      if (error instanceof TokenError) throw new AssemblyError(error.message, line, error.column, source);
      throw error;
    }
  };
  const statements = source.split('\n').flatMap((text, n) => guard(n + 1, () => parseLine(text, n + 1, symbols)));
  let origin = options.origin ?? DEFAULT_ORIGIN[mode];
  let fixed = false;
  for (let pass = 0; !fixed && pass < MAXIMUM_PASSES; pass++) {
    fixed = true;
    let address = origin;
    for (const statement of statements) {
      if (statement.label !== undefined && symbols.get(statement.label) !== address) {
        symbols.set(statement.label, address);
        fixed = false;
      }
      // On the first pass a symbol further down is not known yet; its own address is as good a guess as any.
      const lookup: Lookup = (name) => (name === '$' ? address : symbols.get(name) ?? (pass === 0 && isLabel(statements, name) ? address : undefined));
      guard(statement.line, () => {
        const org = directive(statement) === 'org';
        if (org) {
          const cursor = new Cursor(statement.tokens, statement.end);
          cursor.position = 1;
          const wanted = u(mode === 64 ? 64 : 32, parseConstant(cursor, lookup));
          if (address !== origin) throw new TokenError('org comes before anything that takes space', statement.tokens[0]!.column);
          if (wanted !== origin) fixed = false;
          origin = address = wanted;
          return;
        }
        const bytes = assembleStatement(statement, mode, address, lookup);
        // Instructions only grow, so the layout settles; padding may shrink, as what is before it grows.
        const length = directive(statement) === 'align' ? bytes.length : Math.max(statement.length, bytes.length);
        if (length !== statement.length || statement.address !== address) fixed = false;
        statement.length = length;
        statement.bytes = bytes;
        statement.address = address;
      });
      address += BigInt(statement.length);
    }
    if (!fixed && pass === MAXIMUM_PASSES - 1) throw new AssemblyError('the addresses do not settle: some size depends on itself', 1, 1, source);
  }
  return link(statements, mode, origin, symbols, source);
}

function link(statements: Statement[], mode: Mode, origin: bigint, symbols: Map<string, bigint>, source: string): Program {
  const total = statements.reduce((sum, statement) => sum + statement.length, 0);
  const bytes = new Uint8Array(total);
  for (const statement of statements) if (statement.length) bytes.set(statement.bytes, Number(statement.address - origin));
  const listing = statements.filter((statement) => statement.length > 0).map((statement): ListingLine => ({
    line: statement.line, address: statement.address, length: statement.length,
    kind: formsNamed(instructionWord(statement)).length ? 'instruction' : 'data', text: statement.text,
  }));
  return { mode, origin, bytes, symbols: Object.fromEntries(symbols), listing, source };
}

const PREFIXES: Readonly<Record<string, number>> = { lock: 0xf0, rep: 0xf3, repe: 0xf3, repz: 0xf3, repne: 0xf2, repnz: 0xf2 };

const directive = (statement: Statement): string => {
  const token = statement.tokens[0];
  return token?.kind === 'word' ? token.text.toLowerCase() : '';
};
const instructionWord = (statement: Statement): string => {
  const token = statement.tokens.find((t) => !(t.kind === 'word' && t.text.toLowerCase() in PREFIXES));
  return token?.kind === 'word' ? token.text : '';
};
const isLabel = (statements: readonly Statement[], name: string): boolean => statements.some((statement) => statement.label === name);

/** Splits a line into labels and at most one statement. `name equ value` defines a symbol at once. */
function parseLine(text: string, line: number, symbols: Map<string, bigint>): Statement[] {
  const tokens = tokenize(text);
  const end = text.replace(/;.*$/, '').trimEnd().length + 1;
  const found: Statement[] = [];
  const make = (label: string | undefined, rest: Token[]): Statement => ({
    line, label, tokens: rest, end, length: 0, bytes: new Uint8Array(0), address: -1n,
    text: rest.length ? text.slice(rest[0]!.column - 1, end - 1) : '',
  });
  let at = 0;
  while (tokens[at]?.kind === 'word' && tokens[at + 1]?.text === ':' && !isSegmentOverride(tokens, at)) {
    const name = tokens[at]!.text;
    if (symbols.has(name)) throw new TokenError(`${name} is defined twice`, tokens[at]!.column);
    symbols.set(name, -1n);
    found.push(make(name, []));
    at += 2;
  }
  const rest = tokens.slice(at);
  if (rest[1]?.kind === 'word' && rest[1].text.toLowerCase() === 'equ') {
    const name = rest[0]!.text;
    if (symbols.has(name)) throw new TokenError(`${name} is defined twice`, rest[0]!.column);
    const cursor = new Cursor(rest, end);
    cursor.position = 2;
    symbols.set(name, parseConstant(cursor, (other) => symbols.get(other)));
    return found;
  }
  if (rest.length) found.push(make(undefined, rest));
  // Labels are known by name from here on; their addresses come with the layout.
  for (const statement of found) if (statement.label !== undefined) symbols.delete(statement.label);
  return found;
}

const isSegmentOverride = (tokens: readonly Token[], at: number): boolean => tokens[at + 2]?.text === '[';

function assembleStatement(statement: Statement, mode: Mode, address: bigint, lookup: Lookup): Uint8Array {
  if (statement.tokens.length === 0) return new Uint8Array(0);
  const cursor = new Cursor(statement.tokens, statement.end);
  const bytes = statementBytes(cursor, statement, mode, address, lookup);
  if (cursor.token) throw new TokenError(`unexpected ${JSON.stringify(cursor.token.text)} after the end of the statement`, cursor.column);
  return bytes;
}

function statementBytes(cursor: Cursor, statement: Statement, mode: Mode, address: bigint, lookup: Lookup): Uint8Array {
  const first = cursor.word();
  if (first === undefined) throw new TokenError(`a statement begins with an instruction or a directive, not ${JSON.stringify(cursor.token!.text)}`, cursor.column);
  if (first in DATA_SIZES) {
    cursor.position++;
    return Uint8Array.from(parseData(cursor, DATA_SIZES[first]!, lookup));
  }
  if (first in RESERVE_SIZES) {
    cursor.position++;
    return new Uint8Array(RESERVE_SIZES[first]! * parseCount(cursor, lookup, first));
  }
  if (first === 'align') {
    cursor.position++;
    const column = cursor.column;
    const boundary = parseCount(cursor, lookup, 'align');
    if (boundary === 0 || boundary & (boundary - 1)) throw new TokenError(`align needs a power of two, not ${boundary}`, column);
    return new Uint8Array(Number(u(64, -address) % BigInt(boundary)));
  }
  let lock = false, repeat: 0 | 0xf2 | 0xf3 = 0;
  while (cursor.word() !== undefined && cursor.word()! in PREFIXES) {
    const prefix = PREFIXES[cursor.word()!]!;
    if (prefix === 0xf0) lock = true;
    else repeat = prefix as 0xf2 | 0xf3;
    cursor.position++;
  }
  const column = cursor.column;
  const mnemonic = cursor.word();
  if (mnemonic === undefined || formsNamed(mnemonic).length === 0) {
    const name = cursor.token?.text ?? '';
    const second = cursor.tokens[cursor.position + 1];
    const hint = second?.kind === 'word' && second.text.toLowerCase() in DATA_SIZES ? `; a label is followed by a colon: ${name}:` : '';
    throw new TokenError(name ? `${JSON.stringify(name)} is no instruction or directive that this assembler knows${hint}` : 'an instruction is missing after the prefix', column);
  }
  cursor.position++;
  const operands = [];
  if (cursor.token) do operands.push(parseOperand(cursor, mode, lookup)); while (cursor.take(','));
  return select({ mnemonic, operands, lock, repeat, column }, mode, address, statement.length);
}

/** The value of a symbol of `program`. Throws a `RangeError` that lists the symbols when there is none of that name. */
export function symbol(program: Program, name: string): bigint {
  const value = program.symbols[name];
  if (value === undefined) throw new RangeError(`no symbol ${JSON.stringify(name)}; there are ${Object.keys(program.symbols).join(', ') || 'none'}`);
  return value;
}

