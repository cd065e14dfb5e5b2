/** Integer expressions over numbers, symbols and, inside brackets, registers. */

import { type RegisterOperand, registerNamed } from '../isa/operand.ts';
import { type Token, TokenError } from './tokens.ts';

/** Value of a symbol, or undefined while its address is not known. `$` is the statement's own address. */
export type Lookup = (name: string) => bigint | undefined;

/** A register in an address. `scaled`: the factor was written, even if it is 1. */
export interface Term {
  readonly register: RegisterOperand;
  readonly factor: bigint;
  readonly scaled: boolean;
  readonly column: number;
}

/** A sum: a constant part and registers with factors. */
export interface Sum {
  constant: bigint;
  registers: Term[];
  /** Some symbol took part, so a bare number is not meant. */
  symbolic: boolean;
}

/** A cursor over tokens that both the expression and the statement parser move. */
export class Cursor {
  readonly tokens: readonly Token[];
  readonly end: number;
  position = 0;
  /** Of the expression being parsed. */
  depth = 0;

  constructor(tokens: readonly Token[], end: number) {
    this.tokens = tokens;
    this.end = end;
  }

  get token(): Token | undefined { return this.tokens[this.position]; }
  get column(): number { return this.token?.column ?? this.end; }
  is(text: string): boolean { return this.token?.kind === 'punctuation' && this.token.text === text; }
  word(): string | undefined { return this.token?.kind === 'word' ? this.token.text.toLowerCase() : undefined; }
  take(text: string): boolean {
    const there = this.is(text);
    if (there) this.position++;
    return there;
  }
  expect(text: string): void {
    if (this.take(text)) return;
    const found = this.token ? `, found ${JSON.stringify(this.token.text)}` : ' before the end of the line';
    throw new TokenError(`expected ${JSON.stringify(text)}${found}`, this.column);
  }
  expectEnd(): void {
    if (!this.token) return;
    const text = JSON.stringify(this.token.text);
    throw new TokenError(`unexpected ${text}: the statement ends before it (comments begin with ;)`, this.column);
  }
}

const constantSum = (constant: bigint, symbolic = false): Sum => ({ constant, registers: [], symbolic });

/** Binary operators, the weakest first, as in NASM and C. All group from the left. */
const LEVELS = [['|'], ['^'], ['&'], ['<<', '>>'], ['+', '-'], ['*', '/', '%']] as const;
type Operator = (typeof LEVELS)[number][number];

/** An expression; registers may take part in sums, with factors. */
export function parseSum(cursor: Cursor, lookup: Lookup, level = 0): Sum {
  const operators: readonly Operator[] | undefined = LEVELS[level];
  if (!operators) return parseUnary(cursor, lookup);
  let left = parseSum(cursor, lookup, level + 1);
  for (;;) {
    const column = cursor.column;
    const operator = operators.find((text) => cursor.take(text));
    if (!operator) return left;
    left = combine(operator, left, parseSum(cursor, lookup, level + 1), column);
  }
}

function combine(operator: Operator, left: Sum, right: Sum, column: number): Sum {
  switch (operator) {
    case '+': return add(left, right, 1n);
    case '-': return add(left, right, -1n);
    case '*': return multiply(left, right, column);
    default: {
      requireConstants(operator, [left, right], column);
      const constant = limited(ofConstants(operator, left.constant, right.constant, column), column);
      return constantSum(constant, left.symbolic || right.symbolic);
    }
  }
}

function requireConstants(operator: string, sums: readonly Sum[], column: number): void {
  if (sums.every(({ registers }) => registers.length === 0)) return;
  throw new TokenError(`a register cannot be used with ${operator}: addresses are sums with factors`, column);
}

/** Division is towards zero, and a remainder has the sign of what is divided. */
function ofConstants(
  operator: Exclude<Operator, '+' | '-' | '*'>, left: bigint, right: bigint, column: number,
): bigint {
  switch (operator) {
    case '|': return left | right;
    case '^': return left ^ right;
    case '&': return left & right;
    case '/': case '%':
      if (right === 0n) throw new TokenError('division by zero', column);
      return operator === '/' ? left / right : left % right;
    case '<<': case '>>':
      if (right < 0n || right > 64n) {
        throw new TokenError(`a shift by ${right} is out of range: 0 to 64 are possible`, column);
      }
      return operator === '<<' ? left << right : left >> right;
  }
}

