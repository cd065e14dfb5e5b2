/** Integer expressions over numbers, symbols and, inside brackets, registers. */

import { type RegisterOperand, registerNamed } from '../isa/operand.ts';
import { type Token, TokenError } from './tokens.ts';

/** Value of a symbol, or undefined while its address is not known. `$` is the statement's own address. */
export type Lookup = (name: string) => bigint | undefined;

/** A sum: a constant part and registers with factors. */
export interface Sum {
  constant: bigint;
  registers: { register: RegisterOperand; factor: bigint; column: number }[];
  /** Some symbol took part, so a bare number is not meant. */
  symbolic: boolean;
}

/** A cursor over tokens that both the expression and the statement parser move. */
export class Cursor {
  readonly tokens: readonly Token[];
  readonly end: number;
  position = 0;

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
    if (!this.take(text)) throw new TokenError(`expected ${JSON.stringify(text)}${this.token ? `, found ${JSON.stringify(this.token.text)}` : ' before the end of the line'}`, this.column);
  }
}

const constantSum = (constant: bigint, symbolic = false): Sum => ({ constant, registers: [], symbolic });

/** sum := product (('+' | '-') product)* */
export function parseSum(cursor: Cursor, lookup: Lookup): Sum {
  let sum = parseProduct(cursor, lookup);
  for (;;) {
    if (cursor.take('+')) sum = add(sum, parseProduct(cursor, lookup), 1n);
    else if (cursor.take('-')) sum = add(sum, parseProduct(cursor, lookup), -1n);
    else return sum;
  }
}

function add(a: Sum, b: Sum, sign: bigint): Sum {
  return {
    constant: a.constant + sign * b.constant,
    registers: [...a.registers, ...b.registers.map((term) => ({ ...term, factor: sign * term.factor }))],
    symbolic: a.symbolic || b.symbolic,
  };
}

/** product := unary (('*' | '<<' | '>>') unary)* */
function parseProduct(cursor: Cursor, lookup: Lookup): Sum {
  let left = parseUnary(cursor, lookup);
  for (;;) {
    const column = cursor.column;
    const operator = ['*', '<<', '>>'].find((text) => cursor.take(text));
    if (!operator) return left;
    const right = parseUnary(cursor, lookup);
    if (right.registers.length && (left.registers.length || operator !== '*')) throw new TokenError(`a register cannot be used with ${operator} here`, column);
    if (left.registers.length && operator !== '*') throw new TokenError(`a register cannot be used with ${operator} here`, column);
    const [sum, factor] = right.registers.length ? [right, left.constant] : [left, right.constant];
    if (operator === '*') {
      left = { constant: sum.constant * factor, registers: sum.registers.map((t) => ({ ...t, factor: t.factor * factor })), symbolic: left.symbolic || right.symbolic };
    } else {
      if (right.constant < 0n || right.constant > 64n) throw new TokenError(`a shift by ${right.constant} is out of range`, column);
      left = { ...left, constant: operator === '<<' ? left.constant << right.constant : left.constant >> right.constant };
    }
  }
}

function parseUnary(cursor: Cursor, lookup: Lookup): Sum {
  if (cursor.take('-')) return add(constantSum(0n), parseUnary(cursor, lookup), -1n);
  if (cursor.take('+')) return parseUnary(cursor, lookup);
  if (cursor.take('(')) {
    const inner = parseSum(cursor, lookup);
    cursor.expect(')');
    return inner;
  }
  const token = cursor.token;
  if (!token) throw new TokenError('an expression is missing here', cursor.column);
  cursor.position++;
  if (token.kind === 'number') return constantSum(token.value);
  if (token.kind === 'word') {
    const register = registerNamed(token.text);
    if (register) return { constant: 0n, registers: [{ register, factor: 1n, column: token.column }], symbolic: false };
    const value = lookup(token.text);
    if (value === undefined) throw new TokenError(`unknown symbol ${JSON.stringify(token.text)}`, token.column);
    return constantSum(value, true);
  }
  throw new TokenError(`unexpected ${JSON.stringify(token.text)}`, token.column);
}

/** An expression without registers. */
export function parseConstant(cursor: Cursor, lookup: Lookup): bigint {
  const column = cursor.column;
  const sum = parseSum(cursor, lookup);
  if (sum.registers.length) throw new TokenError('a constant is expected, not a register', column);
  return sum.constant;
}