function add(a: Sum, b: Sum, sign: bigint): Sum {
  return {
    constant: a.constant + sign * b.constant,
    registers: [...a.registers, ...b.registers.map((term) => ({ ...term, factor: sign * term.factor }))],
    symbolic: a.symbolic || b.symbolic,
  };
}

function multiply(left: Sum, right: Sum, column: number): Sum {
  if (left.registers.length && right.registers.length) throw new TokenError('registers cannot be multiplied', column);
  const [sum, factor] = right.registers.length ? [right, left.constant] : [left, right.constant];
  return {
    constant: limited(sum.constant * factor, column),
    registers: sum.registers.map((term) => ({ ...term, factor: limited(term.factor * factor, column), scaled: true })),
    symbolic: left.symbolic || right.symbolic,
  };
}

/** No operand has more than 80 bits; unlimited products would only take time. */
function limited(value: bigint, column: number): bigint {
  if (value >= 1n << 128n || value <= -(1n << 128n)) throw new TokenError('the value has more than 128 bits', column);
  return value;
}

/** How deep parentheses and signs can nest: more is no expression that somebody wrote. */
const MAXIMUM_DEPTH = 100;

function parseUnary(cursor: Cursor, lookup: Lookup): Sum {
  if (cursor.depth > MAXIMUM_DEPTH) throw new TokenError('too many signs and parentheses', cursor.column);
  cursor.depth++;
  try {
    return parseTerm(cursor, lookup);
  } finally {
    cursor.depth--;
  }
}

function parseTerm(cursor: Cursor, lookup: Lookup): Sum {
  if (cursor.take('-')) return add(constantSum(0n), parseUnary(cursor, lookup), -1n);
  if (cursor.take('+')) return parseUnary(cursor, lookup);
  if (cursor.is('~')) return complement(cursor, lookup);
  if (cursor.take('(')) {
    const inner = parseSum(cursor, lookup);
    cursor.expect(')');
    return inner;
  }
  const token = cursor.token;
  if (!token) throw new TokenError('an expression is missing here', cursor.column);
  cursor.position++;
  if (token.kind === 'number') return constantSum(limited(token.value, token.column));
  if (token.kind === 'string') return constantSum(characters(token.text.slice(1, -1), token.column));
  if (token.kind === 'float') throw new TokenError('a decimal fraction needs dd, dq or dt', token.column);
  if (token.kind === 'word') {
    const register = registerNamed(token.text);
    if (register) {
      const term = { register, factor: 1n, scaled: false, column: token.column };
      return { constant: 0n, registers: [term], symbolic: false };
    }
    const value = lookup(token.text);
    if (value === undefined) {
      const hint = /^[a-f][0-9a-f]*h$/i.test(token.text) ? ` (a number begins with a digit: 0${token.text})` : '';
      throw new TokenError(
        `unknown symbol ${JSON.stringify(token.text)}${hint}: define it as a label or with equ`, token.column);
    }
    return constantSum(value, true);
  }
  throw new TokenError(`unexpected ${JSON.stringify(token.text)}`, token.column);
}

function complement(cursor: Cursor, lookup: Lookup): Sum {
  const { column } = cursor;
  cursor.expect('~');
  const inner = parseUnary(cursor, lookup);
  requireConstants('~', [inner], column);
  return constantSum(~inner.constant, inner.symbolic);
}

/** `'AB'` is the number whose little-endian bytes these are, as in other assemblers. */
function characters(text: string, column: number): bigint {
  const codes = Array.from(text, (character) => character.codePointAt(0)!);
  if (codes.length < 1 || codes.length > 8 || codes.some((code) => code > 0xff)) {
    throw new TokenError('as a number a string has 1 to 8 characters of one byte; longer ones belong into db', column);
  }
  return codes.reduceRight((value, code) => (value << 8n) | BigInt(code), 0n);
}

/** An expression without registers. */
export function parseConstant(cursor: Cursor, lookup: Lookup): bigint {
  const column = cursor.column;
  const sum = parseSum(cursor, lookup);
  if (sum.registers.length) throw new TokenError('a constant is expected, not a register', column);
  return sum.constant;
}
